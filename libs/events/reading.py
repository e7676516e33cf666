"""Reading the log: claim cursors, read behind them, move them on, within one transaction of the caller's.

A cursor stands on (xid, id) and never passes `pg_snapshot_xmin`: below it no transaction is still open, so nothing can commit
behind the cursor. The cursor's row lock is the ownership of the shard, so a crashed owner needs no lease to expire.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from libs.db import Tx
from libs.events.envelope import CATALOGUE
from libs.events.outbox import SHARDS

SHARDS_PER_ROUND_MAX = 8

_START = """
    INSERT INTO bus.cursors (grp, shard, xid, position)
    SELECT $1, shard, '0'::xid8, 0 FROM generate_series(0, $2::int - 1) AS shard ON CONFLICT DO NOTHING
"""
_CLAIM = """
    SELECT shard, xid::text::bigint AS xid, position FROM bus.cursors AS cursor
    WHERE grp = $1 AND EXISTS (
        SELECT 1 FROM bus.outbox
        WHERE outbox.shard = cursor.shard AND (outbox.xid, outbox.id) > (cursor.xid, cursor.position)
          AND outbox.xid < pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY xid, position LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_WAITING = """
    SELECT EXISTS (
        SELECT 1 FROM bus.cursors AS cursor WHERE grp = $1 AND EXISTS (
            SELECT 1 FROM bus.outbox
            WHERE outbox.shard = cursor.shard AND (outbox.xid, outbox.id) > (cursor.xid, cursor.position)))
"""
# An envelope is only fetched where somebody wants to read it; a type that this version does not know is wanted (libs/events/inbox.py).
_READ = """
    SELECT owned.shard, event.xid::text::bigint AS xid, event.id, event.key, event.event_id, event.event_type, event.envelope
    FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS owned (shard, xid, position)
    CROSS JOIN LATERAL (
        SELECT outbox.xid, outbox.id, outbox.key, outbox.event_id, outbox.event_type,
               CASE WHEN outbox.event_type <> ALL ($4::text[]) THEN outbox.envelope END AS envelope
        FROM bus.outbox
        WHERE outbox.shard = owned.shard AND (outbox.xid, outbox.id) > (owned.xid::xid8, owned.position)
          AND outbox.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY outbox.xid, outbox.id LIMIT $5
    ) AS event
    ORDER BY event.xid, event.id
"""
_ADVANCE = """
    UPDATE bus.cursors SET xid = reached.xid::xid8, position = reached.position
    FROM unnest($2::smallint[], $3::text[], $4::bigint[]) AS reached (shard, xid, position)
    WHERE cursors.grp = $1 AND cursors.shard = reached.shard
"""


class Reader:
    """The place of a group in the log. `unwanted` are the types whose envelopes it does not need."""

    def __init__(self, group: str, unwanted: Sequence[str] = ()) -> None:
        self.group = group
        self._unwanted = list(unwanted)

    @classmethod
    def of_types(cls, group: str, types: Sequence[str]) -> "Reader":
        """For a group that hears `types`, and wants to know of what this version does not know."""
        return cls(group, sorted(set(CATALOGUE) - set(types)))

    async def start(self, tx: Tx) -> None:
        """Gives a new group its cursors, at the beginning of the log."""
        await tx.execute(_START, self.group, SHARDS)

    async def read(self, tx: Tx, batch_max: int, shards_max: int = SHARDS_PER_ROUND_MAX) -> list[asyncpg.Record]:
        """At most `batch_max` events, in order, of shards that nobody else reads now; they stay ours until `tx` ends."""
        owned = await tx.fetch(_CLAIM, self.group, shards_max)
        if not owned:
            return []
        return await tx.fetch(
            _READ,
            [row["shard"] for row in owned],
            [str(row["xid"]) for row in owned],
            [row["position"] for row in owned],
            self._unwanted,
            max(batch_max // len(owned), 1),
        )

    async def advance(self, tx: Tx, rows: Sequence[Any]) -> None:
        """Moves the cursors behind the last of `rows` in each shard."""
        reached = {row["shard"]: row for row in rows}
        await tx.execute(
            _ADVANCE,
            self.group,
            list(reached),
            [str(row["xid"]) for row in reached.values()],
            [row["id"] for row in reached.values()],
        )

    async def waiting(self, tx: Tx) -> bool:
        """Whether the log has events for us that may not be read just yet, or are being read by another."""
        return bool(await tx.fetchval(_WAITING, self.group))

    async def still_before(self, tx: Tx, row: Any) -> bool:
        """Whether our cursor has not passed `row`; if so, the shard is ours until `tx` ends."""
        found = await tx.fetchval(
            "SELECT 1 FROM bus.cursors WHERE grp = $1 AND shard = $2 AND (xid, position) < ($3::text::xid8, $4::bigint) FOR UPDATE",
            self.group,
            row["shard"],
            str(row["xid"]),
            row["id"],
        )
        return bool(found)
