"""The version, and the record of who changed what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 10.0


async def hold_version(tx: Tx) -> None:
    """Lets this transaction alone change the directory until it ends: for changes that look before they write.

    It is the first lock that any change takes, before those of posts and officers, so that no two wait for each other.
    """
    await tx.execute("SELECT version FROM directory.version FOR UPDATE", timeout=TIMEOUT_S)


async def version(tx: Tx) -> int:
    """How often the directory has changed."""
    found: int = await tx.fetchval("SELECT version FROM directory.version", timeout=TIMEOUT_S)
    return found


async def bump_version(tx: Tx) -> int:
    """One change more. Changes queue up behind each other here, until the first has committed."""
    made: int = await tx.fetchval("UPDATE directory.version SET version = version + 1 RETURNING version", timeout=TIMEOUT_S)
    return made


async def add_change(
    tx: Tx,
    *,
    change_id: UUID,
    version: int,
    at: datetime,
    account_id: UUID | None,
    actor: str,
    what: str,
    division_code: str | None,
    subject_id: str | None,
    details: dict[str, Any],
) -> None:
    await tx.execute(
        """
        INSERT INTO directory.changes (change_id, version, at, account_id, actor, what, division_code, subject_id, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        change_id, version, at, account_id, actor, what, division_code, subject_id, details,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def changes(tx: Tx, scope: str, before: UUID | None, limit: int) -> list[Any]:
    """The newest changes within `scope`, older than `before`."""
    return await tx.fetch(
        """
        SELECT change_id, version, at, actor, what, division_code, subject_id, details FROM directory.changes
        WHERE ($1 = '' OR starts_with(division_code, $1)) AND ($2::uuid IS NULL OR change_id < $2)
        ORDER BY change_id DESC LIMIT $3
        """,
        scope, before, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def last_change(tx: Tx, subject_id: str, after: int) -> Any:
    """The newest change of something since version `after` of the directory; None when there was none."""
    return await tx.fetchrow(
        "SELECT actor, at, version FROM directory.changes WHERE subject_id = $1 AND version > $2 ORDER BY version DESC LIMIT 1",
        subject_id, after,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def changes_of(tx: Tx, subject_ids: Sequence[str], limit: int) -> list[Any]:
    """The newest changes of some things."""
    return await tx.fetch(
        """
        SELECT at, actor, what, details FROM directory.changes WHERE subject_id = ANY($1::text[]) ORDER BY at DESC, change_id DESC LIMIT $2
        """,
        list(subject_ids), limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip
