"""What a storm may and may not do: the order of turns, the pace of a gateway, a number's day, and how long a bundle may wait."""

import heapq
import re
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.settings import SettingsError, load
from libs.terms import Grade, Purpose
from services.notifier.handlers.shaping import Shaping
from services.notifier.rules.budgets import Bounds, Tally
from services.notifier.rules.bundles import SHARE, Bundling
from services.notifier.rules.pacing import Bucket
from services.notifier.rules.quiet import QuietHours, waits_until
from services.notifier.rules.states import CRITICAL, Refusal, Rejected
from services.notifier.rules.turns import HANDICAPS, is_urgent, turn_of
from services.notifier.settings import StormSettings

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

arrivals = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 4)), min_size=1, max_size=200)


@given(arrivals, st.integers(1, 20))
@example([(0, 4), *((second, 2) for second in range(1, 600))], 1)  # grade II without end, just as fast as it can be sent
def test_urgent_messages_pass_all_others_and_nobody_waits_without_bound(arriving: list[tuple[int, int]], per_s: int) -> None:
    """Messages arrive at seconds with priorities; each second `per_s` of those that wait go out, in the order of their turns."""
    arriving.sort()
    waiting: list[tuple[datetime, int, int]] = []  # turn, priority, second of the request
    sent: list[tuple[int, int]] = []
    second = number = 0
    while waiting or number < len(arriving):
        while number < len(arriving) and arriving[number][0] <= second:
            requested, priority = arriving[number]
            heapq.heappush(waiting, (turn_of(priority, NOW + requested * SECOND), priority, requested))
            number += 1
        for _ in range(min(per_s, len(waiting))):
            _turn, priority, requested = heapq.heappop(waiting)
            assert is_urgent(priority) or not any(is_urgent(other) for _, other, _ in waiting), "an alarm waited behind something lesser"
            assert priority == CRITICAL or not any(other == CRITICAL for _, other, _ in waiting)
            for _, other, since in waiting:
                ahead = HANDICAPS[other] - HANDICAPS[priority]
                assert requested * SECOND <= since * SECOND + ahead, "passed by one that came later than the bound"
            sent.append((requested, priority))
        second += 1
    assert sorted(sent) == arriving, "nothing is lost"


def test_of_the_same_moment_the_graver_goes_first() -> None:
    turns = [turn_of(priority, NOW) for priority in range(5)]
    assert turns == sorted(set(turns))
    assert turn_of(4, NOW) > turn_of(2, NOW + timedelta(minutes=59))
    assert turn_of(4, NOW) < turn_of(2, NOW + timedelta(minutes=61))


@given(st.floats(0.5, 50), st.lists(st.floats(0, 3), min_size=1, max_size=20), st.booleans())
def test_a_gateway_gets_no_more_than_its_pace_and_one_burst(per_s: float, gaps: list[float], urgent: bool) -> None:
    bucket, now, taken = Bucket(per_s), NOW, []
    for gap in gaps:
        now += gap * SECOND
        while bucket.may(now, urgent=urgent):
            bucket = bucket.taken(now)
            taken.append(now)
    for number, first in enumerate(taken):
        for later, last in enumerate(taken[number:], start=1):
            assert later <= per_s * (last - first).total_seconds() + bucket.most + 0.01


@given(st.integers(1, 50), st.floats(0.02, 0.2))
def test_looking_only_now_and_then_costs_nothing(per_s: int, tick_s: float) -> None:
    """Whenever somebody looks, the gateway gets what it may: findings.md tells of a pacer that let through a tenth."""
    bucket, now, taken = Bucket(float(per_s)), NOW, 0
    for _ in range(int(20 / tick_s)):
        now += tick_s * SECOND
        while bucket.may(now, urgent=True):
            bucket, taken = bucket.taken(now), taken + 1
    assert taken >= per_s * 20 * 0.9 - bucket.most


@given(st.floats(0.5, 200))
def test_an_alarm_finds_a_token_when_the_others_have_used_theirs(per_s: float) -> None:
    bucket = Bucket(per_s)
    while bucket.may(NOW, urgent=False):
        bucket = bucket.taken(NOW)
    assert bucket.may(NOW, urgent=True)
    later = bucket.free_at(NOW, urgent=False)
    assert later > NOW
    assert bucket.may(later, urgent=False), "the time that is told is the right one"
    while bucket.may(NOW, urgent=True):
        bucket = bucket.taken(NOW)
    assert bucket.may(bucket.free_at(NOW, urgent=True), urgent=True)
    assert bucket.free_at(NOW, urgent=True) - NOW <= SECOND / per_s + timedelta(microseconds=2)


def test_a_clock_that_goes_back_neither_gives_nor_takes() -> None:
    bucket = Bucket(10.0).taken(NOW)
    assert bucket.left(NOW - timedelta(hours=1)) == bucket.left(NOW)
    assert Bucket(0.0).taken(NOW).may(NOW, urgent=False), "without a pace there is no bound"


def test_a_gateway_that_has_too_much_to_do_gets_only_what_is_urgent_for_a_while() -> None:
    shaping = Shaping({name: Bounds(0, 0, 0.0) for name in "ab"}, Bundling(after=0))
    shaping.heard("a", Rejected(Refusal.BUSY, 0), NOW)
    assert shaping.may("a", NOW, urgent=False), "not reached is not too much to do"
    shaping.heard("a", Rejected(Refusal.BUSY, 20429, 2.0), NOW)
    assert [shaping.may("a", NOW, urgent=urgent) for urgent in (False, True)] == [False, True]
    assert shaping.room(NOW, ["a"], 8, 6) == (8, True)
    assert shaping.room(NOW, ["a", "b"], 8, 6) == (6, False)
    free_at = shaping.free_at(NOW, urgent=False, gateways=("a",))
    assert NOW + 2 * SECOND < free_at < NOW + 3 * SECOND, "an alarm that was refused is there before all the others"
    assert shaping.may("a", free_at, urgent=False)


