"""After a restore into another cluster: its transaction ids begin anew, and the log's and the cursors' belong to the old one.

Unmended, new events would stand before every cursor and never be read, without an error anywhere. The log is put in the order of its
ids, and every group reads what is left of it again: the inbox, which is kept longer than the log, knows what was handled. It counts
that time from the restore on: however old the backup is, nothing that may be read again is forgotten before.
"""

from datetime import datetime

from libs.db import Tx
from libs.events.outbox import SHARDS
from libs.events.relaying import RELAY
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


_REMEMBER = "UPDATE bus.inbox SET handled_at = $1 WHERE handled_at >= (SELECT min(created_at) FROM bus.outbox)"
REMEMBER_S = 600


async def moved(tx: Tx, now: datetime) -> None:
    """To be called once after a restore, before anything runs: what was handled stays known, and a relay begins anew.

    What an earlier relay has sent is not in the Kafka that this database will be used with, or further on than this database knows.
    """
    await tx.execute("SET LOCAL statement_timeout = '600s'")
    await tx.execute(_REMEMBER, now, timeout=REMEMBER_S)
    await relay_anew(tx)
    await mend(tx, now)


async def relay_anew(tx: Tx) -> None:
    """Lets the relay begin behind the group that is the furthest back: all that follows is published again, in order (`Relay`)."""
    await tx.execute("DELETE FROM bus.cursors WHERE grp = $1", RELAY)


async def mend(tx: Tx, now: datetime) -> bool:
    """Makes a restored log readable again, before anybody subscribes; answers whether it had to be."""
    if not await tx.fetchval(_FOREIGN, SHARDS):
        return False
    await tx.execute("LOCK TABLE bus.cursors IN EXCLUSIVE MODE")
    if not await tx.fetchval(_FOREIGN, SHARDS):
        return False  # another process has done it while we waited
    await tx.execute("SET LOCAL statement_timeout = '600s'")
    await tx.execute(_REMEMBER, now, timeout=REMEMBER_S)
    await tx.execute("UPDATE bus.outbox SET xid = '3'", timeout=REMEMBER_S)
    await tx.execute("UPDATE bus.cursors SET xid = '0', position = 0")
    log.warning("bus.restored")
    return True
