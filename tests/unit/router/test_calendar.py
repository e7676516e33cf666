"""Which time counts: nights, weekends, Spring Festival with its make-up days, the end of a year, years without a notice."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.rules.calendar import ClockKind, Due, Notice, OfficeHours, WorkCalendar, due

SHENZHEN = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar()
HOURS = OfficeHours.of((time(9), time(12)), (time(14), time(18)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHENZHEN)


def end(start: str, hours: float, clock: ClockKind = ClockKind.WORKDAY) -> str:
    found = due(at(start), timedelta(hours=hours), clock, "Asia/Shanghai", CALENDAR, office_hours=HOURS)
    return found.at.astimezone(SHENZHEN).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-03-04 10:00", 24, "2026-03-05 10:00"),  # Wednesday
        ("2026-03-06 18:00", 24, "2026-03-09 18:00"),  # Friday evening: over the weekend
        ("2026-03-07 12:00", 24, "2026-03-10 00:00"),  # Saturday: starts with Monday, is over with it
        ("2026-03-06 00:00", 24, "2026-03-07 00:00"),  # a whole Friday ends with Friday, not with Monday
        ("2026-02-13 18:00", 24, "2026-02-14 18:00"),  # Saturday 14 February is worked, to make up
        ("2026-02-14 18:00", 24, "2026-02-24 18:00"),  # then Spring Festival until the 23rd
        ("2026-02-17 03:00", 1, "2026-02-24 01:00"),
        ("2026-02-27 12:00", 24, "2026-02-28 12:00"),  # Saturday 28 February is worked, too
        ("2026-09-19 12:00", 24, "2026-09-21 00:00"),  # Sunday 20 September is worked
        ("2026-09-30 12:00", 24, "2026-10-08 12:00"),  # National Day
        ("2026-12-31 12:00", 24, "2027-01-04 12:00"),  # New Year's Day is a Friday
        ("2026-03-07 12:00", 0, "2026-03-09 00:00"),  # nothing to wait for, but the clock stands still
    ],
)
def test_working_days(start, hours, expected) -> None:
    assert end(start, hours) == expected


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-03-04 10:00", 1, "2026-03-04 11:00"),
        ("2026-03-04 11:30", 1, "2026-03-04 14:30"),  # over lunch
        ("2026-03-04 11:00", 1, "2026-03-04 12:00"),  # ends when lunch begins, not after it
        ("2026-03-04 12:30", 1, "2026-03-04 15:00"),
        ("2026-03-04 17:00", 2, "2026-03-05 10:00"),
        ("2026-03-06 20:00", 1, "2026-03-09 10:00"),
        ("2026-03-04 07:00", 7, "2026-03-04 18:00"),
        ("2026-03-04 12:30", 0, "2026-03-04 14:00"),
        ("2026-03-04 19:00", 0, "2026-03-05 09:00"),
    ],
)
def test_office_hours(start, hours, expected) -> None:
    assert end(start, hours, ClockKind.OFFICE) == expected


def test_wall_time_never_stands_still() -> None:
    assert end("2026-02-17 03:00", 24, ClockKind.WALL) == "2026-02-18 03:00"


def test_the_zone_of_the_division_decides_which_day_it_is() -> None:
    friday_evening_utc = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)  # Saturday 01:00 in Shenzhen, Friday in Ürümqi's own time
    shenzhen = due(friday_evening_utc, timedelta(hours=1), ClockKind.WORKDAY, "Asia/Shanghai", CALENDAR)
    urumqi = due(friday_evening_utc, timedelta(hours=1), ClockKind.WORKDAY, "Asia/Urumqi", CALENDAR)
    assert shenzhen.at == datetime(2026, 3, 8, 17, 0, tzinfo=UTC)
    assert urumqi.at == datetime(2026, 3, 6, 18, 0, tzinfo=UTC)


def test_a_year_without_notice_is_provisional_and_never_stops_anything() -> None:
    found = due(at("2026-12-30 12:00"), timedelta(days=60), ClockKind.WORKDAY, "Asia/Shanghai", CALENDAR)
    assert found.provisional
    assert found.at.year == 2027
    assert not due(at("2026-03-04 12:00"), timedelta(days=5), ClockKind.WORKDAY, "Asia/Shanghai", CALENDAR).provisional
    assert not due(at("2026-12-30 12:00"), timedelta(days=60), ClockKind.WALL, "Asia/Shanghai", CALENDAR).provisional


def test_an_administrator_can_add_the_notice_of_a_year() -> None:
    notice = Notice(off=frozenset({date(2027, 1, 1), date(2027, 1, 4)}), work=frozenset({date(2027, 1, 9)}))
    calendar = WorkCalendar({2027: notice})
    assert not calendar.is_provisional(2027)
    assert calendar.is_provisional(2028)
    assert not calendar.is_working(date(2027, 1, 4))
    assert calendar.is_working(date(2027, 1, 9))
    found = due(at("2026-12-31 12:00"), timedelta(hours=24), ClockKind.WORKDAY, "Asia/Shanghai", calendar)
    assert found == Due(at("2027-01-05 12:00").astimezone(UTC))


def test_days_off_around_a_holiday_count_with_it_and_plain_weekends_do_not() -> None:
    # The Spring Festival of 2026 is off from Sunday 15 to Monday 23 February; the Saturdays before and after are worked for it.
    off = [day for day in range(1, 29) if CALENDAR.is_holiday(date(2026, 2, day))]
    assert off == list(range(15, 24))
    assert not CALENDAR.is_working(date(2026, 2, 1))


@pytest.mark.parametrize("spans", [(), ((time(12), time(9)),), ((time(9), time(12)), (time(11), time(13)))])
def test_office_hours_that_make_no_sense_are_refused(spans) -> None:
    with pytest.raises(ValueError, match="office hours"):
        OfficeHours.of(*spans)


instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
windows = st.timedeltas(timedelta(seconds=1), timedelta(days=40))


@given(instants, windows, windows, st.sampled_from(ClockKind))
def test_windows_add_up(start, first, second, clock) -> None:
    """To wait for one window and then for another is to wait for both: nothing is counted twice or lost."""
    one = due(start, first, clock, "Asia/Shanghai", CALENDAR, office_hours=HOURS).at
    both = due(start, first + second, clock, "Asia/Shanghai", CALENDAR, office_hours=HOURS).at
    assert due(one, second, clock, "Asia/Shanghai", CALENDAR, office_hours=HOURS).at == both
    assert start < one < both


@given(instants, windows, st.sampled_from([ClockKind.WORKDAY, ClockKind.OFFICE]))
def test_a_window_ends_while_its_clock_runs(start, window, clock) -> None:
    found = due(start, window, clock, "Asia/Shanghai", CALENDAR, office_hours=HOURS).at
    just_before = (found - timedelta(microseconds=1)).astimezone(SHENZHEN)
    assert CALENDAR.is_working(just_before.date())
    assert found - start >= window
