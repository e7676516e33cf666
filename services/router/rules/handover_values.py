"""Handing a case over to another area as values: what a policy says of it, and how it stands on a case."""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field

from libs.terms import Tier, TransferReason
from services.router.rules.policy_values import Duration, Source, Strict

BESIDE = "transfer"
"""How those are marked who were asked to accept a case from elsewhere: they may see it, but it does not rest on them yet."""


class HandoverRule(Strict):
    """`accept`: how long the receiving side has (left out: the grade's window to acknowledge of the tier that is asked).

    `bound`: from how many movements on (transfers, refusals, returns) the supervising posts are told (推诿扯皮: SEED_Z Z15, SEED_X X18).
    """

    accept: Duration | None = None
    bound: Annotated[int, Field(ge=1, le=100)] = 2
    src: Source = "default"


class Transfer(NamedTuple):
    """A transfer that the receiving side has not answered yet; until it accepts, the case stays where it is."""

    division_code: str
    reason: TransferReason
    post_id: UUID
    officer_id: UUID
    tier: Tier
    asked_at: datetime
    accept_by: datetime


class Handover(NamedTuple):
    """How often a case was sent on, refused, and came back without an answer; and what is being waited for."""

    transfers: int = 0
    refusals: int = 0
    returns: int = 0
    pending: Transfer | None = None

    @property
    def moves(self) -> int:
        """All of them together."""
        return self.transfers + self.refusals + self.returns


NO_HANDOVER = Handover()
"""Of a case that nobody has tried to hand over."""
