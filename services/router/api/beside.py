"""Departments beside the ladder (属事属管), handing over to another area, and conflicts of interest (回避)."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from fastapi import APIRouter

from libs.db import Database, Tx
from libs.terms import Department
from libs.web.problems import responses
from services.router.api.acts import CaseId, Doer
from services.router.api.models import (
    CaseOut,
    ConflictIn,
    DeclineIn,
    LaneClockIn,
    LaneDoneIn,
    LaneIn,
    PlacementIn,
    PlacementMadeIn,
    TransferIn,
    case_out,
)
from services.router.handlers import acting, beside, handover, placement, views
from services.router.handlers.desk import Desk
from services.router.rules import conflict_acts
from services.router.rules.case import CaseState


class Beside:
    """The routes, and what they need. Each is one transaction; each answers the case as it is afterwards."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(prefix="/v1/cases/{case_id}", tags=["cases"], responses=responses(400, 401, 403, 404, 409, 413, 415, 422))
        made.post("/lanes/{department}")(self.refer)
        made.post("/lanes/{department}/accept")(self.accept)
        made.post("/lanes/{department}/decline")(self.decline)
        made.post("/lanes/{department}/done")(self.done)
        made.post("/lanes/{department}/clock")(self.clock)
        made.post("/transfer")(self.transfer)
        made.post("/transfer/accept")(self.accept_transfer)
        made.post("/transfer/refuse")(self.refuse_transfer)
        made.post("/placement")(self.placement)
        made.post("/placement/made")(self.placed)
        made.post("/conflicts")(self.conflict)
        return made

    async def transfer(self, who: Doer, case_id: CaseId, body: TransferIn) -> CaseOut:
        """Asks another area to take the case. Until it accepts, nothing changes hands; silence or a refusal sends the case up."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: handover.transfer(self._desk, tx, actor, case_id, body.division_code, reason=body.reason))

    async def accept_transfer(self, who: Doer, case_id: CaseId, body: LaneIn | None = None) -> CaseOut:
        """The receiving side takes the case: it is placed there with its clocks as they are, and the officer owns it."""
        actor = acting.actor_of(who, _officer(body))
        return await self._answered(lambda tx: handover.accept(self._desk, tx, actor, case_id))

    async def refuse_transfer(self, who: Doer, case_id: CaseId, body: LaneIn | None = None) -> CaseOut:
        """The receiving side does not take the case: it goes up to whoever answers for both places."""
        actor = acting.actor_of(who, _officer(body))
        return await self._answered(lambda tx: handover.refuse(self._desk, tx, actor, case_id))

    async def placement(self, who: Doer, case_id: CaseId, body: PlacementIn) -> CaseOut:
        """A child has nobody, or its guardian is the danger: whoever the policy names is asked to place it. The owner stays."""
        actor = acting.actor_of(who, body.on_behalf_of)
        origin = body.division_code or ""
        return await self._answered(
            lambda tx: placement.need(self._desk, tx, actor, case_id, body.reason, household=body.household, origin=origin)
        )

    async def placed(self, who: Doer, case_id: CaseId, body: PlacementMadeIn) -> CaseOut:
        """The child was placed, by an option of the case's policy; recorded again when it changes."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: placement.made(self._desk, tx, actor, case_id, body.option))

    async def conflict(self, who: Doer, case_id: CaseId, body: ConflictIn) -> CaseOut:
        """A post has a conflict of interest: it is passed over from now on; a case that rests on it climbs at once."""
        actor = acting.actor_of(who, body.on_behalf_of)
        found = conflict_acts.named(body.post_id, body.division_code or "", body.role or "", body.reason)
        return await self._answered(lambda tx: handover.conflict(self._desk, tx, actor, case_id, found))

    async def refer(self, who: Doer, case_id: CaseId, department: Department, body: LaneIn | None = None) -> CaseOut:
        """Refers the case to a department, which has to accept it; without a post there, that is recorded and the case goes on."""
        actor = acting.actor_of(who, _officer(body))
        return await self._answered(lambda tx: beside.refer(self._desk, tx, actor, case_id, department))

    async def accept(self, who: Doer, case_id: CaseId, department: Department, body: LaneIn | None = None) -> CaseOut:
        """The department takes the matter as its own task; the owner of the case stays the same."""
        actor = acting.actor_of(who, _officer(body))
        return await self._answered(lambda tx: beside.accept(self._desk, tx, actor, case_id, department))

    async def decline(self, who: Doer, case_id: CaseId, department: Department, body: DeclineIn) -> CaseOut:
        """The department's post cannot take it: its next one is told at once."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: beside.decline(self._desk, tx, actor, case_id, department, reason=body.reason))

    async def done(self, who: Doer, case_id: CaseId, department: Department, body: LaneDoneIn) -> CaseOut:
        """The department has done its part; recorded by its officer, or by one of the case."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: beside.done(self._desk, tx, actor, case_id, department, result=body.result))

    async def clock(self, who: Doer, case_id: CaseId, department: Department, body: LaneClockIn) -> CaseOut:
        """A clock of the department began, or what it waits for was done; recorded by its officer, or by one of the case."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(
            lambda tx: beside.record_clock(self._desk, tx, actor, case_id, department, clock=body.clock, what=body.what, at=body.at)
        )

    async def _answered(self, act: Callable[[Tx], Awaitable[CaseState]]) -> CaseOut:
        async with self._database.transaction() as tx:
            case = await act(tx)
            (view,) = await views.views(self._desk, tx, (case,))
            return case_out(view)


def _officer(body: LaneIn | None) -> UUID | None:
    return body.on_behalf_of if body else None


def router(desk: Desk, database: Database) -> APIRouter:
    """The routes of what happens beside the ladder."""
    return Beside(desk, database).router()
