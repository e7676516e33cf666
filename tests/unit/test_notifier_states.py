"""The attempt protocol: whatever is seen, in whatever order, an attempt only moves up and a notification ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.terms import Grade
from services.notifier.rules.calls import THROTTLED_TRIES_MAX, limits_for
from services.notifier.rules.states import (
    FINAL,
    RANK,
    Accepted,
    Ambiguous,
    Attempt,
    AttemptState,
    Limits,
    Missing,
    Notification,
    NotificationState,
    Observation,
    Refusal,
    Rejected,
    Unanswered,
    follow,
    priority_of,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LIMITS = Limits()
ATTEMPT_ID, CONTACT_ID = uuid4(), uuid4()


def attempt(**changes) -> Attempt:
    given_ = {"attempt_id": ATTEMPT_ID, "contact_id": CONTACT_ID, "gateway": "twilio", "channel": "sms", "state": AttemptState.SENDING}
    return Attempt(**{**given_, "started_at": NOW, **changes})


def sending(**changes) -> Notification:
    return replace(Notification(NotificationState.SENDING, ATTEMPT_ID), **changes)


def see(seen: Observation, *, at_s: float = 0, notification: Notification | None = None, the_attempt: Attempt | None = None):
    return follow(notification or sending(), the_attempt or attempt(), seen, NOW + timedelta(seconds=at_s), LIMITS)


def accepted(state: AttemptState = AttemptState.SUBMITTED, code: int | None = None, **more) -> Accepted:
    return Accepted("SM1", state, code, **more)


def test_accepted_means_submitted_and_told_once():
    first = see(accepted())
    assert (first.attempt.state, first.notification.state, first.submitted) == (AttemptState.SUBMITTED, NotificationState.SUBMITTED, True)
    assert first.attempt.check_at == NOW + timedelta(seconds=LIMITS.confirm_s)
    again = see(accepted(AttemptState.SENT), notification=first.notification, the_attempt=first.attempt)
    assert not again.submitted
    assert again.attempt.state is AttemptState.SENT


def test_delivered_ends_it_even_when_the_callback_overtakes_the_answer():
    overtaken = see(accepted(AttemptState.DELIVERED))
    assert overtaken.submitted
    assert overtaken.delivered
    answer = see(accepted(), notification=overtaken.notification, the_attempt=overtaken.attempt)
    assert answer.attempt.state is AttemptState.DELIVERED
    assert answer.notification.state is NotificationState.DELIVERED
    assert not answer.submitted
    assert not answer.delivered


@pytest.mark.parametrize("state", [AttemptState.UNDELIVERED, AttemptState.FAILED])
def test_a_message_that_cannot_arrive_goes_to_the_next_contact_at_once(state):
    after = see(accepted(state, 30003), at_s=5).notification
    assert after.state is NotificationState.QUEUED
    assert after.next_at == NOW + timedelta(seconds=5)
    assert after.tried == (CONTACT_ID,)
    assert after.reason == f"{state}:30003"


def test_a_refused_number_goes_to_the_next_contact_at_once():
    after = see(Rejected(Refusal.CONTACT, 21614)).notification
    assert (after.state, after.next_at, after.tried) == (NotificationState.QUEUED, NOW, (CONTACT_ID,))


@pytest.mark.parametrize("refusal", [Refusal.BUSY, Refusal.GATEWAY])
def test_a_busy_gateway_is_tried_again_with_growing_pauses_then_given_up(refusal):
    notification, at_s, pauses = sending(), 0.0, []
    while CONTACT_ID not in notification.tried:
        followed = see(Rejected(refusal, 20429), at_s=at_s, notification=notification)
        queued = followed.notification
        assert queued.next_at is not None
        pauses.append((queued.next_at - NOW).total_seconds() - at_s)
        at_s += pauses[-1]
        notification = replace(queued, state=NotificationState.SENDING)
    assert pauses[:5] == [1, 2, 4, 8, 15]
    assert pauses[-1] == 0
    assert LIMITS.retry_give_up_s <= at_s <= LIMITS.retry_give_up_s + LIMITS.retry_max_s


def test_the_provider_may_ask_for_a_longer_pause_within_bounds():
    assert see(Rejected(Refusal.BUSY, 20429, 7)).notification.next_at == NOW + timedelta(seconds=7)
    assert see(Rejected(Refusal.BUSY, 20429, 9999)).notification.next_at == NOW + timedelta(seconds=LIMITS.retry_max_s)


def test_what_is_no_alarm_waits_for_a_gateway_that_has_too_much_to_do():
    def given_up_after(grade: Grade, seen: Rejected) -> int:
        notification, now = sending(), NOW
        for times in range(1, 1000):
            notification = follow(notification, attempt(started_at=now), seen, now, limits_for(LIMITS, "sms", grade)).notification
            if notification.tried:
                return times
            now = notification.next_at or now
            notification = replace(notification, state=NotificationState.SENDING)
        raise AssertionError("for ever")

    throttled, away = Rejected(Refusal.BUSY, 20429), Rejected(Refusal.BUSY, 0)
    assert given_up_after(Grade.IV, throttled) == THROTTLED_TRIES_MAX + 1, "it would be no sooner there over anybody else's number"
    assert given_up_after(Grade.II, throttled) == given_up_after(Grade.II, away) == given_up_after(Grade.IV, away) < 20


def test_queue_overflow_told_by_a_callback_is_tried_again_on_the_same_number():
    after = see(accepted(AttemptState.FAILED, 30001, busy=True)).notification
    assert after.state is NotificationState.QUEUED
    assert after.tried == ()


def test_an_ambiguous_call_is_looked_up_soon_and_sends_nothing_by_itself():
    after = see(Ambiguous("TimeoutError"))
    assert after.attempt.state is AttemptState.AMBIGUOUS
    assert after.attempt.check_at == NOW + timedelta(seconds=LIMITS.ambiguous_wait_s)
    assert after.notification.state is NotificationState.SENDING


def test_what_the_provider_does_not_know_is_sent_again_as_possible_duplicate_a_few_times():
    notification = sending()
    for number in range(LIMITS.duplicates_max):
        notification = see(Missing(), at_s=3, notification=notification).notification
        assert notification.state is NotificationState.QUEUED
        assert notification.possible_duplicate
        assert notification.duplicates == number + 1
        assert notification.tried == ()
        notification = replace(notification, state=NotificationState.SENDING)
    last = see(Missing(), at_s=3, notification=notification).notification
    assert last.tried == (CONTACT_ID,)
    assert not last.possible_duplicate


def test_a_provider_that_does_not_answer_is_asked_again_then_the_message_is_sent_again():
    soon = see(Unanswered(), at_s=5)
    assert soon.attempt.state is AttemptState.SENDING
    assert soon.attempt.check_at == NOW + timedelta(seconds=5 + LIMITS.ambiguous_wait_s)
    late = see(Unanswered(), at_s=LIMITS.ambiguous_give_up_s)
    assert late.attempt.state is AttemptState.LOST
    assert late.notification.possible_duplicate


def test_what_is_never_confirmed_goes_to_the_next_contact():
    submitted = see(accepted(AttemptState.SENT))
    polled = accepted(AttemptState.SENT, polled=True)
    soon = see(polled, at_s=120, notification=submitted.notification, the_attempt=submitted.attempt)
    assert soon.attempt.state is AttemptState.SENT
    late = see(polled, at_s=LIMITS.confirm_give_up_s, notification=submitted.notification, the_attempt=submitted.attempt)
    assert late.attempt.state is AttemptState.LOST
    assert late.notification.tried == (CONTACT_ID,)
    assert late.notification.reason == "unconfirmed"


def test_what_the_provider_has_forgotten_is_sent_again():
    submitted = see(accepted())
    after = see(Missing(), at_s=120, notification=submitted.notification, the_attempt=submitted.attempt)
    assert after.attempt.state is AttemptState.LOST
    assert after.notification.tried == ()
    assert after.notification.possible_duplicate


def test_a_late_callback_about_an_earlier_attempt_still_counts():
    """The first SMS arrived after all, while a second one was being prepared: nobody needs to send it any more."""
    waiting = sending(state=NotificationState.QUEUED, next_at=NOW, current_attempt=ATTEMPT_ID, possible_duplicate=True)
    after = see(accepted(AttemptState.DELIVERED), notification=waiting, the_attempt=attempt(state=AttemptState.LOST))
    assert after.delivered
    assert after.notification.next_at is None


def test_an_earlier_attempts_bad_news_do_not_disturb_the_present_one():
    present = sending(current_attempt=uuid4())
    after = see(accepted(AttemptState.UNDELIVERED, 30005), notification=present)
    assert after.attempt.state is AttemptState.UNDELIVERED
    assert after.notification == present


observations = st.one_of(
    st.builds(
        Accepted,
        provider_id=st.just("SM1"),
        state=st.sampled_from(
            [AttemptState.SUBMITTED, AttemptState.SENT, AttemptState.DELIVERED, AttemptState.UNDELIVERED, AttemptState.FAILED]
        ),
        error_code=st.sampled_from([None, 30001, 30003]),
        busy=st.booleans(),
        polled=st.booleans(),
    ),
    st.builds(Rejected, refusal=st.sampled_from(Refusal), error_code=st.just(20429)),
    st.just(Ambiguous("x")),
    st.just(Missing()),
    st.just(Unanswered()),
)


@given(st.lists(st.tuples(observations, st.floats(0, 400)), max_size=12))
def test_states_only_move_up_and_delivered_never_goes_back(story):
    now, the_attempt, notification = NOW, attempt(), sending()
    delivered = submitted = 0
    for seen, pause_s in story:
        now += timedelta(seconds=pause_s)
        followed = follow(notification, the_attempt, seen, now, LIMITS)
        assert RANK[followed.attempt.state] >= RANK[the_attempt.state]
        if the_attempt.state is AttemptState.DELIVERED:
            assert followed.attempt.state is AttemptState.DELIVERED
        if notification.state in FINAL:
            assert followed.notification == notification
        delivered += followed.delivered
        submitted += followed.submitted
        the_attempt, notification = followed.attempt, followed.notification
        # Something always brings it on: a job's time, or it has ended.
        assert notification.state in FINAL or notification.next_at is not None or the_attempt.check_at is not None
    assert delivered <= 1
    assert submitted <= 1


@given(st.permutations([AttemptState.SUBMITTED, AttemptState.SENT, AttemptState.DELIVERED, AttemptState.SENT, AttemptState.DELIVERED]))
def test_reordered_and_repeated_callbacks_end_the_same(order):
    the_attempt, notification = attempt(), sending()
    for state in order:
        followed = follow(notification, the_attempt, accepted(state), NOW, LIMITS)
        the_attempt, notification = followed.attempt, followed.notification
    assert the_attempt.state is AttemptState.DELIVERED
    assert notification.state is NotificationState.DELIVERED


def test_critical_before_grade_before_all_else():
    assert [priority_of(Grade.I, critical=True), *(priority_of(grade, critical=False) for grade in Grade)] == [0, 1, 2, 3, 4]


def test_ids_are_kept():
    assert isinstance(see(accepted()).attempt.attempt_id, UUID)
