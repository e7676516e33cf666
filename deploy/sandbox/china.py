"""What the stand-ins for Aliyun and Tencent Cloud have in common: registered texts, numbers, faults, and what they push."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
from starlette.responses import Response

from deploy.sandbox.config import ProviderAccount, SandboxConfig
from deploy.sandbox.faults import Fault
from deploy.sandbox.phones import Message, Phones
from libs.clock import Clock

MOBILE = re.compile(r"1[3-9][0-9]{9}|00[0-9]{8,9}")
"""A mainland mobile number without country code, or one that nobody has (+8600…: demonstrations and tests)."""
UNSUBSCRIBED = frozenset({"T", "TD", "N", "退订"})
BEIJING = ZoneInfo("Asia/Shanghai")
VALUE_CHARS_MAX = 35
_LINK = re.compile(r"://|www\.|\.(com|cn|net|org)\b", re.IGNORECASE)


def national(number: str) -> str | None:
    """A number as the providers write it; None for what is no mainland number."""
    bare = number.removeprefix("+86").removeprefix("0086") if number.startswith(("+86", "0086")) else number
    return bare if MOBILE.fullmatch(bare) else None


def refused_value(value: str) -> bool:
    """Whether a provider does not take such a value of a variable: links, brackets, too long."""
    return not value or len(value) > VALUE_CHARS_MAX or bool(_LINK.search(value)) or any(char in value for char in "【】")


def over_the_limit(account: ProviderAccount, phones: Phones, to: str, template: str, now: datetime) -> bool:
    """Whether that number has had its messages of that template for the last 24 hours."""
    if account.daily_max is None:
        return False
    sent = sum(1 for one in phones.messages(to) if one.template == template and one.created_at > now - timedelta(days=1))
    return sent >= account.daily_max


async def answered(
    fault: Fault | None,
    clock: Clock,
    *,
    hang_s_max: float,
    accept: Callable[[Fault | None], Response],
    refuse: Callable[[str], Response],
    throttled: str,
    broken: Callable[[], Response],
) -> Response:
    """The answer to a message, with what a fault does to it. `refuse` makes the answer for a code."""
    if fault is None:
        return accept(None)
    if fault.latency_s:
        await clock.wait(None, fault.latency_s)
    if fault.rate_per_s is not None:
        return refuse(throttled)
    bad = fault.hang or fault.http_status is not None or fault.code is not None
    answer = accept(fault) if fault.accepted or not bad else None
    if fault.hang:
        await clock.wait(None, hang_s_max)
        return broken()
    if fault.http_status is not None:
        return Response(b'{"Code":"ServiceUnavailable","Message":"sandbox"}', fault.http_status, media_type="application/json")
    if fault.code is not None or answer is None:
        return refuse(fault.code or throttled)
    return broken() if fault.accept_then_reset else answer


def receipt(config: SandboxConfig, message: Message, *, arrived: bool, forged: bool, now: datetime) -> tuple[str, bytes]:
    """Where a receipt is pushed, and what it says (SmsReport; Tencent's status callback, document 382/43547)."""
    account = _account(config, message.provider)
    push_url = account.push_url.rpartition("/")[0] + "/0123456789abcdef0123456789abcdef" if forged else account.push_url
    at = f"{now.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
    if message.provider == "aliyun":
        item: dict[str, object] = {
            "phone_number": national(message.to),
            "send_time": f"{message.created_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "report_time": at,
            "success": arrived,
            "err_code": "DELIVERED" if arrived else message.code or "MOBILE_NOT_ON_SERVICE",
            "err_msg": "用户接收成功" if arrived else "用户接收失败",
            "sms_size": "1",
            "biz_id": message.sid,
            "out_id": message.reference,
        }
        return f"{push_url}/report", orjson.dumps([item])
    item = {
        "user_receive_time": at,
        "nationcode": "86",
        "mobile": national(message.to),
        "report_status": "SUCCESS" if arrived else "FAIL",
        "errmsg": "DELIVRD" if arrived else message.code or "UNDELIV",
        "description": "用户短信送达成功" if arrived else "用户短信送达失败",
        "sid": message.sid,
    }
    return f"{push_url}/status", orjson.dumps([item])


def pushed_reply(config: SandboxConfig, message: Message, answer: Message, now: datetime) -> tuple[str, bytes]:
    """Where an answer is pushed, and what it says (SmsUp; Tencent's reply callback, document 382/43548: one object, no list)."""
    account = _account(config, message.provider)
    if message.provider == "aliyun":
        up = {
            "phone_number": national(message.to),
            "content": answer.body,
            "send_time": f"{now.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}",
            "dest_code": "1234",
            "sequence_id": str(answer.seq),
        }
        return f"{account.push_url}/up", orjson.dumps([up])
    said = {
        "extend": "",
        "mobile": national(message.to),
        "nationcode": "86",
        "sign": account.signature,
        "text": answer.body,
        "time": int(now.timestamp()),
    }
    return f"{account.push_url}/reply", orjson.dumps(said)


def _account(config: SandboxConfig, provider: str) -> ProviderAccount:
    account = config.aliyun if provider == "aliyun" else config.tencent
    assert account is not None
    return account
