"""Every alarm arrives, or somebody else is told: the attempt protocol against faults, crashes and lost answers (promise 5)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from libs.events.catalogue import NotificationRequested
from libs.terms import Grade, Purpose, Step
from services.notifier import store
from services.notifier.gateways.twilio import TwilioGateway
from services.notifier.rules.states import AttemptState
from services.notifier.rules.texts import Registry, Wording
from services.notifier.web import ATTEMPT_STATES
from tests.integration.notifier_desk import Desk, make_desk

FIRST, SECOND = "+860010009991", "+860010009992"


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def test_an_alarm_is_on_the_phone_and_the_log_tells_its_way(desk: Desk):
    request = await desk.request(await desk.officer(FIRST))
    await desk.settle()
    (message,) = await desk.sms(FIRST)
    assert message["body"] == "【警钟】您有1件Ⅱ级待办，编号C7H2MQ，请于今日12:10前回复1签收，无法处理回复2，逾期自动上报。"
    shown = await desk.shown(request)
    assert (shown["state"], shown["channel"], shown["purpose"]) == ("delivered", "sms", "assign")
    (attempt,) = shown["attempts"]
    assert (attempt["state"], attempt["provider_id"], attempt["gateway"]) == ("delivered", message["sid"], "twilio")
    (submitted,) = await desk.events("notification.submitted")
    (delivered,) = await desk.events("notification.delivered")
    for event in (submitted, delivered):
        assert event["notification_id"] == str(request.notification_id)
        assert event["attempt_id"] == attempt["attempt_id"]
        assert (event["post_id"], event["officer_id"]) == (str(request.post_id), str(request.officer_id))
        assert (event["gateway"], event["channel"], event["grade"], event["tier"]) == ("twilio", "sms", "II", "community")
    assert await desk.events("notification.failed") == []
    (row,) = await desk.fetch("SELECT envelope::jsonb AS e FROM bus.outbox WHERE event_type = 'tocsin.notification.submitted.v1'")
    assert row["e"]["partitionkey"] == str(request.case_id)
    assert row["e"]["causationid"]


async def test_the_text_is_in_the_officers_language(desk: Desk):
    await desk.request(await desk.officer(FIRST, language="en"))
    await desk.settle()
    assert (await desk.sms(FIRST))[0]["body"].startswith("Tocsin: You have 1 grade II task, code C7H2MQ.")


async def test_the_validity_ends_with_the_window(desk: Desk, monkeypatch):
    seen = []
    send = TwilioGateway.send

    async def spy(self: Any, message: Any) -> Any:
        seen.append(message.valid_s)
        return await send(self, message)

    monkeypatch.setattr(TwilioGateway, "send", spy)
    for left in (timedelta(minutes=10), timedelta(seconds=5), timedelta(days=30), None):
        await desk.request(deadline_at=desk.clock.now() + left if left else None)
        await desk.settle()
    assert seen == [600, 60, 36_000, 3600]


async def test_nobody_to_reach_is_told_at_once(desk: Desk):
    request = await desk.request(uuid4())
    await desk.settle()
    (failed,) = await desk.events("notification.failed")
    assert (failed["reason"], failed["notification_id"]) == ("no_contact", str(request.notification_id))
    assert (await desk.shown(request))["state"] == "failed"


async def test_an_event_told_twice_sends_one_sms(desk: Desk):
    request = await desk.request()
    await desk.settle()
    await desk.tell(request, request.case_id)
    await desk.settle()
    assert len(await desk.sms()) == 1


async def test_a_request_that_names_nobody_is_parked_and_the_others_go_on(desk: Desk):
    request = await desk.request(post_id=None)
    other = await desk.request()
    await desk.settle()
    assert (await desk.shown(other))["state"] == "delivered"
    parked = await desk.fetch("SELECT key FROM bus.parked")
    assert [row["key"] for row in parked] == [request.case_id]


async def test_the_most_urgent_go_first(desk: Desk):
    desk.clock.advance(seconds=1)
    for grade in (Grade.IV, Grade.III, Grade.II):
        await desk.request(grade=grade)
    await desk.request(grade=Grade.I, critical=True)
    for consumer in desk.assembly.consumers:
        while (await consumer.drain_once()).events:
            pass
    rows = await desk.fetch("SELECT grade FROM notifier.notifications WHERE state = 'queued' ORDER BY priority, next_at")
    assert [row["grade"] for row in rows] == ["I", "II", "III", "IV"]


@pytest.mark.parametrize(
    "fault",
    [
        {"http_status": 400, "error_code": 21614},
        {"http_status": 400, "error_code": 21610},
        {"final_status": "undelivered", "final_error_code": 30003},
        {"final_status": "failed", "final_error_code": 30008},
    ],
)
async def test_a_number_that_fails_hands_over_to_the_next_contact_at_once(desk: Desk, fault):
    request = await desk.request(await desk.officer(FIRST, SECOND))
    await desk.faults({"to": FIRST, **fault})
    await desk.settle()
    assert [message["status"] for message in await desk.sms(SECOND)] == ["delivered"]
    shown = await desk.shown(request)
    assert shown["state"] == "delivered"
    assert len(shown["attempts"]) == 2
    assert await desk.events("notification.failed") == []


async def test_when_the_last_contact_fails_somebody_else_is_told_at_once(desk: Desk):
    request = await desk.request(await desk.officer(FIRST, SECOND))
    await desk.faults({"final_status": "undelivered", "final_error_code": 30005})
    await desk.settle()
    (failed,) = await desk.events("notification.failed")
    assert failed["reason"] == "undelivered:30005"
    assert (await desk.shown(request))["reason"] == "undelivered:30005"


# fault, notification's end, SMS on the phone, seconds that it may take
MATRIX = [
    ({"http_status": 429, "error_code": 20429, "times": 3}, "delivered", 1, 15),
    ({"http_status": 429, "error_code": 20429}, "failed", 0, 110),
    ({"http_status": 400, "error_code": 30001, "times": 1}, "delivered", 1, 5),
    ({"http_status": 401}, "failed", 0, 110),
    ({"http_status": 500, "times": 1}, "delivered", 1, 10),
    ({"http_status": 500}, "failed", 0, 30),
    ({"http_status": 500, "accepted": True}, "delivered", 1, 5),
    ({"http_status": 503, "accepted": True, "callbacks": "drop"}, "delivered", 1, 130),
    ({"accept_then_reset": True}, "delivered", 1, 5),
    ({"accept_then_reset": True, "callbacks": "drop"}, "delivered", 1, 130),
    ({"hang": True, "times": 1}, "delivered", 1, 10),
    ({"hang": True, "accepted": True}, "delivered", 1, 5),
    ({"callbacks": "drop"}, "delivered", 1, 125),
    ({"callbacks": "duplicate"}, "delivered", 1, 2),
    ({"callbacks": "reorder"}, "delivered", 1, 2),
    ({"callbacks": "forge"}, "delivered", 1, 125),
    ({"callback_delay_s": 60}, "delivered", 1, 65),
    ({"final_status": "sent"}, "failed", 1, 750),
    ({"final_status": "queued"}, "failed", 1, 750),
    ({"final_status": "failed", "final_error_code": 30001}, "failed", None, 110),
    ({"http_status": 400, "error_code": 21211}, "failed", 0, 2),
]


@pytest.mark.parametrize(("fault", "end", "arrived", "within_s"), MATRIX, ids=lambda value: str(value) if isinstance(value, dict) else "")
async def test_whatever_goes_wrong_it_ends_delivered_or_failed(desk: Desk, fault, end, arrived, within_s):
    request = await desk.request(await desk.officer(FIRST))
    await desk.faults(fault)
    await desk.settle()
    await desk.advance(within_s)
    shown = await desk.shown(request)
    assert shown["state"] == end, shown
    if arrived is not None:
        assert len(await desk.sms(FIRST)) == arrived
    assert len(await desk.events("notification.failed")) == (end == "failed")
    assert len(await desk.events("notification.delivered")) == (end == "delivered")
    # Nothing is left to do: no check, no queue.
    await desk.faults()
    await desk.advance(5)
    (left,) = await desk.fetch("SELECT count(*) FROM notifier.attempts WHERE check_at IS NOT NULL")
    assert left["count"] == 0


async def claim_without_calling(desk: Desk, monkeypatch) -> None:
    """The process dies after the attempt was committed: the call is never made."""

    async def die(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr("services.notifier.gateways.twilio.TwilioGateway.send", die)
    for consumer in desk.assembly.consumers:
        await consumer.drain_once()
    await desk.job("notifier-send").run_once()
    monkeypatch.undo()


async def call_without_recording(desk: Desk, monkeypatch) -> None:
    """The process dies after the call: its answer is never recorded."""
    for consumer in desk.assembly.consumers:
        await consumer.drain_once()

    async def forget(*_: Any) -> list[bool]:
        return []

    monkeypatch.setattr("services.notifier.jobs.observe", forget)
    await desk.job("notifier-send").run_once()
    monkeypatch.undo()


async def test_a_crash_before_the_call_sends_it_after_the_lease(desk: Desk, monkeypatch):
    request = await desk.request(await desk.officer(FIRST))
    await claim_without_calling(desk, monkeypatch)
    assert (await desk.shown(request))["attempts"][0]["state"] == "sending"
    await desk.advance(7)
    assert await desk.sms() == []
    await desk.advance(1)
    assert len(await desk.sms(FIRST)) == 1
    first, second = (await desk.shown(request))["attempts"]
    assert (first["state"], first["possible_duplicate"]) == ("lost", False)
    assert (second["state"], second["possible_duplicate"]) == ("delivered", True)


@pytest.mark.parametrize("callbacks", [True, False])
async def test_a_crash_between_call_and_record_sends_no_second_sms(desk: Desk, monkeypatch, callbacks):
    request = await desk.request(await desk.officer(FIRST))
    await call_without_recording(desk, monkeypatch)
    desk.callbacks = callbacks
    await desk.advance(8)
    assert len(await desk.sms(FIRST)) == 1
    (attempt,) = (await desk.shown(request))["attempts"]
    assert attempt["state"] == ("delivered" if callbacks else "submitted")
    assert attempt["provider_id"]
    assert len(await desk.events("notification.submitted")) == 1


async def test_two_alarms_with_the_same_text_are_not_taken_for_each_other(desk: Desk, monkeypatch):
    """Both calls went out and nothing was recorded: each attempt finds a message of its own."""
    officer_id = await desk.officer(FIRST)
    case_id = uuid4()
    for _ in range(2):
        await desk.request(officer_id, case_id=case_id, purpose=Purpose.RECALL, step=None, deadline_at=None)
    await call_without_recording(desk, monkeypatch)
    desk.callbacks = False
    await desk.advance(30)
    rows = await desk.fetch("SELECT DISTINCT provider_id FROM notifier.attempts WHERE provider_id IS NOT NULL")
    assert len(rows) == 2
    assert len(await desk.sms(FIRST)) == 2


@pytest.mark.parametrize("counted", [True, False])
async def test_officers_who_share_a_number_are_not_taken_for_each_other(desk: Desk, monkeypatch, counted):
    """One got the words; the call to the other was never made: the first one's message is not theirs (`counted` by an earlier version)."""
    told: dict[str, Any] = {"case_id": uuid4(), "purpose": Purpose.RECALL, "step": None, "deadline_at": None}
    await desk.request(await desk.officer(FIRST), **told)
    await desk.settle()
    if not counted:
        await desk.fetch("UPDATE notifier.attempts SET number = NULL RETURNING attempt_id")
    other = await desk.request(await desk.officer(FIRST), **told)
    await claim_without_calling(desk, monkeypatch)
    await desk.advance(60)
    assert (await desk.shown(other))["state"] == "delivered"
    assert len(await desk.sms(FIRST)) == 2


