"""One notifier of the matrix: the real one, as `app.build` makes it, which dies at the n-th commit or call.

The product knows nothing of it: here asyncpg's COMMIT and the gateways' methods are wrapped, in this process alone.
"""

import asyncio
import functools
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from asyncpg.transaction import Transaction
from fastapi import APIRouter
from twilio.rest import Client

import services.notifier.app
from libs.clock import FakeClock, pause
from libs.crypto import KeyRing
from libs.db import Database, Tx
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import Assembly, assemble
from libs.service.serve import serving
from libs.settings import CommonSettings
from services.notifier.gateways.aliyun import AliyunGateway
from services.notifier.gateways.tencent import TencentGateway
from services.notifier.gateways.twilio import TwilioGateway
from services.notifier.gateways.twilio_voice import TwilioVoiceGateway

GATEWAYS: tuple[type, ...] = (TwilioGateway, TwilioVoiceGateway, AliyunGateway, TencentGateway)
CALLS = ("send", "find", "fetch")
ROUNDS_MAX = 200
JOBS = {"notifier-send", "notifier-check"}
GROUP = "notifier"
"""What carries a message and what hears requests. All else of the room does nothing that matters here, and would only add moments."""

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tocsin\\_%'"

_whose: ContextVar[str] = ContextVar("whose", default="?")
"""Who has opened the transaction: it commits in a task of its own, which inherits this."""


class Fate:
    """Counts commits and calls once the notifier stands ready, tells each, and kills the process after the `kill_at`-th.

    `kill_at` may also be a moment by its name: the first one.
    """

    def __init__(self, kill_at: int | str | None, tells_at: int) -> None:
        self.ready = False
        self._kill_at = kill_at
        self._tells_at = tells_at
        self._steps = 0

    def step(self, moment: str) -> None:
        if not self.ready:
            return
        self._steps += 1
        os.write(self._tells_at, f"{moment}\n".encode())
        if self._kill_at in {self._steps, moment}:
            os.kill(os.getpid(), signal.SIGKILL)


def warm() -> None:
    """Does once, in the nursery, what each child would do first: the SDK and the web framework import the most of themselves when used."""
    _ = Client("AC", "x").api.v2010.account.messages
    APIRouter().add_api_route("/", lambda wanted="": wanted)
    gc.freeze()


def live(task: dict[str, Any], tells_at: int) -> None:
    """Runs a notifier on the task's database and clock until nothing is left to do, or until it is killed."""
    fate = Fate(task["kill_at"], tells_at)
    _wrap(fate)
    try:
        asyncio.run(_live(task, fate))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        raise


async def _live(task: dict[str, Any], fate: Fate) -> None:
    url = task["database_url"]
    await _alone(url)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the driver holds the port while nobody lives
    listener.bind(("127.0.0.1", task["port"]))
    listener.listen(64)
    listener.setblocking(False)
    clock = FakeClock(datetime.fromisoformat(task["now"]))
    context = Context(
        clock=clock,
        settings=CommonSettings(database_url=url, public_base_url=f"http://127.0.0.1:{task['port']}", var_dir=Path(task["folder"])),
        keyring=KeyRing.parse(task["keys"]),
        database_url=url,
        bus=PostgresBus(url),
        given=task["given"],
    )
    http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
    async with assemble(context, [services.notifier.app.build]) as assembly, serving(assembly.app, listener), http:

        async def provider() -> tuple[int, datetime | None]:
            async with http.post(f"{task['fakes']}/clock", json={"now": clock.now().isoformat()}) as answer:
                told = await answer.json()
                return told["worked"], datetime.fromisoformat(told["next_at"]) if told["next_at"] else None

        fate.ready = True
        until = datetime.fromisoformat(task["until"])
        while (due := await _rest(assembly, provider)) is not None and due <= until:
            if due <= clock.now():
                raise AssertionError("something due does not go away")
            clock.set(due)
        if due is not None:
            raise AssertionError(f"something is still due at {due}")
        fate.ready = False


async def _rest(assembly: Assembly, provider: Callable[[], Awaitable[tuple[int, datetime | None]]]) -> datetime | None:
    """Lets everything happen that can happen now; answers when something is due next."""
    jobs = [job for job in assembly.jobs if job.name in JOBS]
    consumers = [consumer for consumer in assembly.consumers if consumer.subscription.group == GROUP]
    for _ in range(ROUNDS_MAX):
        worked = 0
        for consumer in consumers:
            worked += (await consumer.drain_once()).events
        ticks = [await job.run_once() for job in jobs]
        posted, next_at = await provider()
        if not worked + posted + sum(tick.worked for tick in ticks):
            return min((at for at in (next_at, *(tick.next_at for tick in ticks)) if at is not None), default=None)
    raise AssertionError("the notifier does not come to rest")


async def _alone(url: str) -> None:
    """Waits until PostgreSQL has noticed that the one before us is dead, and has given its locks free."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(20):
            while await connection.fetchval(OTHERS):
                await pause(0.005)
    finally:
        await connection.close()


def _wrap(fate: Fate) -> None:
    commit, transaction = Transaction.commit, Database.transaction

    async def committed(self: Any) -> None:
        wrote = await self._connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        await commit(self)
        if wrote:
            fate.step(f"commit {_whose.get()}")

    def opened(self: Database) -> AbstractAsyncContextManager[Tx]:
        code = sys._getframe(1).f_code
        _whose.set(code.co_qualname.replace(".<locals>", ""))
        return transaction(self)

    patched: tuple[tuple[type, str, Any], ...] = ((Transaction, "commit", committed), (Database, "transaction", opened))
    for owner, name, wrapped in patched:
        setattr(owner, name, wrapped)
    for gateway in GATEWAYS:
        for name in CALLS:
            setattr(gateway, name, _called(getattr(gateway, name), fate))


def _called(method: Callable[..., Awaitable[Any]], fate: Fate) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def call(self: Any, *args: Any, **named: Any) -> Any:
        answer = await method(self, *args, **named)
        fate.step(f"call {method.__name__}")
        return answer

    return call
