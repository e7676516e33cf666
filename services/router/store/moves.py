"""Moves of running cases from one policy to another: ordered, taken up a batch at a time, finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.db import Tx

TIMEOUT_S = 20.0
NO_CASE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases move where: the open ones in a place ("" is everywhere) that are answered by one policy version."""

    division_code: str
    from_policy_id: str
    from_version: int
    to_policy_id: str
    to_version: int


async def count(tx: Tx, wanted: Wanted) -> int:
    """How many open cases would move."""
    found: int = await tx.fetchval(_COUNT, *_which(wanted), timeout=TIMEOUT_S)
    return found


async def candidates(tx: Tx, wanted: Wanted, opened_by: datetime, after: tuple[str, UUID], limit: int) -> list[tuple[str, UUID]]:
    """The next open cases that would move, by place; none that was opened after `opened_by`."""
    rows = await tx.fetch(_CANDIDATES, *_which(wanted), opened_by, *after, limit, timeout=TIMEOUT_S)
    return [(row["division_code"], row["case_id"]) for row in rows]


async def add(tx: Tx, move: dict[str, Any]) -> None:
    """Orders a move; `move` has the columns of MOVE."""
    await tx.execute(_ADD, *(move[column] for column in MOVE), timeout=TIMEOUT_S)


async def running(tx: Tx, wanted: Wanted) -> asyncpg.Record | None:
    """A move that is not finished and concerns places in or around the wanted one."""
    outer = [wanted.division_code[:length] for length in range(len(wanted.division_code) + 1)]
    return await tx.fetchrow(_RUNNING, wanted.division_code, wanted.division_code + ":", outer, timeout=TIMEOUT_S)


async def claim(tx: Tx) -> asyncpg.Record | None:
    """Locks the oldest move that is running and that nobody else is busy with."""
    return await tx.fetchrow(_CLAIM, timeout=TIMEOUT_S)


async def progress(tx: Tx, move_id: UUID, *, moved: int, failed: int, after: tuple[str, UUID]) -> None:
    """Notes how far a move has come."""
    await tx.execute(_PROGRESS, move_id, moved, failed, *after, timeout=TIMEOUT_S)


async def end(tx: Tx, move_id: UUID, state: str, at: datetime) -> None:
    """A move is done, or was stopped."""
    query = "UPDATE router.policy_moves SET state = $2, finished_at = $3 WHERE move_id = $1 AND state = 'running'"
    await tx.execute(query, move_id, state, at, timeout=TIMEOUT_S)


async def one(tx: Tx, move_id: UUID) -> asyncpg.Record | None:
    """A move, and how far it has come."""
    return await tx.fetchrow("SELECT * FROM router.policy_moves WHERE move_id = $1", move_id, timeout=TIMEOUT_S)


async def latest(tx: Tx, scope: str, limit: int) -> Sequence[asyncpg.Record]:
    """The last moves of places within `scope` and of those that it lies in."""
    outer = [scope[:length] for length in range(len(scope) + 1)]
    return await tx.fetch(_LATEST, scope, scope + ":", outer, limit, timeout=TIMEOUT_S)


def _which(wanted: Wanted) -> tuple[Any, ...]:
    return wanted.division_code, wanted.division_code + ":", wanted.from_policy_id, wanted.from_version


MOVE = (
    "move_id",
    "division_code",
    "from_policy_id",
    "from_version",
    "to_policy_id",
    "to_version",
    "reason",
    "made_at",
    "made_by",
    "made_by_name",
    "state",
    "total",
    "moved",
    "failed",
    "after_division",
    "after_case_id",
)
_ADD = f"INSERT INTO router.policy_moves ({', '.join(MOVE)}) VALUES ({', '.join(f'${one}' for one in range(1, len(MOVE) + 1))})"
_WHICH = """
    division_code >= $1 AND division_code < $2 AND status <> 'closed' AND policy_id = $3 AND policy_version = $4
"""
_COUNT = f"SELECT count(*) FROM router.cases WHERE {_WHICH}"
_CANDIDATES = f"""
    SELECT division_code, case_id FROM router.cases
    WHERE {_WHICH} AND opened_at <= $5 AND division_code >= $6 AND (division_code, case_id) > ($6, $7)
    ORDER BY division_code, case_id LIMIT $8
"""
_WITHIN = "((division_code >= $1 AND division_code < $2) OR division_code = ANY($3::text[]))"
_RUNNING = f"SELECT * FROM router.policy_moves WHERE state = 'running' AND {_WITHIN} ORDER BY made_at LIMIT 1"
_CLAIM = "SELECT * FROM router.policy_moves WHERE state = 'running' ORDER BY made_at LIMIT 1 FOR UPDATE SKIP LOCKED"
_PROGRESS = """
    UPDATE router.policy_moves SET moved = moved + $2, failed = failed + $3, after_division = $4, after_case_id = $5 WHERE move_id = $1
"""
_LATEST = f"SELECT * FROM router.policy_moves WHERE {_WITHIN} ORDER BY made_at DESC LIMIT $4"
