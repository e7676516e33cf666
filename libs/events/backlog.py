"""How much of the log each group has not dealt with."""

from collections.abc import Sequence
from datetime import datetime

from libs.db import Tx

# Bounded for each cursor: a backlog of millions must not make those ill who only want to know how bad it is.
_UNREAD = """
    SELECT cursor.grp, cursor.shard, unread.events
    FROM bus.cursors AS cursor CROSS JOIN LATERAL (
        SELECT count(*) AS events FROM (
            SELECT 1 FROM bus.outbox AS event
            WHERE event.shard = cursor.shard AND (event.xid, event.id) > (cursor.xid, cursor.position)
              AND ($3::timestamptz IS NULL OR event.created_at < $3) LIMIT $2
        ) AS bounded
    ) AS unread
    WHERE $1::text[] IS NULL OR cursor.grp = ANY ($1::text[])
    ORDER BY cursor.grp, cursor.shard
"""


async def unread(
    tx: Tx, count_max: int, *, groups: Sequence[str] | None = None, before: datetime | None = None
) -> dict[str, dict[int, int]]:
    """How many events stand behind the cursor of each group and shard, each counted up to `count_max`.

    Of all groups, or of `groups`; all events, or those from `before` an instant.
    """
    found: dict[str, dict[int, int]] = {}
    for row in await tx.fetch(_UNREAD, groups, count_max, before):
        found.setdefault(row["grp"], {})[row["shard"]] = row["events"]
    return found
