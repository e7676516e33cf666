"""Rosters as iCalendar (RFC 5545): one event per shift and turn, in the order in which they count.

What calendars cannot say stands in two properties of our own: `X-TOCSIN-POST` names the post, `X-TOCSIN-DAYS` day kinds of the
statutory calendar (for others the days without the shift are left out by EXDATE for about a year).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.directory.duty import DAY_KINDS, WEEKDAYS, Shift
from libs.workdays import WorkCalendar
from services.directory.rules.roster_rows import PostKey

PRODUCT = "-//Tocsin//Roster//EN"
AHEAD = timedelta(days=400)
"""How far days without a shift are left out for calendars that do not know the statutory days."""
LINE_BYTES_MAX = 75
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PostRoster:
    """A post's shifts, with the names of its officers."""

    post: PostKey
    title: str
    zone: str
    shifts: Sequence[Shift]
    names: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class _Event:
    """Days from `first` on which a shift begins for some officers: every `interval` days, or on `weekdays` of every n-th week."""

    officers: tuple[UUID, ...]
    first: date
    interval: int = 1
    weeks: int = 0
    weekdays: tuple[str, ...] = ()
    week_starts: str = "MO"
    length: timedelta = field(default=timedelta())
    """Of an event that lasts for whole days; nothing: as long as the shift."""


