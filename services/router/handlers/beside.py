"""What happens to a case beside its ladder: departments are referred to, accept, decline and report (属事属管)."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import may, require
from libs.terms import DeclineReason, Department, LaneResult
from services.router.errors import OfficerIsGone
from services.router.handlers.acting import Actor, commit, is_assigned, locked, moment_of, require_manage
from services.router.handlers.desk import Desk
from services.router.rules import lane_acts
from services.router.rules.case import CaseState, Moment, Outcome
from services.router.rules.lane_acts import Recording


async def refer(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, department: Department) -> CaseState:
    """An officer of the case, or somebody who may manage cases there, refers it to a department (转介)."""

    def act(case: CaseState, moment: Moment) -> Outcome:
        if not (is_assigned(actor, case) and may(actor.principal, "case.act")):
            require_manage(actor, case)
        return lane_acts.refer(case, department, moment)

    return await _act(desk, tx, actor, case_id, act)


async def accept(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, department: Department) -> CaseState:
    """The department's officer takes the matter; the owner of the case stays."""
    return await _act(
        desk, tx, actor, case_id, lambda case, moment: lane_acts.accept(case, department, actor.officer, moment, actor.via), answers=True
    )


async def decline(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, department: Department, *, reason: DeclineReason) -> CaseState:
    """The department's officer cannot take it; the department's next post is told."""

    def act(case: CaseState, moment: Moment) -> Outcome:
        return lane_acts.decline(case, department, actor.officer, moment, actor.via, reason=reason)

    return await _act(desk, tx, actor, case_id, act)


async def done(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, department: Department, *, result: LaneResult) -> CaseState:
    """The department has done its part."""
    return await _act(
        desk, tx, actor, case_id, lambda case, moment: lane_acts.done(case, department, actor.officer, result, moment), answers=True
    )


async def record_clock(
    desk: Desk,
    tx: Tx,
    actor: Actor,
    case_id: UUID,
    department: Department,
    *,
    clock: str,
    what: Recording,
    at: datetime | None,
) -> CaseState:
    """A clock of the department began, or what it waits for was done."""

    def act(case: CaseState, moment: Moment) -> Outcome:
        return lane_acts.record_clock(case, department, actor.officer, moment, code=clock, what=what, at=at)

    return await _act(desk, tx, actor, case_id, act)


async def _act(
    desk: Desk, tx: Tx, actor: Actor, case_id: UUID, act: Callable[[CaseState, Moment], Outcome], *, answers: bool = False
) -> CaseState:
    """`answers`: something rests on the officer afterwards, so they must still be there."""
    case = await locked(tx, actor, case_id)
    require(actor.principal, "case.act" if may(actor.principal, "case.act") else "case.manage")
    if answers:
        officer = await desk.directory.officer(tx, actor.officer)
        if officer is not None and not officer.active:
            raise OfficerIsGone
    now = desk.clock.now()
    return await commit(desk, tx, act(case, await moment_of(desk, tx, case, now)), now)
