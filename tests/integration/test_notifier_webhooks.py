"""What Twilio tells us: signed, replayed, forged, out of order; and what officers answer by SMS."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from twilio.request_validator import RequestValidator

from libs.events.catalogue import CaseAcknowledged, CaseClosed, CaseDeclined, CasePostSkipped
from libs.terms import CloseResult, ConflictReason, DeclineReason, Grade, Purpose, Step
from services.notifier.rules.answers import UNHELPFUL_MAX, UNHELPFUL_WINDOW
from tests.integration.notifier_desk import NOW, OLD_TOKEN, PLACE, Desk, make_desk

NO_ATTEMPT = "00000000-0000-4000-8000-000000000000"
FIRST = "+860010009991"
INBOUND = "/v1/twilio/inbound"


@pytest.fixture
async def desk(database_url, tmp_path):
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def submitted(desk: Desk) -> tuple[Any, str, str]:
    """A message at the provider; its request, callback path and sid."""
    request = await desk.request(await desk.officer(FIRST))
    desk.callbacks = False
    await desk.settle()
    (attempt,) = (await desk.shown(request))["attempts"]
    assert attempt["state"] == "submitted"
    return request, f"/v1/twilio/status/{attempt['attempt_id']}", attempt["provider_id"]


async def test_callbacks_move_the_state_once_however_often_they_are_told(desk: Desk):
    request, path, sid = await submitted(desk)
    for status in ("sent", "sent", "delivered", "delivered", "sent", "queued"):
        assert (await desk.callback(path, {"MessageSid": sid, "MessageStatus": status})).status_code == 204
    assert (await desk.shown(request))["state"] == "delivered"
    assert len(await desk.events("notification.delivered")) == 1
    assert len(await desk.events("notification.submitted")) == 1


async def test_the_second_token_is_accepted_while_tokens_are_rotated(desk: Desk):
    request, path, sid = await submitted(desk)
    answer = await desk.callback(path, {"MessageSid": sid, "MessageStatus": "delivered"}, token=OLD_TOKEN)
    assert answer.status_code == 204
    assert (await desk.shown(request))["state"] == "delivered"


async def test_forged_and_moved_callbacks_are_refused_and_change_nothing(desk: Desk):
    request, path, sid = await submitted(desk)
    form = {"MessageSid": sid, "MessageStatus": "delivered"}
    for answer in (
        await desk.callback(path, form, token="guess"),
        await desk.callback(path, form, signature=""),
        await desk.callback(path, form, signature="not base64"),
        await desk.callback(path, {**form, "MessageStatus": "failed"}, signature=_signature_for(desk, path, form)),
        await desk.callback(f"/v1/twilio/status/{uuid4()}", form, signature=_signature_for(desk, path, form)),
        await desk.callback(f"{path}?x=1", form, signature=_signature_for(desk, path, form)),
    ):
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"] == "/problems/bad_signature"
    # Headers of a proxy say nothing about the address that was signed.
    headers = {"X-Twilio-Signature": _signature_for(desk, path, form, base="https://evil.example"), "X-Forwarded-Host": "evil.example"}
    assert (await desk.http.post(path, data=form, headers={**headers, "Host": "evil.example"})).status_code == 403
    assert (await desk.shown(request))["state"] == "submitted"


def _signature_for(desk: Desk, path: str, form: dict[str, str], base: str = "") -> str:
    return str(RequestValidator("test-token").compute_signature(f"{base or desk.base_url}{path}", form))


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        (f"/v1/twilio/status/{NO_ATTEMPT}", {"MessageSid": "SM1", "MessageStatus": "sent"}, 404),
        ("/v1/twilio/status/nonsense", {"MessageSid": "SM1", "MessageStatus": "sent"}, 404),
        (f"/v1/twilio/status/{NO_ATTEMPT}", {"MessageSid": "SM1"}, 422),
        (f"/v1/twilio/status/{NO_ATTEMPT}", {"MessageStatus": "sent"}, 422),
        (f"/v1/twilio/status/{NO_ATTEMPT}", {"MessageSid": "x" * 65, "MessageStatus": "sent"}, 422),
        (INBOUND, {"From": FIRST, "Body": "1"}, 422),
        (INBOUND, {"MessageSid": "SM1", "Body": "1"}, 422),
        (INBOUND, {"MessageSid": "SM\0", "From": FIRST, "Body": "1"}, 422),
    ],
)
async def test_signed_nonsense_is_named(desk: Desk, path, form, status):
    answer = await desk.callback(path, form)
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["errors"][0]["field"] in {"MessageSid", "MessageStatus", "From"}


async def test_other_bodies_are_refused(desk: Desk):
    assert (await desk.http.post(INBOUND, json={"MessageSid": "SM1"})).status_code == 415
    big = {"MessageSid": "SM1", "From": FIRST, "Body": "x" * 40_000}
    assert (await desk.callback(INBOUND, big)).status_code == 413
    raw = await desk.http.post(INBOUND, content=b"\xff\xfe", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert raw.status_code == 403


async def test_a_callback_that_overtakes_the_answer_settles_a_crashed_attempt(desk: Desk):
    """The callback carries the attempt's id, so that it helps even when the provider's id was never recorded."""
    request, path, _sid = await submitted(desk)
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE notifier.attempts SET state = 'sending', provider_id = NULL, submitted_at = NULL")
        await tx.execute("UPDATE notifier.notifications SET state = 'sending'")
    assert (await desk.callback(path, {"MessageSid": "SM" + "9" * 32, "MessageStatus": "delivered"})).status_code == 204
    shown = await desk.shown(request)
    assert (shown["state"], shown["attempts"][0]["provider_id"]) == ("delivered", "SM" + "9" * 32)
    assert len(await desk.events("notification.submitted")) == 2


async def alarm(desk: Desk, officer_id: Any, number: int = 0, **changes: Any) -> Any:
    """An alarm on the phone; the request."""
    desk.clock.advance(seconds=1)
    request = await desk.request(officer_id, code=desk.codes[number], **changes)
    await desk.settle()
    return request


async def last_sid(desk: Desk, to: str = FIRST) -> str:
    return str((await desk.sms(to))[-1]["sid"])


@pytest.mark.parametrize(("text", "action"), [("1", "acknowledge"), ("２", "decline"), (" 1。", "acknowledge")])
async def test_one_waiting_case_takes_a_bare_number(desk: Desk, text, action):
    officer_id = await desk.officer(FIRST)
    request = await alarm(desk, officer_id)
    (answer,) = await desk.reply(await last_sid(desk), text)
    assert (
        answer
        == {
            "acknowledge": "【警钟】编号C7H2MQ已签收，请按时限处理，详见工作台。",
            "decline": "【警钟】编号C7H2MQ您已退回，正在通知他人处理。",
        }[action]
    )
    (replied,) = await desk.events("officer.replied")
    assert replied == {
        "case_id": str(request.case_id),
        "officer_id": str(officer_id),
        "notification_id": str(request.notification_id),
        "action": action,
        "via": "sms_reply",
    }


async def test_several_waiting_cases_need_the_code(desk: Desk):
    officer_id = await desk.officer(FIRST)
    requests = [await alarm(desk, officer_id, number) for number in range(3)]
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】有3件待签收，请回复1或2加编号：C7H2MQ,23456X,98765V"]
    assert await desk.events("officer.replied") == []
    assert await desk.reply(await last_sid(desk), "1 23456x") == ["【警钟】编号23456X已签收，请按时限处理，详见工作台。"]
    assert await desk.reply(await last_sid(desk), "2") == ["【警钟】有2件待签收，请回复1或2加编号：C7H2MQ,98765V"]
    assert await desk.reply(await last_sid(desk), "2 98765V") == ["【警钟】编号98765V您已退回，正在通知他人处理。"]
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】编号C7H2MQ已签收，请按时限处理，详见工作台。"]
    replied = await desk.events("officer.replied")
    assert [(event["case_id"], event["action"]) for event in replied] == [
        (str(requests[1].case_id), "acknowledge"),
        (str(requests[2].case_id), "decline"),
        (str(requests[0].case_id), "acknowledge"),
    ]


async def test_the_code_finds_its_case_however_many_others_wait(desk: Desk):
    officer_id = await desk.officer()
    async with desk.db.connection() as c:
        await c.execute(
            "INSERT INTO notifier.waiting (officer_id, case_id, code, notification_id, since) "
            "SELECT $1, gen_random_uuid(), 'GGGGGG', gen_random_uuid(), $2 FROM generate_series(1, 150)",
            officer_id,
            NOW - timedelta(hours=1),
        )
    request = await desk.request(officer_id)
    await desk.settle()
    (sms,) = await desk.sms()
    await desk.reply(sms["sid"], f"1 {request.code}")
    (replied,) = await desk.events("officer.replied")
    assert (replied["case_id"], replied["action"]) == (str(request.case_id), "acknowledge")


async def test_a_bare_number_is_about_what_the_officer_was_told_of(desk: Desk):
    officer_id = await desk.officer(FIRST)
    told = await alarm(desk, officer_id)
    untold = await desk.request(officer_id, code=desk.codes[1])  # its message waits: for quiet hours, in a storm, for its turn
    for consumer in desk.assembly.consumers:
        await consumer.drain_once()
    await desk.reply(await last_sid(desk), "1")
    # Of the other one the officer knows nothing: "1" once more is no answer to it, but its code would be.
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】有1件待签收，请回复1或2加编号：23456X"]
    assert [event["case_id"] for event in await desk.events("officer.replied")] == [str(told.case_id)]
    await desk.settle()
    await desk.reply(await last_sid(desk), "1")
    assert [event["case_id"] for event in await desk.events("officer.replied")] == [str(told.case_id), str(untold.case_id)]


async def test_answers_are_in_the_officers_language_and_fit_into_one_sms(desk: Desk):
    officer_id = await desk.officer(FIRST, language="en")
    for number in range(6):
        await alarm(desk, officer_id, number)
    (answer,) = await desk.reply(await last_sid(desk), "1")
    assert answer == "Tocsin: 6 tasks are waiting. Reply 1 or 2 and the code: C7H2MQ,23456X,98765V"
    (other,) = await desk.reply(await last_sid(desk), "what?")
    assert other == "Tocsin: Reply 1 to accept, 2 to decline; with several tasks add the code: 1 C7H2MQ"


async def test_whoever_answers_automatically_is_not_answered_for_ever(desk: Desk):
    officer_id = await desk.officer(FIRST)
    await alarm(desk, officer_id)
    answered = [len(await desk.reply(await last_sid(desk), "我正在开车，稍后回复")) for _ in range(UNHELPFUL_MAX + 2)]
    assert answered == [1] * UNHELPFUL_MAX + [0, 0]
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】编号C7H2MQ已签收，请按时限处理，详见工作台。"], "but heard"
    await desk.advance(UNHELPFUL_WINDOW.total_seconds())
    assert len(await desk.reply(await last_sid(desk), "我正在开车，稍后回复")) == 1


async def test_nothing_waits_any_more(desk: Desk):
    officer_id = await desk.officer(FIRST)
    request = await alarm(desk, officer_id)
    facts: dict[str, Any] = {"case_id": request.case_id, "grade": Grade.II, "division_code": PLACE}
    await desk.tell(CaseAcknowledged(**facts, officer_id=uuid4(), via="workbench"), request.case_id)
    await desk.settle()
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】您名下没有待签收的待办。"]
    assert await desk.reply(await last_sid(desk), "1 C7H2MQ") == ["【警钟】没有编号C7H2MQ的待签收待办。"]
    second = await alarm(desk, officer_id, 1)
    await desk.tell(
        CaseClosed(**{**facts, "case_id": second.case_id}, result=CloseResult.UNFOUNDED, reporter_informed=True), second.case_id
    )
    third = await alarm(desk, officer_id, 2)
    declined = CaseDeclined(**{**facts, "case_id": third.case_id}, officer_id=officer_id, reason=DeclineReason.OTHER, via="workbench")
    await desk.tell(declined, third.case_id)
    await desk.settle()
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】您名下没有待签收的待办。"]
    assert await desk.events("officer.replied") == []


async def test_where_more_have_to_acknowledge_the_others_are_still_waited_for(desk: Desk):
    officer_id = await desk.officer(FIRST)
    request = await alarm(desk, officer_id)
    facts: dict[str, Any] = {"case_id": request.case_id, "grade": Grade.I, "division_code": PLACE}
    await desk.tell(CaseAcknowledged(**facts, officer_id=uuid4(), via="workbench", wanted=1), request.case_id)
    await desk.settle()
    await desk.reply(await last_sid(desk), "1")
    assert [event["action"] for event in await desk.events("officer.replied")] == ["acknowledge"]


async def test_of_who_has_a_conflict_of_interest_no_answer_is_waited_for(desk: Desk):
    officer_id = await desk.officer(FIRST)
    barred = await alarm(desk, officer_id)
    other = await alarm(desk, officer_id, 1)
    skipped = CasePostSkipped(
        case_id=barred.case_id,
        grade=barred.grade,
        division_code=PLACE,
        tier=barred.tier,
        post_id=barred.post_id,
        reason=ConflictReason.SUSPECT_HOLDS,
        officers=(officer_id,),
    )
    await desk.tell(skipped, barred.case_id)
    await desk.settle()
    assert await desk.reply(await last_sid(desk), f"1 {barred.code}") == [f"【警钟】没有编号{barred.code}的待签收待办。"]
    await desk.reply(await last_sid(desk), "1")
    assert [event["case_id"] for event in await desk.events("officer.replied")] == [str(other.case_id)]


async def test_asked_again_after_an_escalation_an_answer_counts_again(desk: Desk):
    officer_id = await desk.officer(FIRST)
    request = await alarm(desk, officer_id)
    await desk.reply(await last_sid(desk), "2")
    await alarm(desk, officer_id, case_id=request.case_id, purpose=Purpose.ESCALATE)
    await desk.reply(await last_sid(desk), "1")
    assert [event["action"] for event in await desk.events("officer.replied")] == ["decline", "acknowledge"]


async def test_reminders_recalls_and_supervision_wait_for_no_acknowledgement(desk: Desk):
    officer_id = await desk.officer(FIRST)
    for purpose in (Purpose.REMIND, Purpose.RECALL, Purpose.SUPERVISE, Purpose.OVERDUE):
        await alarm(desk, officer_id, purpose=purpose, step=Step.ON_SITE)
    assert await desk.reply(await last_sid(desk), "1") == ["【警钟】您名下没有待签收的待办。"]


async def test_the_same_reply_told_twice_has_one_effect_and_one_answer(desk: Desk):
    await alarm(desk, await desk.officer(FIRST))
    form = {"MessageSid": "SM" + "1" * 32, "From": FIRST, "To": "+860019999999", "Body": "1"}
    first, second = await desk.callback(INBOUND, form), await desk.callback(INBOUND, form)
    assert first.status_code == second.status_code == 200
    assert first.headers["content-type"].startswith("text/xml")
    assert first.text == second.text
    assert "已签收" in first.text
    assert len(await desk.events("officer.replied")) == 1


async def test_replies_from_strangers_are_not_answered(desk: Desk):
    await alarm(desk, await desk.officer(FIRST))
    for sender in ("+860010001234", "not a number", "anonymous"):
        form = {"MessageSid": f"SM{uuid4().hex}", "From": sender, "Body": "1"}
        answer = await desk.callback(INBOUND, form)
        assert (answer.status_code, "<Message>" in answer.text) == (200, False)
    assert await desk.events("officer.replied") == []


async def test_forged_replies_acknowledge_nothing(desk: Desk):
    await alarm(desk, await desk.officer(FIRST))
    form = {"MessageSid": "SM1", "From": FIRST, "Body": "1"}
    assert (await desk.callback(INBOUND, form, token="guess")).status_code == 403
    assert await desk.events("officer.replied") == []


async def test_two_officers_with_one_phone(desk: Desk):
    one, two = await desk.officer(FIRST), await desk.officer(FIRST)
    await alarm(desk, one)
    second = await alarm(desk, two, 1)
    await desk.reply(await last_sid(desk), "1 23456X")
    (replied,) = await desk.events("officer.replied")
    assert (replied["officer_id"], replied["case_id"]) == (str(two), str(second.case_id))


async def test_stop_pages_somebody_and_the_next_alarm_fails_over(desk: Desk, caplog):
    request = await alarm(desk, await desk.officer(FIRST))
    assert await desk.reply(await last_sid(desk), "STOP") == []
    (kept,) = await desk.fetch("SELECT meaning, officer_id FROM notifier.replies")
    assert kept == {"meaning": "stop", "officer_id": request.officer_id}
    assert await desk.events("officer.replied") == []
    again = await alarm(desk, request.officer_id, 1)
    assert (await desk.shown(again))["reason"] == "rejected:21610"
    (failed,) = await desk.events("notification.failed")
    assert failed["notification_id"] == str(again.notification_id)
