"""Rosters and duty over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from libs.clock import Clock
from libs.db import Database, Tx
from libs.directory.duty import Duty
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from libs.errors import Invalid, NotFound
from libs.i18n import gettext as _
from libs.web.identity import staff_or_client
from libs.web.problems import responses
from libs.workdays import WorkCalendar
from services.directory.api.duty_models import (
    DutyModel,
    DutyOut,
    HandOverIn,
    ImportIn,
    ImportOut,
    LeaveIn,
    LeaveOut,
    Made,
    OverrideIn,
    OverrideOut,
    PeriodOut,
    PeriodsOut,
    RosterIn,
    RosterOut,
    ShiftModel,
)
from services.directory.handlers import duty
from services.directory.handlers.reasons import reason_text
from services.directory.handlers.rosters import DOWNLOAD, MEDIA, Format, RosterView, as_bytes, export_rosters, import_rosters, roster
from services.directory.handlers.views import actor_of, require_officer, require_post
from services.directory.store import people

Reader = Annotated[Principal, staff_or_client("admin")]
PERIODS_DAYS_MAX = 92
FILES: dict[str, Any] = {"description": "The file.", "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA.values()}}


class DutyApi:
    """The routes and what they need."""

    def __init__(self, database: Database, clock: Clock, calendar: WorkCalendar) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1", tags=["directory"])
        wrong = responses(401, 403, 404, 422)
        taken = {**wrong, **responses(409)}
        router.get("/posts/{post_id}/duty", responses=wrong)(self.get_duty)
        router.get("/posts/{post_id}/duty/periods", responses=wrong)(self.list_periods)
        router.get("/posts/{post_id}/roster", responses=wrong)(self.get_roster)
        router.put("/posts/{post_id}/roster", status_code=204, responses=taken)(self.set_roster)
        router.post("/posts/{post_id}/overrides", status_code=201, responses=wrong)(self.add_override)
        router.delete("/posts/{post_id}/overrides/{override_id}", status_code=204, responses=wrong)(self.end_override)
        router.post("/posts/{post_id}/hand-over", status_code=201, responses=wrong)(self.hand_over)
        router.get("/rosters", response_class=Response, responses={**wrong, 200: FILES})(self.export)
        router.post("/rosters/import", responses=wrong)(self.import_)
        router.post("/officers/{officer_id}/leaves", status_code=201, responses=wrong)(self.add_leave)
        router.delete("/officers/{officer_id}/leaves/{leave_id}", status_code=204, responses=wrong)(self.end_leave)
        return router

    async def get_duty(self, who: Reader, post_id: UUID, at: AwareDatetime | None = None) -> DutyOut:
        """Who is on duty for a post at a time (left out: now), with the reason, by the plan as it is today.

        Who was told at a time in the past stands in the ledger, not here.
        """
        moment = at or self._clock.now()
        async with self._database.connection() as connection:
            await _require_readable(connection, who, post_id)
            _require_thinkable(moment, self._clock.now())
            duties, until = await duty.duty_at(connection, self._calendar, post_id, moment)
        return DutyOut(post_id=post_id, at=moment, until=until, items=_out(duties))

    async def list_periods(
        self,
        who: Reader,
        post_id: UUID,
        start: Annotated[AwareDatetime | None, Query(description="Left out: now.")] = None,
        days: Annotated[int, Query(ge=1, le=PERIODS_DAYS_MAX)] = 14,
    ) -> PeriodsOut:
        """Who is on duty for a post over the coming days."""
        begin = start or self._clock.now()
        async with self._database.connection() as connection:
            await _require_readable(connection, who, post_id)
            _require_thinkable(begin, self._clock.now())
            found = await duty.duty_periods(connection, self._calendar, post_id, begin, days)
        items = [PeriodOut(starts_at=one.starts_at, ends_at=one.ends_at, items=_out(one.duties)) for one in found]
        return PeriodsOut(post_id=post_id, items=items)

    async def get_roster(self, who: Reader, post_id: UUID) -> RosterOut:
        """The roster of a post."""
        async with self._database.connection() as connection:
            await _require_readable(connection, who, post_id)
            return _roster_out(await roster(connection, post_id, self._clock.now()))

    async def set_roster(self, who: Reader, post_id: UUID, body: RosterIn) -> None:
        """Gives a post another roster. Cases that are under way stay with whom they are, and no deadline moves."""
        async with self._database.transaction() as tx:
            await require_post(tx, who, post_id)
            await duty.set_roster(
                tx,
                self._calendar,
                post_id=post_id,
                shifts=[shift.shift() for shift in body.shifts],
                seen=body.version,
                now=self._clock.now(),
                actor=actor_of(who),
            )

    async def add_override(self, who: Reader, post_id: UUID, body: OverrideIn) -> Made:
        """Puts an officer of the post on duty for a span, whatever the roster says."""
        async with self._database.transaction() as tx:
            await require_post(tx, who, post_id)
            made = await duty.add_override(
                tx,
                self._calendar,
                post_id=post_id,
                officer_id=body.officer_id,
                starts_at=body.starts_at,
                ends_at=body.ends_at,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def end_override(self, who: Reader, post_id: UUID, override_id: UUID) -> None:
        """Takes an override or a hand-over back."""
        async with self._database.transaction() as tx:
            await require_post(tx, who, post_id)
            await duty.end_override(
                tx, self._calendar, post_id=post_id, override_id=override_id, now=self._clock.now(), actor=actor_of(who)
            )

    async def hand_over(self, who: Reader, post_id: UUID, body: HandOverIn) -> Made:
        """Gives the duty to another officer of the post. An officer may hand over their own."""
        giver = body.from_officer
        own = isinstance(who, StaffPrincipal) and who.officer_id is not None and not may(who, "directory.manage")
        if own and isinstance(who, StaffPrincipal):
            if giver not in {None, who.officer_id}:
                require(who, "directory.manage")
            giver = who.officer_id
        async with self._database.transaction() as tx:
            if not own:
                await require_post(tx, who, post_id)
            made = await duty.hand_over(
                tx,
                self._calendar,
                post_id=post_id,
                to_officer=body.to_officer,
                from_officer=giver,
                at=body.at,
                until=body.until,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def export(
        self,
        who: Reader,
        kind: Annotated[Format, Query(alias="format")] = "csv",
        division_code: Annotated[
            str | None, Query(pattern=r"^[0-9]{2,15}$", description="Left out: wherever the caller has rights.")
        ] = None,
        post_id: UUID | None = None,
    ) -> Response:
        """The rosters at and under a division, or of one post, as a file that can be imported again."""
        scope = division_code or who.division_code
        require(who, "directory.read", scope)
        async with self._database.connection() as connection:
            text = await export_rosters(connection, self._calendar, kind, division_code=scope, post_id=post_id, now=self._clock.now())
        return Response(as_bytes(text, kind), headers=DOWNLOAD[kind])

    async def import_(self, who: Reader, body: ImportIn) -> ImportOut:
        """Gives each post that the file names the shifts that it has for it; with a wrong line nothing changes."""
        require(who, "directory.manage")
        async with self._database.transaction() as tx:
            if body.post_id is not None:
                await require_post(tx, who, body.post_id)
            done = await import_rosters(
                tx,
                self._calendar,
                body.content.encode(),
                body.format,
                require_place=lambda code: require(who, "directory.manage", code),
                post_id=body.post_id,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return ImportOut(posts=done.posts, changed=done.changed)

    async def add_leave(self, who: Reader, officer_id: UUID, body: LeaveIn) -> Made:
        """An officer is away for a span: on each of their posts others are asked first."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            made = await duty.add_leave(
                tx,
                self._calendar,
                officer_id=officer_id,
                starts_at=body.starts_at,
                ends_at=body.ends_at,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def end_leave(self, who: Reader, officer_id: UUID, leave_id: UUID) -> None:
        """Ends a leave, or takes back one that has not begun."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            await duty.end_leave(tx, self._calendar, officer_id=officer_id, leave_id=leave_id, now=self._clock.now(), actor=actor_of(who))


async def _require_readable(tx: Tx, who: Principal, post_id: UUID) -> None:
    require(who, "directory.read")
    place = await people.place_of_post(tx, post_id)
    if place is None:
        raise NotFound("post_not_found", _("There is no such post."))
    require(who, "directory.read", place)


def _require_thinkable(at: datetime, now: datetime) -> None:
    if abs(at - now) > duty.AHEAD_MAX:
        raise Invalid("bad_time", _("Ask for a time within %(days)s days of today.", days=duty.AHEAD_MAX.days), field="at")


def _out(duties: Sequence[Duty]) -> list[DutyModel]:
    return [
        DutyModel(
            officer_id=one.officer_id,
            on_duty=one.on_duty,
            reason=one.reason,
            shift=one.shift,
            instead_of=one.instead_of,
            text=reason_text(one),
        )
        for one in duties
    ]


def _roster_out(found: RosterView) -> RosterOut:
    return RosterOut(
        post_id=found.post_id,
        zone=found.plan.zone,
        version=found.version,
        shifts=[ShiftModel.model_validate(shift.to_json()) for shift in found.plan.shifts],
        overrides=[OverrideOut.model_validate(one) for one in found.plan.overrides],
        leaves=[LeaveOut.model_validate(one) for one in found.plan.leaves],
    )
