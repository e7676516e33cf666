"""Aliyun and Tencent Cloud over their official SDKs and real HTTP, against fakes that verify their signatures: what each answer means."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.sandbox import Sandbox
from services.notifier.app import load_registry
from services.notifier.gateways import Gateway, Outgoing, Sought, aliyun, tencent
from services.notifier.gateways.domestic import Bounds, Key, e164
from services.notifier.rules.registered import read
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered
from services.notifier.rules.texts import Registered
from tests.support.china import ALIYUN_KEYS, APP_ID, SIGNATURE, TENCENT_KEYS, China
from tests.support.sandbox import NOON, sandbox_desk

OFFICER = "+8613811110001"
PROVIDERS = ("aliyun", "tencent")


@dataclass
class Stand:
    china: China
    sandbox: Sandbox
    base_url: str
    faults: Any
    clock: Any

    def gateway(self, provider: str, *, keys: list[Key] | None = None, timeout_s: float = 3, base_url: str | None = None) -> Gateway:
        return gateway_to(provider, base_url or self.base_url, self.registered(provider), keys=keys, timeout_s=timeout_s)

    def registered(self, provider: str) -> Registered:
        return Registered(SIGNATURE, self.china.codes[provider])

    def phone(self, to: str = OFFICER) -> list[Any]:
        return list(self.sandbox.phones.messages(to))


def gateway_to(provider: str, base_url: str, registered: Registered, *, keys: list[Key] | None = None, timeout_s: float = 3) -> Gateway:
    bounds = Bounds(timeout_s, 1, 8)
    if provider == "aliyun":
        own = keys or [Key(*next(iter(ALIYUN_KEYS.items())))]
        return aliyun.make_gateway(own, registered, bounds, api_base_url=f"{base_url}/aliyun", takes_replies=True)
    own = keys or [Key(*next(iter(TENCENT_KEYS.items())))]
    return tencent.make_gateway(own, registered, bounds, app_id=APP_ID, api_base_url=f"{base_url}/tencent", takes_replies=True)


@asynccontextmanager
async def stand_at(folder: Path) -> AsyncIterator[Stand]:
    china = China.at("http://127.0.0.1:1", folder, prefix="")
    async with sandbox_desk(aliyun=china.aliyun, tencent=china.tencent, hang_s_max=0.0) as desk:
        yield Stand(china, desk.sandbox, desk.base_url, desk.faults, desk.clock)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_at(tmp_path) as made:
        yield made


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def gateway(stand: Stand, provider: str) -> AsyncIterator[Gateway]:
    made = stand.gateway(provider)
    yield made
    await made.close()


def message(to: str = OFFICER, **changes: Any) -> Outgoing:
    variables = (("grade_roman", "Ⅱ"), ("opaque_code", "C7H2MQ"), ("deadline_hhmm", "今日12:10"))
    return replace(Outgoing(uuid4(), to, "…", 600, "assign-reply.zh_CN.1", variables), **changes)


def sought(sent: Outgoing, provider_id: str | None = None, **changes: Any) -> Sought:
    return replace(Sought(sent.attempt_id, sent.to, sent.body, NOON, provider_id), **changes)


async def test_template_and_variables_arrive_as_registered(stand: Stand, gateway: Gateway, provider: str) -> None:
    outgoing = message()
    answer = await gateway.send(outgoing)
    (arrived,) = stand.phone()
    assert answer == Accepted(arrived.sid)
    assert arrived.body == "【未保中心】您有1件Ⅱ级待办，编号C7H2MQ，请于今日12:10前回复1签收，无法处理回复2，逾期自动上报。"
    assert arrived.template == stand.china.codes[provider]["assign-reply.zh_CN.1"]
    assert UUID(arrived.reference) == outgoing.attempt_id
    values = ("grade=Ⅱ", "number=C7H2MQ", "time=今日12:10") if provider == "aliyun" else ("Ⅱ", "C7H2MQ", "今日12:10")
    assert arrived.variables == values


async def test_a_text_that_is_not_registered_is_somebody_elses_to_send(gateway: Gateway) -> None:
    assert await gateway.send(message(template_id="none.zh_CN.1")) == Rejected(Refusal.ELSEWHERE, None, code="no_template")


ALIYUN_CODES = {
    "isv.BUSINESS_LIMIT_CONTROL": Refusal.ELSEWHERE,
    "isv.MOBILE_NUMBER_ILLEGAL": Refusal.CONTACT,
    "isv.AMOUNT_NOT_ENOUGH": Refusal.GATEWAY,
    "isv.OUT_OF_SERVICE": Refusal.GATEWAY,
    "isv.SMS_TEMPLATE_ILLEGAL": Refusal.TEXT,
    "isv.TEMPLATE_PARAMS_ILLEGAL": Refusal.TEXT,
    "isv.BLACK_KEY_CONTROL_LIMIT": Refusal.TEXT,
    "isv.SMS_SIGNATURE_ILLEGAL": Refusal.GATEWAY,
    "isv.DAY_LIMIT_CONTROL": Refusal.GATEWAY,
    "isp.RAM_PERMISSION_DENY": Refusal.GATEWAY,
    "Throttling.User": Refusal.BUSY,
    "isp.SYSTEM_ERROR": None,
    "never.heard.of": None,
}
TENCENT_CODES = {
    "RequestLimitExceeded": Refusal.BUSY,
    "LimitExceeded.PhoneNumberThirtySecondLimit": Refusal.BUSY,
    "LimitExceeded.PhoneNumberDailyLimit": Refusal.ELSEWHERE,
    "LimitExceeded.PhoneNumberSameContentDailyLimit": Refusal.ELSEWHERE,
    "LimitExceeded.AppDailyLimit": Refusal.GATEWAY,
    "FailedOperation.PhoneNumberInBlacklist": Refusal.CONTACT,
    "FailedOperation.InsufficientBalanceInSmsPackage": Refusal.GATEWAY,
    "FailedOperation.TemplateIncorrectOrUnapproved": Refusal.TEXT,
    "FailedOperation.ContainSensitiveWord": Refusal.TEXT,
    "InvalidParameterValue.IncorrectPhoneNumber": Refusal.CONTACT,
    "UnsupportedOperation.UnsupportedRegion": Refusal.ELSEWHERE,
    "UnauthorizedOperation.ServiceSuspendDueToArrears": Refusal.GATEWAY,
    "InternalError.Timeout": None,
    "FailedOperation.OtherError": None,
}


async def test_what_a_refusal_means(stand: Stand, gateway: Gateway, provider: str) -> None:
    for code, refusal in (ALIYUN_CODES if provider == "aliyun" else TENCENT_CODES).items():
        await stand.faults({"provider": provider, "code": code})
        wanted = Ambiguous(code) if refusal is None else Rejected(refusal, None, code=code)
        assert await gateway.send(message()) == wanted, code
    assert stand.phone() == []


async def test_no_answer_a_bad_one_and_half_of_one_are_ambiguous(stand: Stand, provider: str) -> None:
    gateway = stand.gateway(provider, timeout_s=0.3)
    for fault in ({"http_status": 503}, {"hang": True}, {"accept_then_reset": True}, {"hang": True, "accepted": True}):
        await stand.faults({"provider": provider, **fault})
        assert isinstance(await gateway.send(message()), Ambiguous), fault
    assert len(stand.phone()) == 2
    await gateway.close()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        mute = stand.gateway(provider, timeout_s=0.2, base_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert await mute.send(message()) == Ambiguous("TimeoutError")
        assert await mute.find(sought(message())) == Unanswered()
        await mute.close()
    nobody = stand.gateway(provider, base_url="http://127.0.0.1:1")
    assert await nobody.send(message()) == Rejected(Refusal.BUSY, 0)
    assert await nobody.fetch(sought(message(), "1")) == Unanswered()
    await nobody.close()


async def test_an_ambiguous_one_is_found_again_by_its_attempt(stand: Stand, gateway: Gateway, provider: str) -> None:
    lost, other = message(), message()
    await stand.faults({"provider": provider, "accept_then_reset": True, "times": 1})
    assert isinstance(await gateway.send(lost), Ambiguous)
    await gateway.send(other)
    never = sought(message())
    if provider == "aliyun":
        assert await gateway.find(never) == Missing()
        assert await gateway.find(sought(lost)) == Accepted(f"out:{lost.attempt_id}")
        assert await gateway.find(sought(lost, since=NOON - timedelta(days=1))) == Missing()
        await stand.sandbox.settle()
        assert await gateway.fetch(sought(lost, f"out:{lost.attempt_id}")) == Accepted(f"out:{lost.attempt_id}", AttemptState.DELIVERED)
    else:
        assert await gateway.find(sought(lost)) == Unanswered()  # no receipt yet: it may be under way
        await stand.sandbox.settle()
        assert await gateway.find(never) == Unanswered()
        (found, _second) = stand.phone()
        assert await gateway.find(sought(lost)) == Accepted(found.sid, AttemptState.DELIVERED)
        assert await gateway.fetch(sought(lost, found.sid)) == Accepted(found.sid, AttemptState.DELIVERED)
    assert await gateway.find(sought(lost, to=None)) == Unanswered()


async def test_how_a_message_ended_is_asked_for(stand: Stand, gateway: Gateway, provider: str) -> None:
    await stand.faults({"provider": provider, "final_status": "undelivered", "final_code": "MBBLACK"})
    outgoing = message()
    answer = await gateway.send(outgoing)
    assert isinstance(answer, Accepted)
    await stand.sandbox.settle()
    ended = await gateway.fetch(sought(outgoing, answer.provider_id))
    assert ended == Accepted(answer.provider_id, AttemptState.UNDELIVERED, code="MBBLACK")


async def test_the_second_key_is_asked_once_and_then_first(stand: Stand, provider: str, caplog: pytest.LogCaptureFixture) -> None:
    known = ALIYUN_KEYS if provider == "aliyun" else TENCENT_KEYS
    second = Key(*list(known.items())[1])
    gateway = stand.gateway(provider, keys=[Key("gone", "gone"), second])
    assert isinstance(await gateway.send(message()), Accepted)
    assert isinstance(await gateway.send(message()), Accepted)
    await gateway.close()
    wrong = stand.gateway(provider, keys=[Key(second.id, "not its secret"), Key("gone", "gone")])
    answer = await wrong.send(message())
    assert isinstance(answer, Rejected)
    assert answer.refusal is Refusal.GATEWAY
    await wrong.close()
    assert len(stand.phone()) == 2


async def test_many_at_once_share_connections(stand: Stand, gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.send(message(f"+861381111{number:04}")) for number in range(40)))
    assert all(isinstance(answer, Accepted) for answer in answers)


def test_an_sdk_is_not_imported_before_it_is_used() -> None:
    code = "import sys, services.notifier.app; print([m for m in sys.modules if m.startswith(('alibabacloud_', 'tencentcloud'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_pushes_that_say_nothing_are_left_alone() -> None:
    mine = uuid4()
    arrived = {"out_id": str(mine), "biz_id": "1^0", "success": True, "err_code": "DELIVERED"}
    assert aliyun.reports(
        [arrived, {}, {**arrived, "out_id": "x"}, {**arrived, "success": "true"}, {**arrived, "biz_id": "1" * 65}, 3]
    ) == [(mine, Accepted("1^0", AttemptState.DELIVERED))]
    ended = {"sid": "9:1", "report_status": "FAIL", "errmsg": "MBBLACK"}
    (report,) = tencent.reports([ended, {}, {**ended, "report_status": "?"}, [], {**ended, "sid": ""}])
    assert report.seen == Accepted("9:1", AttemptState.UNDELIVERED, code="MBBLACK")
    said = {"phone_number": "13811110001", "content": "1", "sequence_id": 7}
    assert aliyun.replies([said, {**said, "phone_number": "x"}, {"content": "1"}]) == [("aliyun:7", "+8613811110001", "1")]
    reply = {"mobile": "13811110001", "nationcode": "86", "text": "1", "time": 1457336869}
    first, again = tencent.replies([reply], "key"), tencent.replies([dict(reply)], "key")
    assert first == again
    assert first != tencent.replies([{**reply, "time": 1457336870}], "key")
    assert first[0][1:] == ("+8613811110001", "1")
    assert "13811110001" not in first[0][0]


def test_numbers_as_providers_write_them() -> None:
    assert {e164("86", one) for one in ("13811110001", "+8613811110001", "8613811110001", "008613811110001")} == {"+8613811110001"}


def test_the_file_of_codes_is_read_again(tmp_path: Path) -> None:
    china = China.at("http://127.0.0.1:1", tmp_path)
    document = {"texts_version": 1, "aliyun": {"signature": SIGNATURE, "templates": china.codes["aliyun"]}}
    assert read(document, load_registry()).by_provider["aliyun"].codes == china.codes["aliyun"]
