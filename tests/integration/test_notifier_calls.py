"""Calls, from the attempt to the key: TwiML served to the fake, which rings, is answered, hangs up, or is a machine (promise 5)."""

from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from libs.events.catalogue import CaseAcknowledged, NotificationRequested
from libs.terms import Grade, Purpose
from tests.integration.notifier_desk import TOKEN, Desk, make_desk

FIRST, SECOND = "+860010009991", "+860010009992"
NO_SMS = {"final_status": "undelivered", "final_error_code": 30003}


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path, voice=True) as made:
        yield made


async def called(desk: Desk, *phones: str, **changes: Any) -> tuple[NotificationRequested, dict[str, Any]]:
    """A call that a policy asked for, ringing; the request and the call."""
    request = await desk.request(
        await desk.officer(*(phones or (FIRST,)), language=changes.pop("language", "zh_CN")), channel="voice", **changes
    )
    await desk.settle()
    return request, await desk.call(FIRST)


async def attempts(desk: Desk, request: NotificationRequested) -> list[tuple[str, str | None]]:
    return [(one["state"], one["outcome"]) for one in (await desk.shown(request))["attempts"]]


async def test_a_call_reads_code_and_deadline_and_takes_one_as_an_acknowledgement(desk: Desk):
    request, call = await called(desk)
    assert (call["status"], call["said"]) == ("ringing", [])
    call = await desk.on_phone(call["sid"], "answer", by="human")
    assert call["said"] == [
        "这里是警钟值班通知。您有一件二级待办，编号：C, 7, H, 2, M, Q。 时限：今天12点10分。",
        "签收请按1，无法处理请按2，重听请按其他任意键。",
    ]
    assert (await desk.shown(request))["state"] == "delivered"
    call = await desk.on_phone(call["sid"], "keys", digits="1")
    assert call["status"] == "completed"
    assert call["said"][-1] == "编号C, 7, H, 2, M, Q的待办您已签收，详情见工作台。再见。"
    (replied,) = await desk.events("officer.replied")
    assert (replied["action"], replied["via"], replied["notification_id"]) == ("acknowledge", "keypad", str(request.notification_id))
    assert await attempts(desk, request) == [("delivered", "acknowledged")]
    shown = await desk.shown(request)
    assert (shown["channel"], shown["attempts"][0]["gateway"], shown["attempts"][0]["template"]) == (
        "voice",
        "twilio_voice",
        "call-assign.zh_CN.1",
    )
    # The same key told again by the provider has no second effect, and the same answer.
    path = f"/v1/twilio/voice/{shown['attempts'][0]['attempt_id']}/key?try=1"
    again = await desk.callback(path, {"CallSid": call["sid"], "Digits": "2"})
    assert "您已签收" in again.text
    assert len(await desk.events("officer.replied")) == 1
    assert await desk.sms() == [], "the SMS was asked for by itself"


async def test_two_declines_and_english_is_spoken_to_who_reads_it(desk: Desk):
    _request, call = await called(desk, language="en", purpose=Purpose.ESCALATE)
    call = await desk.on_phone(call["sid"], "answer")
    assert call["said"][0] == (
        "This is Tocsin. A task of grade two was escalated to you. Its code is C, 7, H, 2, M, Q. It is due today at 12:10."
    )
    call = await desk.on_phone(call["sid"], "keys", digits="2")
    assert "you have declined it" in call["said"][-1]
    (replied,) = await desk.events("officer.replied")
    assert (replied["action"], replied["via"]) == ("decline", "keypad")


async def test_wrong_keys_and_silence_repeat_the_text_and_end(desk: Desk):
    request, call = await called(desk, language="en")
    await desk.on_phone(call["sid"], "answer", by="unknown")
    assert (await desk.shown(request))["state"] == "submitted", "nobody knows yet who listens"
    call = await desk.on_phone(call["sid"], "keys", digits="#")
    assert "This key does nothing." in call["said"], "it is a key, although Twilio takes it for the end of the digits unless told"
    assert (await desk.shown(request))["state"] == "delivered", "only a human presses keys"
    await desk.advance(20)
    call = await desk.call(FIRST)
    assert (call["status"], call["said"].count("No key was pressed.")) == ("in-progress", 1)
    await desk.advance(20)
    call = await desk.call(FIRST)
    assert call["status"] == "completed"
    assert call["said"][-1] == "We have no answer from you. Please see task C, 7, H, 2, M, Q on the workbench at once. Goodbye."
    assert await desk.events("officer.replied") == []
    assert await attempts(desk, request) == [("delivered", "no_key")]


