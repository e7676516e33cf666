"""The bus in PostgreSQL: consumers read the log itself, with a cursor per (group, shard).

A cursor stands on (xid, id) and never passes `pg_snapshot_xmin`: below it no transaction is still open, so nothing can commit
behind the cursor. The cursor's row lock is the ownership of the shard, so a crashed owner needs no lease to expire.
NOTIFY only wakes; it is sent after the commit, at most 20 times a second, on a connection of its own. The poll is the truth.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.events.bus import (
    PARKED_ATTEMPTS_MAX,
    PARKED_PAUSE_MAX_S,
    PARKED_PAUSE_S,
    Consumer,
    Drained,
    Subscription,
)
from libs.events.envelope import Event
from libs.events.outbox import SHARDS
from libs.log import get_logger

CHANNEL = "tocsin_bus"
NOTIFY_PAUSE_S = 0.05
HEARTBEAT_S = 15.0
SHARDS_PER_ROUND_MAX = 8
PARKED_KEYS_PER_ROUND_MAX = 20
PARKED_EVENTS_PER_KEY_MAX = 100

log = get_logger("bus")

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
_READ = """
    SELECT owned.shard, event.xid::text::bigint AS xid, event.id, event.key, event.event_id, event.event_type, event.envelope
    FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS owned (shard, xid, position)
    CROSS JOIN LATERAL (
        SELECT outbox.xid, outbox.id, outbox.key, outbox.event_id, outbox.event_type,
               CASE WHEN outbox.event_type = ANY ($4::text[]) THEN outbox.envelope END AS envelope
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
_INBOX = """
    INSERT INTO bus.inbox (grp, event_id, handled_at) SELECT $1, id, $3 FROM unnest($2::uuid[]) AS id
    ON CONFLICT DO NOTHING RETURNING event_id
"""
_PARKED_KEYS = "SELECT DISTINCT key FROM bus.parked WHERE grp = $1 AND key = ANY ($2::uuid[])"
_PARK = """
    INSERT INTO bus.parked (grp, key, event_id, event_type, envelope, attempts, state, error, parked_at, next_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9) ON CONFLICT (grp, event_id) DO NOTHING
"""
_PARKED_DUE = """
    SELECT key FROM (
        SELECT DISTINCT ON (key) key, state, next_at FROM bus.parked WHERE grp = $1 ORDER BY key, seq
    ) AS head WHERE state = 'waiting' AND next_at <= $2 ORDER BY next_at LIMIT $3
"""
# The first one or none: where another consumer is busy with the first, skipping to the second would overtake it.
_PARKED_HEAD = """
    SELECT seq, event_id, event_type, envelope, attempts, state, next_at FROM bus.parked
    WHERE seq = (SELECT min(seq) FROM bus.parked WHERE grp = $1 AND key = $2) FOR UPDATE SKIP LOCKED
"""


class PostgresBus:
    """The embedded default. `url` is only used to listen and to notify, on one connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wakes: list[asyncio.Event] = []
        self._notify = asyncio.Event()

    def announce(self) -> None:
        self._wake_all()
        self._notify.set()

    async def subscribe(self, database: Database, subscription: Subscription, clock: Clock) -> Consumer:
        async with database.transaction() as tx:
            await tx.execute(_START, subscription.group, SHARDS)
        wake = asyncio.Event()
        self._wakes.append(wake)
        return PostgresConsumer(database, subscription, clock, wake)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._listen(), name="bus-listen"), asyncio.create_task(self._notify_others(), name="bus-notify")]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _connect(self) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(self._url, timeout=10, command_timeout=10, server_settings={"application_name": "tocsin-bus"})

    async def _listen(self) -> None:
        """Wakes the consumers here when another process announces; a silent death of the connection is found by its heartbeat."""
        pause_s = 0.2
        while True:
            with contextlib.suppress(*TRANSIENT):
                connection = await self._connect()
                try:
                    await connection.add_listener(CHANNEL, lambda *_: self._wake_all())
                    pause_s = 0.2
                    self._wake_all()
                    while True:
                        await asyncio.sleep(HEARTBEAT_S)
                        await connection.execute("SELECT 1", timeout=5)
                finally:
                    connection.terminate()
            log.warning("bus.listener_lost", retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)

    async def _notify_others(self) -> None:
        connection: asyncpg.Connection[Any] | None = None
        try:
            while True:
                await self._notify.wait()
                self._notify.clear()
                try:
                    if connection is None or connection.is_closed():
                        connection = await self._connect()
                    await connection.execute(f"NOTIFY {CHANNEL}", timeout=5)
                except TRANSIENT as error:
                    log.warning("bus.notify_failed", error=type(error).__name__)
                    if connection is not None:
                        connection.terminate()
                    connection = None
                await asyncio.sleep(NOTIFY_PAUSE_S)
        finally:
            if connection is not None:
                connection.terminate()


class PostgresConsumer:
    """Reads the log for one group."""

    def __init__(self, database: Database, subscription: Subscription, clock: Clock, wake: asyncio.Event) -> None:
        self.subscription = subscription
        self.wake = wake
        self._database = database
        self._clock = clock
        self._group = subscription.group
        self._types = [cls.event_type for cls in subscription.types]

    async def drain_once(self) -> Drained:
        try:
            return await self._drain(self.subscription.batch_max)
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the handler raised: find the event that it cannot handle
            log.warning("bus.batch_failed", group=self._group, error=type(error).__name__)
        events = 0
        for _ in range(self.subscription.batch_max * SHARDS_PER_ROUND_MAX):
            drained = await self._drain_single()
            if not drained.events:
                break
            events += drained.events
        return Drained(events, more=True)

    async def retry_parked(self) -> int:
        async with self._database.connection() as connection:
            due = await connection.fetch(_PARKED_DUE, self._group, self._clock.now(), PARKED_KEYS_PER_ROUND_MAX)
        handled = 0
        for row in due:
            for _ in range(PARKED_EVENTS_PER_KEY_MAX):
                if not await self._retry_head(row["key"]):
                    break
                handled += 1
        return handled

    async def _drain(self, batch_max: int, shards_max: int = SHARDS_PER_ROUND_MAX) -> Drained:
        async with self._database.transaction() as tx:
            rows = await self._claim_and_read(tx, batch_max, shards_max)
            if rows:
                events = await self._fresh(tx, rows)
                if events:
                    await self.subscription.handler(tx, [Event.from_json(row["envelope"]) for row in events])
                await self._advance(tx, rows)
                return Drained(len(rows), more=True)
            return Drained(0, more=bool(await tx.fetchval(_WAITING, self._group)))

    async def _drain_single(self) -> Drained:
        """One event of one shard; when it cannot be handled, it parks its key."""
        poison: asyncpg.Record | None = None
        try:
            async with self._database.transaction() as tx:
                rows = await self._claim_and_read(tx, 1, 1)
                events = await self._fresh(tx, rows)
                for row in events:
                    poison = row
                    await self.subscription.handler(tx, [Event.from_json(row["envelope"])])
                await self._advance(tx, rows)
                return Drained(len(rows))
        except TRANSIENT:
            raise
        except Exception as error:
            if poison is None:
                raise
            await self._park(poison, error)
            return Drained(1)

    async def _claim_and_read(self, tx: Tx, batch_max: int, shards_max: int) -> list[asyncpg.Record]:
        owned = await tx.fetch(_CLAIM, self._group, shards_max)
        if not owned:
            return []
        return await tx.fetch(
            _READ,
            [row["shard"] for row in owned],
            [str(row["xid"]) for row in owned],
            [row["position"] for row in owned],
            self._types,
            max(batch_max // len(owned), 1),
        )

    async def _fresh(self, tx: Tx, rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """The rows to handle now: of our types, not handled before, and of no parked key (those are parked behind it)."""
        mine = [row for row in rows if row["envelope"] is not None]
        if not mine:
            return []
        now = self._clock.now()
        parked: set[UUID] = {row["key"] for row in await tx.fetch(_PARKED_KEYS, self._group, list({row["key"] for row in mine}))}
        for row in (row for row in mine if row["key"] in parked):
            await tx.execute(
                _PARK, self._group, row["key"], row["event_id"], row["event_type"], row["envelope"], 0, "behind another", now, now
            )
        free = [row for row in mine if row["key"] not in parked]
        if not free:
            return []
        fresh = {row["event_id"] for row in await tx.fetch(_INBOX, self._group, [row["event_id"] for row in free], now)}
        return [row for row in free if row["event_id"] in fresh]

    async def _advance(self, tx: Tx, rows: Sequence[asyncpg.Record]) -> None:
        reached = {row["shard"]: row for row in rows}
        await tx.execute(
            _ADVANCE,
            self._group,
            list(reached),
            [str(row["xid"]) for row in reached.values()],
            [row["id"] for row in reached.values()],
        )

    async def _park(self, poison: asyncpg.Record, error: Exception) -> None:
        now = self._clock.now()
        log.error(
            "bus.event_parked",
            group=self._group,
            event_id=str(poison["event_id"]),
            event_type=poison["event_type"],
            key=str(poison["key"]),
            error=type(error).__name__,
            exc_info=error,
        )
        async with self._database.transaction() as tx:
            again = await tx.fetchval(
                "SELECT 1 FROM bus.cursors WHERE grp = $1 AND shard = $2 AND (xid, position) < ($3::text::xid8, $4::bigint) FOR UPDATE",
                self._group,
                poison["shard"],
                str(poison["xid"]),
                poison["id"],
            )
            if not again:
                return  # another consumer took the shard meanwhile and dealt with it
            await tx.execute(
                _PARK,
                self._group,
                poison["key"],
                poison["event_id"],
                poison["event_type"],
                poison["envelope"],
                1,
                type(error).__name__,
                now,
                now + timedelta(seconds=PARKED_PAUSE_S),
            )
            await self._advance(tx, [poison])

    async def _retry_head(self, key: UUID) -> bool:
        """Tries the first parked event of `key`; False when nothing of it can go on now."""
        now = self._clock.now()
        head: asyncpg.Record | None = None
        try:
            async with self._database.transaction() as tx:
                head = await tx.fetchrow(_PARKED_HEAD, self._group, key)
                if head is None or head["state"] != "waiting" or head["next_at"] > now:
                    return False
                if await tx.fetch(_INBOX, self._group, [head["event_id"]], now):
                    await self.subscription.handler(tx, [Event.from_json(head["envelope"])])
                await tx.execute("DELETE FROM bus.parked WHERE seq = $1", head["seq"])
                return True
        except TRANSIENT:
            raise
        except Exception as error:
            if head is None:
                raise
            await self._fail_again(head, error)
            return False

    async def _fail_again(self, head: asyncpg.Record, error: Exception) -> None:
        attempts = head["attempts"] + 1
        dead = attempts >= PARKED_ATTEMPTS_MAX
        pause_s = min(PARKED_PAUSE_S * 2**attempts, PARKED_PAUSE_MAX_S)
        async with self._database.transaction() as tx:
            await tx.execute(
                "UPDATE bus.parked SET attempts = $2, state = $3, error = $4, next_at = $5 WHERE seq = $1",
                head["seq"],
                attempts,
                "dead" if dead else "waiting",
                type(error).__name__,
                self._clock.now() + timedelta(seconds=pause_s),
            )
        report = log.error if dead else log.warning
        report("bus.event_dead" if dead else "bus.event_failed_again", group=self._group, event_id=str(head["event_id"]), attempts=attempts)
