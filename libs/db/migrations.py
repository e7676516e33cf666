"""Migrations: one Alembic history per schema, all run the same way, one runner at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from alembic.operations import Operations

ROOT = Path(__file__).parents[2]
LOCK_ID = 0x70C51
_ROLES_HELD = "SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1::text[]) AND pg_has_role(oid, 'MEMBER')"
_REVISION = re.compile(r'^(revision|down_revision)\b[^=\n]*=\s*"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class History:
    """The migrations of one schema: revisions in `folder`/versions."""

    schema: str
    folder: Path


HISTORIES: tuple[History, ...] = (
    History("bus", ROOT / "libs/events/migrations"),
    *(History(room, ROOT / f"services/{room}/migrations") for room in ("directory", "intake", "router", "notifier", "audit")),
)
ROLES = tuple(f"tocsin_{room}" for room in ("directory", "intake", "router", "notifier", "audit"))
ROLE_STATEMENTS = tuple(
    statement
    for name in ROLES
    for statement in (
        f"DO $$ BEGIN CREATE ROLE {name} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
        f"GRANT {name} TO CURRENT_USER",
    )
)
"""Makes the services' roles where they are missing, and lets the login role work as each of them."""


def role(room: str) -> str:
    """The database role of a service."""
    return f"tocsin_{room}"


async def migrate(url: str, histories: Sequence[History] = HISTORIES) -> list[str]:
    """Brings every schema to its newest revision; answers the revisions that were applied, in order."""
    if await _is_current(url, histories):
        return []
    from libs.db.upgrading import upgrade

    return await upgrade(url, histories)


async def _is_current(url: str, histories: Sequence[History]) -> bool:
    """Whether there is nothing to do, as at nearly every start. In doubt it is for Alembic to say."""
    connection = await asyncpg.connect(url, timeout=30, command_timeout=30)
    try:
        if await connection.fetchval(_ROLES_HELD, ROLES) < len(ROLES):
            return False
        for history in histories:
            rows = await connection.fetch(f"SELECT version_num FROM {history.schema}.alembic_version")
            if {row["version_num"] for row in rows} != _heads(history):
                return False
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close(timeout=10)
    return True


def _heads(history: History) -> set[str]:
    """The revisions that none follows."""
    named = [named for path in (history.folder / "versions").glob("*.py") for named in _REVISION.findall(path.read_text("utf-8"))]
    return {name for kind, name in named if kind == "revision"} - {name for kind, name in named if kind == "down_revision"}


def grant_room(op: "Operations", schema: str) -> None:
    """Lets the service of `schema` work with its own tables; to be called at the end of a migration that makes tables."""
    name = role(schema)
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name}")
    op.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {name}")
