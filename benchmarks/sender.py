"""A small HTTP client that sends reports: as fast as they are answered, or at a given rate whether they are answered or not."""

import asyncio
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Awaitable
from typing import Self, cast

import orjson

ANSWER_TIMEOUT_S = 60
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Sender:
    """Keeps `connections` open; what has to wait for a free one waits in order. `accepted` are the ids of the answered reports."""

    def __init__(self, port: int, key: str, bodies: list[bytes], connections: int = 32) -> None:
        self.accepted: list[str] = []
        self._port = port
        self._key = key
        self._bodies = bodies
        self._connections = connections
        self._free: deque[_Connection] = deque()
        self._waiting: deque[asyncio.Future[_Connection]] = deque()
        self._number = 0
        self._seed = uuid.uuid4().hex

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            self._free.append(await self._connect())
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._free:
            connection.close()

    async def for_seconds(self, seconds: float) -> None:
        """Sends as fast as the answers come."""
        until = time.monotonic() + seconds

        async def one_after_another() -> None:
            while time.monotonic() < until:
                await self._send()

        await asyncio.gather(*(one_after_another() for _ in range(self._connections)))

    async def at_rate(self, per_s: float, seconds: float) -> None:
        """Sends at random instants, `per_s` on average, and does not wait for one answer before the next."""
        gaps = random.Random(1)
        started = time.monotonic()
        due_s = 0.0
        sent: list[Awaitable[None]] = []
        while (due_s := due_s + gaps.expovariate(per_s)) < seconds:
            pause_s = started + due_s - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            sent.append(asyncio.ensure_future(self._send()))
        await asyncio.gather(*sent)

    async def _send(self) -> None:
        self._number += 1
        body = self._bodies[self._number % len(self._bodies)]
        head = (
            f"POST /v1/reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {self._key}\r\n"
            f"Idempotency-Key: {self._seed}-{self._number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection = await self._take()
        if connection.closed:  # the server ends what has long been idle
            connection = await self._connect()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await connection.ask(head.encode() + body)
        finally:
            self._give_back(connection)
        self.accepted.append(orjson.loads(answer)["report_id"])

    async def _connect(self) -> "_Connection":
        _transport, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        return connection

    async def _take(self) -> "_Connection":
        if self._free:
            return self._free.popleft()
        waiting: asyncio.Future[_Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return await waiting

    def _give_back(self, connection: "_Connection") -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._free.append(connection)


class _Connection(asyncio.Protocol):
    """One connection, one question at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked on it any more."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Ends it."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer; anything but a 202 is an error."""
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n") if found else None
        if length is None or len(body) < int(length[1]) or self._answer is None or self._answer.done():
            return
        if head.startswith(b"HTTP/1.1 202"):
            self._answer.set_result(body)
        else:
            self._answer.set_exception(RuntimeError(f"refused: {(head + b' ' + body)[:300]!r}"))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(error or "closed")))
