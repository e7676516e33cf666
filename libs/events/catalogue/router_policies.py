"""Events of the router about the rules themselves: versions, where they are bound, and running cases that are moved to other ones.

Who did it is an account's id, None for a command on the server or a program; why stands in the router's own history, since it is free text.
"""

from datetime import date, datetime
from uuid import UUID

from libs.events.catalogue.router import CaseEvent
from libs.events.envelope import EventData, event
from libs.terms import Step


@event("router", "policy.added")
class PolicyAdded(EventData):
    """A policy version was added; it is in force nowhere yet. `sha256` is that of the text it was read from."""

    policy_id: str
    policy_version: int
    sha256: str
    by: UUID | None = None


@event("router", "policy.bound")
class PolicyBound(EventData):
    """A policy version is in force in a place ("" is everywhere) from day `since` until before `until`, where no nearer place has another.

    `instead_of` is the policy that it was compared with: of `reports` reports, `changed` would be treated differently.
    """

    binding_id: UUID
    policy_id: str
    policy_version: int
    division_code: str
    since: date
    until: date | None = None
    instead_of: str
    reports: int
    changed: int
    by: UUID | None = None


@event("router", "policy.unbound")
class PolicyUnbound(EventData):
    """A binding has ended: what the place had without it is in force there again."""

    binding_id: UUID
    policy_id: str
    policy_version: int
    division_code: str
    by: UUID | None = None


@event("router", "policy.move_ordered")
class PolicyMoveOrdered(EventData):
    """The open cases of a place are going to be moved from one policy version to another: `cases` of them at that moment."""

    move_id: UUID
    division_code: str
    from_policy_id: str
    from_version: int
    policy_id: str
    policy_version: int
    cases: int
    by: UUID | None = None


@event("router", "case.policy_changed")
class CasePolicyChanged(CaseEvent):
    """A running case was moved to another policy version; no clock restarted. `deadlines` are the step deadlines that it has now."""

    move_id: UUID
    from_policy_id: str
    from_version: int
    policy_id: str
    policy_version: int
    deadlines: dict[Step, datetime]
    by: UUID | None = None
