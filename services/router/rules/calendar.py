"""When a window is over: wall time, working days, or office hours, in the division's zone (DESIGN section 7, "Clocks")."""

import re
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from holidays.countries.china import China
from holidays.holiday_base import HolidayBase

_DAY = timedelta(days=1)
_PERIOD = re.compile(r"P(\d+)([DWMY])|PT(\d+)([HM])")
_FIRST_YEAR = 2020
YEARS_AHEAD_MAX = 40
"""How far a calendar is laid out: a window beyond that is a mistake in a policy."""


class ClockKind(StrEnum):
    """Which time counts."""

    WALL = "wall"
    """All of it, day and night."""
    WORKDAY = "workday"
    """Only working days, 24 h each, make-up workdays included."""
    OFFICE = "office"
    """Only the policy's office hours of working days."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the State Council's yearly notice says: days off beside weekends, and weekend days that are worked."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The counted spans of a working day, ascending, e.g. 09:00-12:00 and 14:00-18:00."""

    spans: tuple[tuple[timedelta, timedelta], ...]

    @staticmethod
    def of(*spans: tuple[time, time]) -> "OfficeHours":
        """From clock times; ValueError when they are empty, backwards or overlap."""
        counted = tuple((_since_midnight(start), _since_midnight(end)) for start, end in spans)
        edges = [edge for span in counted for edge in span]
        if not edges or any(later <= earlier for earlier, later in pairwise(edges)):
            msg = "office hours must be given, each must end after it starts, and they must follow one another"
            raise ValueError(msg)
        return OfficeHours(counted)

    @property
    def total(self) -> timedelta:
        """The counted time of one working day."""
        return sum((end - start for start, end in self.spans), timedelta())


WHOLE_DAY = OfficeHours(((timedelta(), _DAY),))


class WorkCalendar:
    """The statutory calendar of China: weekends, holidays, and the weekend days that make up for them.

    The `holidays` library knows the State Council's notices up to some year; `notices` adds those that came out since. A year
    without a notice is provisional: the law's own holidays count, swaps are not known yet.
    """

    def __init__(self, notices: Mapping[int, Notice] | None = None) -> None:
        self._notices = dict(notices or {})
        self._law: HolidayBase = China(years=_FIRST_YEAR)  # type: ignore[no-untyped-call]
        self._last_known_year = max(self._law.special_public_holidays)
        self._ordinals: list[int] = []
        self._until = date(_FIRST_YEAR, 1, 1)

    def is_working(self, day: date) -> bool:
        """Whether people work on `day`."""
        notice = self._notices.get(day.year)
        if notice is None:
            return bool(self._law.is_working_day(day))
        if day in notice.work:
            return True
        return day not in notice.off and day.weekday() < 5

    def is_provisional(self, year: int) -> bool:
        """Whether the year's notice is not known, so that its days may still move."""
        return year > self._last_known_year and year not in self._notices

    def index(self, day: date) -> int:
        """How many working days lie before `day`, since the beginning of the calendar."""
        self._lay_out(day)
        return bisect_left(self._ordinals, day.toordinal())

    def day(self, index: int) -> date:
        """The working day of that index."""
        while len(self._ordinals) <= index:
            self._lay_out(self._until)
        return date.fromordinal(self._ordinals[index])

    def _lay_out(self, until: date) -> None:
        while self._until <= until:
            if self._until.year > _FIRST_YEAR + YEARS_AHEAD_MAX:
                msg = f"{until} lies beyond the calendar"
                raise ValueError(msg)
            year = self._until.year
            while self._until.year == year:
                if self.is_working(self._until):
                    self._ordinals.append(self._until.toordinal())
                self._until += _DAY


@dataclass(frozen=True, slots=True)
class Due:
    """The end of a window; `provisional` when it depends on a year whose notice is not out yet."""

    at: datetime
    provisional: bool = False


def due(
    start: datetime,
    duration: timedelta,
    clock: ClockKind,
    zone: str,
    calendar: WorkCalendar,
    *,
    office_hours: OfficeHours | None = None,
) -> Due:
    """The first instant at which `duration` of counted time has passed since `start`.

    A window that would start while its clock stands still starts at the next counted instant.
    """
    if clock is ClockKind.WALL:
        return Due(start + duration)
    hours = (office_hours or WHOLE_DAY) if clock is ClockKind.OFFICE else WHOLE_DAY
    local = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    index = calendar.index(local.date())
    counted = _counted(local - datetime.combine(local.date(), time()), hours) if calendar.is_working(local.date()) else timedelta()
    days, rest = divmod(counted + duration, hours.total)
    if not rest and duration:  # the end of the last counted day, not the start of the next one
        days, rest = days - 1, hours.total
    day = calendar.day(index + days)
    end = datetime.combine(day, time()) + _instant(rest, hours, ends=bool(duration))
    at = end.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return Due(at, any(calendar.is_provisional(year) for year in range(local.year, day.year + 1)))


def period_end(start: datetime, period: str, zone: str, *, times: int = 1) -> datetime:
    """The end of `times` periods of wall time (P3D, P1M, PT2H) since `start`: days, months and years by the place's calendar.

    A month that lacks the day ends on its last one: a month from 31 January is 28 or 29 February.
    """
    match = _PERIOD.fullmatch(period)
    if match is None:
        msg = f"{period} is not a period such as P3D or P1M"
        raise ValueError(msg)
    number, unit, hours, part = int(match[1] or 0) * times, match[2], int(match[3] or 0) * times, match[4]
    if part:
        return start + (timedelta(hours=hours) if part == "H" else timedelta(minutes=hours))
    local = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if unit in {"D", "W"}:
        end = local + timedelta(days=number * (7 if unit == "W" else 1))
    else:
        years, month = divmod(local.month - 1 + number * (12 if unit == "Y" else 1), 12)
        year = local.year + years
        end = local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))
    return end.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _counted(since_midnight: timedelta, hours: OfficeHours) -> timedelta:
    return sum((max(min(since_midnight, end) - start, timedelta()) for start, end in hours.spans), timedelta())


def _instant(counted: timedelta, hours: OfficeHours, *, ends: bool) -> timedelta:
    """When, since midnight, `counted` time has passed; where two spans meet, the end of the first if a window `ends` there."""
    for start, end in hours.spans:
        length = end - start
        if counted < length or (ends and counted == length):
            return start + counted
        counted -= length
    return hours.spans[-1][1]


def _since_midnight(clock_time: time) -> timedelta:
    return timedelta(hours=clock_time.hour, minutes=clock_time.minute)
