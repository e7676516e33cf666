"""Faults on demand: what goes wrong with which messages. Strictly validated, so that a test never runs without its fault."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

E164 = r"^\+[1-9][0-9]{1,14}$"


class Fault(BaseModel):
    """One fault: for all messages (or calls: `of`), or for those to one number.

    Before the answer: `latency_s`, then `rate_per_s` (what comes faster is answered 429/20429), `hang` (no answer ever), or an
    error answer `http_status`/`error_code`. `accepted` tells whether the message goes out although the sender hears nothing good.
    `accept_then_reset`: the message goes out, the connection breaks in the middle of the answer.
    At Aliyun and Tencent Cloud an error answer may also be `code` (with HTTP 200, as those two do), and `final_code` is the receipt's;
    `provider` limits a fault to one of the three. "reorder" is there a receipt that says the opposite behind the true one.
    After it: `final_status`/`final_error_code` (e.g. undelivered, 30003; "queued" and "sent" mean that it never gets further),
    and what happens to the status callbacks. `answer`: what a called phone does by itself, instead of ringing until somebody takes it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    of: Literal["messages", "calls"] = "messages"
    to: Annotated[str, Field(pattern=E164)] | None = None
    provider: Literal["twilio", "aliyun", "tencent"] | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    latency_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    hang: bool = False
    http_status: Annotated[int, Field(ge=400, le=599)] | None = None
    error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None
    code: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    accepted: bool = False
    accept_then_reset: bool = False
    final_status: Literal["queued", "sent", "delivered", "undelivered", "failed"] | None = None
    final_error_code: Annotated[int, Field(ge=10_000, le=99_999)] | None = None
    final_code: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    callbacks: Literal["normal", "drop", "duplicate", "reorder", "forge"] = "normal"
    callback_delay_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    answer: Literal["human", "machine", "unknown", "busy", "failed"] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Fault":
        if sum((self.hang, self.http_status is not None, self.accept_then_reset)) > 1:
            raise ValueError("only one of hang, http_status and accept_then_reset")
        if (self.code is not None or self.final_code is not None) and self.provider not in {"aliyun", "tencent"}:
            raise ValueError("code and final_code need provider aliyun or tencent")
        if self.error_code is not None and self.http_status is None:
            raise ValueError("error_code needs http_status")
        if self.accepted and not (self.hang or self.http_status is not None or self.code is not None):
            raise ValueError("accepted needs hang, http_status or code")
        if self.final_error_code is not None and self.final_status not in {"undelivered", "failed"}:
            raise ValueError("final_error_code needs final_status undelivered or failed")
        if self.of == "messages" and self.answer is not None:
            raise ValueError("answer is for calls: it needs of: calls")
        if self.of == "calls" and (self.final_status is not None or self.callbacks == "reorder" or self.callback_delay_s):
            raise ValueError("calls take answer and callbacks drop, duplicate or forge; final_status and callback_delay_s are for messages")
        return self


class FaultList(BaseModel):
    """The body of `PUT /sandbox/faults`: all faults; what was set before is forgotten."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: Annotated[list[Fault], Field(max_length=1000)]


class _Armed:
    """A fault with its counters."""

    def __init__(self, fault: Fault) -> None:
        self.fault: Fault = fault
        self._left = fault.times
        self._owed = 0.0
        self._allowance = 1.0
        self._refilled_at: datetime | None = None

    def strikes(self, now: datetime) -> bool:
        """Whether the fault hits this request: evenly spread for `share`, without dice, so that tests repeat."""
        if self._left == 0 or not self._share_due():
            return False
        if self.fault.rate_per_s is not None and self._within_rate(self.fault.rate_per_s, now):
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def _share_due(self) -> bool:
        self._owed += self.fault.share
        if self._owed < 1 - 1e-9:
            return False
        self._owed -= 1
        return True

    def _within_rate(self, rate_per_s: float, now: datetime) -> bool:
        burst = max(rate_per_s, 1.0)
        if self._refilled_at is None:
            self._allowance = burst
        else:
            self._allowance = min(burst, self._allowance + (now - self._refilled_at).total_seconds() * rate_per_s)
        self._refilled_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


class Faults:
    """The faults that are set; the first one that matches strikes, those of a single number before those of all."""

    def __init__(self) -> None:
        self._by_number: dict[str, list[_Armed]] = {}
        self._everywhere: list[_Armed] = []
        self.items: tuple[Fault, ...] = ()

    def put(self, faults: FaultList) -> None:
        """Replaces all faults."""
        self.items = tuple(faults.items)
        self._by_number = {}
        self._everywhere = []
        for fault in faults.items:
            target = self._everywhere if fault.to is None else self._by_number.setdefault(fault.to, [])
            target.append(_Armed(fault))

    def clear(self) -> None:
        """Everything works again."""
        self.put(FaultList(items=[]))

    def strike(self, to: str, now: datetime, provider: str = "twilio", of: str = "messages") -> Fault | None:
        """The fault that hits a message, or call, to `to` through `provider`, if any."""
        if not self.items:
            return None
        armed = [*self._by_number.get(to, []), *self._everywhere]
        meant = (one for one in armed if one.fault.provider in {None, provider} and one.fault.of == of)
        return next((one.fault for one in meant if one.strikes(now)), None)
