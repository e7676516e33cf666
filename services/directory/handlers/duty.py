"""Rosters, overrides, hand-over and leave: each use case is one change. Clocks that run are not touched (DESIGN section 7)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from libs.db import Tx
from libs.directory.duty import Duty, Period, Plan, Shift, on_duty, periods
from libs.directory.read import plans_of
from libs.errors import FieldError, Invalid, NotFound
from libs.events import new_id
from libs.i18n import gettext as _
from libs.workdays import WorkCalendar
from services.directory.handlers.changes import Actor, changed, check_unchanged
from services.directory.handlers.order import refresh
from services.directory.rules.shifts import check_shifts
from services.directory.store import duty as store
from services.directory.store import people
from services.directory.store.changes import hold_version

SPAN_MAX = timedelta(days=366)
"""An override or a leave longer than that is a change of the holders."""
AHEAD_MAX = timedelta(days=3_660)
HAND_OVER_SEARCHED = timedelta(days=7)


async def set_roster(
    tx: Tx, calendar: WorkCalendar, *, post_id: UUID, shifts: Sequence[Shift], seen: int | None = None, now: datetime, actor: Actor
) -> None:
    """Gives a post these shifts instead of those it has; none: its holders are asked by rank again.

    Raises `Invalid` with the wrong shifts, and when an officer of them does not hold the post.
    """
    await hold_version(tx)
    division_code = await post_place(tx, post_id)
    await check_unchanged(tx, post_id, seen)
    problems = [
        FieldError(f"shifts.{problem.shift}.{problem.field}" if problem.field else "shifts", problem.code, problem.detail)
        for problem in check_shifts(shifts)
    ]
    holding = {row["officer_id"] for row in await store.holders(tx, [post_id])}
    problems += [
        FieldError(f"shifts.{number}.officers", "not_a_holder", not_a_holder(str(officer)))
        for number, shift in enumerate(shifts)
        for officer in shift.officers
        if officer is not None and officer not in holding
    ]
    if problems:
        raise Invalid("roster_invalid", _("The roster has errors; nothing was changed."), errors=problems)
    await store.set_roster(tx, post_id, [shift.to_json() for shift in shifts], now)
    await refresh(tx, calendar, [post_id], now)
    what = "roster.set" if shifts else "roster.removed"
    await changed(tx, actor, what, now, division_code=division_code, subject_id=post_id, details={"shifts": len(shifts)})


def not_a_holder(officer: str) -> str:
    """What to say of somebody on a roster who is not on the post."""
    return _("%(officer)s does not hold this post. Put them on the post first, as a deputy if need be.", officer=officer)


async def add_override(
    tx: Tx,
    calendar: WorkCalendar,
    *,
    post_id: UUID,
    officer_id: UUID,
    starts_at: datetime | None,
    ends_at: datetime,
    seen: int | None = None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """Puts a holder on duty from `starts_at` (None or past: now) until `ends_at`, whatever the roster says."""
    await hold_version(tx)
    division_code = await post_place(tx, post_id)
    await check_unchanged(tx, post_id, seen)
    start = _checked_span(starts_at, ends_at, now)
    await _require_holder(tx, post_id, officer_id)
    return await _override(
        tx, calendar, (post_id, division_code), officer_id=officer_id, given_by=None, span=(start, ends_at), now=now, actor=actor
    )


async def hand_over(
    tx: Tx,
    calendar: WorkCalendar,
    *,
    post_id: UUID,
    to_officer: UUID,
    from_officer: UUID | None = None,
    at: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """Gives the duty of `from_officer` (None: who is on duty first then) to another holder at an instant, and records who gave to whom.

    It lasts until `until`, or until the giver's turn is over. Raises `Invalid` when the giver is not on duty, or no end can be found.
    """
    await hold_version(tx)
    division_code = await post_place(tx, post_id)
    start = max(at or now, now)
    plan = (await plans_of(tx, [post_id], now))[post_id]
    on = [duty.officer_id for duty in on_duty(plan, start, calendar) if duty.on_duty]
    giver = from_officer or next(iter(on), None)
    if giver is None or giver not in on:
        raise Invalid("not_on_duty", _("This officer is not on duty then."), field="from_officer")
    if to_officer == giver:
        raise Invalid("same_officer", _("Name somebody else to hand over to."), field="to_officer")
    await _require_holder(tx, post_id, to_officer, field="to_officer")
    end = until or _end_of_turn(plan, giver, start, calendar)
    if end is None:
        detail = _("The turn has no end by the roster. Say until when it is handed over.")
        raise Invalid("no_end", detail, field="until")
    start = _checked_span(start, end, now, field="until")
    return await _override(
        tx, calendar, (post_id, division_code), officer_id=to_officer, given_by=giver, span=(start, end), now=now, actor=actor
    )


def _end_of_turn(plan: Plan, officer_id: UUID, start: datetime, calendar: WorkCalendar) -> datetime | None:
    """When an officer who is on duty at `start` is not any more; None: not within the days that are searched."""
    for period in periods(plan, start, start + HAND_OVER_SEARCHED, calendar):
        if not any(duty.officer_id == officer_id and duty.on_duty for duty in period.duties):
            return period.starts_at
    return None


async def end_override(tx: Tx, calendar: WorkCalendar, *, post_id: UUID, override_id: UUID, now: datetime, actor: Actor) -> None:
    """Takes an override or a hand-over back: from now on the roster counts again."""
    await hold_version(tx)
    division_code = await post_place(tx, post_id)
    officer_id = await store.end_override(tx, post_id, override_id, now)
    if officer_id is None:
        raise NotFound("override_not_found", _("There is no such override, or it is over."))
    await refresh(tx, calendar, [post_id], now)
    details = {"override_id": str(override_id), "officer_id": str(officer_id)}
    await changed(tx, actor, "override.ended", now, division_code=division_code, subject_id=post_id, details=details)


async def add_leave(
    tx: Tx,
    calendar: WorkCalendar,
    *,
    officer_id: UUID,
    starts_at: datetime | None,
    ends_at: datetime,
    seen: int | None = None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """An officer is away from `starts_at` (None or past: now) until `ends_at`: others of each of their posts are asked before them."""
    await hold_version(tx)
    division_code = await _work_place(tx, officer_id)
    await check_unchanged(tx, officer_id, seen)
    start = _checked_span(starts_at, ends_at, now)
    leave_id = new_id()
    await store.add_leave(tx, leave_id=leave_id, officer_id=officer_id, starts_at=start, ends_at=ends_at, now=now)
    await refresh(tx, calendar, await store.posts_held(tx, officer_id), now)
    details = {"leave_id": str(leave_id), "from": start.isoformat(), "to": ends_at.isoformat()}
    await changed(tx, actor, "leave.added", now, division_code=division_code, subject_id=officer_id, details=details)
    return leave_id


async def end_leave(tx: Tx, calendar: WorkCalendar, *, officer_id: UUID, leave_id: UUID, now: datetime, actor: Actor) -> None:
    """Ends a leave now, or takes back one that has not begun."""
    await hold_version(tx)
    division_code = await _work_place(tx, officer_id)
    if not await store.end_leave(tx, officer_id, leave_id, now):
        raise NotFound("leave_not_found", _("There is no such leave, or it is over."))
    await refresh(tx, calendar, await store.posts_held(tx, officer_id), now)
    details = {"leave_id": str(leave_id)}
    await changed(tx, actor, "leave.ended", now, division_code=division_code, subject_id=officer_id, details=details)


async def duty_at(tx: Tx, calendar: WorkCalendar, post_id: UUID, at: datetime) -> tuple[tuple[Duty, ...], datetime | None]:
    """Who is on duty for a post at `at`, in the order to ask, and until when that stays so (None: for a week at least)."""
    plan = (await plans_of(tx, [post_id], at))[post_id]
    first = periods(plan, at, at + HAND_OVER_SEARCHED, calendar)[0]
    return first.duties, first.ends_at if first.ends_at < at + HAND_OVER_SEARCHED else None


async def duty_periods(tx: Tx, calendar: WorkCalendar, post_id: UUID, start: datetime, days: int) -> list[Period]:
    """Who is on duty for a post over some days."""
    return periods((await plans_of(tx, [post_id], start))[post_id], start, start + timedelta(days=days), calendar)


async def post_place(tx: Tx, post_id: UUID) -> str:
    """The division of a post, which nobody else changes until the transaction ends."""
    division_code = await people.post_place(tx, post_id)
    if division_code is None:
        raise NotFound("post_not_found", _("There is no such post."))
    return division_code


async def _override(
    tx: Tx,
    calendar: WorkCalendar,
    post: tuple[UUID, str],
    *,
    officer_id: UUID,
    given_by: UUID | None,
    span: tuple[datetime, datetime],
    now: datetime,
    actor: Actor,
) -> UUID:
    post_id, division_code = post
    override_id = new_id()
    await store.add_override(
        tx,
        override_id=override_id,
        post_id=post_id,
        officer_id=officer_id,
        given_by=given_by,
        starts_at=span[0],
        ends_at=span[1],
        now=now,
    )
    await refresh(tx, calendar, [post_id], now)
    details = {
        "override_id": str(override_id),
        "officer_id": str(officer_id),
        "given_by": str(given_by) if given_by else None,
        "from": span[0].isoformat(),
        "to": span[1].isoformat(),
    }
    what = "duty.handed_over" if given_by else "override.added"
    await changed(tx, actor, what, now, division_code=division_code, subject_id=post_id, details=details)
    return override_id


async def _require_holder(tx: Tx, post_id: UUID, officer_id: UUID, field: str = "officer_id") -> None:
    if officer_id not in {row["officer_id"] for row in await store.holders(tx, [post_id])}:
        raise Invalid("not_a_holder", not_a_holder(_("This officer")), field=field)


async def _work_place(tx: Tx, officer_id: UUID) -> str:
    row = await people.officer(tx, officer_id)
    if row is None:
        raise NotFound("officer_not_found", _("There is no such officer."))
    place: str = row["division_code"]
    return place


def _checked_span(starts_at: datetime | None, ends_at: datetime, now: datetime, field: str = "ends_at") -> datetime:
    """The beginning of a span: now at the earliest. Raises `Invalid` for one that makes no sense."""
    start = max(starts_at or now, now)
    if ends_at <= start:
        raise Invalid("bad_period", _("The end must come after the beginning, and after now."), field=field)
    if ends_at - start > SPAN_MAX or start - now > AHEAD_MAX:
        raise Invalid("bad_period", _("At most %(days)s days at once.", days=SPAN_MAX.days), field=field)
    return start
