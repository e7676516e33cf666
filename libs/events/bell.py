"""Waking across processes, through PostgreSQL: NOTIFY after the commit, at most 20 times a second, on a connection of its own.

It only wakes. Whoever waits polls as well: the poll is the truth.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from libs.db import CONNECT_TIMEOUT_S, TRANSIENT, prepare_connection
from libs.db.sockets import SERVER_SETTINGS
from libs.log import get_logger

CHANNEL = "tocsin_bus"
NOTIFY_PAUSE_S = 0.05
HEARTBEAT_S = 15.0

log = get_logger("bus")


class Bell:
    """Wakes everybody who has asked for it, here at once and in other processes soon. `url` is where they all connect."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wakes: list[asyncio.Event] = []
        self._notify = asyncio.Event()

    def ring(self) -> None:
        """Something was published."""
        self._wake_all()
        self._notify.set()

    def hear(self) -> asyncio.Event:
        """An event that is set whenever it rings."""
        wake = asyncio.Event()
        self._wakes.append(wake)
        return wake

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, it is heard in other processes, and they are heard here."""
        tasks = [asyncio.create_task(self._listen(), name="bus-listen"), asyncio.create_task(self._notify_others(), name="bus-notify")]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        settings = {"application_name": "tocsin-bus", **SERVER_SETTINGS}
        connection = await asyncpg.connect(self._url, timeout=CONNECT_TIMEOUT_S, command_timeout=10, server_settings=settings)
        await prepare_connection(connection)
        return connection

    async def _listen(self) -> None:
        """Wakes the consumers here when another process announces; a silent death of the connection is found by its heartbeat."""
        pause_s = 0.2
        while True:
            with contextlib.suppress(*TRANSIENT):
                connection = await self._connect()
                try:
                    await connection.add_listener(CHANNEL, lambda *_: self._wake_all())
                    pause_s = 0.2
                    self._wake_all()
                    while not await _ended(connection, HEARTBEAT_S):
                        await connection.execute("SELECT 1", timeout=5)
                finally:
                    connection.terminate()
            log.warning("bus.listener_lost", retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)

    async def _notify_others(self) -> None:
        connection: asyncpg.Connection[Any] | None = None
        try:
            while True:
                await self._notify.wait()
                self._notify.clear()
                try:
                    if connection is None or connection.is_closed():
                        connection = await self._connect()
                    await connection.execute(f"NOTIFY {CHANNEL}", timeout=5)
                except TRANSIENT as error:
                    log.warning("bus.notify_failed", error=type(error).__name__)
                    if connection is not None:
                        connection.terminate()
                    connection = None
                await asyncio.sleep(NOTIFY_PAUSE_S)
        finally:
            if connection is not None:
                connection.terminate()


async def _ended(connection: "asyncpg.Connection[Any]", timeout_s: float) -> bool:
    """Whether the connection ends within `timeout_s`; one that ends in silence does not."""
    ended = asyncio.Event()

    def tell(_connection: Any) -> None:
        ended.set()

    connection.add_termination_listener(tell)
    try:
        async with asyncio.timeout(timeout_s):
            if not connection.is_closed():
                await ended.wait()
            return True
    except TimeoutError:
        return False
    finally:
        connection.remove_termination_listener(tell)
