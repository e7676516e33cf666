"""Alembic at work. A module of its own, since loading Alembic and SQLAlchemy takes longer than all else that a start does."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from libs.db.migrations import LOCK_ID, ROLE_STATEMENTS, History


async def upgrade(url: str, histories: Sequence[History]) -> list[str]:
    """Brings every schema to its newest revision; answers the revisions that were applied, in order."""

    async def connect() -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(
            url, timeout=30, server_settings={"lock_timeout": "10s", "statement_timeout": "600s", "application_name": "tocsin-migrate"}
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_migrate, histories)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, histories: Sequence[History]) -> list[str]:
    connection.execute(text("SET lock_timeout = '120s'"))
    connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": LOCK_ID})
    connection.execute(text("SET lock_timeout = '10s'"))
    for statement in ROLE_STATEMENTS:
        connection.execute(text(statement))
    connection.commit()
    applied: list[str] = []
    for history in histories:
        applied += _upgrade(connection, history)
    connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": LOCK_ID})
    connection.commit()
    return applied


def _upgrade(connection: Connection, history: History) -> list[str]:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {history.schema}"))
    connection.commit()
    if not (history.folder / "versions").exists():
        return []
    config = Config()
    config.set_main_option("script_location", str(history.folder))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    applied: list[str] = []

    def steps(revision: Any, _context: Any) -> Any:
        found = script._upgrade_revs("head", revision)  # noqa: SLF001 - what `alembic upgrade` itself calls
        applied.extend(str(step.revision.revision) for step in found)
        return found

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table_schema=history.schema, transaction_per_migration=True)
        with environment.begin_transaction():
            environment.run_migrations()
    connection.commit()
    return applied
