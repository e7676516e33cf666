"""Writing to the log: in the transaction that the events tell about, or not at all."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from libs.db import Tx, after_commit, announce_after_commit
from libs.events.envelope import Event
from libs.events.figures import count_published

SHARDS = 16
"""Into how many independent streams the log is cut. Events of one key always share a shard."""

_INSERT = """
    INSERT INTO bus.outbox (shard, key, event_id, event_type, envelope, created_at)
    SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
"""


def shard_of(key: UUID) -> int:
    """The shard of a key; the low bits of a UUIDv7 are random, so shards fill evenly."""
    return key.int % SHARDS


async def publish(tx: Tx, events: Sequence[Event[Any]]) -> None:
    """Adds `events`, in their order, to the log. They are heard if and once `tx` commits."""
    if not events:
        return
    await tx.execute(
        _INSERT,
        [shard_of(e.key) for e in events],
        [e.key for e in events],
        [e.id for e in events],
        [e.type for e in events],
        [e.to_json().decode() for e in events],
        [e.time for e in events],
    )
    announce_after_commit(tx)
    after_commit(tx, partial(count_published, [e.type for e in events]))