def test_a_numbers_day_is_counted_for_each_gateway() -> None:
    tally = Tally.of([(b"n", "a", b"x", 2), (b"n", "a", b"y", 1), (b"n", "b", b"x", 1)])
    bounds = Bounds(per_number_per_day=4)
    assert not tally.is_spent(b"n", "a", bounds)
    tally.add(b"n", "a", b"z")
    assert tally.is_spent(b"n", "a", bounds)
    assert not tally.is_spent(b"n", "b", bounds)
    assert not tally.is_spent(b"n", "a", Bounds(per_number_per_day=0)), "0 is no bound"


def test_the_same_words_go_to_a_number_of_86_three_times() -> None:
    tally = Tally.of([(b"n", "a", b"x", 3)])
    assert tally.is_repeated(b"n", "+8613800000000", "a", b"x", Bounds())
    assert not tally.is_repeated(b"n", "+8613800000000", "a", b"y", Bounds())
    assert not tally.is_repeated(b"n", "+8613800000000", "b", b"x", Bounds())
    assert not tally.is_repeated(b"n", "+4915100000000", "a", b"x", Bounds())


moments = st.tuples(st.integers(0, 900), st.none() | st.integers(-60, 7200))


@given(st.lists(moments, min_size=1, max_size=20), st.none() | st.integers(-3600, 900), st.integers(0, 900))
def test_no_bundle_waits_longer_than_its_bound_nor_into_the_time_for_an_answer(asked, last_sent_s, wait_s) -> None:
    rule = Bundling(wait=timedelta(seconds=wait_s))
    times = [(NOW + at * SECOND, None if left is None else NOW + (at + left) * SECOND) for at, left in asked]
    until = rule.until(times, None if last_sent_s is None else NOW + last_sent_s * SECOND)
    for requested_at, deadline_at in times:
        assert until <= requested_at + rule.wait
        if deadline_at is not None and deadline_at > requested_at:
            assert until <= requested_at + (deadline_at - requested_at) * SHARE
    if last_sent_s is None:
        assert until <= min(requested_at for requested_at, _ in times), "to whom nothing was sent, it goes at once"


def test_what_may_be_bundled() -> None:
    rule = Bundling()
    assert rule.fits(Grade.III, Purpose.ASSIGN, 3)
    assert not rule.fits(Grade.II, Purpose.ASSIGN, 2)
    assert not rule.fits(Grade.III, Purpose.ASSIGN, CRITICAL), "what is critical never is"
    assert not rule.fits(Grade.IV, Purpose.RECALL, 4), "that is no task"
    assert not Bundling(after=0).fits(Grade.IV, Purpose.ASSIGN, 4)
    assert [rule.is_storm(recent, 1) for recent in range(4)] == [False, False, False, True]


def test_bounds_of_one_gateway_stand_over_those_of_all() -> None:
    settings = StormSettings(per_second=20, gateways='{"a": {"per_number_per_day": 10}}', bundle_grades="IV")
    assert settings.bounds("a") == (10, 3, 20.0)
    assert settings.bounds("b") == (50, 3, 20.0)
    assert settings.grades == {Grade.IV}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bundle_grades": "I,IV"}, "TOCSIN_STORM_BUNDLE_GRADES: I is no grade that may wait: II, III, IV"),
        ({"gateways": '{"a": {"per_day": 10}}'}, "TOCSIN_STORM_GATEWAYS: a: per_day: Extra inputs are not permitted"),
        ({"per_second": -1}, "TOCSIN_STORM_PER_SECOND: "),
    ],
)
def test_a_wrong_bound_is_named_at_start(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(why)):
        load(StormSettings, **wrong)


NIGHT = QuietHours(time(22), time(7))
ZONE = "Asia/Shanghai"
"""NOW is noon there."""


@pytest.mark.parametrize(
    ("hour", "ends_in_h"), [(9, None), (10, 9), (14, 5), (18.99, 0.01), (19, None)]
)  # hours after noon of 12 + hour: 21:00, 22:00, 02:00, 06:59, 07:00
def test_quiet_hours_end_in_the_morning_of_the_place(hour: float, ends_in_h: float | None) -> None:
    now = NOW + timedelta(hours=hour)
    until = NIGHT.until(now, ZONE)
    assert (until is None) == (ends_in_h is None)
    if until is not None and ends_in_h is not None:
        assert abs(until - now - timedelta(hours=ends_in_h)) < timedelta(seconds=1)
    assert QuietHours(time(12), time(14)).until(NOW, ZONE) == NOW + timedelta(hours=2)


@given(st.integers(0, 4), st.integers(0, 86_400), st.none() | st.integers(-3600, 200_000), st.integers(0, 1439), st.integers(0, 1439))
def test_nobody_is_left_without_time_for_an_answer_by_quiet_hours(priority, second, left_s, begins, ends) -> None:
    now = NOW + second * SECOND
    quiet = QuietHours(time(begins // 60, begins % 60), time(ends // 60, ends % 60))
    deadline = None if left_s is None else now + left_s * SECOND
    until = waits_until(quiet, priority, now, deadline, now, ZONE)
    if until is None:
        return
    assert priority > 2, "grades I and II ring at any hour"
    assert now < until <= now + timedelta(days=1)
    if deadline is not None:
        assert deadline - until >= min(timedelta(hours=1), (deadline - now) / 2)
    assert waits_until(quiet, priority, now, deadline, until, ZONE) is None, "it waits once"
