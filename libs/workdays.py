"""Which days are worked: the statutory calendar of China, for deadlines and for rosters. No I/O."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from holidays.countries.china import China
from holidays.holiday_base import HolidayBase

_DAY = timedelta(days=1)
FIRST_YEAR = 2020
"""Nothing that is counted in working days began before."""
YEARS_AHEAD_MAX = 40
"""How far a calendar is laid out: a window beyond that is a mistake in a policy."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the State Council's yearly notice says: days off beside weekends, and weekend days that are worked."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()


class WorkCalendar:
    """The statutory calendar of China: weekends, holidays, and the weekend days that make up for them.

    The `holidays` library knows the State Council's notices up to some year; `notices` adds those that came out since. A year
    without a notice is provisional: the law's own holidays count, swaps are not known yet.
    """

    def __init__(self, notices: Mapping[int, Notice] | None = None) -> None:
        self._notices = dict(notices or {})
        self._law: HolidayBase = China(years=FIRST_YEAR)  # type: ignore[no-untyped-call]
        self._last_known_year = max(self._law.special_public_holidays)
        self._ordinals: list[int] = []
        self._until = date(FIRST_YEAR, 1, 1)

    def is_working(self, day: date) -> bool:
        """Whether people work on `day`."""
        notice = self._notices.get(day.year)
        if notice is None:
            return bool(self._law.is_working_day(day))
        if day in notice.work:
            return True
        return day not in notice.off and day.weekday() < 5

    def is_holiday(self, day: date) -> bool:
        """Whether `day` is off for a holiday rather than for a plain weekend: the days off around one that is named count with it."""
        if self.is_working(day):
            return False
        return any(self._is_named(near) for near in (*self._off_days(day, _DAY), *self._off_days(day, -_DAY)))

    def _off_days(self, day: date, step: timedelta) -> Iterator[date]:
        while not self.is_working(day):
            yield day
            day += step

    def _is_named(self, day: date) -> bool:
        notice = self._notices.get(day.year)
        return day in self._law or (notice is not None and day in notice.off)

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
            if self._until.year > FIRST_YEAR + YEARS_AHEAD_MAX:
                msg = f"{until} lies beyond the calendar"
                raise ValueError(msg)
            year = self._until.year
            while self._until.year == year:
                if self.is_working(self._until):
                    self._ordinals.append(self._until.toordinal())
                self._until += _DAY
