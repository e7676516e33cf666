"""Which providers are tried with which faults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.notifier_desk import NUMBER, SECOND_NUMBER, SECOND_SID, SECOND_TOKEN, SID, TOKEN

PATIENT_S, IMPATIENT_S = 5.0, 0.3
"""How long the notifier waits for an answer, in real time: only where the provider hangs is it worth being impatient."""


@dataclass(frozen=True)
class Fault:
    """`items` go to the provider that is tried first, for the officer's "first" number or for every message, in Twilio's words.

    `ambiguous`: the outcome of a call can be unknown although nobody was killed. `ends`: how the notification has to end.
    `deaf`: the provider's list does not answer either. `contact`: which of the officer's two contacts it has to end with.
    """

    name: str
    items: tuple[dict[str, Any], ...] = ()
    ambiguous: bool = False
    ends: str = "delivered"
    contact: int = 1
    deaf: bool = False
    timeout_s: float = PATIENT_S


Items = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Provider:
    """`given` are the settings of the notifier, with `{fakes}` for where the fakes are. `sandbox`: which of them the faults go to.

    `routes`: over which domestic gateways the messages go, "" for none. `channel`: what is asked for. `speaks`: how a fault, told for
    Twilio's messages, is told to it. `always`: what holds for all else.
    """

    name: str
    given: dict[str, dict[str, Any]]
    sandbox: str = "sandbox"
    routes: str = ""
    channel: str = "sms"
    speaks: Callable[[dict[str, Any]], dict[str, Any]] = dict
    always: Items = ()
    without: tuple[str, ...] = ()
    """Faults that it does not know."""


def domestic(provider: str, *, throttled: str, refused: str, not_delivered: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Faults in the words of a provider whose codes are texts."""

    def speak(item: dict[str, Any]) -> dict[str, Any]:
        told = {"provider": provider, **{key: value for key, value in item.items() if key not in {"error_code", "final_error_code"}}}
        code = refused if "error_code" in item else throttled if item.get("http_status") == 429 else None
        if code is not None:
            del told["http_status"]
            told["code"] = code
        return told | ({"final_code": not_delivered} if "final_error_code" in item else {})

    return speak


UNREACHABLE = {"http_status": 400, "error_code": 21211}
NOT_DELIVERED = {"final_status": "undelivered", "final_error_code": 30003}

FAULTS = (
    Fault("none"),
    Fault("throttled twice", ({"http_status": 429, "times": 2},)),
    Fault("slow", ({"latency_s": 0.1},)),
    Fault("hangs, not taken", ({"hang": True, "times": 1},), ambiguous=True, timeout_s=IMPATIENT_S),
    Fault("hangs, but taken", ({"hang": True, "accepted": True, "times": 1},), ambiguous=True, timeout_s=IMPATIENT_S),
    Fault("accepted, then reset", ({"accept_then_reset": True, "times": 1},), ambiguous=True),
    Fault("accepted, reset, mute", ({"accept_then_reset": True, "callbacks": "drop", "times": 1},), ambiguous=True, deaf=True),
    Fault("500, not taken", ({"http_status": 500, "times": 1},), ambiguous=True),
    Fault("500, but taken", ({"http_status": 500, "accepted": True, "times": 1},), ambiguous=True),
    Fault("number refused", ({"to": "first", **UNREACHABLE},), contact=2),
    Fault("both numbers refused", (UNREACHABLE,), ends="failed"),
    Fault("not delivered", ({"to": "first", **NOT_DELIVERED},), contact=2),
    Fault("never delivered", (NOT_DELIVERED,), ends="failed"),
    Fault("callbacks twice", ({"callbacks": "duplicate"},)),
    Fault("callbacks reordered", ({"callbacks": "reorder"},)),
    Fault("callbacks missing", ({"callbacks": "drop"},)),
    Fault("callbacks late", ({"callback_delay_s": 30.0},)),
    Fault("callbacks forged", ({"to": "first", "callbacks": "forge", **NOT_DELIVERED},), contact=2),
)

_TWILIO = {
    "account_sid": SID,
    "auth_token": TOKEN,
    "from_number": NUMBER,
    "api_base_url": "{fakes}/sandbox",
}
_SECOND = {"account_sid": SECOND_SID, "auth_token": SECOND_TOKEN, "from_number": SECOND_NUMBER, "api_base_url": "{fakes}/second"}


def spoken(item: dict[str, Any]) -> dict[str, Any]:
    """Faults of calls: somebody takes them, or, where an SMS would not arrive, the line is busy."""
    told = {key: value for key, value in item.items() if key not in {"final_status", "final_error_code"}}
    return told | {"of": "calls"} | ({"answer": "busy" if "final_status" in item else "human"})


_TWO = {"notifier": _TWILIO, "notifier_fallback": _SECOND}
_ONE = {"notifier": _TWILIO, "notifier_fallback": {}}
_ALIYUN = domestic("aliyun", throttled="Throttling.User", refused="isv.MOBILE_NUMBER_ILLEGAL", not_delivered="MOBILE_NOT_ON_SERVICE")
_TENCENT = domestic(
    "tencent",
    throttled="LimitExceeded.PhoneNumberThirtySecondLimit",
    refused="FailedOperation.PhoneNumberInBlacklist",
    not_delivered="UNDELIV",
)

PROVIDERS = (
    Provider("twilio", _ONE),
    Provider("twilio, fallback", _TWO),
    Provider(
        "twilio voice",
        _ONE | {"notifier_voice": {"from_number": NUMBER}},
        channel="voice",
        speaks=spoken,
        always=({},),
        without=("callbacks reordered", "callbacks late"),
    ),
    Provider("aliyun", _ONE, routes="+86=aliyun;*=twilio", speaks=_ALIYUN),
    Provider("tencent", _ONE, routes="+86=tencent;*=twilio", speaks=_TENCENT),
    Provider("aliyun, tencent", _ONE, routes="+86=aliyun,tencent;*=twilio", speaks=_ALIYUN),
)
