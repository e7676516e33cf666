"""Server-sent events: one-way news to an open page. The browser reconnects by itself, so every stream may end at any time.

Everything is bounded: open streams per process, what waits for a slow reader, and how long a stream lives. In tests over ASGITransport,
which hands a response over only when it is complete, let the source end or give `messages_max`.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.errors import Unavailable
from libs.i18n import gettext as _

HEARTBEAT_S: Final = 15.0
"""Below the idle timeouts of the usual proxies."""
LIFETIME_S: Final = 900.0
STREAMS_MAX: Final = 500
WAITING_MAX: Final = 100
RETRY_MS: Final = 2000

_open = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One piece of news. `data` is sent as JSON; `event` names its kind, "message" when empty."""

    data: Any
    event: str = ""
    id: str = ""

    def encode(self) -> bytes:
        """The lines of the event stream format."""
        head = "".join(f"{name}: {value}\n" for name, value in (("id", self.id), ("event", self.event)) if value)
        return head.encode() + b"data: " + orjson.dumps(self.data, default=str) + b"\n\n"


class Hub:
    """Hands each message to everyone who listens at the moment. One that is too slow loses what waited and is told `reset`."""

    def __init__(self) -> None:
        self._listeners: set[_Mailbox] = set()
        self._closed = False

    def publish(self, message: Message) -> None:
        """Tells all listeners; never waits."""
        for listener in self._listeners:
            listener.put(message)

    async def listen(self) -> AsyncGenerator[Message, None]:
        """Messages from now on, until the hub closes."""
        mailbox = _Mailbox()
        self._listeners.add(mailbox)
        try:
            while not self._closed:
                message = await mailbox.take()
                if message is None:
                    return
                yield message
        finally:
            self._listeners.discard(mailbox)

    def close(self) -> None:
        """Ends all streams: the process is going down, and an open stream would hold it up."""
        self._closed = True
        for listener in self._listeners:
            listener.put(None)


class _Mailbox:
    def __init__(self) -> None:
        self._waiting: deque[Message | None] = deque()
        self._filled = asyncio.Event()

    def put(self, message: Message | None) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.clear()
            self._waiting.append(Message({}, event="reset"))
        self._waiting.append(message)
        self._filled.set()

    async def take(self) -> Message | None:
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.popleft()


class EventStream(Response):
    """Sends what `source` yields, and a comment when that is quiet.

    Ends when the reader or the server goes, the source ends, or time is up.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        source: AsyncIterator[Message],
        *,
        messages_max: int | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        lifetime_s: float = LIFETIME_S,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if _open >= STREAMS_MAX:
            raise Unavailable("too_many_streams", _("Too many pages are watching. Reload this one in a minute."))
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self._source = source
        self._messages_max = messages_max
        self._heartbeat_s = heartbeat_s
        self._lifetime_s = lifetime_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        global _open  # noqa: PLW0603 - the bound is on the process
        _open += 1
        gone = asyncio.create_task(_disconnected(receive))
        sending = asyncio.create_task(self._send_all(send))
        stopping = asyncio.create_task(_stopping(scope))
        try:
            await asyncio.wait({gone, sending, stopping}, timeout=self._lifetime_s, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except (ClientDisconnect, OSError):
            pass
        finally:
            _open -= 1
            await _cancel(gone, sending, stopping)
        if not gone.done() or gone.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": f"retry: {RETRY_MS}\n\n".encode(), "more_body": True})
        sent = 0
        upcoming: asyncio.Future[Message] | None = None
        try:
            while self._messages_max is None or sent < self._messages_max:
                upcoming = upcoming or asyncio.ensure_future(anext(self._source))
                done, _pending = await asyncio.wait({upcoming}, timeout=self._heartbeat_s)
                if not done:
                    await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
                    continue
                message, upcoming = upcoming.result(), None
                await send({"type": "http.response.body", "body": message.encode(), "more_body": True})
                sent += 1
        except StopAsyncIteration:
            pass
        finally:
            if upcoming is not None:
                await _cancel(upcoming)
            if isinstance(self._source, AsyncGenerator):
                await self._source.aclose()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stopping(scope: Scope) -> None:
    """Returns once the server of the application stops: a stream would keep it from stopping until it loses its patience."""
    state = getattr(scope.get("app"), "state", None)
    stopping: asyncio.Event = getattr(state, "stopping", None) or asyncio.Event()
    await stopping.wait()


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
