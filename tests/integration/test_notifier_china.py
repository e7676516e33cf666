"""Aliyun first, Tencent Cloud behind it: failover, receipts and replies that are pushed unsigned, and what is found again after a crash."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from libs.directory.permissions import Role
from services.notifier.rules.breaker import FAILURES_MAX
from tests.integration.notifier_desk import Desk, make_desk
from tests.support.china import ALIYUN_SECRET, SIGNATURE, TENCENT_SECRET

ALIYUN_REPORT, ALIYUN_UP = f"/v1/aliyun/{ALIYUN_SECRET}/report", f"/v1/aliyun/{ALIYUN_SECRET}/up"
TENCENT_STATUS, TENCENT_REPLY = f"/v1/tencent/{TENCENT_SECRET}/status", f"/v1/tencent/{TENCENT_SECRET}/reply"


@pytest.fixture
async def desk(database_url: str, tmp_path: Path):
    async with make_desk(database_url, tmp_path, china=True) as made:
        yield made


async def told(desk: Desk, request: Any) -> tuple[str, list[tuple[str, str, str | None]]]:
    """The notification's state, and gateway, state and code of each attempt."""
    shown = await desk.shown(request)
    return shown["state"], [(one["gateway"], one["state"], one["provider_code"]) for one in shown["attempts"]]


async def push(desk: Desk, path: str, items: Any) -> httpx.Response:
    return await desk.http.post(path, content=items if isinstance(items, bytes) else orjson.dumps(items))


async def test_what_the_first_does_not_send_to_a_number_the_second_sends_at_once(desk: Desk):
    await desk.faults({"provider": "aliyun", "code": "isv.BUSINESS_LIMIT_CONTROL"})
    request = await desk.request()
    await desk.settle()
    assert await told(desk, request) == (
        "delivered",
        [("aliyun", "rejected", "isv.BUSINESS_LIMIT_CONTROL"), ("tencent", "delivered", None)],
    )
    await desk.faults(
        {"provider": "aliyun", "code": "isv.BUSINESS_LIMIT_CONTROL"}, {"provider": "tencent", "code": "LimitExceeded.PhoneNumberDailyLimit"}
    )
    limited = await desk.request()
    await desk.settle()
    state, attempts = await told(desk, limited)
    assert (state, len(attempts)) == ("failed", 2), "no other number, no other gateway: somebody else is told at this instant"
    assert [one["notification_id"] for one in await desk.events("notification.failed")] == [str(limited.notification_id)]


async def test_the_page_of_texts_names_what_is_registered(desk: Desk):
    page = await desk.http.get("/notifications/texts", headers=await desk.log_in(Role.SUPERVISOR, ""))
    assert page.status_code == 200
    assert "Registered as" in page.text
    assert "SMS_100003" in page.text
    assert "not registered" not in page.text, "a text with a link is none that anybody could register"


async def test_receipts_twice_in_any_order_forged_or_none_at_all(desk: Desk):
    for how in ("duplicate", "reorder"):
        await desk.faults({"provider": "aliyun", "callbacks": how})
        request = await desk.request()
        await desk.settle()
        assert await told(desk, request) == ("delivered", [("aliyun", "delivered", None)]), how
    for how in ("forge", "drop"):
        for provider in ("aliyun", "tencent"):
            await desk.faults({"provider": "aliyun", "code": "Throttling.User"}, {"provider": provider, "callbacks": how})
            if provider == "aliyun":
                await desk.faults({"provider": "aliyun", "callbacks": how})
            silent = await desk.request()
            await desk.settle()
            assert (await told(desk, silent))[0] == "submitted", (how, provider)
            await desk.advance(121)
            assert (await told(desk, silent))[0] == "delivered", "the provider is asked"


async def test_a_receipt_of_failure_leads_on(desk: Desk):
    await desk.faults({"provider": "aliyun", "final_status": "undelivered", "final_code": "MOBILE_NOT_ON_SERVICE", "times": 1})
    officer = await desk.officer("+860010001001", "+860010001002")
    request = await desk.request(officer)
    await desk.settle()
    state, attempts = await told(desk, request)
    assert (state, attempts) == ("delivered", [("aliyun", "undelivered", "MOBILE_NOT_ON_SERVICE"), ("aliyun", "delivered", None)])
    assert len(await desk.sms("+860010001002")) == 1


@pytest.mark.parametrize("provider", ["aliyun", "tencent"])
async def test_what_was_sent_although_no_answer_came_is_found_and_not_sent_again(desk: Desk, provider: str):
    faults = [{"provider": provider, "accept_then_reset": True, "callbacks": "drop", "times": 1}]
    if provider == "tencent":
        faults.append({"provider": "aliyun", "code": "Throttling.User"})
    await desk.faults(*faults)
    request = await desk.request()
    await desk.settle()
    assert (await told(desk, request))[1][-1][:2] == (provider, "ambiguous")
    await desk.advance(130)
    assert (await told(desk, request))[1][-1][:2] == (provider, "delivered")
    assert len(await desk.sms()) == 1


