"""Pages: a post with its roster, and the reachability pre-flight."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from libs.clock import Clock
from libs.db import Database, Tx
from libs.directory.permissions import StaffPrincipal, may, require
from libs.directory.read import Directory
from libs.errors import FieldError, Invalid, TocsinError
from libs.i18n import N_
from libs.i18n import gettext as _
from libs.web import identity, templates
from libs.workdays import WorkCalendar
from services.directory.errors import RosterInvalid
from services.directory.handlers import duty, people, reachability
from services.directory.handlers.post_view import post_view
from services.directory.handlers.reasons import reason_text
from services.directory.handlers.rosters import DOWNLOAD, Format, as_bytes, export_rosters, import_rosters, set_from_fields
from services.directory.handlers.views import actor_of, require_officer, require_post
from services.directory.rules.reachability import FINDINGS, Finding, finding_text
from services.directory.rules.roster_csv import HEADER, officers_written

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Seen = Annotated[int | None, Form(ge=0)]
LocalTime = Annotated[str, Form(max_length=30)]
COLUMNS = HEADER[3:]
DAY_NAMES = {
    "MO": N_("Monday"),
    "TU": N_("Tuesday"),
    "WE": N_("Wednesday"),
    "TH": N_("Thursday"),
    "FR": N_("Friday"),
    "SA": N_("Saturday"),
    "SU": N_("Sunday"),
    "WORKDAY": N_("Working days"),
    "DAYOFF": N_("Days off"),
    "HOLIDAY": N_("Holidays"),
}
ROWS_MAX = 60
"""Shifts that a form shows; longer rosters are edited as files."""
FINDINGS_SHOWN = 200
FILE_BYTES_MAX = 900_000


class DutyPages:
    """The pages and what they need."""

    def __init__(self, *, database: Database, directory: Directory, clock: Clock, calendar: WorkCalendar) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._calendar = calendar

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.get("/directory/reachability")(self.reachability_page)
        router.get("/directory/posts/{post_id}")(self.post_page)
        router.post("/directory/posts/{post_id}/titles")(self.change_post)
        router.get("/directory/posts/{post_id}/roster/{kind}")(self.export)
        router.post("/directory/posts/{post_id}/roster")(self.set_roster)
        router.post("/directory/posts/{post_id}/roster/file")(self.import_)
        router.post("/directory/posts/{post_id}/overrides")(self.add_override)
        router.post("/directory/posts/{post_id}/overrides/{override_id}/end")(self.end_override)
        router.post("/directory/posts/{post_id}/hand-over")(self.hand_over)
        router.post("/directory/posts/{post_id}/leaves")(self.add_leave)
        router.post("/directory/posts/{post_id}/leaves/{officer_id}/{leave_id}/end")(self.end_leave)
        return router

    async def reachability_page(
        self,
        request: Request,
        who: Staff,
        code: Annotated[str, Query(pattern=r"^[0-9]{0,15}$")] = "",
        finding: Finding | None = None,
    ) -> Response:
        """Posts on which an alarm would not reach whom it should."""
        scope = code or who.division_code
        require(who, "directory.read", scope)
        async with self._database.connection() as connection:
            counts = await reachability.counts(connection, scope)
            found = await reachability.findings(connection, scope, finding=finding, limit=FINDINGS_SHOWN)
        return templates.render(
            request, "directory/reachability.html", counts=counts, found=found, code=code, finding=finding, finding_text=finding_text,
            findings=FINDINGS, shown_max=FINDINGS_SHOWN,
        )  # fmt: skip

    async def post_page(self, request: Request, who: Staff, post_id: UUID) -> Response:
        return await self._page(request, who, post_id)

    async def change_post(
        self,
        request: Request,
        *,
        who: Staff,
        post_id: UUID,
        title_zh: Annotated[str, Form(max_length=200)] = "",
        title_en: Annotated[str, Form(max_length=200)] = "",
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx, now: datetime, _zone: ZoneInfo) -> None:
            await people.change_post(tx, post_id, title_zh=title_zh, title_en=title_en, seen=seen, now=now, actor=actor_of(who))

        return await self._change(request, who, post_id, work)

    async def export(self, who: Staff, post_id: UUID, kind: Format) -> Response:
        require(who, "directory.read")
        async with self._database.connection() as connection:
            view = await post_view(connection, self._directory, self._calendar, post_id, self._clock.now())
            require(who, "directory.read", view.division.code)
            text = await export_rosters(
                connection, self._calendar, kind, division_code=view.division.code, post_id=post_id, now=self._clock.now()
            )
        return Response(as_bytes(text, kind), headers=DOWNLOAD[kind])

    async def set_roster(self, request: Request, who: Staff, post_id: UUID) -> Response:
        form = await request.form(max_fields=ROWS_MAX * (len(COLUMNS) + len(DAY_NAMES)) + 10)
        fields = _rows(form)
        seen = _text(form, "seen")

        async def work(tx: Tx, now: datetime, _zone: ZoneInfo) -> None:
            await set_from_fields(
                tx,
                self._calendar,
                post_id=post_id,
                fields=fields,
                seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 18 else None,
                now=now,
                actor=actor_of(who),
            )

        return await self._change(request, who, post_id, work, rows=fields)

    async def import_(self, request: Request, who: Staff, post_id: UUID, file: UploadFile) -> Response:
        """A roster file for this post; lines that name another post change that one, if this person may."""
        content = await file.read(FILE_BYTES_MAX)
        kind: Format = "ics" if (file.filename or "").lower().endswith((".ics", ".ical")) else "csv"

        async def work(tx: Tx, now: datetime, _zone: ZoneInfo) -> None:
            await import_rosters(
                tx,
                self._calendar,
                content,
                kind,
                require_place=lambda code: require(who, "directory.manage", code),
                post_id=post_id,
                now=now,
                actor=actor_of(who),
            )

        return await self._change(request, who, post_id, work)

    async def add_override(
        self,
        request: Request,
        *,
        who: Staff,
        post_id: UUID,
        officer_id: Annotated[UUID, Form()],
        starts_at: LocalTime = "",
        ends_at: LocalTime = "",
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx, now: datetime, zone: ZoneInfo) -> None:
            await duty.add_override(
                tx,
                self._calendar,
                post_id=post_id,
                officer_id=officer_id,
                starts_at=_instant(starts_at, zone, "starts_at"),
                ends_at=_instant(ends_at, zone, "ends_at") or now,
                seen=seen,
                now=now,
                actor=actor_of(who),
            )

        return await self._change(request, who, post_id, work)

    async def end_override(self, request: Request, who: Staff, post_id: UUID, override_id: UUID) -> Response:
        async def work(tx: Tx, now: datetime, _zone: ZoneInfo) -> None:
            await duty.end_override(tx, self._calendar, post_id=post_id, override_id=override_id, now=now, actor=actor_of(who))

        return await self._change(request, who, post_id, work)

    async def hand_over(
        self, request: Request, *, who: Staff, post_id: UUID, to_officer: Annotated[UUID, Form()], until: LocalTime = ""
    ) -> Response:
        async def work(tx: Tx, now: datetime, zone: ZoneInfo) -> None:
            end = _instant(until, zone, "until")
            await duty.hand_over(tx, self._calendar, post_id=post_id, to_officer=to_officer, until=end, now=now, actor=actor_of(who))

        return await self._change(request, who, post_id, work)

    async def add_leave(
        self,
        request: Request,
        *,
        who: Staff,
        post_id: UUID,
        officer_id: Annotated[UUID, Form()],
        starts_at: LocalTime = "",
        ends_at: LocalTime = "",
        seen: Seen = None,
    ) -> Response:
        async def work(tx: Tx, now: datetime, zone: ZoneInfo) -> None:
            await require_officer(tx, who, officer_id)
            await duty.add_leave(
                tx,
                self._calendar,
                officer_id=officer_id,
                starts_at=_instant(starts_at, zone, "starts_at"),
                ends_at=_instant(ends_at, zone, "ends_at") or now,
                seen=seen,
                now=now,
                actor=actor_of(who),
            )

        return await self._change(request, who, post_id, work)

    async def end_leave(self, request: Request, *, who: Staff, post_id: UUID, officer_id: UUID, leave_id: UUID) -> Response:
        async def work(tx: Tx, now: datetime, _zone: ZoneInfo) -> None:
            await require_officer(tx, who, officer_id)
            await duty.end_leave(tx, self._calendar, officer_id=officer_id, leave_id=leave_id, now=now, actor=actor_of(who))

        return await self._change(request, who, post_id, work)

    async def _change(
        self,
        request: Request,
        who: StaffPrincipal,
        post_id: UUID,
        work: Callable[[Tx, datetime, ZoneInfo], Awaitable[None]],
        *,
        rows: Sequence[dict[str, str]] | None = None,
    ) -> Response:
        """Does one change and shows the post again, with what was wrong and what was filled in if it could not be done."""
        try:
            async with self._database.transaction() as tx:
                code = await require_post(tx, who, post_id)
                division = await self._directory.division(tx, code)
                await work(tx, self._clock.now(), ZoneInfo(division.zone if division else "Asia/Shanghai"))
        except TocsinError as error:
            if error.status not in {404, 409, 422}:
                raise
            given = error.lines if isinstance(error, RosterInvalid) else ()
            where = _("Shift %(number)s") if rows is not None else _("Line %(number)s")
            errors: Sequence[FieldError] = [FieldError(where % {"number": one.line}, one.code, one.detail) for one in given]
            errors = errors or error.errors or (FieldError("", error.code, error.detail),)
            return await self._page(request, who, post_id, status_code=error.status, errors=errors, rows=rows)
        return RedirectResponse(f"/directory/posts/{post_id}", status_code=303)

    async def _page(
        self,
        request: Request,
        who: StaffPrincipal,
        post_id: UUID,
        *,
        status_code: int = 200,
        errors: Sequence[FieldError] = (),
        rows: Sequence[dict[str, str]] | None = None,
    ) -> Response:
        require(who, "directory.read")
        async with self._database.connection() as connection:
            view = await post_view(connection, self._directory, self._calendar, post_id, self._clock.now())
        require(who, "directory.read", view.division.code)
        if rows is None:
            rows = [_fields(shift.to_json(), officers_written(shift, view.names)) for shift in view.roster.plan.shifts]
        return templates.render(
            request,
            "directory/post.html",
            status_code=status_code,
            view=view,
            rows=rows,
            rows_max=ROWS_MAX,
            errors=errors,
            manage=may(who, "directory.manage", view.division.code),
            reason_text=reason_text,
            day_names=[(day, _(said)) for day, said in DAY_NAMES.items()],
        )


def _fields(shift: dict[str, Any], officers: str) -> dict[str, str]:
    """A shift as its form has it: what a line of a CSV file says."""
    return {
        "shift": shift["name"],
        "days": " ".join(shift["days"]),
        "start": shift["start"],
        "end": shift["end"],
        "officers": officers,
        "turn_days": str(shift["turn_days"] or ""),
        "since": shift["since"] or "",
        "until": shift["until"] or "",
        "skip": " ".join(shift["skip"]),
    }


def _rows(form: FormData) -> list[dict[str, str]]:
    """The shifts of the form; a row in which only times stand was left empty."""
    columns = {
        column: [text.strip() if isinstance(text, str) else "" for text in form.getlist(column)] for column in COLUMNS if column != "days"
    }
    number = min(len(values) for values in columns.values())
    rows = [
        {
            **{column: values[row] for column, values in columns.items()},
            "days": " ".join(day for day in form.getlist(f"days-{row + 1}") if isinstance(day, str)),
        }
        for row in range(number)
    ]
    return [row for row in rows if row["shift"] or row["officers"]]


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _instant(text: str, zone: ZoneInfo, field: str) -> datetime | None:
    """A local time as browsers send it; None for none."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=zone)
    except ValueError:
        raise Invalid("bad_time", _("Write a time like 2026-01-31 08:00."), field=field) from None
