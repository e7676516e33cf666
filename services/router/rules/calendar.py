"""When a window is over: wall time, working days, or office hours, in the division's zone (DESIGN section 7, "Clocks")."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from libs.workdays import Notice, WorkCalendar

__all__ = ["ClockKind", "Due", "Notice", "OfficeHours", "WorkCalendar", "due", "period_end"]

_DAY = timedelta(days=1)
_PERIOD = re.compile(r"P(\d+)([DWMY])|PT(\d+)([HM])")


class ClockKind(StrEnum):
    """Which time counts."""

    WALL = "wall"
    """All of it, day and night."""
    WORKDAY = "workday"
    """Only working days, 24 h each, make-up workdays included."""
    OFFICE = "office"
    """Only the policy's office hours of working days."""


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
