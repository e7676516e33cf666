"""Pages on which administrators change the rules: check and add a file, compare and bind it, end a binding, see who did what and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from libs.db import Database
from libs.directory.permissions import StaffPrincipal, require
from libs.errors import FieldError, TocsinError
from libs.events.catalogue import ReportReceived
from libs.i18n import current_locale
from libs.i18n import gettext as _
from libs.web import identity, templates
from libs.web.visit import wants_html
from services.router.handlers import bindings
from services.router.handlers.bindings import PAST_MAX, REASON_MAX, Forecast, Plan
from services.router.handlers.desk import Desk
from services.router.rules.compare import Change, tally
from services.router.rules.policy import Policy
from services.router.rules.policy_files import POLICY_FILE_BYTES_MAX
from services.router.web.compared import SHOWN_MAX, side_of, what_of

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Asked = Annotated[str, Query(max_length=80)]
Said = Annotated[str, Form(max_length=80)]
Why = Annotated[str, Form(max_length=REASON_MAX)]
HISTORY_MAX = 100


@dataclass(frozen=True, slots=True)
class Planned:
    """What the form for a binding says, as it was typed."""

    policy: str = ""
    division: str = ""
    since: str = ""
    until: str = ""

    @property
    def begun(self) -> bool:
        """Whether there is enough to compare."""
        return bool(self.policy and self.since)

    def plan(self) -> Plan:
        """As the use cases take it; `ValueError` for what is no date or no code."""
        division = self.division.strip()
        if division and not (division.isdigit() and 2 <= len(division) <= 15):
            raise ValueError(division)
        return Plan(self.policy, division, date.fromisoformat(self.since), date.fromisoformat(self.until) if self.until else None)


class Pages:
    """The pages, and what they need."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """All pages."""
        made = APIRouter(include_in_schema=False)
        made.get("/policies/bindings")(self.history)
        made.post("/policies/bindings")(self.bind)
        made.post("/policies/bindings/{binding_id}/end")(self.end)
        made.get("/policies/bind")(self.plan)
        made.get("/policies/check")(self.check_page)
        made.post("/policies/check")(self.check)
        return made

    async def history(self, request: Request, who: Staff, division: Asked = "") -> Response:
        """What was bound where, since when, by whom and why."""
        return await self._history(request, who, division.strip())

    async def plan(
        self, request: Request, *, who: Staff, policy: Asked = "", division: Asked = "", since: Asked = "", until: Asked = ""
    ) -> Response:
        """The form for a binding and, once it is filled in, what would change; only then it can be confirmed."""
        require(who, "policy.manage")
        planned = Planned(policy, division, since, until)
        return await self._plan(request, who, planned)

    async def bind(
        self,
        request: Request,
        *,
        who: Staff,
        policy: Said = "",
        division: Said = "",
        since: Said = "",
        until: Said = "",
        instead_of: Said = "",
        reason: Why = "",
    ) -> Response:
        """Binds what was compared."""
        planned = Planned(policy, division, since, until)
        try:
            async with self._database.transaction() as tx:
                await bindings.bind(self._desk, tx, bindings.by(who), planned.plan(), reason=reason, instead_of=instead_of)
        except TocsinError as problem:
            if not wants_html(request.headers):
                raise
            return await self._plan(request, who, planned, problem, reason)
        except ValueError:
            return await self._plan(request, who, planned)
        return RedirectResponse("/policies/bindings", status_code=303)

    async def end(self, request: Request, who: Staff, binding_id: UUID, reason: Why = "") -> Response:
        """Ends a binding."""
        try:
            async with self._database.transaction() as tx:
                await bindings.withdraw(self._desk, tx, bindings.by(who), binding_id, reason)
        except TocsinError as problem:
            if not wants_html(request.headers):
                raise
            return await self._history(request, who, "", problem)
        return RedirectResponse("/policies/bindings", status_code=303)

    async def check_page(self, request: Request, who: Staff, extends: Asked = "") -> Response:
        """A field for a policy file; `extends` begins one upon a policy that is known."""
        require(who, "policy.manage")
        async with self._database.connection() as connection:
            await self._desk.refresh(connection)
        base = self._desk.book.get(extends)
        text = f"extends: {base.id}\nid: \nversion: 1\ntitle: {{zh: , en: }}\n" if base else ""
        return self._checked(request, text, None, [])

    async def check(
        self,
        request: Request,
        who: Staff,
        text: Annotated[str, Form(max_length=POLICY_FILE_BYTES_MAX)] = "",
        file: Annotated[UploadFile | None, File()] = None,
        act: Said = "check",
    ) -> Response:
        """Checks what was typed or chosen; with `act` add, keeps it."""
        name = "policy.yaml"
        if file is not None and file.filename:
            name = "".join(letter for letter in file.filename if letter.isalnum() or letter in "._-")[-100:] or name
            data = await file.read(POLICY_FILE_BYTES_MAX + 1)
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError:
                detail = _("The file is not UTF-8. Save it as UTF-8 and choose it again.")
                return self._checked(request, text, None, [FieldError("", "not_utf8", detail)], 422)
        text = text.replace("\r\n", "\n")
        try:
            by = bindings.by(who)
            if act == "add":
                async with self._database.transaction() as tx:
                    added = await bindings.add(self._desk, tx, by, name, text)
                return RedirectResponse(f"/policies/bind?policy={added.stamp}", status_code=303)
            async with self._database.connection() as connection:
                await self._desk.refresh(connection)
            return self._checked(request, text, bindings.check(self._desk, name, text), [])
        except TocsinError as problem:
            if not wants_html(request.headers):
                raise
            found = [FieldError("", one.code, one.detail) for one in problem.errors] or [FieldError("", problem.code, problem.detail)]
            return self._checked(request, text, None, found, problem.status)

    def _checked(self, request: Request, text: str, policy: Policy | None, errors: list[FieldError], status: int = 200) -> Response:
        bases = [(one, one) for one in self._desk.book.ids]
        return templates.render(request, "router/check.html", status_code=status, text=text, policy=policy, errors=errors, bases=bases)

    async def _history(self, request: Request, who: StaffPrincipal, division: str, problem: TocsinError | None = None) -> Response:
        require(who, "policy.read")
        within = division if division.isdigit() else ""
        async with self._database.connection() as connection:
            book = await self._desk.refresh(connection)
            rows = await bindings.history(connection, who, division=within, before=None, limit=HISTORY_MAX)
            names = await self._names(connection, {row["division_code"] for row in rows})
        today = bindings.today(self._desk)
        return templates.render(
            request,
            "router/bindings.html",
            status_code=problem.status if problem else 200,
            errors=[FieldError("", problem.code, problem.detail)] if problem else [],
            division=division,
            rows=[(row, _title(book.named(f"{row['policy_id']}@{row['policy_version']}"), row), _state(row, today)) for row in rows],
            names=names,
            most=HISTORY_MAX,
        )

    async def _plan(
        self, request: Request, who: StaffPrincipal, planned: Planned, problem: TocsinError | None = None, reason: str = ""
    ) -> Response:
        found: Forecast | None = None
        errors = [FieldError("", one.code, one.detail) for one in (problem,) if one is not None]
        status = problem.status if problem else 200
        name = ""
        async with self._database.connection() as connection:
            book = await self._desk.refresh(connection)
            if planned.begun:
                try:
                    plan = planned.plan()
                    name = (await self._names(connection, {plan.division_code}))[plan.division_code]
                    found = await bindings.forecast(self._desk, connection, bindings.by(who), plan)
                except TocsinError as wrong:
                    errors, status = errors or [FieldError("", wrong.code, wrong.detail)], max(status, wrong.status)
                except ValueError:
                    detail = _("Something in the form cannot be read. A place is a division code; a day is 2026-03-04.")
                    errors, status = [FieldError("", "bad_form", detail)], 422
        changes = found.comparison.changes if found else ()
        past = found.past.comparison.changes if found and found.past.comparison else ()
        locale = current_locale()
        return templates.render(
            request,
            "router/bind.html",
            status_code=status,
            errors=errors,
            planned=planned,
            reason=reason,
            found=found,
            place=name,
            counts=_counts(changes),
            shown=changes[:SHOWN_MAX],
            past_counts=_counts(past),
            past_shown=past[:SHOWN_MAX],
            past_max=PAST_MAX,
            what=what_of,
            side=side_of,
            today=bindings.today(self._desk),
            policies=[(one.stamp, f"{one.title.of(locale)} · {one.stamp}") for one in sorted(book.policies, key=_newest_first)],
        )

    async def _names(self, connection: Any, codes: set[str]) -> dict[str, str]:
        """What places are called, with everything that they lie in from the district down."""
        routes = await self._desk.routes(connection, codes - {""})
        names = {code: route.division.name for code, route in routes.items()}
        return {"": _("everywhere"), **names}


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    return Pages(desk, database).router()


def _counts(changes: Sequence[tuple[ReportReceived, Sequence[Change]]]) -> list[tuple[str, int]]:
    """For how many reports each thing would change."""
    return [(what_of(what), count) for what, count in tally([one for _report, one in changes]).items()]


def _newest_first(policy: Policy) -> tuple[str, int]:
    return policy.id, -policy.version


def _title(policy: Policy | None, row: Any) -> str:
    return policy.title.of(current_locale()) if policy else str(row["policy_id"])


def _state(row: Any, today: date) -> tuple[str, str]:
    """Where a binding stands, as words and look."""
    if row["withdrawn_at"] is not None:
        return _("ended"), "idle"
    if row["until"] is not None and row["until"] <= today:
        return _("over"), "idle"
    return (_("bound"), "ok") if row["since"] <= today else (_("planned"), "busy")
