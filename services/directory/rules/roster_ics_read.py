"""Reading rosters from iCalendar (RFC 5545): events that happen once, daily or weekly; what is beyond that is refused with its line."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from libs.directory.duty import WEEKDAYS, Shift
from libs.i18n import gettext as _
from services.directory.errors import LineError
from services.directory.rules.roster_rows import ERRORS_MAX, ROWS_MAX, FileWrong, PostKey, RosterRow, days_of, post_key_of
from services.directory.rules.shifts import SLOTS_MAX, YEARS

LINES_MAX = 400_000
COUNT_MAX = 5_000
LENGTH_MAX = timedelta(days=3_660)
DAYS_MAX = 36_525
"""How far ahead a repeated event is followed: one that comes less often than its COUNT needs goes on without end."""
ZONES_OF_WINDOWS = {"China Standard Time": "Asia/Shanghai", "中国标准时间": "Asia/Shanghai"}
_DAY = timedelta(days=1)
_PROPERTY = re.compile(r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=("[^"]*"|[^;]*)')
_DURATION = re.compile(r"P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")
_URN = "urn:uuid:"


@dataclass(frozen=True, slots=True)
class _Property:
    line: int
    name: str
    parameters: Mapping[str, str]
    value: str

    def wrong(self, code: str, detail: str) -> FileWrong:
        return FileWrong(self.line, self.name, code, detail)


@dataclass(slots=True)
class _Event:
    line: int
    properties: list[_Property] = field(default_factory=list)

    def one(self, name: str) -> _Property | None:
        found = [given for given in self.properties if given.name == name]
        if len(found) > 1:
            raise found[1].wrong("twice", _("This stands twice in one event. Remove one of the two."))
        return found[0] if found else None

    def all(self, name: str) -> list[_Property]:
        return [given for given in self.properties if given.name == name]


@dataclass(frozen=True, slots=True)
class _Span:
    """When the first occurrence begins and how long it lasts, in local time of the post's zone."""

    start: datetime
    length: timedelta

    @property
    def day(self) -> date:
        return self.start.date()

    @property
    def end(self) -> datetime:
        return self.start + self.length


def from_ics(text: str, zones: Mapping[PostKey, str], standard_zone: str) -> tuple[list[RosterRow], list[LineError]]:
    """The shifts of a calendar, and what is wrong with it. `zones`: of posts that are not in the `standard_zone`."""
    found: list[RosterRow] = []
    errors: list[LineError] = []
    try:
        events = list(_events(text))
    except FileWrong as wrong:
        return [], [wrong.error]
    for event in events:
        try:
            found += _rows(event, zones, standard_zone)
        except FileWrong as wrong:
            errors.append(wrong.error)
        if len(errors) >= ERRORS_MAX:
            break
        if len(found) > ROWS_MAX:
            errors.append(LineError(event.line, "too_long", _("At most %(max)s events at once. Split the file.", max=ROWS_MAX)))
            break
    return found, errors


