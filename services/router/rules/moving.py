"""A running case is moved to another policy: an explicit act, never the consequence of changing or binding one (DESIGN section 7)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.events.catalogue import CaseAssigned, CasePolicyChanged, LaneTold, ReportReceived
from libs.terms import Step, Tier
from services.router.rules.acts import take_grade_of_place
from services.router.rules.case import OF_PEOPLE, CaseState, Deadline, Kind, Moment, Outcome, Status
from services.router.rules.draft import Draft
from services.router.rules.machine import keep_time, tell_departments

NO_MOVE = UUID(int=0)


def move(state: CaseState, moment: Moment, *, move_id: UUID, by: UUID | None = None, reports: Sequence[ReportReceived] = ()) -> Outcome:
    """From now on the case is answered as `moment.policy` says. Nobody who was told is let go, and no clock restarts (promise 9).

    Its grade stays (where the policy does not have it, the next more urgent one that it has), and so does whoever is accountable.
    Windows keep their beginning and get the length that the policy gives them; what would be over already is due now. Those whom the
    policy would have told at opening, and who do not know yet, are told, and so are the departments that it names for such a case;
    `reports`: those of the case, as far as they are known.
    """
    policy = moment.policy
    if not state.open or (state.policy_id, state.policy_version) == (policy.id, policy.version):
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    case = draft.case
    case.policy_id, case.policy_version = policy.id, policy.version
    take_grade_of_place(draft)
    keep_time(draft)
    draft.say_of_owner(
        CasePolicyChanged,
        move_id=move_id,
        from_policy_id=state.policy_id,
        from_version=state.policy_version,
        policy_id=policy.id,
        policy_version=policy.version,
        deadlines={one.step: one.due_at for one in case.deadlines if one.armed and one.kind is Kind.STEP},
        by=by,
    )
    if case.status is not Status.NEEDS_PLACING:
        draft.fan_out("fan_out")
    tell_departments(draft, reports)
    return draft.outcome()


class Shift(NamedTuple):
    """A deadline that a move would change; None for one that is not there before, or would not be there any more."""

    step: Step
    tier: Tier | None
    before: datetime | None
    after: datetime | None


def shifts(outcome: Outcome) -> list[Shift]:
    """What the move would do to the deadlines that people have to keep, the earliest first."""
    before = _armed(outcome.before) if outcome.before else {}
    after = _armed(outcome.after)
    found = [
        Shift(one.step, one.tier, old.due_at if (old := before.get(key)) else None, new.due_at if (new := after.get(key)) else None)
        for key, one in {**before, **after}.items()
    ]
    return sorted((one for one in found if one.before != one.after), key=lambda one: one.after or one.before or outcome.after.t0)


def newly_told(outcome: Outcome) -> int:
    """How many officers and departments would be told of the case who do not know of it."""
    return sum(isinstance(event, CaseAssigned | LaneTold) for event in outcome.events)


def _armed(state: CaseState) -> dict[UUID, Deadline]:
    return {one.deadline_id: one for one in state.deadlines if one.armed and one.kind in OF_PEOPLE}
