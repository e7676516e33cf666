"""A consuming service on a bus, for the contract of every bus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from libs.clock import Clock, FakeClock, SystemClock
from libs.db import Database, Tx
from libs.events import Bus, Consumer, Event, Subscription, new_event, publish
from libs.events.catalogue import DirectoryChanged
from libs.events.kafka import KafkaBus
from libs.events.kafka.consumer import KafkaConsumer, NoKafka
from libs.events.kafka.settings import KafkaSettings
from libs.events.postgres import PostgresBus
from libs.jobs import Job
from libs.service import loops

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
BUSES = ("postgres", "kafka")
ROUNDS_MAX = 400
WAIT_S = 30


class Ground(Protocol):
    """What differs between the buses, for a test that drives them by hand."""

    def bus(self, database_url: str) -> Bus:
        """A bus, as one process has one."""
        ...

    async def relay(self, room: "Room") -> datetime | None:
        """What the bus does between log and consumers; answers when it would look again, if it has seen something not yet readable."""
        ...

    async def join(self, *consumers: Consumer) -> None:
        """Returns when all consumers have their share."""
        ...

    async def behind(self, consumer: Consumer) -> bool:
        """Whether the bus still has something for the consumer's group."""
        ...

    async def kill(self, consumer: Consumer) -> None:
        """It is gone, and nothing was tidied up."""
        ...


class OnPostgres:
    """The log itself is read."""

    def bus(self, database_url: str) -> Bus:
        return PostgresBus(database_url)

    async def relay(self, room: "Room") -> datetime | None:
        return None

    async def join(self, *consumers: Consumer) -> None:
        pass

    async def behind(self, consumer: Consumer) -> bool:
        return False

    async def kill(self, consumer: Consumer) -> None:
        pass


