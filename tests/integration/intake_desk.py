"""Intake and the directory on a real database and a fake clock: what intake's own tests use. The whole system is `tests.support.world`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

import services.directory.app
import services.intake.app
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.identity import PEPPER_PURPOSE, account_id, key_hash, new_token, token_hash
from libs.directory.permissions import Role
from libs.events import EventData, new_event, publish
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import Assembly, assemble
from libs.settings import CommonSettings
from libs.web.identity import SESSION_COOKIE
from services.directory.handlers.register import pinyin_of

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PLACE = "440304001020"
STREET = "440304001"
DISTRICT = "440304"
OTHER_PLACE = "440304002003"
PLACES = (
    ("44", "广东省", "province", None),
    ("4403", "深圳市", "city", "44"),
    (DISTRICT, "福田区", "district", "4403"),
    (STREET, "南园街道", "street", DISTRICT),
    (PLACE, "巴登社区", "community", STREET),
    ("440304002", "园岭街道", "street", DISTRICT),
    (OTHER_PLACE, "园岭社区", "community", "440304002"),
)
"""What the places are called here matters to no test."""

SMALLEST: dict[str, Any] = {
    "channel": "school_api",
    "situations": ["MR4_ABUSE_INJURY"],
    "narrative": "【测试】合成的叙述",
    "children": [{"current_location": {"division_code": PLACE}}],
    "danger": {"danger_now": "unknown"},
}


@dataclass(repr=False)
class Desk:
    """`http` speaks to the application; `db` sees everything; nothing moves before `settle`."""

    clock: FakeClock
    http: httpx.AsyncClient
    assembly: Assembly
    db: Database
    keyring: KeyRing
    keys: dict[str, str] = field(default_factory=dict)

    async def key(self, *scopes: str, client_id: str = "school", channel: str | None = None) -> dict[str, str]:
        """Headers of an API client that has `scopes`."""
        if client_id not in self.keys:
            secret = new_token()
            self.keys[client_id] = f"{client_id}.{secret}"
            async with self.db.connection() as c:
                await c.execute(
                    "INSERT INTO directory.api_clients (client_id, name, scopes, channel, created_at) VALUES ($1, $1, $2, $3, $4)",
                    client_id,
                    list(scopes),
                    channel,
                    NOW,
                )
                await c.execute(
                    "INSERT INTO directory.api_keys (key_id, client_id, key_hash, created_at) VALUES ($1, $1, $2, $3)",
                    client_id,
                    key_hash(self.keyring.derive(PEPPER_PURPOSE), secret),
                    NOW,
                )
        return {"Authorization": f"Bearer {self.keys[client_id]}"}

    async def log_in(self, role: Role, division_code: str = DISTRICT) -> dict[str, str]:
        """Headers of somebody of that role who is logged in."""
        name, token = f"{role}-{division_code or 'all'}", new_token()
        async with self.db.connection() as c:
            await c.execute(
                "INSERT INTO directory.accounts (account_id, username, password_hash, role, division_code, language, active, created_at) "
                "VALUES ($1, $2, '', $3, $4, 'en', true, $5) ON CONFLICT DO NOTHING",
                account_id(name),
                name,
                role,
                division_code,
                NOW,
            )
            await c.execute(
                "INSERT INTO directory.sessions (token_hash, account_id, created_at, expires_at, last_seen) VALUES ($1, $2, $3, $4, $3)",
                token_hash(token),
                account_id(name),
                NOW,
                NOW + timedelta(days=30),
            )
        return {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}

    async def send(self, report: dict[str, Any] | bytes | None = None, key: str | None = None, **changes: Any) -> httpx.Response:
        """Sends a report as a school would."""
        headers = {
            **await self.key("report", "read", "act"),
            "Idempotency-Key": key or str(uuid4()),
            "Content-Type": "application/json",
            "Accept-Language": "en",
        }
        if isinstance(report, bytes):
            return await self.http.post("/v1/reports", content=report, headers=headers)
        return await self.http.post("/v1/reports", json={**(report or SMALLEST), **changes}, headers=headers)

    async def accepted(self, **changes: Any) -> dict[str, Any]:
        answer = await self.send(**changes)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def tell(self, data: EventData, key: UUID) -> None:
        """Publishes an event as its emitter would."""
        async with self.db.transaction() as tx:
            await publish(tx, [new_event(data, key=key, time=self.clock.now())])

    async def settle(self) -> None:
        """Lets intake hear what was published."""
        for consumer in self.assembly.consumers:
            while (await consumer.drain_once()).events:
                pass

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.db.connection() as c:
            return [dict(row) for row in await c.fetch(query, *args)]


@asynccontextmanager
async def make_desk(database_url: str, folder: Path, **given: Any) -> AsyncIterator[Desk]:
    """A desk on a fresh database; `given` are settings of intake."""
    keyring = KeyRing.parse(KeyRing.generate())
    clock = FakeClock(NOW)
    settings = CommonSettings(database_url=database_url, public_base_url="http://tocsin.test", var_dir=folder, language="en")
    bus = PostgresBus(database_url)
    context = Context(clock=clock, settings=settings, keyring=keyring, database_url=database_url, bus=bus, given={"intake": given})
    db = await Database.open(database_url, role=None, size_max=4)
    async with db.connection() as c:
        await c.executemany(
            "INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) "
            "VALUES ($1, $2, $3, $4, 'Asia/Shanghai', $5, $6)",
            [(*place, *pinyin_of(place[1])) for place in PLACES],
        )
        for code in (PLACE, STREET, DISTRICT):
            await c.execute(
                "INSERT INTO directory.posts (post_id, division_code, role, tier, title_zh, title_en, position) "
                "VALUES ($1, $2, 'x', 'street', 'x', 'x', 1)",
                uuid4(),
                code,
            )
    try:
        async with assemble(context, [services.directory.app.build, services.intake.app.build]) as assembly:
            # Errors nobody foresaw are answered as in production, so that tests see the 500 that users would see.
            transport = httpx.ASGITransport(app=assembly.app, raise_app_exceptions=False, client=("198.51.100.7", 40000))
            async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.test") as http:
                desk = Desk(clock, http, assembly, db, keyring)
                await desk.key("report", "read", "act")
                yield desk
    finally:
        await db.close()
