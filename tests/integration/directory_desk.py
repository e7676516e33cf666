"""The directory alone, with the demo's Futian, on a real database and a fake clock. The whole system is `tests.support.world`."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

import services.directory.app
from deploy.demo.directory import DemoAccess, load_demo, officer_id
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.read import Directory
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import Assembly, assemble
from libs.settings import CommonSettings
from services.directory.handlers.changes import Actor
from services.directory.handlers.register import Imported, import_register

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DISTRICT = "440304"
STREET = "440304001"
COMMUNITY = "440304001020"
PASSWORD = "correct horse battery"
CHEAP = {"directory": {"password_memory_kib": 64, "password_rounds": 1}}
TESTER = Actor("tester")
MASTER_KEYS = "1:" + base64.b64encode(bytes(range(32))).decode()


@dataclass(repr=False)
class Desk:
    """`http` speaks to the application, `db` works as the directory, `root` sees everything."""

    clock: FakeClock
    http: httpx.AsyncClient
    assembly: Assembly
    db: Database
    root: Database
    context: Context
    demo: DemoAccess
    directory: Directory
    keyring: KeyRing
    phones: list[str] = field(default_factory=list)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.demo.api_key}"}

    async def log_in(self, username: str, password: str = PASSWORD) -> httpx.Response:
        return await self.http.post("/login", data={"username": username, "password": password})

    async def job(self, name: str) -> int:
        """Runs one job until it rests; answers how much it did."""
        (job,) = [job for job in self.assembly.jobs if job.name == name]
        done = 0
        while worked := (await job.run_once()).worked:
            done += worked
        return done

    async def value(self, query: str, *values: Any) -> Any:
        async with self.root.connection() as connection:
            return await connection.fetchval(query, *values)

    async def route(self, code: str) -> Any:
        async with self.db.connection() as connection:
            return await self.directory.route(connection, code)

    async def import_(self, text: str | bytes, *, with_posts: bool = False) -> Imported:
        content = text.encode() if isinstance(text, str) else text
        return await import_register(self.db, io.BytesIO(content), now=self.clock.now(), actor=TESTER, with_posts=with_posts)


def primary(code: str, role: str) -> UUID:
    return officer_id(code, role, "primary")


def deputy(code: str, role: str) -> UUID:
    return officer_id(code, role, "deputy")


@asynccontextmanager
async def directory_desk(database_url: str, var_dir: Path) -> AsyncIterator[Desk]:
    keyring = KeyRing.parse(MASTER_KEYS)
    clock = FakeClock(NOW)
    settings = CommonSettings(public_base_url="http://tocsin.test", var_dir=var_dir, language="en")
    context = Context(clock, settings, keyring, database_url, PostgresBus(database_url), given=CHEAP)
    demo = await load_demo(context, password=PASSWORD)
    root = await Database.open(database_url, role=None, size_max=2)
    try:
        async with assemble(context, [services.directory.app.build]) as assembly:
            transport = httpx.ASGITransport(app=assembly.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.test") as http:
                yield Desk(clock, http, assembly, assembly.services[0].database, root, context, demo, Directory.under(keyring), keyring)
    finally:
        await root.close()
