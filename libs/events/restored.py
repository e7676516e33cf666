"""After a restore into another cluster: its transaction ids begin anew, and the log's and the cursors' belong to the old one.

Unmended, new events would stand before every cursor and never be read, without an error anywhere. The log is put in the order of its
ids, and every group reads what is left of it again: the inbox, which is kept longer than the log, knows what was handled.
"""

from libs.db import Tx
from libs.events.outbox import SHARDS
from libs.log import get_logger

log = get_logger("bus")

# What can be seen is older than `pg_snapshot_xmax`, unless it came from elsewhere.
_FOREIGN = """
    SELECT EXISTS (SELECT 1 FROM bus.cursors WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
        OR EXISTS (
            SELECT 1 FROM generate_series(0, $1::int - 1) AS one (shard)
            CROSS JOIN LATERAL (
                SELECT xid FROM bus.outbox WHERE outbox.shard = one.shard ORDER BY xid DESC, id DESC LIMIT 1
            ) AS last
            WHERE last.xid >= pg_snapshot_xmax(pg_current_snapshot()))
"""


async def mend(tx: Tx) -> bool:
    """Makes a restored log readable again, before anybody subscribes; answers whether it had to be."""
    if not await tx.fetchval(_FOREIGN, SHARDS):
        return False
    await tx.execute("LOCK TABLE bus.cursors IN EXCLUSIVE MODE")
    if not await tx.fetchval(_FOREIGN, SHARDS):
        return False  # another process has done it while we waited
    await tx.execute("SET LOCAL statement_timeout = '600s'")
    await tx.execute("UPDATE bus.outbox SET xid = '3'", timeout=600)
    await tx.execute("UPDATE bus.cursors SET xid = '0', position = 0")
    log.warning("bus.restored")
    return True
