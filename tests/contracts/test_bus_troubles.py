"""What every bus must do when things go wrong in unlikely ways."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from libs.db import Tx
from libs.events import BusAway, Drained, Event, EventData, Subscription, new_event, new_id
from libs.events.catalogue import DirectoryChanged
from libs.events.dead_letters import parked
from libs.events.envelope import CATALOGUE
from libs.events.restored import mend
from libs.events.retention import INBOX_KEPT, clean
from libs.service import loops
from tests.contracts.room import NOW, IdleClock, Room, changed, send


async def test_two_consumers_never_overtake_each_other_on_a_parked_key(room: Room) -> None:
    """While one tries the first parked event of a key, another one must not take the second."""
    first, second = await room.consumer(), await room.consumer()
    key = new_id()
    room.poison = {1}
    await send(room, changed(1, key), changed(2, key))
    await room.drain(first)
    room.poison = set()
    room.clock.advance(seconds=10)
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx, events: Sequence[Event[Any]]) -> None:
        started.set()
        await go_on.wait()
        await room.handle(tx, events)

    busy = await room.consumer(handler=slow)
    trying = asyncio.create_task(busy.retry_parked())
    await started.wait()
    overtaken = await second.retry_parked()
    go_on.set()
    await trying
    assert overtaken == 0
    assert await room.effects(key) == [1, 2]


async def test_an_event_whose_values_no_query_takes_parks_too(room: Room) -> None:
    """The driver refuses it before the database sees it: that too stops its own key only."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        for event in events:
            await tx.execute("INSERT INTO effects VALUES ($1, $2)", event.key, 2**40 if event.data.version == 1 else event.data.version)

    consumer = await room.consumer(handler=handle)
    key = new_id()
    await send(room, changed(1, key), changed(2, new_id()))
    await room.drain(consumer)
    async with room.database.connection() as c:
        (blocked,) = await parked(c)
    assert blocked.key == key
    assert await room.effects() == [2]


@pytest.mark.parametrize(
    "error", [asyncpg.DiskFullError, asyncpg.OutOfMemoryError, asyncpg.ReadOnlySQLTransactionError, asyncpg.exceptions.PostgresIOError]
)
async def test_what_ails_the_database_parks_no_event(room: Room, error: type[Exception]) -> None:
    """No event is to blame for a full disk: everything waits in the log and goes on by itself once there is room again."""
    ill = True

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        if ill:
            raise error("the database is ill")
        await room.handle(tx, events)

    consumer = await room.consumer(handler=handle)
    await send(room, changed(1, new_id()), changed(2, new_id()))
    with pytest.raises(error):
        await room.first_round(consumer)
    async with room.database.connection() as c:
        assert await parked(c) == []
    ill = False
    await room.drain(consumer)
    assert sorted(await room.effects()) == [1, 2]


async def test_after_a_restore_into_another_cluster_the_log_goes_on(room: Room) -> None:
    """Transaction ids begin anew there, far below those that the log and the cursors were dumped with."""
    consumer = await room.consumer()
    key = new_id()
    await send(room, changed(1, key))
    await room.drain(consumer)
    await send(room, changed(2, key))  # in the dump, not handled yet
    async with room.database.connection() as c:
        await c.execute("UPDATE bus.outbox SET xid = (xid::text::bigint + 10000000)::text::xid8")
        await c.execute("UPDATE bus.cursors SET xid = (xid::text::bigint + 10000000)::text::xid8 WHERE position > 0")
    await send(room, changed(3, key))
    await room.drain(consumer)
    assert await room.effects(key) == [1]  # this is the illness
    async with room.database.transaction() as tx:
        assert await mend(tx, NOW)
    async with room.database.transaction() as tx:
        assert not await mend(tx, NOW)
    await room.drain(consumer)
    assert await room.effects(key) == [1, 2, 3]


class CaseWeighed(EventData):
    """What a later version publishes."""

    version: int
    event_type = "tocsin.case.weighed.v1"
    emitter = "router"


@contextmanager
def known(event: type[EventData], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, this is the version that knows `event`."""
    with monkeypatch.context() as newer:
        newer.setitem(CATALOGUE, event.event_type, event)
        yield


async def test_an_event_that_only_a_later_version_knows_is_kept_for_it(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions side by side: the older one neither drops what the newer one publishes nor stops the case because of it."""

    consumer = await room.consumer()
    key = new_id()
    with known(CaseWeighed, monkeypatch):
        await send(room, changed(1, key), new_event(CaseWeighed(version=2), key=key, time=NOW), changed(3, key))
    await room.drain(consumer)
    assert await room.effects(key) == [1, 3]
    room.clock.advance(hours=1)
    assert await consumer.retry_parked() == 0
    async with room.database.connection() as c:
        assert [(one.state, one.event_type) for one in await parked(c)] == [("newer", "tocsin.case.weighed.v1")]

    monkeypatch.setitem(CATALOGUE, "tocsin.case.weighed.v1", CaseWeighed)  # upgraded
    subscription = Subscription("room", (DirectoryChanged, CaseWeighed), room.handle)
    upgraded = await room.bus.subscribe(room.database, subscription, room.clock)
    await upgraded.retry_parked()
    await upgraded.close()
    assert await room.effects(key) == [1, 3, 2]
    async with room.database.connection() as c:
        assert await parked(c) == []


async def test_a_dead_event_is_not_hidden_by_one_that_waits_for_an_upgrade(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = await room.consumer()
    key = new_id()
    with known(CaseWeighed, monkeypatch):
        await send(room, new_event(CaseWeighed(version=1), key=key, time=NOW))
    await room.drain(consumer)
    room.poison = {2}
    await send(room, changed(2, key))
    await room.drain(consumer)
    async with room.database.connection() as c:
        assert [one.state for one in await parked(c)] == ["waiting"]


async def test_what_the_log_still_has_is_remembered_however_old_it_is(room: Room) -> None:
    """A group that does not run any more holds the log back; what stands there may be published again, and must not have effects twice."""
    consumer = await room.consumer()
    await room.consumer("gone")
    await send(room, changed(1, new_id()), changed(2, new_id()))
    await room.drain(consumer)
    async with room.database.connection() as c:
        await c.execute("UPDATE bus.outbox SET created_at = $1", room.clock.now() - timedelta(seconds=1))
        await clean(c, room.clock.now() + INBOX_KEPT * 2)
        assert await c.fetchval("SELECT count(*) FROM bus.outbox") == 2
        assert await c.fetchval("SELECT count(*) FROM bus.inbox WHERE grp = 'room'") == 2
        await c.execute("DELETE FROM bus.cursors")
        await clean(c, room.clock.now() + INBOX_KEPT * 2)
        await clean(c, room.clock.now() + INBOX_KEPT * 2)
        assert await c.fetchval("SELECT count(*) FROM bus.inbox") == 0


async def test_what_is_parked_is_tried_again_while_the_bus_is_away(room: Room) -> None:
    """It stands in the database: that is all it needs."""
    consumer = await room.consumer()
    tried = asyncio.Event()

    async def away() -> Drained:
        raise BusAway("away")

    async def retry_parked() -> int:
        tried.set()
        return 0

    consumer.drain_once, consumer.retry_parked = away, retry_parked  # type: ignore[method-assign]
    task = asyncio.create_task(loops.consume(consumer, IdleClock()))
    await asyncio.wait_for(tried.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