def posts_named(text: str) -> set[str]:
    """Every post that the calendar names, as it is written."""
    return {line.partition(":")[2].strip() for line in text.splitlines() if line.upper().startswith("X-TOCSIN-POST:")}


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Whole lines, each with the number of its first part."""
    held: list[str] = []
    begun = 1
    for number, line in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), start=1):
        if number > LINES_MAX:
            raise FileWrong(number, "", "too_long", _("At most %(max)s lines at once. Split the file.", max=LINES_MAX))
        if line[:1] in {" ", "\t"} and held:
            held.append(line[1:])
            continue
        if held:
            yield begun, "".join(held)
        held, begun = [line], number
    if held:
        yield begun, "".join(held)


def _properties(text: str) -> Iterator[_Property]:
    for line, content in _unfolded(text):
        found = _PROPERTY.fullmatch(content)
        if found is not None:
            yield _Property(line, found[1].upper(), _parameters(found[2]), found[3])
        elif content.strip():
            raise FileWrong(line, "", "not_ics", _("This is no line of a calendar. Export the calendar as iCalendar (.ics) again."))


def _events(text: str) -> Iterator[_Event]:
    within: list[str] = []
    event: _Event | None = None
    line = 1
    for given in _properties(text):
        line = given.line
        if not within and (given.name, given.value.upper()) != ("BEGIN", "VCALENDAR"):
            raise given.wrong("not_ics", _("A calendar begins with BEGIN:VCALENDAR."))
        if given.name == "BEGIN":
            within.append(given.value.upper())
            event = _Event(line) if within[-1] == "VEVENT" else event
        elif given.name == "END":
            _close(within, given)
            if given.value.upper() == "VEVENT" and event is not None:
                yield event
                event = None
        elif within[-1] == "VEVENT" and event is not None:
            event.properties.append(given)
    if within or not text.strip():
        raise FileWrong(line, "", "not_ics", _("The calendar has no end: the file is empty or cut off."))


def _close(within: list[str], given: _Property) -> None:
    inner = within.pop()
    if inner != given.value.upper():
        detail = _("%(found)s ends before %(inner)s. The file is cut off or damaged.", found=given.value[:20], inner=inner)
        raise given.wrong("not_ics", detail)


def _parameters(text: str) -> dict[str, str]:
    return {name.upper(): value.strip('"') for name, value in _PARAMETER.findall(text)}


def _rows(event: _Event, zones: Mapping[PostKey, str], standard_zone: str) -> Iterator[RosterRow]:
    status = event.one("STATUS")
    if status is not None and status.value.upper() == "CANCELLED":
        return
    for name, way_out in (
        ("RECURRENCE-ID", _("A single day was moved. Leave it out of the series and make an event of its own, then export again.")),
        ("RDATE", _("Days beside the rule cannot be read. Make an event of its own for each.")),
        ("EXRULE", _("Leave days out one by one instead.")),
    ):
        if (found := event.one(name)) is not None:
            raise found.wrong("not_supported", way_out)
    post = _post(event)
    zone = zones.get(post, standard_zone) if post else standard_zone
    officers = tuple(_officers(event))
    summary = event.one("SUMMARY")
    name = _plain(summary.value).strip() if summary else ""
    given = Shift(name or _("duty"), ())
    for shift, several in _shifts(event, _span(event, zone), given, officers, zone):
        yield RosterRow(event.line, post, shift, several)


def _post(event: _Event) -> PostKey | None:
    given = event.one("X-TOCSIN-POST")
    if given is None:
        return None
    code, _slash, rest = given.value.strip().partition("/")
    role, _slash, position = rest.partition("/")
    return post_key_of(code, role, position, given.line, given.name)


def _officers(event: _Event) -> Iterator[str]:
    attendees = event.all("ATTENDEE")
    if not attendees:
        raise FileWrong(event.line, "ATTENDEE", "nobody", _("The event names nobody. Invite the officer to it, by name."))
    for one in attendees:
        if one.value.lower().startswith(_URN):
            yield one.value[len(_URN) :]
        elif one.parameters.get("CN"):
            yield _plain(one.parameters["CN"])
        else:
            raise one.wrong("nobody", _("The attendee has no name (CN). Write the officer's name or id there."))


def _span(event: _Event, zone: str) -> _Span:
    begins, ends, lasts = event.one("DTSTART"), event.one("DTEND"), event.one("DURATION")
    if begins is None:
        raise FileWrong(event.line, "DTSTART", "missing", _("The event has no beginning."))
    start = _local(begins, begins.value, zone)
    if ends is not None:
        length = _local(ends, ends.value, zone) - start
    elif lasts is not None:
        length = _length(lasts)
    elif len(begins.value.strip()) == len("20260101"):
        length = _DAY
    else:
        raise FileWrong(event.line, "DTEND", "missing", _("The event has neither an end nor a duration."))
    if not timedelta() < length <= LENGTH_MAX or start.second or (start + length).second:
        raise (ends or lasts or begins).wrong("bad_period", _("An event must end after it begins, both at full minutes."))
    return _Span(start, length)


def _local(given: _Property, text: str, zone: str) -> datetime:
    """An instant in the zone's local time, without zone, in a year that rosters may name."""
    year = text.strip()[:4]
    if not (year.isascii() and year.isdigit() and int(year) in YEARS):
        raise given.wrong("bad_time", _("“%(found)s” is no time. Write it like 20260131T080000.", found=text.strip()[:20]))
    return _moment(given, text, zone)


