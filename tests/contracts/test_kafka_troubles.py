"""What the fault run has found, each in small: clients that break in their own ways, and processes that are cut off."""

import asyncio
from typing import Any, cast

import pytest

from libs.clock import FakeClock
from libs.events import new_id
from libs.events.bell import Bell
from libs.events.kafka import consumer as consumers
from libs.events.kafka.consumer import KafkaConsumer, NoKafka
from libs.events.kafka.publisher import NotPublished, Publisher
from libs.events.kafka.relay import LOCK_ID, Relay
from libs.events.kafka.settings import KafkaSettings
from tests.contracts.room import NOW, OnKafka, Room, changed, send
from tests.support.kafka import on_kafka

pytestmark = on_kafka


@pytest.fixture
def ground(kafka_settings: KafkaSettings) -> OnKafka:
    return OnKafka(kafka_settings)


async def test_a_process_that_reads_nothing_is_ready_once_kafka_answers(room: Room) -> None:
    watch = room.job("bus-watchdog")
    assert room.bus.missing() == ["kafka"]
    await watch.run_once()
    assert room.bus.missing() == []


async def test_whatever_a_client_fails_with_it_is_made_anew_at_once(room: Room) -> None:
    consumer = await room.consumer()
    assert isinstance(consumer, KafkaConsumer)
    await room.ground.join(consumer)

    async def closed_transport(**_: Any) -> Any:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    client: Any = consumer._client
    client.getmany = closed_transport
    with pytest.raises(NoKafka):
        await consumer.drain_once()
    assert consumer._client is None
    await send(room, changed(1, new_id()))
    await room.drain(consumer)
    assert await room.effects() == [1]


async def test_a_client_that_does_not_stop_leaves_its_partitions_to_others_all_the_same(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "STOP_S", 0.05)
    stuck, healthy = await room.consumer(), await room.consumer()
    assert isinstance(stuck, KafkaConsumer)
    await room.ground.join(stuck, healthy)
    client: Any = stuck._client
    whole = client.stop

    async def never(**_: Any) -> None:
        await asyncio.Event().wait()

    client.stop = never
    await stuck.close()
    assert client._coordinator._heartbeat_task.done()
    await room.ground.join(healthy)
    await send(room, *(changed(version, new_id()) for version in range(20)))
    await room.drain(healthy)
    assert sorted(await room.effects()) == list(range(20))
    await whole()


async def test_a_relay_that_cannot_reach_kafka_does_not_touch_the_log(database_url: str) -> None:
    publisher = Publisher(KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    relay = Relay(cast("Any", None), publisher, FakeClock(NOW), Bell(database_url))
    with pytest.raises(NotPublished):
        await relay.run_once()
    await publisher.close()


async def test_while_one_relay_is_at_work_the_others_rest(room: Room) -> None:
    consumer = await room.consumer()
    await room.drain(consumer)
    await send(room, changed(1, new_id()))
    relay = room.job("bus-relay")
    async with room.database.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", LOCK_ID)
        tick = await relay.run_once()
        assert (tick.worked, tick.next_at) == (0, None)
    assert (await relay.run_once()).worked == 1
