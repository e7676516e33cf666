"""Figures of the bus for Prometheus: how far groups lag, what is parked, what the relay has before it.

Each process counts for the groups that it consumes; replicas of a service see the same cursors, so the figures of all are the same.
Counting is bounded: beyond the bound a figure stays where it is, and says "many".
"""

from collections import Counter as tally  # noqa: N813 - Prometheus has a Counter too
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Counter, Gauge, Histogram

from libs.clock import Clock
from libs.db import Database, Tx
from libs.events.backlog import unread
from libs.events.relaying import RELAY
from libs.jobs import Job, at_intervals

EVERY_S = 10.0
COUNT_MAX = 1000
"""Events of one shard that are counted at most."""
STATES = ("waiting", "dead", "newer")

LAG = Gauge(
    "tocsin_bus_lag", "Events that a group has not dealt with yet, by partition (Kafka) or shard of the log.", ["group", "partition"]
)
RELAY_BACKLOG = Gauge("tocsin_bus_relay_backlog", "Events of the log that Kafka does not have yet, by shard.", ["shard"])
PARKED = Gauge("tocsin_bus_parked", "Events set aside: waiting for another try, dead, or of a newer version.", ["group", "state"])
PUBLISHED = Counter("tocsin_events_published_total", "Events that were committed to the log by this process.", ["type"])
DELAY = Histogram(
    "tocsin_bus_delay_seconds",
    "From an event's time to the end of its handling, for the oldest event of each batch.",
    ["group"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
)

_PARKED = """
    SELECT grp, state, count(*) AS events
    FROM (SELECT grp, state FROM bus.parked WHERE grp = ANY ($1::text[]) LIMIT $2) AS bounded GROUP BY grp, state
"""


def job(own: Database, clock: Clock, groups: Callable[[], Iterable[str]], *, relayed: bool) -> Job:
    """Counts every ten seconds. `relayed`: the groups read elsewhere, and only the relay reads the log."""

    async def count() -> None:
        ours = sorted(set(groups()))
        async with own.transaction() as tx:
            # Whatever the statistics say of a log that grows and shrinks: only its index leads to what is unread in short time.
            await tx.execute("SET LOCAL enable_seqscan = off")
            await _count_unread(tx, [RELAY] if relayed else ours)
            await _count_parked(tx, ours)

    return at_intervals("bus-figures", EVERY_S, clock, count)


def count_published(types: Iterable[str]) -> None:
    """Events of these types were committed."""
    for one, count in tally(types).items():
        PUBLISHED.labels(one).inc(count)


async def _count_unread(tx: Tx, groups: Sequence[str]) -> None:
    for group, shards in (await unread(tx, COUNT_MAX, groups=groups)).items():
        for shard, events in shards.items():
            gauge = RELAY_BACKLOG.labels(str(shard)) if group == RELAY else LAG.labels(group, str(shard))
            gauge.set(events)


async def _count_parked(tx: Tx, groups: Sequence[str]) -> None:
    found = {(row["grp"], row["state"]): row["events"] for row in await tx.fetch(_PARKED, groups, COUNT_MAX)}
    for group in groups:
        for state in STATES:
            PARKED.labels(group, state).set(found.get((group, state), 0))
