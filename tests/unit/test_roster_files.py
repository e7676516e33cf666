"""Rosters as CSV and iCalendar: what is written is read back, what others write is understood or refused with its line."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.directory.duty import Held, Plan, Reason, Shift, on_duty
from services.directory.rules.roster_csv import HEADER, from_csv, to_csv
from services.directory.rules.roster_ics import PostRoster, to_ics
from services.directory.rules.roster_ics_read import from_ics
from services.directory.rules.roster_rows import PostKey, RosterRow
from services.directory.rules.shifts import check_shifts
from tests.unit.test_duty import ANNA, BEN, CALENDAR, CHEN, DAY, DING, LONG_AGO, NIGHT, ZONE, at, shifts

POST = PostKey("440304001020", "community_officer", 1)
NAMES = {ANNA: "安娜", BEN: "=SUM(1)", CHEN: "陈, 明", DING: "陈, 明"}
NOW = datetime(2026, 1, 20, 4, 0, tzinfo=UTC)
OFFICERS = {**{str(officer): officer for officer in NAMES}, "安娜": ANNA, "Ben": BEN, "Chen": CHEN}


def read(rows: list[RosterRow]) -> list[Shift]:
    """The shifts with their officers looked up."""
    found = []
    for row in rows:
        assert row.shift is not None
        found.append(replace(row.shift, officers=tuple(OFFICERS[name] if name else None for name in row.officers)))
    return found


def csv_of(given: list[Shift]) -> list[Shift]:
    rows, errors = from_csv(to_csv([(POST, given)], {POST: NAMES}))
    assert not errors
    assert {row.post for row in rows} <= {POST}
    return read(rows)


def ics_of(given: list[Shift], zone: str = ZONE) -> list[Shift]:
    text = to_ics([PostRoster(POST, "南园社区 儿童主任", zone, given, NAMES)], CALENDAR, NOW)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    rows, errors = from_ics(text, {}, zone)
    assert not errors
    assert {row.post for row in rows} <= {POST}
    return read(rows)


def working(given: list[Shift], zone: str, moment: datetime) -> list[UUID]:
    plan = Plan(zone, tuple(Held(officer, "deputy", LONG_AGO) for officer in NAMES), tuple(given))
    return [duty.officer_id for duty in on_duty(plan, moment, CALENDAR) if duty.reason is Reason.SHIFT]


@given(st.lists(shifts(), max_size=4))
def test_csv_says_the_same_after_a_round_trip(given: list[Shift]) -> None:
    assert csv_of(given) == given


moments = st.lists(st.integers(-20, 24 * 4 * 40), min_size=8, max_size=8)
"""Quarters of an hour since `NOW`."""


@given(st.lists(shifts(), min_size=1, max_size=2), moments, st.sampled_from([ZONE, "Europe/Berlin"]))
def test_a_calendar_says_the_same_after_a_round_trip(given: list[Shift], quarters: list[int], zone: str) -> None:
    back = ics_of(given, zone)
    for quarter in quarters:
        moment = NOW + timedelta(minutes=15 * quarter)
        assert working(back, zone, moment) == working(given, zone, moment)
    assert not check_shifts(back)


def test_two_shifts_as_files() -> None:
    assert csv_of([DAY, NIGHT]) == [DAY, NIGHT]
    began = [replace(shift, since=date(2026, 1, 19)) for shift in (DAY, NIGHT)]
    assert ics_of([DAY, NIGHT]) == began


def test_a_hand_written_table() -> None:
    text = """division_code,role,position,shift,days,start,end,officers
440304001020,community_officer,1,day,workday,8:00,20:00,安娜; Ben

