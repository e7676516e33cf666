"""The page on which running cases are moved to other rules: what would change, then who does it and why, then how far it has come."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from libs.db import Database
from libs.directory.permissions import StaffPrincipal, may, require
from libs.errors import FieldError, TocsinError
from libs.i18n import N_, current_locale
from libs.i18n import gettext as _
from libs.web import identity, templates
from libs.web.visit import wants_html
from services.router.handlers import bindings, moving
from services.router.handlers.bindings import REASON_MAX
from services.router.handlers.desk import Desk
from services.router.rules.policy import Policy

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Asked = Annotated[str, Query(max_length=80)]
Said = Annotated[str, Form(max_length=80)]
MOVES_MAX = 20
SHOWN_MAX = 50
STATES = {"running": (N_("in progress"), "busy"), "done": (N_("done"), "ok"), "stopped": (N_("stopped: see the log"), "bad")}


class Pages:
    """The page, and what it needs."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """All of it."""
        made = APIRouter(include_in_schema=False)
        made.get("/policies/moves")(self.page)
        made.post("/policies/moves")(self.order)
        return made

    async def page(self, request: Request, who: Staff, division: Asked = "", before: Asked = "", after: Asked = "") -> Response:
        """The last moves; with a place and two policies, what moving its open cases would change."""
        return await self._page(request, who, (division.strip(), before, after))

    async def order(
        self,
        request: Request,
        *,
        who: Staff,
        division: Said = "",
        before: Said = "",
        after: Said = "",
        reason: Annotated[str, Form(max_length=REASON_MAX)] = "",
    ) -> Response:
        """Moves them."""
        try:
            by = bindings.by(who)
            async with self._database.transaction() as tx:
                meant = await moving.wanted(self._desk, tx, by, division.strip(), (before, after))
                await moving.order(self._desk, tx, by, meant, reason)
        except TocsinError as problem:
            if not wants_html(request.headers):
                raise
            return await self._page(request, who, (division.strip(), before, after), problem)
        return RedirectResponse("/policies/moves", status_code=303)

    async def _page(
        self, request: Request, who: StaffPrincipal, asked: tuple[str, str, str], problem: TocsinError | None = None
    ) -> Response:
        require(who, "policy.read")
        division, before, after = asked
        errors = [FieldError("", one.code, one.detail) for one in (problem,) if one is not None]
        found: moving.Preview | None = None
        async with self._database.connection() as connection:
            book = await self._desk.refresh(connection)
            if before and after:
                try:
                    meant = await moving.wanted(self._desk, connection, bindings.by(who), division, (before, after))
                    found = await moving.preview(self._desk, connection, meant)
                except TocsinError as wrong:
                    errors, problem = errors or [FieldError("", wrong.code, wrong.detail)], problem or wrong
            rows = await moving.latest(connection, who, MOVES_MAX)
            names = await self._desk.routes(connection, {row["division_code"] for row in rows} | ({division} if found else set()) - {""})
        return templates.render(
            request,
            "router/moves.html",
            status_code=problem.status if problem else 200,
            errors=errors,
            division=division,
            before=before,
            after=after,
            found=found,
            shown=found.shifted[:SHOWN_MAX] if found else (),
            rows=rows,
            states={state: (_(text), look) for state, (text, look) in STATES.items()},
            names={"": _("everywhere"), **{code: route.division.name for code, route in names.items()}},
            manage=may(who, "policy.manage"),
            policies=[(one.stamp, f"{one.title.of(current_locale())} · {one.stamp}") for one in sorted(book.policies, key=_newest_first)],
        )


def router(desk: Desk, database: Database) -> APIRouter:
    """The page."""
    return Pages(desk, database).router()


def _newest_first(policy: Policy) -> tuple[str, int]:
    return policy.id, -policy.version
