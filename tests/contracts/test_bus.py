"""What every bus must do, whichever it is. A second bus joins by one more entry in `tests.contracts.room.BUSES`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.db import TRANSIENT, Database, Tx
from libs.events import Event, new_event, new_id, publish
from libs.events.bus import PARKED_ATTEMPTS_MAX
from libs.events.catalogue import DirectoryChanged
from libs.events.dead_letters import parked, retry
from libs.events.envelope import CATALOGUE
from libs.service import loops
from tests.contracts.room import NOW, WAIT_S, Room, changed, send


async def test_events_of_one_key_are_handled_in_order_each_once(room: Room) -> None:
    consumer = await room.consumer(batch_max=7)
    keys = [new_id() for _ in range(20)]
    for version in range(15):
        await send(room, *(changed(version, key) for key in keys))
    await room.drain(consumer)
    for key in keys:
        assert await room.effects(key) == list(range(15))


async def test_nothing_is_heard_of_a_transaction_that_did_not_commit(room: Room) -> None:
    consumer = await room.consumer()

    async def change_my_mind() -> None:
        async with room.database.transaction() as tx:
            await publish(tx, [changed(1, new_id())])
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_my_mind()
    await room.drain(consumer)
    assert await room.effects() == []


async def test_a_transaction_that_commits_late_is_not_skipped(room: Room) -> None:
    """The first writer stays open while later ones commit and are read: its events still come, and before theirs per key."""
    consumer = await room.consumer()
    key = new_id()
    async with room.database.transaction() as slow:
        await publish(slow, [changed(1, key)])
        await send(room, changed(2, key), changed(3, new_id()))
        await room.drain(consumer)
        assert await room.effects() == []  # nothing may overtake what could still commit behind it
        assert await room.looks_again_soon(consumer)
    await room.drain(consumer)
    assert sorted(await room.effects()) == [1, 2, 3]
    assert await room.effects(key) == [1, 2]


async def test_many_writers_that_commit_in_any_order_lose_nothing(room: Room) -> None:
    consumer = await room.consumer()
    gates = [asyncio.Event() for _ in range(8)]
    entered = asyncio.Semaphore(0)

    async def write(number: int) -> None:
        async with room.database.transaction() as tx:
            await publish(tx, [changed(number, new_id())])
            entered.release()
            await gates[number].wait()

    # The pool has eight connections: seven writers and the reader between them.
    writers = [asyncio.create_task(write(number)) for number in range(7)]
    for _ in writers:
        await entered.acquire()
    for number in (3, 0, 6, 1, 5, 2, 4):
        gates[number].set()
        await writers[number]
        await room.drain(consumer)
    assert sorted(await room.effects()) == list(range(7))


async def test_a_poison_event_blocks_only_its_key(room: Room) -> None:
    consumer = await room.consumer()
    sick, well = new_id(), new_id()
    room.poison = {2}
    for version in range(1, 5):
        await send(room, changed(version, sick), changed(version + 100, well))
    await room.drain(consumer)
    assert await room.effects(sick) == [1]
    assert await room.effects(well) == [101, 102, 103, 104]
    async with room.database.connection() as c:
        (blocked,) = await parked(c)
    assert (blocked.key, blocked.error, blocked.behind) == (sick, "ValueError", 2)


async def test_a_parked_key_goes_on_in_order_when_the_cause_is_gone(room: Room) -> None:
    consumer = await room.consumer()
    key = new_id()
    room.poison = {1}
    await send(room, *(changed(version, key) for version in (1, 2, 3)))
    await room.drain(consumer)
    room.poison = set()
    assert await consumer.retry_parked() == 0  # not before its pause is over
    room.clock.advance(seconds=60)
    assert await consumer.retry_parked() == 3
    await send(room, changed(4, key))
    await room.drain(consumer)
    assert await room.effects(key) == [1, 2, 3, 4]


async def test_tries_are_bounded_and_a_person_can_send_it_again(room: Room) -> None:
    consumer = await room.consumer()
    key = new_id()
    room.poison = {1}
    await send(room, changed(1, key), changed(2, key))
    await room.drain(consumer)
    for _ in range(PARKED_ATTEMPTS_MAX * 2):
        room.clock.advance(hours=1)
        await consumer.retry_parked()
    async with room.database.connection() as c:
        (dead,) = await parked(c)
    assert (dead.state, dead.attempts) == ("dead", PARKED_ATTEMPTS_MAX)
    room.poison = set()
    async with room.database.transaction() as tx:
        assert await retry(tx, room.clock.now(), key=key) == 2
    assert await consumer.retry_parked() == 2
    assert await room.effects(key) == [1, 2]


async def test_an_event_that_cannot_be_read_parks_too(room: Room) -> None:
    consumer = await room.consumer()
    key = new_id()
    await send(room, changed(1, key))
    async with room.database.connection() as c:
        await c.execute('UPDATE bus.outbox SET envelope = replace(envelope, \'"version":1\', \'"version":"?"\')')
    await room.drain(consumer)
    async with room.database.connection() as c:
        (blocked,) = await parked(c)
    assert blocked.key == key


async def test_a_consumer_killed_after_its_effects_but_before_its_commit_loses_nothing(room: Room) -> None:
    first = await room.consumer()
    await send(room, *(changed(version, new_id()) for version in range(5)))
    room.die_after_effects = True
    with pytest.raises(SystemExit):
        await room.first_round(first)
    await room.ground.kill(first)
    assert await room.effects() == []
    room.die_after_effects = False
    await room.drain(await room.consumer())
    assert sorted(await room.effects()) == list(range(5))


@pytest.mark.parametrize("step", range(1, 7))
async def test_a_connection_killed_at_any_step_loses_and_doubles_nothing(room: Room, database_url: str, step: int) -> None:
    """The consumer's own backend is terminated just before its n-th statement; another consumer takes over."""
    await send(room, *(changed(version, new_id()) for version in range(10)))
    other = await Database.open(database_url, role=None, size_max=1)
    statements = 0
    consumer = await room.consumer(database=other)

    async def kill(record: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == step:
            async with room.database.connection() as c:
                await c.execute("SELECT pg_terminate_backend($1)", pid)

    async with other.connection() as c:
        pid = c.get_server_pid()
    real = Tx_fetch_hook(consumer, kill)
    with real, contextlib.suppress(*TRANSIENT):
        await room.first_round(consumer)
    assert statements >= step, "the consumer has fewer statements than this test kills at"
    await room.ground.kill(consumer)
    await other.close()
    await room.drain(await room.consumer())
    assert sorted(await room.effects()) == list(range(10))


class Tx_fetch_hook:  # noqa: N801 - reads as a verb where it is used
    """Calls `before` ahead of every query of one consumer."""

    def __init__(self, consumer: Any, before: Any) -> None:
        self.database, self.before = consumer._database, before

    def __enter__(self) -> None:
        self.original = self.database.transaction

        @asynccontextmanager
        async def transaction() -> AsyncIterator[Any]:
            async with self.original() as tx:
                yield Watched(tx, self.before)

        self.database.transaction = transaction

    def __exit__(self, *_: object) -> None:
        self.database.transaction = self.original


class Watched:
    def __init__(self, tx: Any, before: Any) -> None:
        self._tx, self._before = tx, before

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._tx, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._before(args[0])
            return await method(*args, **kwargs)

        return call


async def test_several_consumers_share_the_work(room: Room) -> None:
    """While one is busy with the shards it owns, another goes on with the rest; nothing is handled twice."""
    keys = [new_id() for _ in range(200)]
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx, events: Sequence[Event[Any]]) -> None:
        await room.handle(tx, events)
        started.set()
        await go_on.wait()

    busy, free = await room.consumer(handler=slow), await room.consumer()
    await room.ground.join(busy, free)
    await send(room, *(changed(n, key) for n, key in enumerate(keys)))
    working = asyncio.create_task(room.first_round(busy))
    await started.wait()
    for _ in range(20):
        await free.drain_once()
    meanwhile = len(await room.effects())
    go_on.set()
    taken = await working
    assert 0 < meanwhile < len(keys)
    assert taken > 0
    await room.drain(busy, free)
    assert sorted(await room.effects()) == list(range(len(keys)))


