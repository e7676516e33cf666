"""The migrated database is the one that the tables declare; nothing was changed in only one of the two places."""

import asyncio
import importlib
import inspect
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from libs.db.migrations import migrate
from libs.events.tables import Xid8

ischema_names["xid8"] = Xid8  # SQLAlchemy does not know the type by itself

ROOMS = {
    "bus": "libs.events.tables",
    **{room: f"services.{room}.tables" for room in ("directory", "intake", "router", "notifier", "audit")},
}


def metadata_of(module_name: str) -> MetaData:
    """The one registry of a tables module."""
    module = importlib.import_module(module_name)
    found = {
        cls.metadata
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, SQLModel) and cls is not SQLModel and cls.__module__.startswith(module_name)
    }
    (metadata,) = found
    return metadata


@pytest.mark.parametrize("schema", sorted(ROOMS))
async def test_migrated_database_equals_the_declared_tables(database_url: str, schema: str) -> None:
    metadata = metadata_of(ROOMS[schema])
    assert metadata.tables

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: kind != "schema" or name == schema,
                "include_object": lambda thing, name, kind, _reflected, _other: not (kind == "table" and name == "alembic_version"),
                "compare_type": True,
                "compare_server_default": False,
                "version_table_schema": schema,
            },
        )
        return list(compare_metadata(context, metadata))

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(database_url), poolclass=NullPool)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_two_processes_may_migrate_at_once(postgres_url: str) -> None:
    from tests.support.postgres import fresh_database

    async with fresh_database(postgres_url, None) as url:
        first, second = await asyncio.gather(migrate(url), migrate(url))
    assert sorted(map(bool, (first, second))) == [False, True]


async def test_each_service_acts_as_its_own_role_and_cannot_write_elsewhere(database_url: str) -> None:
    from libs.db import Database

    for room, foreign in (
        ("intake", "router.cases"),
        ("router", "intake.reports"),
        ("notifier", "router.cases"),
        ("audit", "intake.reports"),
    ):
        database = await Database.open(database_url, role=f"tocsin_{room}", size_max=1)
        async with database.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"DELETE FROM {foreign}")
        await database.close()