async def test_an_answer_that_cannot_be_read_holds_up_nobody_else(desk: Desk, monkeypatch):
    desk.callbacks = False
    requests = [await desk.request() for _ in range(2)]
    await desk.settle()
    (odd,) = (await desk.shown(requests[0]))["attempts"]
    fetch = TwilioGateway.fetch

    async def fail_for_one(self: Any, sought: Any) -> Any:
        if str(sought.attempt_id) == odd["attempt_id"]:
            raise TypeError("'NoneType' object is not subscriptable")
        return await fetch(self, sought)

    monkeypatch.setattr(TwilioGateway, "fetch", fail_for_one)
    await desk.advance(800)
    assert [(await desk.shown(one))["state"] for one in requests] == ["failed", "failed"], "never confirmed: somebody else is told"


async def test_what_may_never_have_been_sent_is_asked_after_before_what_waits_to_be_confirmed(desk: Desk):
    desk.callbacks = False
    for _ in range(3):
        await desk.request(grade=Grade.IV)
    alarm = await desk.request(grade=Grade.I)
    await desk.settle()
    now = desk.clock.now()
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE notifier.attempts SET check_at = $1", now - timedelta(hours=1))
        await tx.execute(
            "UPDATE notifier.attempts SET state = 'ambiguous', submitted_at = NULL, check_at = $2 WHERE notification_id = $1",
            alarm.notification_id,
            now,
        )
        claimed = await store.claim_checks(tx, now, 1, 1, now + timedelta(seconds=8))
    assert sorted(one.attempt.state for one in claimed) == ["ambiguous", "submitted"], "that, and the one that is due longest"


