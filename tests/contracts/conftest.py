"""Every bus on a database of its own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.clock import FakeClock
from libs.db import Database
from libs.db.embedded import ensure_database
from libs.db.migrations import HISTORIES, migrate
from tests.contracts.room import BUSES, NOW, Ground, OnKafka, OnPostgres, Room
from tests.support.kafka import on_kafka
from tests.support.postgres import fresh_database

BUS_TEMPLATE = "tocsin_bus_template"


@pytest.fixture(scope="session")
def bus_template(postgres_url: str) -> str:
    """The name of a database with the bus's tables alone, to copy from."""

    async def make() -> None:
        await migrate(await ensure_database(postgres_url, BUS_TEMPLATE), HISTORIES[:1])

    asyncio.run(make())
    return BUS_TEMPLATE


@pytest.fixture
async def database_url(postgres_url: str, bus_template: str) -> AsyncIterator[str]:
    """The bus stands alone: it needs no service's tables."""
    async with fresh_database(postgres_url, bus_template) as url:
        yield url


@pytest.fixture(params=[pytest.param(name, marks=[on_kafka] if name == "kafka" else []) for name in BUSES])
def ground(request: pytest.FixtureRequest) -> Ground:
    return OnPostgres() if request.param == "postgres" else OnKafka(request.getfixturevalue("kafka_settings"))


@pytest.fixture
async def effects(database: Database) -> None:
    """Where a room's effects are seen."""
    async with database.connection() as c:
        await c.execute("CREATE TABLE effects (key uuid, version int, n bigint GENERATED ALWAYS AS IDENTITY)")


@pytest.fixture
async def room(database: Database, database_url: str, ground: Ground, effects: None) -> AsyncIterator[Room]:
    made = Room(database, database_url, ground, FakeClock(NOW))
    await made.bus.prepare(database)
    yield made
    await made.close()