def _moment(given: _Property, text: str, zone: str) -> datetime:
    value = text.strip()
    try:
        if len(value) == len("20260101"):
            return datetime.strptime(value, "%Y%m%d")  # noqa: DTZ007 - local
        if value.endswith("Z"):
            at = datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        at = datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - local
    except ValueError:
        detail = _("“%(found)s” is no time. Write it like 20260131T080000.", found=value[:20])
        raise given.wrong("bad_time", detail) from None
    named = _zone_named(given.parameters.get("TZID", zone))
    if named == zone:
        return at
    try:
        return at.replace(tzinfo=ZoneInfo(named)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (KeyError, ValueError, OSError):
        detail = _("The zone “%(found)s” is not known. Use %(zone)s.", found=named[:40], zone=zone)
        raise given.wrong("unknown_zone", detail) from None


def _zone_named(text: str) -> str:
    """The zone as it is called everywhere: Windows has names of its own, others put a path before it."""
    return ZONES_OF_WINDOWS.get(text, "/".join(text.split("/")[-2:]) if text.startswith("/") else text)


def _length(given: _Property) -> timedelta:
    found = _DURATION.fullmatch(given.value.strip())
    if found is None:
        raise given.wrong("bad_period", _("“%(found)s” is no duration. Write it like PT12H.", found=given.value[:20]))
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _shifts(
    event: _Event, span: _Span, given: Shift, officers: tuple[str, ...], zone: str
) -> Iterator[tuple[Shift, tuple[str | None, ...]]]:
    rule = event.one("RRULE")
    shift = replace(given, start=span.start.time(), end=span.end.time(), since=span.day)
    if rule is None:
        yield from ((one, officers) for one in _once(span, shift))
        return
    parts = _rule(rule)
    interval = int(parts.get("INTERVAL", "1"))
    weekly = parts["FREQ"] == "WEEKLY"
    weekdays = frozenset(parts["BYDAY"].split(",")) if "BYDAY" in parts else frozenset()
    last = _last(rule, parts, span, zone)
    if last is not None and last < span.day:
        return
    cycle = interval * (7 if weekly else 1)
    shift = replace(shift, until=last)
    if span.length > _DAY:
        turns = _check_long(rule, event, span, cycle, weekdays)
        days = span.length // _DAY
        shift = replace(shift, turn_days=days if turns > 1 else 0, until=last + (days - 1) * _DAY if last else None)
        yield shift, _turns(rule, officers, turns)
        return
    shift = _with_days(event, shift, weekdays or (frozenset({WEEKDAYS[span.day.weekday()]}) if weekly else frozenset()), zone)
    if weekly:
        since = span.day - ((span.day.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7) * _DAY
        early = frozenset(since + number * _DAY for number in range((span.day - since).days))
        early = frozenset(day for day in early if WEEKDAYS[day.weekday()] in shift.days)
        if interval == 1:
            yield shift, officers
        else:
            yield replace(shift, since=since, skip=shift.skip | early, turn_days=7), _turns(rule, officers, interval)
    elif interval == 1:
        yield shift, officers
    else:
        yield replace(shift, turn_days=1), _turns(rule, officers, interval)


def _once(span: _Span, shift: Shift) -> Iterator[Shift]:
    """A single event, whatever its length: whole days, and what is left of it."""
    days, rest = divmod(span.length, _DAY)
    if days:
        yield replace(shift, end=shift.start, until=span.day + (days - 1) * _DAY)
    if rest:
        last = span.day + days * _DAY
        yield replace(shift, since=last, until=last)


def _check_long(rule: _Property, event: _Event, span: _Span, cycle: int, weekdays: frozenset[str]) -> int:
    """How many turns of several whole days make a round, as in a week of duty every third week."""
    days, rest = divmod(span.length, _DAY)
    if rest or cycle % days or weekdays - {WEEKDAYS[span.day.weekday()]} or event.all("EXDATE"):
        detail = _(
            "An event of several days can only repeat after a multiple of its length, in whole days. Make one event per day instead."
        )
        raise rule.wrong("not_supported", detail)
    return cycle // days


def _turns(rule: _Property, officers: tuple[str, ...], number: int) -> tuple[str | None, ...]:
    """A turn of the officer, and then those of others."""
    if number == 1:
        return officers
    if len(officers) > 1:
        raise rule.wrong("not_supported", _("An event that comes every few days or weeks can have one officer. Make one for each."))
    if number > SLOTS_MAX:
        raise rule.wrong("not_supported", _("At most %(max)s turns.", max=SLOTS_MAX))
    return (*officers, *(None for _turn in range(number - 1)))


def _with_days(event: _Event, shift: Shift, weekdays: frozenset[str], zone: str) -> Shift:
    ours = event.one("X-TOCSIN-DAYS")
    if ours is not None:
        days = days_of(ours.value, ours.line, ours.name)
        skip = frozenset(_local(given, given.value, zone).date() for given in event.all("X-TOCSIN-SKIP"))
        return replace(shift, days=days, skip=skip)
    skipped = [(given, text) for given in event.all("EXDATE") for text in given.value.split(",")]
    return replace(shift, days=weekdays, skip=frozenset(_local(given, text, zone).date() for given, text in skipped))


def _rule(given: _Property) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in given.value.strip().upper().split(";"):
        name, _equals, value = part.partition("=")
        parts[name] = value
    beyond = sorted(set(parts) - {"FREQ", "INTERVAL", "BYDAY", "UNTIL", "COUNT", "WKST"})
    if parts.get("FREQ") not in {"DAILY", "WEEKLY"} or beyond:
        said = beyond[0] if beyond else f"FREQ={parts.get('FREQ', '')}"
        detail = _("%(found)s cannot be read. Use events that repeat daily or weekly.", found=said[:40])
        raise given.wrong("not_supported", detail)
    days = parts.get("BYDAY", "MO").split(",")
    interval = parts.get("INTERVAL", "1")
    if not set(days) <= set(WEEKDAYS) or parts.get("WKST", "MO") not in WEEKDAYS:
        raise given.wrong("bad_rule", _("Weekdays are: %(known)s.", known=", ".join(WEEKDAYS)))
    if not (interval.isascii() and interval.isdigit() and 1 <= int(interval[:6]) <= SLOTS_MAX):
        raise given.wrong("bad_rule", _("INTERVAL must be a number from 1 to %(max)s.", max=SLOTS_MAX))
    return parts


def _last(given: _Property, parts: Mapping[str, str], span: _Span, zone: str) -> date | None:
    """The last day on which the event begins; None: it goes on."""
    if "UNTIL" in parts:
        last = _local(given, parts["UNTIL"], zone)
        at_its_time = len(parts["UNTIL"]) == len("20260101") or last.time() >= span.start.time()
        return last.date() if at_its_time else last.date() - _DAY
    if "COUNT" not in parts:
        return None
    count = parts["COUNT"]
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:6]) <= COUNT_MAX):
        raise given.wrong("bad_rule", _("COUNT must be a number from 1 to %(max)s.", max=COUNT_MAX))
    days = _days(parts, span.day)
    return next((day for number, day in enumerate(days, start=1) if number == int(count)), None)


def _days(parts: Mapping[str, str], first: date) -> Iterator[date]:
    """The days that a rule names, from `first` on, for as long as rosters are thought ahead."""
    interval = int(parts.get("INTERVAL", "1"))
    weekly = parts["FREQ"] == "WEEKLY"
    weekdays = set(parts["BYDAY"].split(",")) if "BYDAY" in parts else {WEEKDAYS[first.weekday()]} if weekly else set(WEEKDAYS)
    week = first - ((first.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7) * _DAY
    for number in range(DAYS_MAX):
        day = first + number * _DAY
        turn = (day - week).days // 7 if weekly else number
        if turn % interval == 0 and WEEKDAYS[day.weekday()] in weekdays:
            yield day


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], text)
