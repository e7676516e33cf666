"""Placing a child who cannot stay at home (安置): recorded by an officer of the case, asked of whom the policy names."""

from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import may, require
from libs.errors import Invalid
from libs.i18n import gettext as _
from libs.terms import Household, PlacementNeed
from services.router.errors import UnknownDivision
from services.router.handlers.acting import Actor, commit, is_assigned, locked, moment_of, require_manage
from services.router.handlers.desk import Desk
from services.router.rules import placement_acts
from services.router.rules.case import CaseState


async def need(
    desk: Desk, tx: Tx, actor: Actor, case_id: UUID, reason: PlacementNeed, *, household: Household, origin: str = ""
) -> CaseState:
    """A child has to be placed. `origin`: the division where its household is registered, which is asked to take the case.

    For that it needs whoever may hand the case over: its owner, or somebody who may manage cases there.
    """
    case = await locked(tx, actor, case_id)
    if origin:
        if household is not Household.ELSEWHERE:
            detail = _("A place of registration belongs to a household that is registered elsewhere. Leave it out.")
            raise Invalid("not_elsewhere", detail, field="division_code")
        if await desk.directory.division(tx, origin) is None:
            raise UnknownDivision
    owns = actor.officer_id is not None and case.owner_officer_id == actor.officer_id and may(actor.principal, "case.act")
    if origin and not owns:
        require(actor.principal, "case.manage", case.division_code)
    elif not (is_assigned(actor, case) and may(actor.principal, "case.act")):
        require_manage(actor, case)
    now = desk.clock.now()
    there = None
    if origin:
        route = await desk.route(tx, origin)
        there = desk.moment(route, desk.book.in_force(origin, now, route.division.zone), now)
    moment = await moment_of(desk, tx, case, now)
    return await commit(desk, tx, placement_acts.need(case, reason, household, moment, there, by=actor.officer_id), now)


async def made(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, option: str) -> CaseState:
    """The child was placed, by an option of the policy."""
    case = await locked(tx, actor, case_id)
    if not (is_assigned(actor, case) and may(actor.principal, "case.act")):
        require_manage(actor, case)
    now = desk.clock.now()
    return await commit(desk, tx, placement_acts.made(case, option, await moment_of(desk, tx, case, now), by=actor.officer_id), now)
