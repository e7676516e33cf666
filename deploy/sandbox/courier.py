"""What happens to a message after it was accepted: it moves on, and its sender is told by signed callbacks.

Callbacks of one message are posted one after the other, those of different messages at the same time, up to a bound; a webhook
that does not answer is asked again with growing pauses, then left alone.
"""

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deploy.sandbox.china import receipt
from deploy.sandbox.config import SandboxConfig
from deploy.sandbox.faults import Fault
from deploy.sandbox.phones import Message, Phones
from deploy.sandbox.post import Poster, PostFailed, signed_headers
from libs.clock import Clock
from libs.log import get_logger
from libs.service import Tick

RETRY_PAUSE_S = 1.0
WAIT_S = 0.5

log = get_logger("sandbox")


@dataclass(slots=True, eq=False)
class _Way:
    """What is still to happen to one message: `moves` of its status, `posts` to its webhook."""

    message: Message
    moves: deque[tuple[str, int | None]]
    posts: deque[tuple[str, int | None]]
    forged: bool = False
    tries: int = 0


@dataclass(order=True, slots=True)
class _Later:
    due_at: datetime
    seq: int
    way: _Way = field(compare=False)


class Courier:
    """Moves messages and posts callbacks. `run_once` does what is due now and ends when nothing is left to do now."""

    def __init__(self, config: SandboxConfig, clock: Clock, phones: Phones, post: Poster) -> None:
        self.wake = asyncio.Event()
        self.dropped = 0
        self._config = config
        self._clock = clock
        self._phones = phones
        self._post = post
        self._now_due: deque[_Way] = deque()
        self._later: list[_Later] = []
        self._running: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self._seq = 0

    @property
    def pending(self) -> int:
        """How many messages are still on their way."""
        return len(self._now_due) + len(self._later) + len(self._running)

    def accept(self, message: Message, fault: Fault | None) -> None:
        """Takes a message that was just accepted."""
        if self.pending >= self._config.callbacks_pending_max:
            self.dropped += 1
            return
        way = _plan(self._config, message, fault)
        if fault is not None and fault.callback_delay_s:
            self._postpone(way, fault.callback_delay_s)
        else:
            self._now_due.append(way)
        self.wake.set()
        self._progress.set()

    async def run_once(self) -> Tick:
        """Works until nothing is due any more."""
        worked = 0
        self._take_due()
        try:
            while self._now_due or self._running:
                self._progress.clear()
                while self._now_due and len(self._running) < self._config.callbacks_at_once_max:
                    worked += 1
                    task = asyncio.create_task(self._go(self._now_due.popleft()), name="sandbox-callbacks")
                    self._running.add(task)
                    task.add_done_callback(self._ended)
                # Real time, not the clock's: this waits for the network. What falls due meanwhile is looked for twice a second.
                await _wait_for(self._progress, WAIT_S)
                self._take_due()
        except asyncio.CancelledError:
            for task in self._running:
                task.cancel()
            raise
        return Tick(worked=worked, next_at=self._later[0].due_at if self._later else None)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._progress.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sandbox.callback_failed", error=type(error).__name__, exc_info=error)

    def _take_due(self) -> None:
        now = self._clock.now()
        while self._later and self._later[0].due_at <= now:
            self._now_due.append(heapq.heappop(self._later).way)

    def _postpone(self, way: _Way, pause_s: float) -> None:
        self._seq += 1
        heapq.heappush(self._later, _Later(self._clock.now() + timedelta(seconds=pause_s), self._seq, way))

    async def _go(self, way: _Way) -> None:
        for status, code in way.moves:
            self._phones.progress(way.message, status, self._clock.now(), code)
        way.moves.clear()
        while way.posts:
            status, code = way.posts[0]
            if not await self._report(way, status, code):
                way.tries += 1
                if way.tries < self._config.callback_tries_max:
                    self._postpone(way, RETRY_PAUSE_S * 4 ** (way.tries - 1))
                    return
            way.tries = 0
            way.posts.popleft()

    async def _report(self, way: _Way, status: str, code: int | None) -> bool:
        if way.message.provider != "twilio":
            return await self._push(way, status)
        form = _callback_form(self._config.account_sid, way.message, status, code)
        token = "forged" if way.forged else self._config.auth_tokens[0]
        url = way.message.callback_url
        try:
            answered, _text = await self._post(url, form, signed_headers(token, url, form))
        except PostFailed as error:
            log.warning("sandbox.callback_unanswered", sid=way.message.sid, status=status, error=str(error))
            return False
        return answered < 500

    async def _push(self, way: _Way, status: str) -> bool:
        url, body = receipt(self._config, way.message, arrived=status == "delivered", forged=way.forged, now=self._clock.now())
        try:
            answered, _text = await self._post(url, body, {"Content-Type": "application/json"})
        except PostFailed as error:
            log.warning("sandbox.receipt_unanswered", sid=way.message.sid, status=status, error=str(error))
            return False
        return answered < 500


def _plan(config: SandboxConfig, message: Message, fault: Fault | None) -> _Way:
    final = (fault.final_status if fault else None) or ("undelivered" if message.code else "delivered")
    code = fault.final_error_code if fault else None
    moves: list[tuple[str, int | None]] = []
    if final in {"sent", "delivered", "undelivered"}:
        moves.append(("sent", None))
    if final in {"delivered", "undelivered", "failed"}:
        moves.append((final, code))
    posts = [("queued", None), *moves] if message.callback_url else []
    posts = [(status, code) for status, code in posts if status in config.callback_statuses or status in {"undelivered", "failed"}]
    how = fault.callbacks if fault else "normal"
    if message.provider != "twilio":
        message.code = message.code or (fault.final_code if fault else None) or ""
        posts = [(status, code) for status, code in moves if status in {"delivered", "undelivered", "failed"}]
        if how == "reorder" and final == "delivered":
            return _Way(message, deque(moves), deque([*posts, ("undelivered", None)]))
    if how == "drop":
        posts = []
    elif how == "duplicate":
        posts = [post for post in posts for _ in range(2)]
    elif how == "reorder":
        posts.reverse()
    return _Way(message, deque(moves), deque(posts), forged=how == "forge")


def _callback_form(account_sid: str, message: Message, status: str, code: int | None) -> dict[str, str]:
    form = {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "From": message.from_number,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.to,
    }
    return form if code is None else {**form, "ErrorCode": str(code)}


async def _wait_for(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
