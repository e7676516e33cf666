"""Handing a case over to another area, and conflicts of interest (回避)."""

from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import may, require
from libs.errors import Forbidden
from libs.i18n import gettext as _
from libs.terms import TransferReason
from services.router.errors import OfficerIsGone, UnknownDivision
from services.router.handlers.acting import Actor, commit, is_assigned, locked, moment_of, require_manage
from services.router.handlers.desk import Desk
from services.router.rules import conflict_acts, handover_acts
from services.router.rules.case import CaseState
from services.router.rules.conflicts import Conflict
from services.router.store import past


async def transfer(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, division_code: str, *, reason: TransferReason) -> CaseState:
    """The owner, or somebody who may manage cases there, asks another area to take the case."""
    case = await locked(tx, actor, case_id)
    owns = actor.officer_id is not None and case.owner_officer_id == actor.officer_id and may(actor.principal, "case.act")
    if not owns:
        require(actor.principal, "case.manage", case.division_code)
    if await desk.directory.division(tx, division_code) is None:
        raise UnknownDivision
    now = desk.clock.now()
    route = await desk.route(tx, division_code)
    there = desk.moment(route, desk.book.in_force(division_code, now, route.division.zone), now)
    here = desk.moment(await desk.route(tx, case.division_code), desk.policy_of(case), now, route)
    return await commit(desk, tx, handover_acts.transfer(case, division_code, reason, here, there), now)


async def accept(desk: Desk, tx: Tx, actor: Actor, case_id: UUID) -> CaseState:
    """The receiving side takes the case."""
    case = await locked(tx, actor, case_id)
    require(actor.principal, "case.act")
    officer = await desk.directory.officer(tx, actor.officer)
    if officer is not None and not officer.active:
        raise OfficerIsGone
    now = desk.clock.now()
    pending = case.handover.pending
    code = pending.division_code if pending else case.division_code
    route = await desk.route(tx, code)
    policy = desk.book.in_force(code, now, route.division.zone)
    reports = (await past.of_cases(tx, [case_id])).get(case_id, ())
    outcome = handover_acts.accept(case, actor.officer, desk.moment(route, policy, now), actor.via, reports=reports)
    return await commit(desk, tx, outcome, now)


async def refuse(desk: Desk, tx: Tx, actor: Actor, case_id: UUID) -> CaseState:
    """The receiving side does not take the case."""
    case = await locked(tx, actor, case_id)
    require(actor.principal, "case.act")
    now = desk.clock.now()
    return await commit(desk, tx, handover_acts.refuse(case, actor.officer, await moment_of(desk, tx, case, now)), now)


async def conflict(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, found: Conflict) -> CaseState:
    """An officer of the case, or somebody who may manage cases there, says that a post has a conflict of interest."""
    case = await locked(tx, actor, case_id)
    if not (is_assigned(actor, case) and may(actor.principal, "case.act")):
        require_manage(actor, case)
    if found.post_id is not None and await desk.directory.post(tx, found.post_id) is None:
        raise Forbidden("unknown_post", _("There is no such post."), field="post_id")
    now = desk.clock.now()
    return await commit(desk, tx, conflict_acts.conflict(case, found, await moment_of(desk, tx, case, now)), now)