async def test_hanging_up_is_being_reached_without_having_acknowledged(desk: Desk):
    request, call = await called(desk)
    await desk.on_phone(call["sid"], "answer")
    await desk.on_phone(call["sid"], "hangup")
    await desk.settle()
    assert await attempts(desk, request) == [("delivered", "hung_up")]
    assert await desk.events("officer.replied") == []
    assert await desk.events("notification.failed") == []


async def test_machines_busy_lines_and_silence_go_on_to_the_next_number_at_once(desk: Desk):
    await desk.faults({"of": "calls", "to": FIRST, "answer": "machine"})
    request, call = await called(desk, FIRST, SECOND)
    assert (call["status"], call["said"]) == ("completed", []), "a mailbox is told nothing"
    second = await desk.call(SECOND)
    assert second["status"] == "ringing"
    await desk.on_phone(second["sid"], "hangup")
    await desk.settle()
    assert await attempts(desk, request) == [("undelivered", "machine"), ("undelivered", "busy")]
    (failed,) = await desk.events("notification.failed")
    assert (failed["reason"], failed["channel"]) == ("undelivered:busy", "voice")
    assert await desk.sms() == []


async def test_who_is_reached_by_no_sms_is_called_before_anybody_else_is_told(desk: Desk):
    await desk.faults(NO_SMS)
    request = await desk.request(await desk.officer(FIRST), grade=Grade.I)
    await desk.settle()
    call = await desk.call(FIRST)
    assert call["status"] == "ringing"
    assert await desk.events("notification.failed") == []
    await desk.advance(30)
    assert (await desk.call(FIRST))["status"] == "no-answer"
    assert await attempts(desk, request) == [("undelivered", None), ("undelivered", "no_answer")]
    (failed,) = await desk.events("notification.failed")
    assert (failed["reason"], failed["channel"]) == ("undelivered:no_answer", "sms")
    # What is not urgent wakes nobody.
    await desk.request(await desk.officer(SECOND), grade=Grade.III)
    await desk.settle()
    assert len(await desk.events("notification.failed")) == 2
    assert (await desk.http.get("/sandbox/calls", params={"to": SECOND})).json()["items"] == []


async def test_nobody_is_called_instead_of_an_sms_about_what_is_settled(desk: Desk):
    await desk.faults({**NO_SMS, "callback_delay_s": 20})
    request = await desk.request(await desk.officer(FIRST), grade=Grade.I)
    await desk.settle()
    acknowledged = CaseAcknowledged(
        case_id=request.case_id,
        grade=Grade.I,
        division_code=request.division_code,
        tier=request.tier,
        post_id=request.post_id,
        via="workbench",
    )
    await desk.tell(acknowledged, request.case_id)
    await desk.advance(30)
    assert await attempts(desk, request) == [("undelivered", None)]
    assert (await desk.shown(request))["reason"].startswith("undelivered")


async def test_an_officer_is_called_once_at_a_time_and_not_about_what_is_settled(desk: Desk):
    officer_id = await desk.officer(FIRST)
    first = await desk.request(officer_id, channel="voice", code=desk.codes[0])
    second = await desk.request(officer_id, channel="voice", code=desk.codes[1])
    third = await desk.request(officer_id, channel="voice", code=desk.codes[2])
    await desk.settle()
    calls = (await desk.http.get("/sandbox/calls")).json()["items"]
    assert [one["status"] for one in calls] == ["ringing"], "the others wait for the line"
    await desk.on_phone(calls[0]["sid"], "answer")
    await desk.advance(11)
    assert len((await desk.http.get("/sandbox/calls")).json()["items"]) == 1
    await desk.on_phone(calls[0]["sid"], "keys", digits="1")
    acknowledged = CaseAcknowledged(
        case_id=third.case_id, grade=Grade.II, division_code=third.division_code, tier=third.tier, post_id=third.post_id, via="workbench"
    )
    await desk.tell(acknowledged, third.case_id)
    await desk.advance(11)
    assert [(await desk.shown(one))["state"] for one in (first, second, third)] == ["delivered", "submitted", "failed"]
    assert (await desk.shown(third))["reason"] == "not_needed"
    call = await desk.call(FIRST)
    await desk.tell(CaseAcknowledged(**{**acknowledged.model_dump(), "case_id": second.case_id}), second.case_id)
    await desk.settle()
    call = await desk.on_phone(call["sid"], "answer")
    assert (call["status"], call["said"]) == ("completed", ["编号2, 3, 4, 5, 6, X的待办已无需您答复。再见。"])


