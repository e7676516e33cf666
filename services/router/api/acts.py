"""What people do to a case: as the officer of the session, or with an API key `on_behalf_of` one."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from libs.db import Database, Tx
from libs.directory.permissions import Principal
from libs.errors import Invalid
from libs.i18n import gettext as _
from libs.terms import Step
from libs.web import identity
from libs.web.problems import responses
from services.router.api.models import AcknowledgeIn, CaseOut, CloseIn, DeclineIn, PlaceIn, RegradeIn, StepIn, TakeOverIn, case_out
from services.router.handlers import acting, views
from services.router.handlers.desk import Desk
from services.router.rules.case import CaseState

Doer = Annotated[Principal, identity.staff_or_client("act")]
CaseId = Annotated[UUID, Path(description="The case.")]


class Acts:
    """The routes, and what they need. Each is one transaction; each answers the case as it is afterwards."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """The routes that change something."""
        made = APIRouter(prefix="/v1/cases/{case_id}", tags=["cases"], responses=responses(400, 401, 403, 404, 409, 413, 415, 422))
        made.post("/acknowledge")(self.acknowledge)
        made.post("/decline")(self.decline)
        made.post("/steps")(self.steps)
        made.post("/close")(self.close)
        made.post("/regrade")(self.regrade)
        made.post("/place")(self.place)
        made.post("/take-over")(self.take_over)
        return made

    async def acknowledge(self, who: Doer, case_id: CaseId, body: AcknowledgeIn | None = None) -> CaseOut:
        """An assigned officer takes the case, also after their window: then it is recorded as late. Twice is the same as once."""
        actor = acting.actor_of(who, body.on_behalf_of if body else None)
        return await self._answered(lambda tx: acting.acknowledge(self._desk, tx, actor, case_id))

    async def decline(self, who: Doer, case_id: CaseId, body: DeclineIn) -> CaseOut:
        """An assigned officer cannot take the case: it climbs at once when it rests on them."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: acting.decline(self._desk, tx, actor, case_id, body.reason))

    async def steps(self, who: Doer, case_id: CaseId, body: StepIn) -> CaseOut:
        """An assigned officer has done a step; `close` ends the case with a result."""
        actor = acting.actor_of(who, body.on_behalf_of)
        if body.step is Step.CLOSE:
            result = body.result
            if result is None:
                raise Invalid("required", _("A case is closed with a result."), field="result")
            return await self._answered(lambda tx: acting.close(self._desk, tx, actor, case_id, result))
        return await self._answered(
            lambda tx: acting.step_done(self._desk, tx, actor, case_id, body.step, done_at=body.done_at, child_sighted=body.child_sighted)
        )

    async def close(self, who: Doer, case_id: CaseId, body: CloseIn) -> CaseOut:
        """The owner ends the case with a result."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: acting.close(self._desk, tx, actor, case_id, body.result))

    async def regrade(self, who: Doer, case_id: CaseId, body: RegradeIn) -> CaseOut:
        """Another grade: anybody assigned may raise, lowering needs the street or above, and never below the floor."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: acting.regrade(self._desk, tx, actor, case_id, body.grade, reason=body.reason))

    async def place(self, who: Doer, case_id: CaseId, body: PlaceIn) -> CaseOut:
        """The case's place is known (better): its ladder starts there."""
        actor = acting.actor_of(who, body.on_behalf_of)
        return await self._answered(lambda tx: acting.place(self._desk, tx, actor, case_id, body.division_code))

    async def take_over(self, who: Doer, case_id: CaseId, body: TakeOverIn | None = None) -> CaseOut:
        """An officer takes the case from whoever has it."""
        actor = acting.actor_of(who, body.on_behalf_of if body else None)
        return await self._answered(lambda tx: acting.take_over(self._desk, tx, actor, case_id))

    async def _answered(self, act: Callable[[Tx], Awaitable[CaseState]]) -> CaseOut:
        async with self._database.transaction() as tx:
            case = await act(tx)
            (view,) = await views.views(self._desk, tx, (case,))
            return case_out(view)


def router(desk: Desk, database: Database) -> APIRouter:
    """The routes that change something."""
    return Acts(desk, database).router()
