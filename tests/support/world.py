"""The whole system as its users meet it, on a fake clock: five services and the sandbox, a real database, real HTTP, the real SDK.

Nothing moves by itself: a test acts, then `settle()` lets every consumer and job work until nothing is left to do, and
`advance(minutes=10)` walks through every due instant on the way, settling at each.
"""

import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from deploy.demo.directory import DemoAccess, load_demo
from deploy.embedded import SERVICES, Embedding, assembled, embedded_settings
from deploy.sandbox import Sandbox
from deploy.secrets import Secrets
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.db import Database
from libs.events import Bus
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import Assembly
from libs.service.serve import listen, serving
from libs.settings import CommonSettings
from tests.support.china import China
from tests.support.http import client

MONDAY_NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""A working day, 12:00 in Shenzhen."""

MASTER_KEYS = "1:" + base64.b64encode(bytes(range(32))).decode()
SECRETS = Secrets(MASTER_KEYS, "AC" + "0" * 32, "test-token", "test-password-1")
CHEAP_PASSWORDS = {"password_memory_kib": 64, "password_rounds": 1}
"""Nobody attacks these, and each world hashes some."""
ROUNDS_MAX = 500

SMALLEST_REPORT: dict[str, Any] = {
    "channel": "school_api",
    "situations": ["MR4_ABUSE_INJURY"],
    "narrative": "【测试】合成的叙述",
    "children": [{"current_location": {"division_code": "440304001020"}}],
    "danger": {"danger_now": "unknown"},
}


@dataclass(repr=False)
class World:
    """See the module's docstring. `demo` has the API key and the accounts, `db` sees everything (login role)."""

    clock: FakeClock
    http: httpx.AsyncClient
    assembly: Assembly
    sandbox: Sandbox
    demo: DemoAccess
    db: Database
    base_url: str
    keyring: KeyRing
    context: Context
    asleep: set[str] = field(default_factory=set)
    """Names of jobs that do not run, as when their process is down."""

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.demo.api_key}"}

    async def settle(self) -> None:
        """Lets everything that can happen at this instant happen."""
        for _ in range(ROUNDS_MAX):
            worked = 0
            for consumer in self.assembly.consumers:
                worked += (await consumer.drain_once()).events
            for job in self.assembly.jobs:
                if job.name not in self.asleep and job.name not in ("bus-retention", "doctor"):
                    worked += (await job.run_once()).worked
            if not worked:
                return
        raise AssertionError("the system does not come to rest")

    async def advance(self, **by: float) -> None:
        """Moves the clock on by `timedelta(**by)`, stopping and settling at every instant when something is due."""
        goal = self.clock.now() + timedelta(**by)
        await self.settle()
        while (due := await self._next_due()) is not None and due <= goal:
            self.clock.set(max(due, self.clock.now()))
            await self.settle()
            if await self._next_due() == due:
                break  # something due did not go away: let the test see it
        self.clock.set(goal)
        await self.settle()

    async def _next_due(self) -> datetime | None:
        async with self.db.connection() as c:
            return await c.fetchval("SELECT min(wakes_at) FROM router.cases")

    async def report(self, key: str | None = None, **changes: Any) -> dict[str, Any]:
        """Sends a report as a school would; answers the 202's body."""
        answer = await self.http.post(
            "/v1/reports", json={**SMALLEST_REPORT, **changes}, headers={**self.bearer, "Idempotency-Key": key or str(uuid4())}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def case_of(self, report: dict[str, Any]) -> dict[str, Any]:
        """The one case of a report."""
        found = await self.get("/v1/cases", report_id=report["report_id"])
        (case,) = found["items"]
        return case

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params, headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, case: dict[str, Any], action: str, officer_id: str | UUID, **body: Any) -> httpx.Response:
        """Acts on a case in the name of an officer, through the API."""
        return await self.http.post(
            f"/v1/cases/{case['case_id']}/{action}", json={"on_behalf_of": str(officer_id), **body}, headers=self.bearer
        )

    async def phones(self, to: str | None = None) -> list[dict[str, Any]]:
        """The SMS on the virtual phones, oldest first."""
        found = await self.get("/sandbox/messages", **({"to": to} if to else {}))
        return sorted(found["items"], key=lambda message: message["received_at"])

    async def reply(self, message: dict[str, Any], body: str) -> None:
        answer = await self.http.post(f"/sandbox/messages/{message['sid']}/reply", json={"body": body})
        assert answer.status_code < 300, answer.text

    async def events(self, case: dict[str, Any]) -> list[dict[str, Any]]:
        """The timeline of a case."""
        return (await self.get(f"/v1/cases/{case['case_id']}/timeline", limit=200))["items"]

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.db.connection() as c:
            return [dict(row) for row in await c.fetch(query, *args)]


@asynccontextmanager
async def make_world(
    database_url: str, var_dir: Path, now: datetime = MONDAY_NOON, bus: Bus | None = None, *, china: bool = False
) -> AsyncIterator[World]:
    """A world on `database_url` with the Futian demo data; `bus` instead of the embedded one.

    `china`: SMS to +86 go through the fakes of Aliyun and Tencent Cloud (`tests.support.china`).
    """
    with closing(listen("127.0.0.1", 0)) as listener:
        async with _world_on(listener, database_url, var_dir, now, bus, china=china) as world:
            yield world


@asynccontextmanager
async def _world_on(
    listener: socket.socket, database_url: str, var_dir: Path, now: datetime, bus: Bus | None = None, *, china: bool = False
) -> AsyncIterator[World]:
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clock = FakeClock(now)
    context = _context(database_url, base_url, var_dir, clock, bus)
    if china:
        context = replace(context, given={**context.given, **China.at(base_url, var_dir).given})
    demo = await load_demo(context, password=SECRETS.demo_password)
    async with assembled(context, Embedding(services=SERVICES), SECRETS) as (assembly, sandbox):
        assert sandbox is not None
        db = await Database.open(database_url, role=None, size_max=4)
        try:
            async with serving(assembly.app, listener), client(base_url, timeout=30) as http:
                world = World(clock, http, assembly, sandbox, demo, db, base_url, context.keyring, context)
                await world.settle()
                yield world
        finally:
            await db.close()


async def load_demo_once(database_url: str) -> None:
    """Puts the demo data into a database that tests will copy."""
    await load_demo(_context(database_url, "http://127.0.0.1", Path(), FakeClock(MONDAY_NOON)), password=SECRETS.demo_password)


def _context(database_url: str, base_url: str, var_dir: Path, clock: FakeClock, bus: Bus | None = None) -> Context:
    return Context(
        clock=clock,
        settings=CommonSettings(database_url=database_url, public_base_url=base_url, var_dir=var_dir),
        keyring=KeyRing.parse(MASTER_KEYS),
        database_url=database_url,
        bus=bus or PostgresBus(database_url),
        given=embedded_settings(SECRETS, f"{base_url}/sandbox") | {"directory": CHEAP_PASSWORDS},
    )
