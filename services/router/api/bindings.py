"""What administrators change about the rules: versions, where they are bound, and running cases that are moved to other ones."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from libs.db import Database, Tx
from libs.directory.permissions import Principal, require
from libs.i18n import current_locale
from libs.web import identity
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page, decode, split
from libs.web.problems import responses
from services.router.api.binding_models import (
    BindingIn,
    BindingOut,
    ForecastOut,
    MoveIn,
    MoveOrderIn,
    MoveOut,
    MovePreviewOut,
    PlanIn,
    PolicyFileIn,
    binding_out,
    forecast_out,
    move_out,
    preview_out,
)
from services.router.api.policy_models import PolicyOut, policy_out
from services.router.errors import NoSuchBinding
from services.router.handlers import bindings, moving
from services.router.handlers.bindings import REASON_MAX
from services.router.handlers.desk import Desk
from services.router.store import bindings as store

Reader = Annotated[Principal, identity.staff_or_client("read")]
Admin = Annotated[Principal, identity.staff_or_client("admin")]
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422)


class Administration:
    """The routes, and what they need. Each change is one transaction, recorded with who did it and why."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(prefix="/v1/policies", tags=["policies"])
        made.get("/bindings", responses=responses(400, 403, 422))(self.list_bindings)
        made.get("/moves", responses=responses(400, 403, 422))(self.list_moves)
        made.get("/moves/{move_id}", responses=responses(400, 403, 404, 422))(self.one_move)
        made.post("", status_code=201, responses=WRITES)(self.add)
        made.post("/check", responses=WRITES)(self.check)
        made.post("/forecast", responses=WRITES)(self.forecast)
        made.post("/bindings", status_code=201, responses=WRITES)(self.bind)
        made.delete("/bindings/{binding_id}", responses=WRITES)(self.withdraw)
        made.post("/moves/preview", responses=WRITES)(self.preview_move)
        made.post("/moves", status_code=202, responses=WRITES)(self.order_move)
        return made

    async def check(self, who: Admin, body: PolicyFileIn) -> PolicyOut:
        """Whether a policy file is right; every mistake is told with file, line and reason. Nothing is kept."""
        require(who, "policy.manage")
        async with self._database.connection() as connection:
            await self._desk.refresh(connection)
        return policy_out(bindings.check(self._desk, body.name, body.text), current_locale())

    async def add(self, who: Admin, body: PolicyFileIn) -> PolicyOut:
        """Adds a policy version, for good; it is in force nowhere until it is bound. The same text again changes nothing."""
        async with self._database.transaction() as tx:
            added = await bindings.add(self._desk, tx, bindings.by(who), body.name, body.text)
        return policy_out(added, current_locale())

    async def list_bindings(
        self,
        who: Reader,
        division_code: Annotated[str, Query(pattern=r"^[0-9]{0,15}$")] = "",
        limit: Limit = PAGE_SIZE,
        cursor: Cursor = None,
    ) -> Page[BindingOut]:
        """What administrators have bound in a place, within it and around it, also what is over; the last act first."""
        before = decode(cursor, int)
        async with self._database.connection() as connection:
            rows = await bindings.history(connection, who, division=division_code, before=before[0] if before else None, limit=limit + 1)
        shown, following = split(rows, limit, lambda row: (row["number"],))
        return Page(items=[binding_out(row) for row in shown], next=following)

    async def forecast(self, who: Admin, body: PlanIn) -> ForecastOut:
        """What a binding would change, on sample reports of a place within it that has people. Needed before binding."""
        async with self._database.connection() as connection:
            return forecast_out(await bindings.forecast(self._desk, connection, bindings.by(who), body.plan()))

    async def bind(self, who: Admin, body: BindingIn) -> BindingOut:
        """Binds a policy version to a place from a day on. Running cases stay with theirs; the nearest place goes on winning."""
        async with self._database.transaction() as tx:
            made = await bindings.bind(self._desk, tx, bindings.by(who), body.plan(), reason=body.reason, instead_of=body.instead_of)
            return await self._binding(tx, made)

    async def withdraw(self, who: Admin, binding_id: UUID, reason: Annotated[str, Query(max_length=REASON_MAX)] = "") -> BindingOut:
        """Ends a binding now, or before it has begun. The place has again what it had without it; running cases stay as they are."""
        async with self._database.transaction() as tx:
            await bindings.withdraw(self._desk, tx, bindings.by(who), binding_id, reason)
            return await self._binding(tx, binding_id)

    async def _binding(self, tx: Tx, binding_id: UUID) -> BindingOut:
        row = await store.binding(tx, binding_id)
        if row is None:
            raise NoSuchBinding
        return binding_out(row)

    async def preview_move(self, who: Admin, body: MoveIn) -> MovePreviewOut:
        """What moving the open cases of a place to another policy would change: their deadlines, and who would be told."""
        async with self._database.connection() as connection:
            meant = await moving.wanted(self._desk, connection, bindings.by(who), body.division_code, (body.before, body.after))
            return preview_out(await moving.preview(self._desk, connection, meant))

    async def order_move(self, who: Admin, body: MoveOrderIn) -> MoveOut:
        """Moves the open cases of a place to another policy, in the background; no clock restarts. Each case records it."""
        by = bindings.by(who)
        async with self._database.transaction() as tx:
            meant = await moving.wanted(self._desk, tx, by, body.division_code, (body.before, body.after))
            move_id = await moving.order(self._desk, tx, by, meant, body.reason)
            return move_out(await moving.one(tx, None, move_id))

    async def list_moves(self, who: Reader, limit: Limit = PAGE_SIZE) -> Page[MoveOut]:
        """The last moves of running cases to other rules."""
        async with self._database.connection() as connection:
            return Page(items=[move_out(row) for row in await moving.latest(connection, who, limit)])

    async def one_move(self, who: Reader, move_id: UUID) -> MoveOut:
        """How far a move has come."""
        require(who, "policy.read")
        async with self._database.connection() as connection:
            return move_out(await moving.one(connection, who, move_id))


def router(desk: Desk, database: Database) -> APIRouter:
    """The routes."""
    return Administration(desk, database).router()
