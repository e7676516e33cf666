"""Old events leave the log once every group has read them; inbox rows leave later than any redelivery could come.

A group that does not read holds the log back, and what the log still has may be published again (`restored.py`): as long as it has older
events, every inbox remembers what came after.
"""

from datetime import datetime, timedelta

from libs.db import Tx

OUTBOX_KEPT = timedelta(days=7)
INBOX_KEPT = timedelta(days=14)
ROWS_MAX = 5_000
"""How many rows one round deletes at most: short transactions, so that the bus never waits for the broom."""


async def clean(tx: Tx, now: datetime) -> int:
    """Deletes a bounded number of rows that nobody needs any more; answers how many (call again while it is not 0)."""
    read = await tx.execute(
        """
        DELETE FROM bus.outbox WHERE id IN (
            SELECT event.id FROM bus.outbox AS event WHERE event.created_at < $1 AND NOT EXISTS (
                SELECT 1 FROM bus.cursors AS cursor
                WHERE cursor.shard = event.shard AND (cursor.xid, cursor.position) < (event.xid, event.id))
            ORDER BY event.created_at LIMIT $2)
        """,
        now - OUTBOX_KEPT,
        ROWS_MAX,
    )
    handled = await tx.execute(
        """
        DELETE FROM bus.inbox WHERE (grp, event_id) IN (
            SELECT grp, event_id FROM bus.inbox
            WHERE handled_at < least($1::timestamptz, (SELECT min(created_at) FROM bus.outbox)) LIMIT $2)
        """,
        now - INBOX_KEPT,
        ROWS_MAX,
    )
    return int(read.split()[-1]) + int(handled.split()[-1])
