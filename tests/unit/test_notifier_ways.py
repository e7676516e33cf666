"""Gateways that fail are left alone and asked again carefully; a message takes the next way at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from libs.directory.model import Contact
from services.notifier.rules.breaker import FAILURES_MAX, OPEN_FOR, PROBE_LEASE, Breaker, Health
from services.notifier.rules.states import (
    Attempt,
    AttemptState,
    Limits,
    Notification,
    NotificationState,
    Refusal,
    Rejected,
    follow,
    put_off,
)
from services.notifier.rules.ways import Wait, Way, choose, others

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
FIRST, SECOND = (Contact(uuid4(), "sms", f"+860010009{n:03}", n) for n in (1, 2))
QUEUED = Notification(NotificationState.QUEUED, None, next_at=NOW)
SECONDS = timedelta(seconds=1)


def both(_contact: Contact) -> list[str]:
    return ["a", "b"]


def opened(times: int = 1, at: datetime = NOW) -> Breaker:
    """A breaker that has opened, and whose probe has failed so many times less one."""
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker = breaker.failed(at)
    for _ in range(times - 1):
        assert breaker.until is not None
        at = breaker.until
        breaker = breaker.begun(at).failed(at)
    return breaker


def test_a_breaker_opens_after_several_failures_in_a_row_and_not_before():
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker = breaker.failed(NOW)
    assert breaker.health(NOW) is Health.CLOSED
    assert breaker.worked().failed(NOW).health(NOW) is Health.CLOSED
    assert breaker.failed(NOW).health(NOW) is Health.OPEN


def test_one_probe_goes_out_at_a_time_and_decides():
    breaker = opened()
    at = NOW + OPEN_FOR[0]
    assert (breaker.health(at - SECONDS), breaker.health(at)) == (Health.OPEN, Health.HALF_OPEN)
    probing = breaker.begun(at)
    assert probing.health(at) is Health.OPEN, "one probe at a time"
    assert probing.health(at + PROBE_LEASE) is Health.HALF_OPEN, "a probe that nobody heard of stands in the way of none"
    assert probing.free_at(at) == at + PROBE_LEASE
    assert probing.worked().health(at) is Health.CLOSED
    again = probing.failed(at)
    assert again.health(at + OPEN_FOR[1] - SECONDS) is Health.OPEN
    assert again.health(at + OPEN_FOR[1]) is Health.HALF_OPEN


def test_calls_from_before_it_opened_do_not_lengthen_the_pause():
    breaker = opened()
    assert breaker.failed(NOW + SECONDS) == breaker


def test_the_pause_grows_up_to_a_minute():
    at = NOW
    for times, pause in enumerate((*OPEN_FOR, OPEN_FOR[-1], OPEN_FOR[-1]), start=1):
        breaker = opened(times)
        assert breaker.until is not None
        at += pause
        assert breaker.until == at


@given(st.lists(st.tuples(st.sampled_from(["failed", "worked", "begun"]), st.integers(0, 90)), max_size=60))
def test_whatever_happens_it_is_asked_again_within_a_minute_and_a_lease(steps):
    breaker, now = Breaker(), NOW
    for act, seconds in steps:
        now += seconds * SECONDS
        if act == "begun":
            if breaker.health(now) is not Health.OPEN:
                breaker = breaker.begun(now)
        else:
            breaker = breaker.worked() if act == "worked" else breaker.failed(now)
        assert breaker.free_at(now) <= now + OPEN_FOR[-1] + PROBE_LEASE
        assert breaker.health(breaker.free_at(now)) is not Health.OPEN


def test_the_first_gateway_of_the_first_contact_that_was_not_given_up():
    assert choose((FIRST, SECOND), both, QUEUED, {}, NOW) == Way(FIRST, "a")
    assert choose((FIRST, SECOND), both, replace(QUEUED, tried=(FIRST.contact_id,)), {}, NOW) == Way(SECOND, "a")
    assert choose((FIRST, SECOND), both, replace(QUEUED, tried=(FIRST.contact_id, SECOND.contact_id)), {}, NOW) is None
    assert choose((FIRST, SECOND), lambda one: ["b"] if one is SECOND else [], QUEUED, {}, NOW) == Way(SECOND, "b")
    assert choose((), both, QUEUED, {}, NOW) is None


def test_a_gateway_that_is_left_alone_or_has_just_refused_is_passed_over():
    assert choose((FIRST,), both, QUEUED, {"a": opened()}, NOW) == Way(FIRST, "b")
    assert choose((FIRST,), both, replace(QUEUED, refused=("a",)), {}, NOW) == Way(FIRST, "b")
    ready = {"a": opened(), "b": opened(2)}
    assert choose((FIRST,), both, QUEUED, ready, NOW + OPEN_FOR[0]) == Way(FIRST, "a"), "the probe"
    assert choose((FIRST,), both, QUEUED, ready, NOW) == Wait(FIRST, NOW + OPEN_FOR[0], NOW)
    back = {"a": opened()}
    assert choose((FIRST,), both, QUEUED, back, NOW + OPEN_FOR[0]) == Way(FIRST, "a"), "somebody has to ask whether it is back"
    assert choose((FIRST,), both, QUEUED, back, NOW + OPEN_FOR[0], critical=True) == Way(FIRST, "b"), "but not with an alarm of grade I"
    assert choose((FIRST,), both, QUEUED, ready, NOW + OPEN_FOR[0], critical=True) == Way(FIRST, "a"), "unless nothing else is there"
    refused = choose((FIRST,), both, replace(QUEUED, refused=("a", "b")), {}, NOW)
    assert isinstance(refused, Wait)
    assert refused.until > NOW, "no message runs in circles without a pause"


def test_a_contact_that_can_be_reached_now_is_taken_once_patience_with_the_first_is_at_an_end():
    down = {"a": opened(3)}
    free_at = down["a"].free_at(NOW)

    def each(contact: Contact) -> list[str]:
        return ["a"] if contact is FIRST else ["b"]

    def chosen(now: datetime, queued: Notification = QUEUED, **breakers: Breaker) -> Way | Wait | None:
        return choose((FIRST, SECOND), each, queued, {**down, **breakers}, now, patience=5 * SECONDS)

    waiting = replace(QUEUED, contact_since=NOW)
    assert free_at > NOW + 5 * SECONDS
    assert chosen(NOW) == Wait(FIRST, NOW + 5 * SECONDS, NOW)
    assert chosen(NOW + 4 * SECONDS, waiting) == Wait(FIRST, NOW + 5 * SECONDS, NOW)
    assert chosen(NOW + 5 * SECONDS, waiting) == Way(SECOND, "b")
    assert chosen(NOW + 5 * SECONDS, waiting, b=opened(3)) == Wait(FIRST, free_at, NOW), (
        "the first one is waited for, and given up in the end"
    )
    assert chosen(free_at, waiting) == Way(FIRST, "a")
    assert choose((FIRST,), each, waiting, down, NOW + 5 * SECONDS) == Wait(FIRST, free_at, NOW)


def test_refused_by_one_gateway_it_goes_to_another_at_once_and_then_pauses():
    attempt = Attempt(uuid4(), FIRST.contact_id, "a", "sms", AttemptState.SENDING, NOW)
    sending = Notification(NotificationState.SENDING, attempt.attempt_id)
    seen, limits = Rejected(Refusal.GATEWAY, 20003), Limits()
    assert others("a", ["a", "b"], sending, {}, NOW)
    assert not others("a", ["a", "b"], replace(sending, refused=("b",)), {}, NOW)
    assert not others("a", ["a", "b"], sending, {"b": opened()}, NOW)
    first = follow(sending, attempt, seen, NOW, limits, others=True).notification
    assert (first.state, first.next_at, first.refused, first.tries) == (NotificationState.QUEUED, NOW, ("a",), 0)
    last = follow(replace(first, state=NotificationState.SENDING), attempt, seen, NOW, limits).notification
    assert last.next_at == NOW + timedelta(seconds=limits.retry_s)
    assert (last.refused, last.tries) == ((), 1)


def test_waiting_for_a_gateway_has_an_end():
    limits = Limits()
    waiting = put_off(QUEUED, FIRST.contact_id, NOW + 5 * SECONDS, NOW, limits)
    assert (waiting.next_at, waiting.contact_since, waiting.tried) == (NOW + 5 * SECONDS, NOW, ())
    late = NOW + timedelta(seconds=limits.retry_give_up_s)
    assert put_off(waiting, FIRST.contact_id, late + SECONDS, late, limits).tried == (FIRST.contact_id,)
