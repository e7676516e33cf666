"""A real PostgreSQL for tests: one server per test process, one fresh database per test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from libs.db import Database
from libs.db.embedded import EmbeddedPostgres, ensure_database
from libs.db.migrations import migrate
from tests.support.folders import quick_folder

TEMPLATE = "tocsin_template"
DEMO_TEMPLATE = "tocsin_demo_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The maintenance database of a throwaway server."""
    with quick_folder("tocsin-test-") as folder:
        server = EmbeddedPostgres(folder / "postgres", throwaway=True)
        try:
            yield server.start()
        finally:
            server.stop()


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """The name of a database that has every migration, to copy from."""

    async def make() -> None:
        await migrate(await ensure_database(postgres_url, TEMPLATE))

    asyncio.run(make())
    return TEMPLATE


@pytest.fixture(scope="session")
def demo_template(postgres_url: str, template: str) -> str:
    """The name of a database that has the demo data too."""
    from tests.support.world import load_demo_once

    async def make() -> None:
        await load_demo_once(await ensure_database(postgres_url, DEMO_TEMPLATE, template=template))

    asyncio.run(make())
    return DEMO_TEMPLATE


@pytest.fixture
async def demo_database_url(postgres_url: str, demo_template: str) -> AsyncIterator[str]:
    """A fresh database of this test alone, with the demo data of Futian."""
    async with fresh_database(postgres_url, demo_template) as url:
        yield url


@pytest.fixture
async def database_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """A fresh, migrated, empty database of this test alone."""
    async with fresh_database(postgres_url, template) as url:
        yield url


@asynccontextmanager
async def fresh_database(postgres_url: str, template: str | None) -> AsyncIterator[str]:
    """A database that is dropped at the end."""
    name = f"test_{next(_numbers)}"
    yield await ensure_database(postgres_url, name, template=template)
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The same, opened with the login role."""
    opened = await Database.open(database_url, role=None)
    yield opened
    await opened.close()