class OnKafka:
    """A relay stands between, and Kafka decides who reads what."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings

    def bus(self, database_url: str) -> Bus:
        return KafkaBus(database_url, self.settings, poll_s=0.05)

    async def relay(self, room: "Room") -> datetime | None:
        while (tick := await room.job("bus-relay").run_once()).worked:
            pass
        return tick.next_at

    async def join(self, *consumers: Consumer) -> None:
        def shared() -> bool:
            shares = [one.assigned for one in consumers if isinstance(one, KafkaConsumer)]
            return all(shares) and sum(len(share) for share in shares) == self.settings.partitions

        for _ in range(ROUNDS_MAX):
            for consumer in consumers:
                await again(consumer)
            if shared():
                return
        raise AssertionError("the consumers do not get their shares")

    async def behind(self, consumer: Consumer) -> bool:
        assert isinstance(consumer, KafkaConsumer)
        return any((await room_of(consumer).survey.lags(consumer.subscription.group)).values())

    async def kill(self, consumer: Consumer) -> None:
        assert isinstance(consumer, KafkaConsumer)
        consumer._done.clear()
        await consumer.close()


async def again(consumer: Consumer) -> int:
    """One round; what a young cluster has not ready yet does not count."""
    try:
        return (await consumer.drain_once()).events
    except NoKafka:
        return 0


_rooms: dict[int, "Room"] = {}


def room_of(consumer: Consumer) -> "Room":
    return _rooms[id(consumer)]


class Room:
    """A consuming service: its effects are rows, so that an effect counts only when its transaction committed."""

    def __init__(self, database: Database, database_url: str, ground: Ground, clock: FakeClock) -> None:
        self.database, self.ground, self.clock = database, ground, clock
        self.database_url = database_url
        self.bus = ground.bus(database_url)
        self.poison: set[int] = set()
        self.batches: list[int] = []
        self.die_after_effects = False
        self.heard = asyncio.Event()
        self.consumers: list[Consumer] = []
        self._jobs: dict[str, Job] = {}

    @property
    def survey(self) -> Any:
        return self.bus._survey  # type: ignore[attr-defined]

    def job(self, name: str) -> Job:
        """A job of the bus, as of the consumers that there are."""
        if name not in self._jobs:
            self._jobs = {job.name: job for job in self.bus.jobs(self.database, self.clock)}
        return self._jobs[name]

    async def handle(self, tx: Tx, events: Sequence[Event[Any]]) -> None:
        self.batches.append(len(events))
        self.heard.set()
        for event in events:
            if event.data.version in self.poison:
                raise ValueError("cannot be handled")
            await tx.execute("INSERT INTO effects VALUES ($1, $2)", event.key, event.data.version)
        if self.die_after_effects:
            raise SystemExit("killed")

    async def consumer(
        self, group: str = "room", batch_max: int = 200, *, handler: Any = None, database: Database | None = None, bus: Bus | None = None
    ) -> Consumer:
        subscription = Subscription(group, (DirectoryChanged,), handler or self.handle, batch_max)
        made = await (bus or self.bus).subscribe(database or self.database, subscription, self.clock)
        self.consumers.append(made)
        _rooms[id(made)] = self
        return made

    async def drain(self, *consumers: Consumer) -> None:
        """Until nothing is left that could be handled now."""
        for _ in range(ROUNDS_MAX):
            await self.ground.relay(self)
            handled = [await again(consumer) for consumer in consumers]
            if not any(handled) and not any([await self.ground.behind(consumer) for consumer in consumers]):
                return
        raise AssertionError("the consumers do not come to rest")

    async def first_round(self, consumer: Consumer) -> int:
        """The first round of `consumer` that has something to handle, whatever comes of it."""
        await self.ground.relay(self)
        for _ in range(ROUNDS_MAX):
            if events := await again(consumer):
                return events
        raise AssertionError("nothing to handle")

    async def looks_again_soon(self, consumer: Consumer) -> bool:
        """Whether the bus knows that something waits which may not be read yet."""
        return bool(await self.ground.relay(self)) or (await consumer.drain_once()).more

    @asynccontextmanager
    async def at_work(self, consumer: Consumer, *, relayed_by: "Room | None" = None, poll_s: float = 3600.0) -> AsyncIterator[None]:
        """The loops of a process that has only `consumer`: they have found nothing yet and wait."""
        relayer = relayed_by or self
        await relayer.drain(consumer)
        clock = IdleClock()
        tasks = [asyncio.create_task(loops.consume(consumer, clock))]
        if isinstance(self.ground, OnKafka):
            tasks.append(asyncio.create_task(loops.work(replace(relayer.job("bus-relay"), idle_s=poll_s), clock)))
        try:
            await asyncio.wait_for(clock.idle.wait(), WAIT_S)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def effects(self, key: UUID | None = None) -> list[int]:
        async with self.database.connection() as c:
            rows = await c.fetch("SELECT version FROM effects WHERE $1::uuid IS NULL OR key = $1 ORDER BY n", key)
        return [row["version"] for row in rows]

    async def close(self) -> None:
        for consumer in self.consumers:
            _rooms.pop(id(consumer), None)
            with contextlib.suppress(Exception):
                await consumer.close()
        if isinstance(self.bus, KafkaBus):
            await self.bus._publisher.close()
            await self.bus._survey.close()


class IdleClock(SystemClock):
    """Tells when a loop has found nothing and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = asyncio.Event()

    async def wait(self, wake: asyncio.Event | None, timeout_s: float) -> bool:
        self.idle.set()
        return await super().wait(wake, timeout_s)


def changed(version: int, key: UUID) -> Event[DirectoryChanged]:
    return new_event(DirectoryChanged(version=version, what="post"), key=key, time=NOW)


async def send(room: Room, *events: Event[Any]) -> None:
    async with room.database.transaction() as tx:
        await publish(tx, events)


__all__ = ["BUSES", "NOW", "Clock", "Ground", "OnKafka", "OnPostgres", "Room", "changed", "send"]
