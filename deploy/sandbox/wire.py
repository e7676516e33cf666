"""A small HTTP/1.1 client for posting forms: kept-alive connections, one request at a time on each.

A webhook is called several times for each SMS; a general client takes longer over such a call than our service takes to handle it.
"""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

Address = tuple[str, str, int]


class WireError(Exception):
    """The other side answered something that is no HTTP, too much of it, or closed the connection before it had answered."""


class Wire:
    """Posts to any number of addresses, over at most `connections_max` connections at once; what is more waits."""

    def __init__(self, *, connect_timeout_s: float, connections_max: int, answer_bytes_max: int) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._places = asyncio.Semaphore(connections_max)
        self._idle: defaultdict[Address, deque[_Connection]] = defaultdict(deque)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, TimeoutError (while connecting) and WireError; the caller bounds the whole."""
        parts = urlsplit(url)
        address = _address(parts)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        async with self._places:
            connection = self._kept(address) or await self._connect(address)
            try:
                answer = await connection.ask(head.encode("latin-1") + body)
            except BaseException:
                connection.close()
                raise
            if connection.reusable:
                self._idle[address].append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Closes what is idle."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _kept(self, address: Address) -> "_Connection | None":
        connections = self._idle[address]
        while connections:
            connection = connections.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connect(self, address: Address) -> "_Connection":
        scheme, host, port = address
        secure = ssl.create_default_context() if scheme == "https" else None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout_s):
            _transport, connection = await loop.create_connection(lambda: _Connection(self._answer_bytes_max), host, port, ssl=secure)
        return connection


class _Connection(asyncio.Protocol):
    def __init__(self, answer_bytes_max: int) -> None:
        self._answer_bytes_max = answer_bytes_max
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._keeps_alive = True

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._keeps_alive and not self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Sends a request; status and body of its answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._pieces, self._size = [], 0
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        """Ends it."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._parser is None or self._size > self._answer_bytes_max:
            self._fail("the answer is too long")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("the answer is no HTTP")

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(type(error).__name__ if error else "closed before it had answered")

    def on_body(self, piece: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        assert self._parser is not None
        self._keeps_alive = self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((self._parser.get_status_code(), b"".join(self._pieces)))
        self._parser = None

    def _fail(self, reason: str) -> None:
        self._keeps_alive = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(WireError(reason))


def _address(parts: SplitResult) -> Address:
    if parts.hostname is None or parts.scheme not in {"http", "https"}:
        raise WireError("no HTTP address")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