def to_ics(rosters: Iterable[PostRoster], calendar: WorkCalendar, now: datetime) -> str:
    """The calendar. It says the same as the rosters from the day before `now` on."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN"]
    rosters = list(rosters)
    for zone in sorted({roster.zone for roster in rosters}):
        lines += _zone(zone, now)
    for roster in rosters:
        for number, shift in enumerate(roster.shifts):
            for turn, event in enumerate(_events(shift, now.astimezone(ZoneInfo(roster.zone)).date() - _DAY)):
                lines += _vevent(roster, shift, event, f"{roster.post}/{number}/{turn}", calendar=calendar, now=now)
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _events(shift: Shift, today: date) -> Iterator[_Event]:
    if shift.turn_days and shift.since:
        for turn, officer in enumerate(shift.officers):
            if officer is not None:
                yield from _turn(shift, officer, shift.since + turn * shift.turn_days * _DAY)
        return
    officers = tuple(officer for officer in shift.officers if officer)
    first = shift.since or today
    weekdays = _weekdays(shift)
    yield _Event(officers, _on(first, weekdays), weeks=1, weekdays=weekdays) if weekdays else _Event(officers, first)


def _weekdays(shift: Shift) -> tuple[str, ...]:
    """The weekdays that a rule can name; none: every day, or days that only our own property names."""
    return () if shift.days & set(DAY_KINDS) else tuple(day for day in WEEKDAYS if day in shift.days)


def _turn(shift: Shift, officer: UUID, begins: date) -> Iterator[_Event]:
    """The turns of one officer, the first of which begins on that day."""
    cycle = shift.turn_days * len(shift.officers)
    weekdays = _weekdays(shift)
    if shift.start == shift.end and not shift.days and not shift.skip and shift.until is None:
        yield _Event((officer,), begins, interval=cycle, length=shift.turn_days * _DAY)
    elif shift.turn_days % 7 == 0 and not shift.days & set(DAY_KINDS):
        days = weekdays or WEEKDAYS
        for week in range(shift.turn_days // 7):
            start = begins + 7 * week * _DAY
            yield _Event((officer,), _on(start, days), weeks=cycle // 7, weekdays=days, week_starts=WEEKDAYS[start.weekday()])
    else:
        for day in range(shift.turn_days):
            found = _reached(begins + day * _DAY, cycle, weekdays or WEEKDAYS)
            if found is not None:
                yield _Event((officer,), found, interval=cycle, weekdays=weekdays)


def _on(day: date, weekdays: Sequence[str]) -> date:
    """The first day from `day` on that is one of the weekdays."""
    while WEEKDAYS[day.weekday()] not in weekdays:
        day += _DAY
    return day


def _reached(day: date, interval: int, weekdays: Sequence[str]) -> date | None:
    """The first of every `interval`-th day that is one of the weekdays; None: none ever is."""
    return next((found for step in range(7) if WEEKDAYS[(found := day + step * interval * _DAY).weekday()] in weekdays), None)


def _vevent(roster: PostRoster, shift: Shift, event: _Event, uid: str, *, calendar: WorkCalendar, now: datetime) -> Iterator[str]:
    end = event.first + event.length if event.length else event.first if shift.end > shift.start else event.first + _DAY
    if shift.until and event.first > shift.until:
        return
    kinds = bool(shift.days & set(DAY_KINDS))
    yield "BEGIN:VEVENT"
    yield f"UID:{uid}@tocsin"
    yield f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    yield f"DTSTART;TZID={roster.zone}:{event.first:%Y%m%d}T{shift.start:%H%M%S}"
    yield f"DTEND;TZID={roster.zone}:{end:%Y%m%d}T{shift.end:%H%M%S}"
    yield f"RRULE:{_rule(shift, event, roster.zone)}"
    left_out = _left_out(shift, event, calendar, now.date()) if kinds else sorted(shift.skip)
    if left_out:
        yield f"EXDATE;TZID={roster.zone}:" + ",".join(f"{day:%Y%m%d}T{shift.start:%H%M%S}" for day in left_out)
    yield f"SUMMARY:{_escaped(shift.name)}"
    yield f"LOCATION:{_escaped(roster.title)}"
    for officer in event.officers:
        name = roster.names.get(officer, "").replace('"', "'")
        yield f'ATTENDEE;CN="{name}":urn:uuid:{officer}' if name else f"ATTENDEE:urn:uuid:{officer}"
    yield f"X-TOCSIN-POST:{roster.post}"
    if kinds:
        yield f"X-TOCSIN-DAYS:{','.join(day for day in (*WEEKDAYS, *DAY_KINDS) if day in shift.days)}"
        yield from (f"X-TOCSIN-SKIP:{day:%Y%m%d}" for day in sorted(shift.skip))
    yield "END:VEVENT"


def _rule(shift: Shift, event: _Event, zone: str) -> str:
    if event.weeks:
        parts = ["FREQ=WEEKLY", f"INTERVAL={event.weeks}", f"WKST={event.week_starts}", f"BYDAY={','.join(event.weekdays)}"]
    else:
        parts = ["FREQ=DAILY", f"INTERVAL={event.interval}", *([f"BYDAY={','.join(event.weekdays)}"] if event.weekdays else [])]
    if shift.until:
        last, _end = shift.span(shift.until, zone)
        parts.append(f"UNTIL={last:%Y%m%dT%H%M%SZ}")
    return ";".join(parts)


def _left_out(shift: Shift, event: _Event, calendar: WorkCalendar, today: date) -> list[date]:
    past = max((today - event.first).days // event.interval, 0)  # what is over need not be left out
    day, last = event.first + past * event.interval * _DAY, min(today + AHEAD, shift.until or date.max)
    found = []
    while day <= last:
        if not Shift(shift.name, event.officers, days=shift.days, skip=shift.skip).on(day, calendar):
            found.append(day)
        day += event.interval * _DAY
    return found


def _zone(name: str, now: datetime) -> Iterator[str]:
    """The zone's offset, and its changes for about a year: enough for calendars that do not know the name."""
    zone = ZoneInfo(name)
    hour = timedelta(hours=1)
    at = (now - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    before = at.astimezone(zone)
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{name}"
    yield from _observance(datetime(1970, 1, 1), before, before)  # noqa: DTZ001 - local times of the zone are written without one
    while at < now + AHEAD:
        at += hour
        after = at.astimezone(zone)
        if after.utcoffset() != before.utcoffset():
            yield from _observance((at + (before.utcoffset() or timedelta())).replace(tzinfo=None), before, after)
        before = after
    yield "END:VTIMEZONE"


def _observance(start: datetime, before: datetime, after: datetime) -> Iterator[str]:
    kind = "DAYLIGHT" if after.dst() else "STANDARD"
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{start:%Y%m%dT%H%M%S}"
    yield f"TZOFFSETFROM:{before:%z}"
    yield f"TZOFFSETTO:{after:%z}"
    yield f"END:{kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """Cut into lines of at most 75 bytes, never within a character."""
    parts = [""]
    size = 0
    for char in line:
        width = len(char.encode())
        if size + width > LINE_BYTES_MAX - (len(parts) > 1):
            parts.append("")
            size = 0
        parts[-1] += char
        size += width
    return "\r\n ".join(parts)
