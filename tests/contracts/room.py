"""A consuming service on a bus, for the contract of every bus."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.clock import FakeClock
from libs.db import Database, Tx
from libs.events import Bus, Consumer, Event, Subscription, new_event, publish
from libs.events.catalogue import DirectoryChanged
from libs.events.postgres import PostgresBus

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
BUSES = {"postgres": PostgresBus}
"""A second bus joins by one more entry."""


class Room:
    """A consuming service: its effects are rows, so that an effect counts only when its transaction committed."""

    def __init__(self, database: Database, bus: Bus, clock: FakeClock) -> None:
        self.database, self.bus, self.clock = database, bus, clock
        self.poison: set[int] = set()
        self.batches: list[int] = []
        self.die_after_effects = False
        self.heard = asyncio.Event()

    async def handle(self, tx: Tx, events: Sequence[Event[Any]]) -> None:
        self.batches.append(len(events))
        self.heard.set()
        for event in events:
            if event.data.version in self.poison:
                raise ValueError("cannot be handled")
            await tx.execute("INSERT INTO effects VALUES ($1, $2)", event.key, event.data.version)
        if self.die_after_effects:
            raise SystemExit("killed")

    async def consumer(self, group: str = "room", batch_max: int = 200) -> Consumer:
        return await self.bus.subscribe(self.database, Subscription(group, (DirectoryChanged,), self.handle, batch_max), self.clock)

    async def effects(self, key: UUID | None = None) -> list[int]:
        async with self.database.connection() as c:
            rows = await c.fetch("SELECT version FROM effects WHERE $1::uuid IS NULL OR key = $1 ORDER BY n", key)
        return [row["version"] for row in rows]


def changed(version: int, key: UUID) -> Event[DirectoryChanged]:
    return new_event(DirectoryChanged(version=version, what="post"), key=key, time=NOW)


async def drain(*consumers: Consumer) -> None:
    while True:
        handled = [(await consumer.drain_once()).events for consumer in consumers]
        if not any(handled):
            return


async def send(room: Room, *events: Event[Any]) -> None:
    async with room.database.transaction() as tx:
        await publish(tx, events)
