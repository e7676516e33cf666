"""A link that a test can cut: a forwarder on loopback in front of a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Link:
    """Forwards to `open_target`; `cut()` breaks every connection and refuses new ones, until `mend()`."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._pairs: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.up = True
        self.port = 0

    def cut(self) -> None:
        self.up = False
        for writer in list(self._pairs):
            writer.transport.abort()

    def mend(self) -> None:
        self.up = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.up:
            writer.transport.abort()
            return
        there, away = await asyncio.open_unix_connection(self._target)
        self._pairs |= {writer, away}
        try:
            await asyncio.gather(_pump(reader, away), _pump(there, writer))
        finally:
            for one in (writer, away):
                self._pairs.discard(one)
                one.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def link_to(unix_socket: str) -> AsyncIterator[Link]:
    """A link to a server that listens on `unix_socket`."""
    link = Link(unix_socket)
    server = await asyncio.start_server(link._accept, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        link.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await server.wait_closed()
