"""Who is on duty, as the rules have it: no database, no clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.directory.duty import (
    DAY_KINDS,
    WEEKDAYS,
    Duty,
    Held,
    Leave,
    Override,
    Plan,
    Reason,
    Shift,
    next_change,
    on_duty,
    periods,
    staffed,
)
from libs.directory.model import Rank
from libs.workdays import WorkCalendar
from services.directory.rules.shifts import check_shifts

CALENDAR = WorkCalendar()
ZONE = "Asia/Shanghai"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ANNA, BEN, CHEN, DING = (UUID(int=number) for number in range(1, 5))
HOLDERS = (Held(ANNA, "primary", LONG_AGO), Held(BEN, "deputy", LONG_AGO), Held(CHEN, "deputy", LONG_AGO + timedelta(days=1)))
DAY = Shift("day", (ANNA,), time(8), time(20))
NIGHT = Shift("night", (BEN,), time(20), time(8))
TWO_SHIFTS = Plan(ZONE, HOLDERS, (DAY, NIGHT))


def at(text: str, zone: str = ZONE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def asked(plan: Plan, text: str) -> list[tuple[UUID, Reason]]:
    return [(duty.officer_id, duty.reason) for duty in on_duty(plan, at(text, plan.zone), CALENDAR)]


def first(plan: Plan, text: str) -> UUID:
    return asked(plan, text)[0][0]


def test_without_a_roster_the_primary_is_asked_and_then_the_deputies() -> None:
    assert asked(Plan(ZONE, HOLDERS), "2026-11-23 03:00") == [(ANNA, Reason.PRIMARY), (BEN, Reason.DEPUTY), (CHEN, Reason.DEPUTY)]
    assert all(duty.on_duty for duty in on_duty(Plan(ZONE, HOLDERS), at("2026-11-23 03:00"), CALENDAR))
    assert on_duty(Plan(ZONE, ()), at("2026-11-23 03:00"), CALENDAR) == ()


def test_two_shifts_change_at_their_minute_and_the_night_goes_past_midnight() -> None:
    assert asked(TWO_SHIFTS, "2026-11-23 03:00") == [(BEN, Reason.SHIFT), (ANNA, Reason.OFF_DUTY), (CHEN, Reason.OFF_DUTY)]
    found = {clock: first(TWO_SHIFTS, f"2026-11-23 {clock}") for clock in ("07:59:59", "08:00", "19:59:59", "20:00", "23:59", "00:00")}
    assert found == {"07:59:59": BEN, "08:00": ANNA, "19:59:59": ANNA, "20:00": BEN, "23:59": BEN, "00:00": BEN}
    (duty, *_rest) = on_duty(TWO_SHIFTS, at("2026-11-23 03:00"), CALENDAR)
    assert duty == Duty(BEN, on_duty=True, reason=Reason.SHIFT, shift="night")


def test_workdays_make_up_days_and_holidays_are_those_of_the_statutory_calendar() -> None:
    plan = Plan(
        ZONE,
        HOLDERS,
        (
            Shift("festival", (CHEN,), days=frozenset({"HOLIDAY"})),
            Shift("office", (ANNA,), days=frozenset({"WORKDAY"})),
            Shift("weekend", (BEN,), days=frozenset({"DAYOFF"})),
        ),
    )
    days = {
        "2026-02-13": ANNA,  # a Friday
        "2026-02-14": ANNA,  # a Saturday that is worked for the festival
        "2026-02-15": CHEN,  # the nine days of the festival begin
        "2026-02-21": CHEN,  # its Saturday
        "2026-02-24": ANNA,
        "2026-03-07": BEN,  # a plain Saturday
    }
    assert {day: first(plan, f"{day} 12:00") for day in days} == days


def test_officers_take_turns_from_the_first_day_on() -> None:
    week = Plan(ZONE, HOLDERS, (Shift("week", (ANNA, BEN, CHEN), time(8), time(8), since=date(2026, 11, 2), turn_days=7),))
    assert asked(week, "2026-11-02 07:59")[0][1] is Reason.NOBODY  # it has not begun
    turns = ["2026-11-02 08:00", "2026-11-09 07:59", "2026-11-09 08:00", "2026-11-16 08:00", "2026-11-23 08:00"]
    assert [first(week, moment) for moment in turns] == [ANNA, ANNA, BEN, CHEN, ANNA]
    assert asked(week, "2026-11-10 12:00") == [(BEN, Reason.SHIFT), (ANNA, Reason.OFF_DUTY), (CHEN, Reason.OFF_DUTY)]


def test_the_first_shift_that_has_somebody_counts() -> None:
    gap = Shift("guest", (None, CHEN), time(8), time(20), since=date(2026, 11, 23), turn_days=1)
    plan = replace(TWO_SHIFTS, shifts=(gap, DAY, NIGHT))
    assert [first(plan, f"2026-11-{day} 12:00") for day in (22, 23, 24, 25, 26)] == [ANNA, ANNA, CHEN, ANNA, CHEN]
    skipping = replace(TWO_SHIFTS, shifts=(replace(DAY, skip=frozenset({date(2026, 11, 24)})), Shift("all", (CHEN,))))
    assert [first(skipping, f"2026-11-{day} 12:00") for day in (23, 24, 25)] == [ANNA, CHEN, ANNA]


def test_nobody_on_duty_is_no_dead_end() -> None:
    plan = replace(TWO_SHIFTS, shifts=(DAY,))
    night = on_duty(plan, at("2026-11-23 03:00"), CALENDAR)
    assert [(duty.officer_id, duty.reason, duty.on_duty) for duty in night] == [
        (ANNA, Reason.NOBODY, True),
        (BEN, Reason.NOBODY, True),
        (CHEN, Reason.NOBODY, True),
    ]
    assert not staffed(night)
    assert staffed(on_duty(plan, at("2026-11-23 12:00"), CALENDAR))
    # A roster of people who do not hold the post is as good as none.
    strangers = replace(TWO_SHIFTS, shifts=(Shift("day", (DING,)),))
    assert asked(strangers, "2026-11-23 12:00")[0] == (ANNA, Reason.NOBODY)


def test_a_deputy_stands_in_for_who_is_on_leave() -> None:
    leave = Leave(UUID(int=9), BEN, at("2026-11-23 00:00"), at("2026-11-24 00:00"))
    plan = replace(TWO_SHIFTS, leaves=(leave,))
    assert asked(plan, "2026-11-22 23:59")[0] == (BEN, Reason.SHIFT)
    duties = on_duty(plan, at("2026-11-23 03:00"), CALENDAR)
    assert duties == (
        Duty(CHEN, on_duty=True, reason=Reason.REPLACES, shift="night", instead_of=BEN),
        Duty(ANNA, on_duty=False, reason=Reason.OFF_DUTY),
        Duty(BEN, on_duty=False, reason=Reason.ON_LEAVE),
    )
    assert asked(plan, "2026-11-24 00:00")[0] == (BEN, Reason.SHIFT)
    without_roster = Plan(ZONE, HOLDERS, leaves=(Leave(UUID(int=9), ANNA, leave.starts_at, leave.ends_at),))
    assert on_duty(without_roster, at("2026-11-23 03:00"), CALENDAR)[0] == Duty(BEN, on_duty=True, reason=Reason.REPLACES, instead_of=ANNA)


def test_when_everybody_is_on_leave_everybody_is_asked() -> None:
    leaves = tuple(Leave(UUID(int=9), held.officer_id, at("2026-11-23 00:00"), at("2026-11-24 00:00")) for held in HOLDERS)
    for plan in (Plan(ZONE, HOLDERS, leaves=leaves), replace(TWO_SHIFTS, leaves=leaves)):
        duties = on_duty(plan, at("2026-11-23 03:00"), CALENDAR)
        assert [duty.officer_id for duty in duties] == [ANNA, BEN, CHEN]
        assert all(duty.on_duty for duty in duties)
        assert not staffed(duties)


def test_an_override_wins_and_the_later_one_over_the_earlier() -> None:
    start, end = at("2026-11-23 02:00"), at("2026-11-23 10:00")
    plan = replace(TWO_SHIFTS, overrides=(Override(UUID(int=7), CHEN, start, end),))
    assert asked(plan, "2026-11-23 03:00") == [(CHEN, Reason.OVERRIDE), (ANNA, Reason.OFF_DUTY), (BEN, Reason.OFF_DUTY)]
    assert first(plan, "2026-11-23 01:59") == BEN
    assert first(plan, "2026-11-23 10:00") == ANNA
    later = replace(plan, overrides=(*plan.overrides, Override(UUID(int=8), ANNA, start, end, given_by=BEN)))
    assert asked(later, "2026-11-23 03:00")[:2] == [(ANNA, Reason.HANDED_OVER), (CHEN, Reason.OVERRIDE)]
    away = replace(plan, leaves=(Leave(UUID(int=9), CHEN, start, end),))
    assert asked(away, "2026-11-23 03:00")[0] == (BEN, Reason.SHIFT)


def test_holders_come_and_go_at_their_time() -> None:
    later = Held(CHEN, "primary", at("2026-11-24 00:00"), at("2026-11-25 00:00"))
    plan = Plan(ZONE, (*HOLDERS[:2], later))
    assert asked(plan, "2026-11-23 23:59") == [(ANNA, Reason.PRIMARY), (BEN, Reason.DEPUTY)]
    assert asked(plan, "2026-11-24 00:00") == [(CHEN, Reason.PRIMARY), (BEN, Reason.DEPUTY)]
    assert asked(plan, "2026-11-25 00:00") == [(BEN, Reason.DEPUTY)]


def test_a_night_is_an_hour_longer_or_shorter_when_the_clocks_change_and_nobody_is_missing() -> None:
    zone = "Europe/Berlin"
    plan = replace(TWO_SHIFTS, zone=zone)
    for night, hours in ((date(2026, 3, 28), 11), (date(2026, 10, 24), 13)):
        start, end = NIGHT.span(night, zone)
        assert end - start == timedelta(hours=hours)
        whole = periods(plan, start - timedelta(hours=6), end + timedelta(hours=6), CALENDAR)
        assert [period.duties[0].officer_id for period in whole] == [ANNA, BEN, ANNA]
        assert (whole[1].starts_at, whole[1].ends_at) == (start, end)


@pytest.mark.parametrize(
    ("shift", "field"),
    [
        (replace(DAY, name=" "), "name"),
        (replace(DAY, officers=()), "officers"),
        (replace(DAY, officers=(ANNA, None)), "officers"),
        (replace(DAY, days=frozenset({"MONDAY"})), "days"),
        (replace(DAY, turn_days=7), "since"),
        (replace(DAY, turn_days=-1, since=date(2026, 2, 2)), "turn_days"),
        (replace(DAY, since=date(2026, 2, 2), until=date(2026, 2, 1)), "until"),
        (replace(DAY, until=date(9999, 12, 31)), "until"),
        (replace(DAY, skip=frozenset({date(1, 1, 1)})), "skip"),
    ],
)
def test_shifts_that_make_no_sense_are_named_with_their_field(shift: Shift, field: str) -> None:
    assert [(problem.shift, problem.field) for problem in check_shifts([DAY, shift])] == [(1, field)]


officers = st.sampled_from([ANNA, BEN, CHEN, DING])
days = st.dates(date(2026, 1, 1), date(2026, 3, 31))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds it
clock_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, datetime]:
    start = draw(instants)
    return start, start + draw(st.timedeltas(timedelta(minutes=1), timedelta(days=20)))


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    since = draw(days)
    turn_days = draw(st.sampled_from([0, 0, 1, 2, 7]))
    return Shift(
        name=draw(st.sampled_from(["day", "night", "值班"])),
        officers=tuple(draw(st.lists(officers, min_size=1, max_size=3))),
        start=draw(clock_times),
        end=draw(clock_times),
        days=draw(st.frozensets(st.sampled_from([*WEEKDAYS, *DAY_KINDS]), max_size=3)),
        since=since if turn_days else draw(st.sampled_from([None, since])),
        until=draw(st.one_of(st.none(), st.just(since + timedelta(days=30)))),
        turn_days=turn_days,
        skip=draw(st.frozensets(days, max_size=2)),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ranks: tuple[Rank, ...] = ("primary", "deputy")
    held = draw(st.lists(st.tuples(officers, st.sampled_from(ranks), spans()), max_size=4, unique_by=lambda one: one[0]))
    return Plan(
        zone=draw(st.sampled_from([ZONE, "Europe/Berlin"])),
        holders=(Held(DING, "deputy", LONG_AGO), *(Held(one, rank, *span) for one, rank, span in held if one != DING)),
        shifts=tuple(draw(st.lists(shifts(), max_size=3))),
        overrides=tuple(Override(UUID(int=7), one, *span) for one, span in draw(st.lists(st.tuples(officers, spans()), max_size=2))),
        leaves=tuple(Leave(UUID(int=9), one, *span) for one, span in draw(st.lists(st.tuples(officers, spans()), max_size=2))),
    )


@given(plans(), instants)
def test_everybody_who_holds_the_post_is_asked_once_and_somebody_is_on_duty(plan: Plan, moment: datetime) -> None:
    asked_then = on_duty(plan, moment, CALENDAR)
    held = {duty.officer_id for duty in on_duty(Plan(plan.zone, plan.holders), moment, CALENDAR)}
    assert DING in held  # who holds it from long ago is never lost, whatever the roster says (promise 4)
    assert len(asked_then) == len(held)
    assert {duty.officer_id for duty in asked_then} == held
    assert asked_then[0].on_duty
    assert [duty.on_duty for duty in asked_then] == sorted((duty.on_duty for duty in asked_then), reverse=True)


@given(plans(), instants, st.floats(0, 1))
def test_nothing_changes_before_the_next_change(plan: Plan, moment: datetime, share: float) -> None:
    following = next_change(plan, moment, CALENDAR)
    end = following or moment + timedelta(days=30)
    assert end > moment
    before = min(moment + (end - moment) * share, end - timedelta(microseconds=1))
    assert on_duty(plan, max(before, moment), CALENDAR) == on_duty(plan, moment, CALENDAR)


@given(plans(), spans())
def test_periods_cover_the_time_without_gaps_and_say_what_is_asked_at_each_instant(plan: Plan, span: tuple[datetime, datetime]) -> None:
    found = periods(plan, *span, CALENDAR)
    assert (found[0].starts_at, found[-1].ends_at) == span
    for one, following in pairwise(found):
        assert one.ends_at == following.starts_at
        assert one.duties != following.duties
    for one in found:
        middle = one.starts_at + (one.ends_at - one.starts_at) / 2
        assert on_duty(plan, middle, CALENDAR) == one.duties


@given(shifts())
def test_shifts_are_stored_as_they_are(shift: Shift) -> None:
    assert Shift.from_json(shift.to_json()) == shift