async def test_bad_news_about_a_delivered_message_change_nothing(desk: Desk):
    request = await desk.request(await desk.officer(FIRST))
    await desk.settle()
    (attempt,) = (await desk.shown(request))["attempts"]
    form = {"MessageSid": attempt["provider_id"], "MessageStatus": "undelivered", "ErrorCode": "30003"}
    assert (await desk.callback(f"/v1/twilio/status/{attempt['attempt_id']}", form)).status_code == 204
    assert (await desk.shown(request))["state"] == "delivered"


async def test_a_directory_change_between_two_attempts_counts(desk: Desk):
    """The number was corrected while the gateway was busy."""
    officer_id = await desk.officer(FIRST)
    request = await desk.request(officer_id)
    await desk.faults({"http_status": 429})
    await desk.settle()
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE directory.contacts SET enabled = false WHERE officer_id = $1", officer_id)
        await tx.execute("UPDATE directory.version SET version = version + 1")
    await desk.faults()
    await desk.advance(3)
    assert (await desk.shown(request))["state"] == "failed"
    assert await desk.sms() == []


async def test_a_gateway_that_hangs_on_one_message_does_not_hold_up_the_others(desk: Desk, monkeypatch):
    slow = await desk.request(await desk.officer(FIRST))
    hung = asyncio.Event()
    send = TwilioGateway.send

    async def hang_for_first(self: Any, message: Any) -> Any:
        if message.to == FIRST:
            await hung.wait()
        return await send(self, message)

    monkeypatch.setattr("services.notifier.gateways.twilio.TwilioGateway.send", hang_for_first)
    for consumer in desk.assembly.consumers:
        await consumer.drain_once()
    running = asyncio.ensure_future(desk.job("notifier-send").run_once())
    fast = await desk.request(await desk.officer(SECOND))
    state = "SELECT state FROM notifier.notifications WHERE notification_id = $1"
    async with asyncio.timeout(20):
        while await desk.fetch(state, fast.notification_id) != [{"state": "submitted"}]:
            for consumer in desk.assembly.consumers:
                await consumer.drain_once()
    assert (await desk.shown(slow))["state"] == "sending"
    hung.set()
    await running
    assert (await desk.shown(slow))["state"] == "submitted"


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_every_purpose_has_its_text(desk: Desk, purpose):
    step = Step.ON_SITE if purpose in {Purpose.OVERDUE, Purpose.REMIND} else None
    request: NotificationRequested = await desk.request(await desk.officer(FIRST), purpose=purpose, step=step)
    await desk.settle()
    (message,) = await desk.sms(FIRST)
    assert "C7H2MQ" in message["body"]
    assert len(message["body"]) <= 70
    assert (await desk.shown(request))["attempts"][0]["template"].startswith(str(purpose))


