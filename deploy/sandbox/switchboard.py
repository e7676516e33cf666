"""The calls of all virtual phones: they ring until somebody takes them, ask for their TwiML, wait for keys, and report how they end.

Callbacks are signed as those of messages. A phone that nobody takes rings as long as the caller asked; a key that nobody presses is
waited for as long as the TwiML says; both run on the sandbox's clock.
"""

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urljoin

from deploy.sandbox.config import SandboxConfig
from deploy.sandbox.documents import script_in
from deploy.sandbox.faults import Fault
from deploy.sandbox.phones import Phones
from deploy.sandbox.post import Poster, PostFailed, signed_headers
from libs.clock import Clock
from libs.log import get_logger
from libs.service import Tick

CALLS_MAX = 2_000
SAID_MAX = 60
READING_S = 12.0
"""So long the virtual voice takes to read a text out, before silence counts."""
REPORT_TRIES_MAX = 2
OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
_EVENTS = {"ringing": "ringing", "in-progress": "answered"}

log = get_logger("sandbox")


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller asked for."""

    to: str
    from_number: str
    url: str
    callback_url: str = ""
    events: tuple[str, ...] = ("completed",)
    ring_s: float = 60.0
    detects: bool = False


@dataclass(slots=True, eq=False)
class Call:
    """One call. `said` is what the voice has read out so far; `action` is where the next key goes; `due_at` is when waiting ends."""

    sid: str
    seq: int
    order: Order
    created_at: datetime
    updated_at: datetime
    fault: Fault | None = None
    status: str = "queued"
    answered_by: str = ""
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    said: list[str] = field(default_factory=list)
    keys: str = ""
    action: str | None = None
    on_empty: bool = False
    ends_on: str = "#"
    due_at: datetime | None = None
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def over(self) -> bool:
        """Whether nobody is on the line any more."""
        return self.status in OVER

    @property
    def talking(self) -> bool:
        """Whether somebody has taken it."""
        return self.status == "in-progress"


class Switchboard:
    """All calls, the oldest forgotten first."""

    def __init__(self, config: SandboxConfig, clock: Clock, phones: Phones, post: Poster) -> None:
        self.wake = asyncio.Event()
        self._config = config
        self._clock = clock
        self._phones = phones
        self._post = post
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._new: deque[Call] = deque()
        self._seq = 0

    def dial(self, order: Order, fault: Fault | None) -> Call:
        """Takes up a call; the phone rings with the next round."""
        self._seq += 1
        now = self._clock.now()
        call = Call("CA" + secrets.token_hex(16), self._seq, order, now, now, fault)
        self._calls[call.sid] = call
        while len(self._calls) > CALLS_MAX:
            self._calls.popitem(last=False)
        self._new.append(call)
        self.wake.set()
        return call

    def get(self, sid: str) -> Call | None:
        """The call, unless it is unknown or was forgotten."""
        return self._calls.get(sid)

    def calls(self, number: str | None = None) -> Iterator[Call]:
        """The calls to one phone or to all, oldest first."""
        return (call for call in self._calls.values() if number is None or call.order.to == number)

    def on(self, number: str) -> Call | None:
        """The call that a phone is ringing with, or that somebody there is in."""
        return next((call for call in reversed(self._calls.values()) if call.order.to == number and not call.over), None)

    async def run_once(self) -> Tick:
        """Lets phones ring, and ends what has waited long enough."""
        worked = 0
        while self._new:
            worked += 1
            await self._ring(self._new.popleft())
        now = self._clock.now()
        for call in [one for one in self._calls.values() if one.due_at is not None and one.due_at <= now]:
            worked += 1
            await self._waited(call)
        return Tick(worked=worked, next_at=min((one.due_at for one in self._calls.values() if one.due_at is not None), default=None))

    async def answer(self, call: Call, by: str) -> None:
        """Somebody, or a machine, takes the call: its TwiML is asked for and read out."""
        async with call.busy:
            if call.status != "ringing":
                return
            call.answered_by, call.answered_at = (by if call.order.detects else ""), self._clock.now()
            await self._move(call, "in-progress")
            await self._play(call, call.order.url, {})

    async def press(self, call: Call, digits: str) -> None:
        """A key; "" is silence until the end of waiting."""
        async with call.busy:
            if not call.talking or call.action is None or (not digits and not call.on_empty):
                return
            call.keys += digits
            digits = digits.partition(call.ends_on)[0] if call.ends_on else digits
            action, call.action = call.action, None
            await self._play(call, action, {"Digits": digits, "msg": "Gather End"})

    async def hang_up(self, call: Call) -> None:
        """The phone's owner ends it: a ringing call is refused, which the caller hears as busy."""
        async with call.busy:
            if not call.over:
                await self._end(call, "completed" if call.talking else "busy")

    async def _ring(self, call: Call) -> None:
        others = (one for one in self.calls(call.order.to) if one is not call and not one.over and one.status != "queued")
        if any(others):
            await self._end(call, "busy")
            return
        await self._move(call, "ringing")
        call.due_at = self._clock.now() + timedelta(seconds=call.order.ring_s)
        answer = call.fault.answer if call.fault else None
        if answer in {"busy", "failed"}:
            await self._end(call, answer)
        elif answer is not None:
            await self.answer(call, "machine_start" if answer == "machine" else answer)

    async def _waited(self, call: Call) -> None:
        if not call.talking:
            await self._end(call, "no-answer")
        elif call.on_empty:
            await self.press(call, "")
        else:
            await self._end(call, "completed")

    async def _play(self, call: Call, url: str, more: dict[str, str]) -> None:
        form = {**self._form(call), **more}
        token = self._config.auth_tokens[0]
        try:
            code, text = await self._post(url, form, signed_headers(token, url, form))
        except PostFailed as error:
            log.warning("sandbox.twiml_unanswered", sid=call.sid, error=str(error))
            code, text = 0, ""
        script = script_in(text) if code == 200 else None
        if script is None:
            call.said.append("An application error has occurred. Goodbye.")
            await self._end(call, "completed")
            return
        call.said = [*call.said, *script.said][-SAID_MAX:]
        if script.action is None:
            await self._end(call, "completed")
            return
        call.action, call.on_empty, call.ends_on = urljoin(url, script.action), script.on_empty, script.ends_on
        call.due_at = self._clock.now() + timedelta(seconds=READING_S + script.wait_s)
        self._phones.touch(call.order.to)
        self.wake.set()

    async def _end(self, call: Call, status: str) -> None:
        call.due_at = call.action = None
        call.ended_at = self._clock.now()
        await self._move(call, status)

    async def _move(self, call: Call, status: str) -> None:
        call.status, call.updated_at = status, self._clock.now()
        self._phones.touch(call.order.to)
        how = call.fault.callbacks if call.fault else "normal"
        event = "completed" if status in OVER else _EVENTS[status]
        if not call.order.callback_url or event not in call.order.events or how == "drop":
            return
        for _ in range(2 if how == "duplicate" else 1):
            await self._report(call, "forged" if how == "forge" else self._config.auth_tokens[0])

    async def _report(self, call: Call, token: str) -> None:
        url, form = call.order.callback_url, self._form(call)
        for _ in range(REPORT_TRIES_MAX):
            try:
                code, _text = await self._post(url, form, signed_headers(token, url, form))
            except PostFailed as error:
                log.warning("sandbox.callback_unanswered", sid=call.sid, status=call.status, error=str(error))
                continue
            if code < 500:
                return

    def _form(self, call: Call) -> dict[str, str]:
        form = {
            "AccountSid": self._config.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Called": call.order.to,
            "Caller": call.order.from_number,
            "Direction": "outbound-api",
            "From": call.order.from_number,
            "To": call.order.to,
        }
        return {**form, "AnsweredBy": call.answered_by} if call.answered_by else form
