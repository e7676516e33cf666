"""Looking at parked events and sending them again: `tocsin bus dead-letters list|retry`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx


@dataclass(frozen=True, slots=True)
class Parked:
    """A key that is blocked for a group: its first event, how often it was tried, and how many wait behind it."""

    group: str
    key: UUID
    event_id: UUID
    event_type: str
    state: str
    attempts: int
    error: str
    parked_at: datetime
    behind: int


async def parked(tx: Tx, *, limit: int = 200) -> list[Parked]:
    """The blocked keys, longest blocked first."""
    rows = await tx.fetch(
        """
        SELECT grp, key, event_id, event_type, state, attempts, error, parked_at, behind FROM (
            SELECT DISTINCT ON (grp, key) *, count(*) OVER (PARTITION BY grp, key) - 1 AS behind
            FROM bus.parked ORDER BY grp, key, state = 'newer', seq
        ) AS head ORDER BY parked_at LIMIT $1
        """,
        limit,
    )
    return [Parked(*row.values()) for row in rows]


async def retry(tx: Tx, now: datetime, *, key: UUID | None = None) -> int:
    """Lets the parked keys (or one of them) be tried again at once; answers how many events that concerns."""
    result = await tx.execute(
        "UPDATE bus.parked SET state = 'waiting', attempts = 0, next_at = $1 WHERE ($2::uuid IS NULL OR key = $2) AND state <> 'newer'",
        now,
        key,
    )
    return int(result.split()[-1])
