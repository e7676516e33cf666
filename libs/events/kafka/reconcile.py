"""What the log has and a group's inbox lacks, although the group has read everything that Kafka has, is published again.

An acknowledgement of Kafka is not an fsync: replicas that lose power together may lose what they acknowledged. So a row stays in the log
until every group's inbox has it, and the group's cursor in the log says how far that is known: retention, the doctor and a bus that is
changed back to PostgreSQL read it as they do in the embedded mode.
"""

from datetime import timedelta
from typing import Any

from prometheus_client import Counter

from libs.clock import Clock
from libs.db import Database, Tx
from libs.events.envelope import CATALOGUE
from libs.events.kafka.publisher import Publisher
from libs.events.kafka.survey import Survey
from libs.events.reading import Reader
from libs.events.relaying import RELAY
from libs.jobs import Job, Tick
from libs.log import get_logger

EVERY_S = 1.0
ROWS_MAX = 500
"""Of each shard in one round."""
AGAIN_AFTER = timedelta(seconds=10)
"""Nobody looks for what is younger than this: it is under way."""

AGAIN = Counter("tocsin_bus_published_again_total", "Events that a group had not received and that were published again.", ["group"])

log = get_logger("bus")

# A scalar of one row is looked up by its index, event by event; EXISTS is planned as one read of the group's whole inbox, every second.
_RELAYED = """
    WITH mine AS (
        SELECT cursor.shard, cursor.xid, cursor.position, relay.xid AS relay_xid, relay.position AS relay_position
        FROM bus.cursors AS cursor JOIN bus.cursors AS relay ON relay.grp = $2 AND relay.shard = cursor.shard
        WHERE cursor.grp = $1 AND (cursor.xid, cursor.position) < (relay.xid, relay.position)
        FOR UPDATE OF cursor SKIP LOCKED
    )
    SELECT mine.shard, event.xid::text::bigint AS xid, event.id, event.key, event.event_id, event.event_type, event.created_at,
           event.event_type = ANY ($3::text[])
           OR coalesce((SELECT true FROM bus.inbox WHERE inbox.grp = $1 AND inbox.event_id = event.event_id LIMIT 1), false)
           OR coalesce((SELECT true FROM bus.parked WHERE parked.grp = $1 AND parked.event_id = event.event_id LIMIT 1), false) AS received
    FROM mine CROSS JOIN LATERAL (
        SELECT * FROM bus.outbox
        WHERE outbox.shard = mine.shard AND (outbox.xid, outbox.id) > (mine.xid, mine.position)
          AND (outbox.xid, outbox.id) <= (mine.relay_xid, mine.relay_position)
        ORDER BY outbox.xid, outbox.id LIMIT $4
    ) AS event
    ORDER BY mine.shard, event.xid, event.id
"""
_STILL_MISSING = """
    SELECT event.key, event.event_id, event.event_type, event.envelope FROM bus.outbox AS event
    WHERE event.id = ANY ($2::bigint[])
      AND NOT EXISTS (SELECT 1 FROM bus.inbox WHERE inbox.grp = $1 AND inbox.event_id = event.event_id)
      AND NOT EXISTS (SELECT 1 FROM bus.parked WHERE parked.grp = $1 AND parked.event_id = event.event_id)
    ORDER BY event.xid, event.id
"""


class Reconciler:
    """For one group that hears `types`."""

    def __init__(self, own: Database, group: str, types: list[str], kafka: tuple[Survey, Publisher], clock: Clock) -> None:
        self._own = own
        self._group = group
        self._not_heard = sorted(set(CATALOGUE) - set(types))
        self._survey, self._publisher = kafka
        self._clock = clock
        self._reader = Reader(group)
        self.job = Job(f"bus-reconcile-{group}", self.run_once, idle_s=EVERY_S)

    async def run_once(self) -> Tick:
        """Moves the group's cursors behind what it has; publishes again what is lost."""
        async with self._own.transaction() as tx:
            received, missing, more = await self._look(tx)
            if received:
                await self._reader.advance(tx, received)
        if missing:
            await self._publish_lost([row["id"] for row in missing])
        return Tick(worked=len(received) if more else 0)

    async def _look(self, tx: Tx) -> tuple[list[Any], list[Any], bool]:
        """What is received without a gap, what is missing for too long, and whether there may be more to look at."""
        rows = await tx.fetch(_RELAYED, self._group, RELAY, self._not_heard, ROWS_MAX)
        received: list[Any] = []
        missing: list[Any] = []
        gaps: set[int] = set()
        counts: dict[int, int] = {}
        before = self._clock.now() - AGAIN_AFTER
        for row in rows:
            counts[row["shard"]] = counts.get(row["shard"], 0) + 1
            if not row["received"]:
                gaps.add(row["shard"])
                if row["created_at"] < before:
                    missing.append(row)
            elif row["shard"] not in gaps:
                received.append(row)
        return received, missing, any(count == ROWS_MAX and shard not in gaps for shard, count in counts.items())

    async def _publish_lost(self, ids: list[int]) -> None:
        """Missing, then everything that Kafka has is read, and still missing: only then is it lost and not just under way."""
        if any((await self._survey.lags(self._group)).values()):
            return
        async with self._own.connection() as connection:
            lost = await connection.fetch(_STILL_MISSING, self._group, ids)
        if lost:
            await self._publisher.send(lost)
            AGAIN.labels(self._group).inc(len(lost))
            log.error("bus.published_again", group=self._group, events=len(lost))