async def test_an_answer_by_uplink_counts_once(desk: Desk):
    first = await desk.request()
    await desk.settle()
    (message,) = await desk.sms()
    assert "回复1签收" in message["body"]
    assert await desk.reply(message["sid"], "1") == []
    (said,) = await desk.events("officer.replied")
    assert (said["case_id"], said["action"]) == (str(first.case_id), "acknowledge")
    up = {"phone_number": message["to"].removeprefix("+86"), "content": "2", "sequence_id": "77"}
    for _ in range(2):
        assert (await push(desk, ALIYUN_UP, [{**up, "sequence_id": "7\0"}, up])).json() == {"code": 0, "msg": "OK"}
    assert len(await desk.events("officer.replied")) == 1, "nothing waits for an answer any more"
    await desk.settle()
    assert len(await desk.sms()) == 3, "each reply was answered once"

    await desk.faults({"provider": "aliyun", "code": "Throttling.User"})
    second = await desk.request(code="23456X")
    await desk.settle()
    (other,) = [one for one in await desk.sms() if one["provider"] == "tencent"]
    reply = {"mobile": other["to"].removeprefix("+86"), "nationcode": "86", "sign": "x", "text": "２", "time": 1, "extend": ""}
    for _ in range(2):
        assert (await push(desk, TENCENT_REPLY, reply)).json() == {"result": 0, "errmsg": "OK"}
    answers = (await desk.events("officer.replied"))[1:]
    assert [(one["case_id"], one["action"]) for one in answers] == [(str(second.case_id), "decline")]


async def test_what_is_answered_goes_out_as_a_registered_text_once(desk: Desk):
    officer = await desk.officer()
    for code in desk.codes[:2]:
        await desk.request(officer, code=code)
        desk.clock.advance(seconds=1)  # the older one is named first
    await desk.settle()
    asked = await desk.sms()
    assert await desk.reply(asked[0]["sid"], "1") == []
    await desk.settle()
    (which,) = (await desk.sms())[2:]
    count, codes = which["variables"]
    assert (which["provider"], count) == ("aliyun", "count=2")
    assert sorted(codes.removeprefix("numbers=").split(",")) == sorted(desk.codes[:2])
    assert which["body"] == f"【{SIGNATURE}】有2件待签收，请回复1或2加编号：{codes.removeprefix('numbers=')}"
    assert await desk.events("officer.replied") == []

    await desk.faults({"provider": "aliyun", "code": "isv.AMOUNT_NOT_ENOUGH"})
    assert await desk.reply(asked[0]["sid"], "1 23456X") == []
    await desk.settle()
    (accepted,) = (await desk.sms())[3:]
    assert (accepted["provider"], accepted["body"]) == ("tencent", f"【{SIGNATURE}】编号23456X已签收，请按时限处理，详见工作台。")
    assert len(await desk.events("officer.replied")) == 1

    await desk.faults({"provider": "aliyun", "code": "Throttling.User"}, {"provider": "tencent", "code": "RequestLimitExceeded"})
    assert await desk.reply(asked[0]["sid"], "1") == []
    await desk.advance(5)
    assert len(await desk.sms()) == 4
    await desk.faults()
    await desk.advance(20)
    assert "编号C7H2MQ已签收" in (await desk.sms())[4]["body"], "tried again"
    await desk.advance(120)
    assert len(await desk.sms()) == 5


async def test_pushes_of_strangers_find_nothing(desk: Desk):
    request = await desk.request()
    await desk.settle()
    attempt = (await desk.shown(request))["attempts"][0]
    bad = [{"out_id": attempt["attempt_id"], "biz_id": attempt["provider_id"], "success": False, "err_code": "X"}]
    for path in (ALIYUN_REPORT, ALIYUN_UP, TENCENT_STATUS, TENCENT_REPLY):
        room, secret, last = path.removeprefix("/v1/").split("/")
        for wrong in (secret[:-1] + "x", secret + "x", TENCENT_SECRET if room == "aliyun" else ALIYUN_SECRET, "%E8%AD%A6"):
            assert (await push(desk, f"/v1/{room}/{wrong}/{last}", bad)).status_code == 404, wrong
        assert (await push(desk, path, b"no json")).status_code == 415
        assert (await push(desk, path, b"[" + b" " * 600_000 + b"]")).status_code == 413
        assert (await push(desk, path, [{}] * 1001)).status_code == 413
        assert (await push(desk, path, [1, None, "x", {}])).status_code == 200, "what is not ours is not told again"
    assert (await push(desk, ALIYUN_REPORT, bad)).status_code == 200
    assert (await told(desk, request))[0] == "delivered", "what has arrived has arrived"
    later = [{"sid": "nobody's", "report_status": "SUCCESS", "errmsg": "DELIVRD"}]
    assert (await push(desk, TENCENT_STATUS, later)).json() == {"result": 0, "errmsg": "OK"}


async def test_over_twilio_itself_a_mainland_number_is_asked_to_the_workbench(database_url: str, tmp_path: Path):
    async with make_desk(database_url, tmp_path, mainland_replies=False) as desk:
        await desk.request(await desk.officer("+860010001001"))
        await desk.request(await desk.officer("+852910011001"), code="23456X")
        await desk.settle()
        (mainland,) = await desk.sms("+860010001001")
        (abroad,) = await desk.sms("+852910011001")
    assert "登录工作台签收" in mainland["body"]
    assert "回复1签收" in abroad["body"]


async def test_a_text_that_no_provider_has_approved_keeps_no_other_waiting(desk: Desk):
    await desk.faults(
        {"provider": "aliyun", "code": "isv.SMS_TEMPLATE_ILLEGAL"},
        {"provider": "tencent", "code": "FailedOperation.TemplateIncorrectOrUnapproved"},
    )
    refused = [await desk.request() for _ in range(FAILURES_MAX + 1)]
    await desk.settle()
    assert {(await desk.shown(one))["state"] for one in refused} == {"failed"}, "waiting would not help: somebody else is told at once"
    await desk.faults()
    alarm = await desk.request()
    await desk.settle()
    assert [one["gateway"] for one in (await desk.shown(alarm))["attempts"]] == ["aliyun"], "the gateways are not left alone for that"