440304001020,community_officer,,night,MO TU,20:00,24:00,Ben
440304001020,community_officer,2,,,,,
"""
    rows, errors = from_csv("\ufeff" + text)
    assert not errors
    assert rows[:2] == [
        RosterRow(2, POST, Shift("day", (), time(8), time(20), frozenset({"WORKDAY"})), ("安娜", "Ben")),
        RosterRow(4, POST, Shift("night", (), time(20), time(), frozenset({"MO", "TU"})), ("Ben",)),
    ]
    assert rows[2] == RosterRow(5, PostKey("440304001020", "community_officer", 2), None)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("440304001020,community_officer,1,day,,8,20:00,Ben,,,,", "start"),
        ("440304001020,community_officer,1,day,,08:00,25:00,Ben,,,,", "end"),
        ("440304001020,community_officer,1,day,MONDAY,08:00,20:00,Ben,,,,", "days"),
        ("440304001020,community_officer,1,day,,08:00,20:00,Ben,x,,,", "turn_days"),
        ("440304001020,community_officer,1,day,,08:00,20:00,Ben,,1.2.2026,,", "since"),
        ("440304001020,community_officer,first,day,,08:00,20:00,Ben,,,,", "division_code"),
        ("south,community_officer,1,day,,08:00,20:00,Ben,,,,", "division_code"),
        ("440304001020,community_officer,1,day,,08:00,20:00", ""),
        ('440304001020,community_officer,1,"day', ""),
    ],
)
def test_a_wrong_line_of_a_table_is_named_with_its_column(line: str, field: str) -> None:
    _rows, errors = from_csv(",".join(HEADER) + "\n" + line + "\n")
    assert [error.line for error in errors] == [2] or line.endswith('"day')
    assert len(errors) == 1
    assert errors[0].detail.startswith(f"{field}: " if field else "The line")


@pytest.mark.parametrize("text", ["", "a,b,c\n", "shift,officers\nday,Ben\n"])
def test_what_is_no_roster_table(text: str) -> None:
    assert [error.code for error in from_csv(text)[1]] == ["wrong_header"]


def ics(*lines: str) -> tuple[list[RosterRow], list[tuple[int, str]]]:
    rows, errors = from_ics("\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"]), {}, ZONE)
    return rows, [(error.line, error.detail.partition(":")[0]) for error in errors]


def test_a_week_on_duty_every_third_week_as_calendars_write_it() -> None:
    begin, end = "DTSTART;TZID=Asia/Shanghai:20260105T090000", "DTEND;TZID=Asia/Shanghai:20260112T090000"
    rows, errors = ics(begin, end, "RRULE:FREQ=WEEKLY;INTERVAL=3", 'ATTENDEE;CN="Ben";ROLE=REQ-PARTICIPANT:mailto:x@example.org')
    assert not errors
    given = read(rows)
    found = [working(given, ZONE, at(f"2026-{day} 12:00")) for day in ("01-05", "01-11", "01-12", "01-19", "01-26", "02-01")]
    assert found == [[BEN], [BEN], [], [], [BEN], [BEN]]
    assert working(given, ZONE, at("2026-01-12 08:59")) == [BEN]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", '"China Standard Time"', "/freeassociation.sourceforge.net/Asia/Shanghai"])
def test_zones_are_read_as_other_programs_call_them(zone: str) -> None:
    rows, errors = ics(f"DTSTART;TZID={zone}:20260105T090000", "DURATION:PT8H", "ATTENDEE;CN=Ben:mailto:x@example.org")
    assert not errors
    assert working(read(rows), ZONE, at("2026-01-05 09:00")) == [BEN]
    assert working(read(rows), ZONE, at("2026-01-05 08:59")) == []


def test_other_shapes_of_events() -> None:
    fridays, errors = ics(
        "DTSTART:20260102T120000Z", "DURATION:PT4H", "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:late\\, long", "ATTENDEE;CN=Ben:mailto:x"
    )
    assert not errors
    assert read(fridays) == [Shift("late, long", (BEN,), time(20), time(), frozenset({"FR"}), date(2026, 1, 2), date(2026, 1, 16))]
    once, errors = ics("DTSTART;VALUE=DATE:20260217", "DTEND;VALUE=DATE:20260220", "ATTENDEE;CN=Ben:mailto:x", "STATUS:CONFIRMED")
    assert not errors
    assert read(once)[0] == Shift("duty", (BEN,), since=date(2026, 2, 17), until=date(2026, 2, 19))
    long, errors = ics("DTSTART:20260217T080000", "DTEND:20260219T120000", "ATTENDEE;CN=Ben:mailto:x")
    assert not errors
    days = [working(read(long), ZONE, at(f"2026-02-{moment}")) for moment in ("17 07:59", "17 08:00", "19 07:59", "19 11:59", "19 12:00")]
    assert days == [[], [BEN], [BEN], [BEN], []]
    assert ics("DTSTART:20260102T120000Z", "DURATION:PT4H", "STATUS:CANCELLED") == ([], [])


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (["DTSTART:tomorrow", "ATTENDEE;CN=Ben:x"], (3, "DTSTART")),
        (["DTSTART:20260102T120000", "ATTENDEE;CN=Ben:x"], (2, "DTEND")),
        (["DTSTART:99991231T120000", "DURATION:PT24H", "ATTENDEE;CN=Ben:x"], (3, "DTSTART")),
        (["DTSTART:20260102T120000", "DURATION:P999W", "ATTENDEE;CN=Ben:x"], (4, "DURATION")),
        (["DTSTART:20260102T120000", "DTEND:20260102T110000", "ATTENDEE;CN=Ben:x"], (4, "DTEND")),
        (["DTSTART;TZID=Mars/Crater:20260102T120000", "DURATION:PT4H", "ATTENDEE;CN=Ben:x"], (3, "DTSTART")),
        (["DTSTART:20260102T120000", "DURATION:4h", "ATTENDEE;CN=Ben:x"], (4, "DURATION")),
        (["DTSTART:20260102T120000", "DURATION:PT4H"], (2, "ATTENDEE")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "ATTENDEE:mailto:x"], (5, "ATTENDEE")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "RRULE:FREQ=MONTHLY", "ATTENDEE;CN=Ben:x"], (5, "RRULE")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "RRULE:FREQ=WEEKLY;BYDAY=1MO", "ATTENDEE;CN=Ben:x"], (5, "RRULE")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "RRULE:FREQ=DAILY;INTERVAL=0", "ATTENDEE;CN=Ben:x"], (5, "RRULE")),
        (["DTSTART:20260102T120000", "DURATION:P3D", "RRULE:FREQ=DAILY;INTERVAL=2", "ATTENDEE;CN=Ben:x"], (5, "RRULE")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "RECURRENCE-ID:20260102T120000", "ATTENDEE;CN=Ben:x"], (5, "RECURRENCE-ID")),
        (["DTSTART:20260102T120000", "DTSTART:20260102T130000", "ATTENDEE;CN=Ben:x"], (4, "DTSTART")),
        (["DTSTART:20260102T120000", "DURATION:PT4H", "ATTENDEE;CN=Ben:x", "X-TOCSIN-POST:nowhere"], (6, "X-TOCSIN-POST")),
    ],
)
def test_an_event_that_cannot_be_read_is_named_with_its_line_and_property(lines: list[str], where: tuple[int, str]) -> None:
    assert ics(*lines) == ([], [where])


@pytest.mark.parametrize(
    "text", ["", "hello", "BEGIN:VCALENDAR", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", "BEGIN:VEVENT\nEND:VEVENT"]
)
def test_what_is_no_calendar(text: str) -> None:
    rows, errors = from_ics(text, {}, ZONE)
    assert (rows, [error.code for error in errors]) == ([], ["not_ics"])


@given(st.text(alphabet=st.sampled_from('BEGINDTSTARTRRULE:;=,\\"\n 0129ZPW-'), max_size=200))
def test_no_file_breaks_the_readers(text: str) -> None:
    for rows, errors in (from_csv(text), from_ics(text, {}, ZONE), ics(*text.split("\n"))):
        assert errors
        assert not rows