async def test_an_ambiguous_call_is_found_in_the_providers_list_or_made_again(desk: Desk):
    faults: list[tuple[dict[str, Any], bool]] = [
        ({"accept_then_reset": True}, False),
        ({"accept_then_reset": True, "callbacks": "drop"}, False),
        ({"http_status": 503}, True),
        ({"http_status": 429}, False),
        ({"callbacks": "forge"}, False),
        ({"callbacks": "duplicate"}, False),
    ]
    phones = [f"+86001000998{number}" for number in range(len(faults))]
    await desk.faults(*({"of": "calls", "times": 1, "to": phone, **fault} for phone, (fault, _) in zip(phones, faults, strict=True)))
    requests = [await desk.request(await desk.officer(phone), channel="voice") for phone in phones]
    await desk.advance(10)
    for phone, request, (fault, duplicate) in zip(phones, requests, faults, strict=True):
        (made,) = (await desk.http.get("/sandbox/calls", params={"to": phone})).json()["items"]
        assert made["status"] == "ringing", fault
        shown = (await desk.shown(request))["attempts"]
        assert (shown[-1]["provider_id"], shown[-1]["possible_duplicate"]) == (made["sid"], duplicate), fault
    await desk.advance(60)  # nobody takes any: where the provider did not say so, it was asked
    for request, (fault, _) in zip(requests, faults, strict=True):
        shown = await desk.shown(request)
        assert (shown["state"], shown["reason"]) == ("failed", "undelivered:no_answer"), fault


async def test_a_call_of_somebody_elses_on_the_same_number_is_not_taken_for_ones_own(desk: Desk):
    theirs = await desk.request(await desk.officer(FIRST), channel="voice", code=desk.codes[0])
    await desk.settle()
    await desk.faults({"of": "calls", "times": 1, "http_status": 503})
    ours = await desk.request(await desk.officer(FIRST), channel="voice", code=desk.codes[1])
    await desk.advance(10)  # nobody knows whether it was made; the list has the other officer's only, so it is made again
    assert await attempts(desk, theirs) == [("sent", None)]
    assert await attempts(desk, ours) == [("lost", None), ("undelivered", "busy")]
    assert [event["notification_id"] for event in await desk.events("notification.failed")] == [str(ours.notification_id)]


async def test_the_texts_of_calls_are_given_to_twilio_only(desk: Desk):
    request, call = await called(desk)
    (attempt,) = (await desk.shown(request))["attempts"]
    path, form = f"/v1/twilio/voice/{attempt['attempt_id']}", {"CallSid": call["sid"], "AnsweredBy": "human"}
    key = f"{path}/key?try=1"
    signed = RequestValidator(TOKEN).compute_signature(f"{desk.base_url}{key}", {"CallSid": call["sid"], "Digits": "1"})
    for answer in (
        await desk.callback(path, form, token="guess"),
        await desk.callback(path, form, signature=""),
        await desk.callback(f"{path}/key?try=2", {"CallSid": call["sid"], "Digits": "1"}, signature=signed),
        await desk.callback(key, {"CallSid": call["sid"], "Digits": "2"}, signature=signed),
        await desk.callback(f"/v1/twilio/call/{attempt['attempt_id']}", {"CallSid": call["sid"], "CallStatus": "completed"}, token="guess"),
        await desk.http.get(path),
    ):
        assert answer.status_code in {403, 405}
    assert (await desk.shown(request))["state"] == "submitted"
    nobody = "00000000-0000-4000-8000-000000000000"
    for stray in (f"/v1/twilio/voice/{nobody}", "/v1/twilio/voice/nonsense", f"/v1/twilio/voice/{nobody}/key?try=x"):
        assert (await desk.callback(stray, form)).text.endswith("<Response><Hangup/></Response>")
    assert (await desk.callback(f"/v1/twilio/call/{nobody}", {"CallSid": "CA1", "CallStatus": "completed"})).status_code == 404
    # Whatever stands in the address, nobody is asked more often than that.
    last = await desk.callback(f"{path}/key?try=-5", {"CallSid": call["sid"], "Digits": "9"})
    assert "<Hangup/>" in last.text