async def test_two_groups_both_hear_everything(room: Room) -> None:
    first, second = await room.consumer("first"), await room.consumer("second")
    await send(room, changed(1, new_id()))
    await room.drain(first, second)
    assert await room.effects() == [1, 1]


async def test_a_delivery_that_comes_twice_has_one_effect(room: Room) -> None:
    consumer = await room.consumer()
    await send(room, *(changed(version, new_id()) for version in range(3)))
    await room.drain(consumer)
    async with room.database.connection() as c:  # as after a restore of older cursors, or a redelivery
        await c.execute("UPDATE bus.cursors SET xid = '0', position = 0")
    await room.drain(consumer)
    assert sorted(await room.effects()) == [0, 1, 2]


async def test_a_waiting_consumer_is_woken_without_polling(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll is set to an hour: only the wake-up can bring the event in."""
    monkeypatch.setattr(loops, "POLL_S", 3600.0)
    here = room.database.announcing(room.bus.announce)
    async with room.at_work(await room.consumer()):
        async with here.transaction() as tx:
            await publish(tx, [changed(1, new_id())])
        await asyncio.wait_for(room.heard.wait(), WAIT_S)


async def test_a_consumer_in_another_process_is_woken_too(room: Room, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two buses stand for two processes; only the second one's own connection can tell it."""
    monkeypatch.setattr(loops, "POLL_S", 3600.0)
    elsewhere = Room(room.database, database_url, room.ground, room.clock)
    await elsewhere.bus.prepare(room.database)
    consumer = await elsewhere.consumer()
    here = room.database.announcing(room.bus.announce)
    async with room.bus.running(), elsewhere.bus.running(), elsewhere.at_work(consumer):
        async with here.transaction() as tx:
            await publish(tx, [changed(1, new_id())])
        await asyncio.wait_for(elsewhere.heard.wait(), WAIT_S)
    await elsewhere.close()


async def test_when_the_wake_up_is_lost_the_poll_finds_it(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody announces, nobody listens: the poll alone brings the event in."""
    monkeypatch.setattr(loops, "POLL_S", 0.05)
    async with room.at_work(await room.consumer(), poll_s=0.05):
        await send(room, changed(1, new_id()))
        await asyncio.wait_for(room.heard.wait(), WAIT_S)


IRREGULAR = ("bound", "done", "made", "sent", "spent", "told")


def test_every_event_of_the_catalogue_is_named_in_the_past_tense_and_survives_the_wire() -> None:
    for name, cls in CATALOGUE.items():
        product, noun, verb, version = name.split(".")
        assert (product, version) == ("tocsin", "v1")
        assert noun.isalpha(), name
        assert verb.endswith(("ed", *IRREGULAR)), name
        assert cls.emitter in {"intake", "router", "notifier", "audit", "directory"}


def test_the_envelope_is_cloudevents_and_comes_back_as_it_went() -> None:
    cause = changed(1, new_id())
    event = new_event(DirectoryChanged(version=2, what="post"), key=cause.key, time=NOW, cause=cause)
    again = Event.from_json(event.to_json())
    assert again == event
    assert again.causation_id == cause.id
    assert again.correlation_id == cause.correlation_id
