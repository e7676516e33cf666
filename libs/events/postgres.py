"""The bus in PostgreSQL, the embedded default: consumers read the log itself, with a cursor per (group, shard)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from libs.clock import Clock
from libs.db import TRANSIENT, Database
from libs.events import figures
from libs.events.bell import Bell
from libs.events.bus import Consumer, Drained, Subscription
from libs.events.inbox import Inbox
from libs.events.reading import SHARDS_PER_ROUND_MAX, Reader
from libs.events.relaying import RELAY
from libs.jobs import Job
from libs.log import get_logger

log = get_logger("bus")


class PostgresBus:
    """Everything that is needed stands in the database. `url` is only used to listen and to notify."""

    def __init__(self, url: str) -> None:
        self._bell = Bell(url)
        self._groups: set[str] = set()

    def announce(self) -> None:
        self._bell.ring()

    async def prepare(self, own: Database) -> None:
        async with own.connection() as connection:
            await connection.execute("DELETE FROM bus.cursors WHERE grp = $1", RELAY)  # nobody relays: nobody must be waited for

    async def subscribe(self, database: Database, subscription: Subscription, clock: Clock) -> Consumer:
        consumer = PostgresConsumer(database, subscription, clock, self._bell)
        async with database.transaction() as tx:
            await consumer.reader.start(tx)
        self._groups.add(subscription.group)
        return consumer

    def jobs(self, own: Database, clock: Clock) -> tuple[Job, ...]:
        return (figures.job(own, clock, lambda: self._groups, relayed=False),)

    def missing(self) -> list[str]:
        return []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._bell.running():
            yield


class PostgresConsumer:
    """Reads the log for one group."""

    def __init__(self, database: Database, subscription: Subscription, clock: Clock, bell: Bell) -> None:
        self.subscription = subscription
        self.wake = bell.hear()
        self.inbox = Inbox(database, subscription, clock)
        self.reader = Reader.of_types(subscription.group, self.inbox.types)
        self._database = database
        self._group = subscription.group

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
        return await self.inbox.retry_parked()

    async def close(self) -> None:
        pass

    async def _drain(self, batch_max: int) -> Drained:
        async with self._database.transaction() as tx:
            rows = await self.reader.read(tx, batch_max)
            if rows:
                await self.inbox.handle(tx, await self.inbox.fresh(tx, rows))
                await self.reader.advance(tx, rows)
                return Drained(len(rows), more=True)
            return Drained(0, more=await self.reader.waiting(tx))

    async def _drain_single(self) -> Drained:
        """One event of one shard; when it cannot be handled, it parks its key."""
        poison: Any = None
        try:
            async with self._database.transaction() as tx:
                rows = await self.reader.read(tx, 1, 1)
                for letter in await self.inbox.fresh(tx, rows):
                    poison = letter
                    await self.inbox.handle(tx, [letter])
                await self.reader.advance(tx, rows)
                return Drained(len(rows))
        except TRANSIENT:
            raise
        except Exception as error:
            if poison is None:
                raise
            await self._park(poison, error)
            return Drained(1)

    async def _park(self, poison: Any, error: Exception) -> None:
        async with self._database.transaction() as tx:
            if not await self.reader.still_before(tx, poison):
                return  # another consumer took the shard meanwhile and dealt with it
            await self.inbox.park(tx, poison, error)
            await self.reader.advance(tx, [poison])
