"""From the log to Kafka: one more consumer group of the log, which owns its shards as every group does.

It sends, waits until Kafka has everything, and moves its cursors on in the same transaction. A relay that dies between the two sends again
what the inboxes know already. Every process of every service runs one: whichever comes first does the work.
"""

from datetime import timedelta

from libs.clock import Clock
from libs.db import Database
from libs.events.bell import Bell
from libs.events.kafka.publisher import Publisher
from libs.events.reading import Reader
from libs.events.relaying import RELAY
from libs.jobs import Job, Tick

LOCK_ID = 0x70C52
"""One relay is at work at a time: others could not read what is committed while its transaction is open, and would only ask for it."""
BATCH_MAX = 1000
SHARDS_MAX = 16
SOON = timedelta(milliseconds=5)
SOON_MAX = timedelta(milliseconds=50)

# Where all groups have read on, there is nothing to relay; a relay that begins late begins where the slowest of them stands.
_START_BEHIND_ALL = """
    INSERT INTO bus.cursors (grp, shard, xid, position)
    SELECT DISTINCT ON (shard) $1::text, shard, xid, position FROM bus.cursors WHERE grp <> $1::text ORDER BY shard, xid, position
    ON CONFLICT DO NOTHING
"""


class Relay:
    """One relay."""

    def __init__(self, own: Database, publisher: Publisher, clock: Clock, bell: Bell) -> None:
        self._own = own
        self._publisher = publisher
        self._clock = clock
        self._reader = Reader(RELAY)
        self._soon = SOON
        self.job = Job("bus-relay", self.run_once, wake=bell.hear())

    async def run_once(self) -> Tick:
        # Who cannot reach Kafka leaves the log to others: a transaction that waits holds back what everybody may read.
        await self._publisher.ready()
        async with self._own.transaction() as tx:
            if not await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK_ID):
                return Tick()  # whoever is at work goes on until nothing is left
            rows = await self._reader.read(tx, BATCH_MAX, SHARDS_MAX)
            if rows:
                await self._publisher.send(rows)
                await self._reader.advance(tx, rows)
                self._soon = SOON
                return Tick(worked=len(rows))
            if not await self._reader.waiting(tx):
                begun = await tx.execute(_START_BEHIND_ALL, RELAY)
                self._soon = SOON
                return Tick(worked=int(begun.split()[-1]))
        # Committed, but not yet readable, because an older transaction is still open.
        self._soon = min(self._soon * 2, SOON_MAX)
        return Tick(next_at=self._clock.now() + self._soon)