def test_states_have_names_in_both_languages():
    assert set(ATTEMPT_STATES) == set(AttemptState)


async def test_a_fault_of_ours_in_one_notification_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    ill = await desk.request(await desk.officer(FIRST))
    well = await desk.request(await desk.officer(SECOND), code=desk.codes[1])
    variants = Registry.variants

    def faulty(self: Registry, wording: Wording, *more: Any, **other: Any) -> Any:
        if wording.code == ill.code:
            raise KeyError(wording.code)
        return variants(self, wording, *more, **other)

    monkeypatch.setattr(Registry, "variants", faulty)
    await desk.settle()
    assert (await desk.shown(well))["state"] == "delivered"
    shown = await desk.shown(ill)
    assert (shown["state"], shown["reason"]) == ("failed", "fault")
    (failed,) = await desk.events("notification.failed")
    assert failed["notification_id"] == str(ill.notification_id), "somebody else is told"


async def test_a_place_whose_zone_nobody_knows_stops_no_other(desk: Desk):
    asleep = await desk.officer(FIRST)
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE directory.officers SET quiet_from = '22:00', quiet_to = '07:00' WHERE officer_id = $1", asleep)
        await tx.execute(
            "INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) "
            "VALUES ('110101001001', 'x', 'community', NULL, 'Nowhere/AtAll', 'x', 'x')"
        )
    ill = await desk.request(asleep, grade=Grade.III, division_code="110101001001")
    well = await desk.request(await desk.officer(SECOND))
    await desk.settle()
    assert [(await desk.shown(one))["state"] for one in (ill, well)] == ["failed", "delivered"]
