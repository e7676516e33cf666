"""Every bus on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from libs.clock import FakeClock
from libs.db import Database
from libs.db.migrations import HISTORIES, migrate
from libs.events import Bus
from tests.contracts.room import BUSES, NOW, Room
from tests.support.postgres import fresh_database


@pytest.fixture
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    """The bus stands alone: it needs no service's tables."""
    async with fresh_database(postgres_url, None) as url:
        await migrate(url, HISTORIES[:1])
        yield url


@pytest.fixture(params=sorted(BUSES))
def bus(request: pytest.FixtureRequest, database_url: str) -> Bus:
    return BUSES[request.param](database_url)


@pytest.fixture
async def room(database: Database, bus: Bus) -> Room:
    async with database.connection() as c:
        await c.execute("CREATE TABLE effects (key uuid, version int, n bigint GENERATED ALWAYS AS IDENTITY)")
    return Room(database, bus, FakeClock(NOW))
