"""The providers of the matrix, in the process that drives it: their own clock, which the notifier under test moves on."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.sandbox import Sandbox, SandboxConfig
from deploy.sandbox.faults import FaultList
from libs.clock import FakeClock, pause
from libs.service.serve import listen, serving
from tests.integration.notifier_desk import NOW, NUMBER, SECOND_NUMBER, SECOND_SID, SECOND_TOKEN, SID, TOKEN
from tests.support.china import China

HANG_S = 1.0
ASKING = (b"QuerySendDetails", b"PullSmsSendStatusByPhoneNumber")


class HeldClock(FakeClock):
    """Stands still as the notifier under test says, but lets those who wait on it (a provider that is slow) wait in real time."""

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:
        await pause(timeout_s)
        return wake is not None and wake.is_set()


@dataclass(frozen=True)
class Sent:
    """A message or a call: which attempt has made it (in the callback's address, or what a provider remembers), and whether it arrived."""

    to: str
    attempt_id: str
    arrived: bool


@dataclass
class Fakes:
    """All providers. `url`: where they are; `port`: where the notifier under test has to listen. `deaf`: their lists do not answer."""

    url: str
    port: int
    clock: HeldClock
    sandboxes: dict[str, Sandbox]
    china: China
    deaf: bool = False
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    def arm(self, name: str, items: list[dict[str, Any]], *, deaf: bool) -> None:
        """Sets the faults of one provider; the others work."""
        self.deaf = deaf
        for sandbox in self.sandboxes.values():
            sandbox.faults.clear()
        self.sandboxes[name].faults.put(FaultList.model_validate({"items": items}))

    def sent_to(self, *numbers: str) -> list[Sent]:
        """Every message and every call to these numbers, whoever brought it."""
        boxes = self.sandboxes.values()
        messages = (one for box in boxes for one in box.phones.newest_first(None) if one.to in numbers)
        calls = (one for box in boxes for one in box.switchboard.calls() if one.order.to in numbers)
        return [
            *(Sent(one.to, one.reference or _last(one.callback_url), one.status == "delivered") for one in messages),
            *(Sent(one.order.to, _last(one.order.callback_url), one.answered_at is not None) for one in calls),
        ]

    async def work(self, now: datetime) -> tuple[int, datetime | None]:
        """Moves the clock on and lets callbacks go out; answers how many messages moved, and when something is due next."""
        async with self._busy:
            self.clock.set(max(now, self.clock.now()))
            works = [job for sandbox in self.sandboxes.values() for job in (sandbox.courier, sandbox.switchboard)]
            ticks = [await one.run_once() for one in works]
        return sum(tick.worked for tick in ticks), min((tick.next_at for tick in ticks if tick.next_at), default=None)


@asynccontextmanager
async def fakes(folder: Path) -> AsyncIterator[Fakes]:
    """The providers, served over HTTP; the file of template codes is written into `folder`."""
    clock = HeldClock(NOW)
    # Bound and never listening: while no notifier lives, a callback is refused, and nobody else gets the port.
    with closing(socket.socket()) as held, closing(listen("127.0.0.1", 0)) as listener:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        inbound = f"http://127.0.0.1:{port}/v1/twilio/inbound"
        accounts = {"sandbox": (SID, TOKEN, NUMBER), "second": (SECOND_SID, SECOND_TOKEN, SECOND_NUMBER)}
        china = China.at(f"http://127.0.0.1:{port}", folder)
        sandboxes = {
            name: Sandbox(
                SandboxConfig(sid, (token,), number, inbound, hang_s_max=HANG_S, aliyun=china.aliyun, tencent=china.tencent), clock
            )
            for name, (sid, token, number) in accounts.items()
        }
        made = Fakes(f"http://127.0.0.1:{listener.getsockname()[1]}", port, clock, sandboxes, china)
        app = FastAPI()

        @app.post("/clock")
        async def set_clock(request: Request) -> dict[str, Any]:
            worked, next_at = await made.work(datetime.fromisoformat((await request.json())["now"]))
            return {"worked": worked, "next_at": next_at.isoformat() if next_at else None}

        for name, sandbox in sandboxes.items():
            app.include_router(sandbox.router, prefix=f"/{name}")
        app.add_middleware(_Deaf, fakes=made)
        async with sandboxes["sandbox"], sandboxes["second"], serving(app, listener):
            yield made


class _Deaf:
    """Lets the providers' lists fail. No middleware of Starlette's: those would put right what a broken answer breaks."""

    def __init__(self, app: ASGIApp, fakes: Fakes) -> None:
        self._app = app
        self._fakes = fakes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fakes.deaf and scope["type"] == "http" and _asks(scope):
            await Response("{}", 500, media_type="application/json")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _asks(scope: Scope) -> bool:
    """Whether somebody asks what became of a message."""
    headers = dict(scope["headers"])
    action: bytes = headers.get(b"x-acs-action") or headers.get(b"x-tc-action") or b""
    return scope["method"] == "GET" or action in ASKING


def _last(url: str) -> str:
    return url.rpartition("/")[2]
