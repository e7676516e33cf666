"""Which providers are tried with which faults."""

from dataclasses import dataclass, field
from typing import Any

from tests.integration.notifier_desk import NUMBER, SECOND_NUMBER, SECOND_SID, SECOND_TOKEN, SID, TOKEN

PATIENT_S, IMPATIENT_S = 5.0, 0.3
"""How long the notifier waits for an answer, in real time: only where the provider hangs is it worth being impatient."""


@dataclass(frozen=True)
class Fault:
    """`items` go to the provider that is tried first, for the numbers of the officer: "first", "second", or "" for every message.

    `tells`: whether the outcome of a call can be unknown although nobody was killed. `ends`: how the notification has to end.
    `deaf`: the provider's list does not answer either. `contact`: which of the officer's two contacts it has to end with.
    """

    name: str
    items: tuple[dict[str, Any], ...] = ()
    ambiguous: bool = False
    ends: str = "delivered"
    contact: int = 1
    deaf: bool = False
    timeout_s: float = PATIENT_S


@dataclass(frozen=True)
class Provider:
    """`given` are the settings of the notifier, with `{fakes}` for where the fakes are. `fakes`: their names, the first one fails."""

    name: str
    fakes: tuple[str, ...]
    given: dict[str, dict[str, Any]]
    faults: tuple[str, ...] = field(default=())
    """The faults that it knows; empty: all."""


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

PROVIDERS = (
    Provider("twilio", ("sandbox",), {"notifier": _TWILIO, "notifier_fallback": {}}),
    Provider("twilio, fallback", ("sandbox", "second"), {"notifier": _TWILIO, "notifier_fallback": _SECOND}),
)
