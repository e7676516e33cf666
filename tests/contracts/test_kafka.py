"""What only the bus on Kafka has to do: declare its topics, find what Kafka lost, give up what it cannot work on, and watch itself."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError

from deploy.cli_bus import topics
from libs.clock import FakeClock
from libs.db import TRANSIENT, Database, Tx
from libs.events import BusMisconfigured, Event, new_id
from libs.events.kafka import KafkaBus, guard, watchdog
from libs.events.kafka.consumer import COMMIT_EVERY_S, DATABASE_GIVE_UP_S, KafkaConsumer
from libs.events.kafka.reconcile import AGAIN_AFTER
from libs.events.kafka.settings import KafkaSettings
from libs.events.kafka.topics import ensure
from libs.events.postgres import PostgresBus
from libs.events.relaying import RELAY
from libs.events.retention import OUTBOX_KEPT, clean
from libs.i18n import use_locale
from libs.settings import SettingsError
from tests.contracts.room import NOW, OnKafka, OnPostgres, Room, changed, send
from tests.support.kafka import on_kafka
from tests.support.link import link_to

pytestmark = on_kafka


@pytest.fixture
def ground(kafka_settings: KafkaSettings) -> OnKafka:
    return OnKafka(kafka_settings)


async def test_a_topic_that_is_not_as_declared_is_named_and_nothing_starts(
    kafka_settings: KafkaSettings, database: Database, database_url: str
) -> None:
    assert [one.what for one in await ensure(kafka_settings, create=False)] == ["topic"]
    assert await ensure(kafka_settings) == []
    assert await ensure(kafka_settings) == []  # there, and as declared
    other = kafka_settings.model_copy(update={"partitions": 8, "retention_hours": 24})
    found = {one.what: (one.declared, one.found) for one in await ensure(other)}
    assert found == {"partitions": ("8", "4"), "retention.ms": ("86400000", "604800000")}
    with pytest.raises(BusMisconfigured, match=r"partitions.*4.*8"):
        await KafkaBus(database_url, other).prepare(database)


def test_what_kafka_refuses_is_said_as_it_says_it(kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of one node that is asked for three replicas has answered."""
    monkeypatch.setenv("TOCSIN_KAFKA_BOOTSTRAP_SERVERS", kafka_settings.bootstrap_servers)
    monkeypatch.setenv("TOCSIN_KAFKA_TOPIC_PREFIX", kafka_settings.topic_prefix)
    with use_locale("en"), pytest.raises(SettingsError, match=r"^TOCSIN_KAFKA_BOOTSTRAP_SERVERS: \S+ refused \(.*replication factor"):
        topics(check=False)


async def test_who_starts_before_kafka_waits_for_it_and_says_so(database: Database, database_url: str) -> None:
    bus = KafkaBus(database_url, KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    await bus.prepare(database)
    bus.jobs(database, FakeClock(NOW))
    assert bus.missing() == ["kafka"]


async def test_what_kafka_lost_is_published_again(room: Room, kafka_settings: KafkaSettings) -> None:
    """Replicas that lose power together may lose what they have acknowledged: the log still has it."""
    consumer = await room.consumer()
    key = new_id()
    await send(room, changed(1, key), changed(2, key), changed(3, new_id()))
    await room.ground.relay(room)
    await lose_everything(kafka_settings)
    await room.drain(consumer)
    assert await room.effects() == []
    reconcile = room.job("bus-reconcile-room").run_once
    await reconcile()
    await room.drain(consumer)
    assert await room.effects() == []  # too young: it is under way, for all anybody knows
    room.clock.advance(seconds=AGAIN_AFTER.total_seconds() + 1)
    await reconcile()
    await room.drain(consumer)
    assert await room.effects(key) == [1, 2]
    assert sorted(await room.effects()) == [1, 2, 3]
    await reconcile()
    assert await behind(room, "room") == 0


async def test_what_is_merely_under_way_is_not_published_again(room: Room) -> None:
    consumer = await room.consumer()
    await send(room, *(changed(version, new_id()) for version in range(20)))
    await room.ground.relay(room)
    room.clock.advance(minutes=10)
    await room.job("bus-reconcile-room").run_once()  # nobody has read anything yet
    await room.drain(consumer)
    assert sorted(await room.effects()) == list(range(20))
    assert await records(room) == 20


async def test_the_log_is_kept_until_every_group_has_received_it(room: Room) -> None:
    first, second = await room.consumer("first"), await room.consumer("second")
    await send(room, *(changed(version, new_id()) for version in range(5)))
    await room.drain(first)
    later = room.clock.now() + OUTBOX_KEPT * 2
    for group in ("first", "second"):
        await room.job(f"bus-reconcile-{group}").run_once()
    async with room.database.connection() as c:
        await clean(c, later)
        assert await c.fetchval("SELECT count(*) FROM bus.outbox") == 5  # the second group has not got it
    await room.drain(second)
    await room.job("bus-reconcile-second").run_once()
    async with room.database.connection() as c:
        await clean(c, later)
        assert await c.fetchval("SELECT count(*) FROM bus.outbox") == 0


async def test_what_no_relay_of_ours_has_written_is_passed_over(room: Room, kafka_settings: KafkaSettings) -> None:
    producer = AIOKafkaProducer(**kafka_settings.client())
    await producer.start()
    await producer.send_and_wait(kafka_settings.events.name, b"nonsense", key=b"k", partition=0)
    await producer.send_and_wait(kafka_settings.events.name, b"no key", partition=1)
    await producer.stop()
    consumer = await room.consumer()
    await send(room, *(changed(version, new_id()) for version in range(8)))
    await room.drain(consumer)
    assert sorted(await room.effects()) == list(range(8))


async def test_a_consumer_without_its_database_gives_its_partitions_to_one_that_has(room: Room, database_url: str) -> None:
    """It reaches Kafka and keeps its session alive: without giving up it would hold its cases for ever."""
    async with link_to(unix_socket(database_url)) as link:
        far = await Database.open(f"postgresql://postgres@127.0.0.1:{link.port}/{urlsplit(database_url).path[1:]}", role=None, size_max=2)
        cut_off, healthy = await room.consumer(database=far), await room.consumer()
        assert isinstance(cut_off, KafkaConsumer)
        assert isinstance(healthy, KafkaConsumer)
        await room.ground.join(cut_off, healthy)
        link.cut()
        await send(room, *(changed(version, new_id()) for version in range(40)))
        await room.ground.relay(room)
        for _ in range(2):
            with pytest.raises(TRANSIENT):
                await room.first_round(cut_off)
            room.clock.advance(seconds=DATABASE_GIVE_UP_S + 0.1)
        with pytest.raises(TRANSIENT):
            await cut_off.drain_once()
        assert cut_off.assigned == set()
        await room.drain(healthy)
        assert sorted(await room.effects()) == list(range(40))
        with pytest.raises(TRANSIENT):
            await cut_off.drain_once()  # and it takes none until the database is back
        assert cut_off.assigned == set()
        link.mend()
        await room.ground.join(cut_off, healthy)
        await cut_off.close()
        await far.close()


async def test_a_group_that_does_not_move_gets_a_new_client_and_then_a_new_process(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(watchdog, "end_this_process", lambda: ended.append(True))
    consumer = await room.consumer()
    assert isinstance(consumer, KafkaConsumer)
    await room.ground.join(consumer)
    await send(room, *(changed(version, new_id()) for version in range(3)))
    await room.ground.relay(room)
    watch = room.job("bus-watchdog").run_once
    await watch()
    assert room.bus.missing() == []
    room.clock.advance(seconds=watchdog.ANEW_AFTER_S + 1)
    await watch()
    assert (consumer.assigned, ended) == (set(), [])  # thrown away, to be made anew
    await room.ground.join(consumer)  # reads them, and so moves
    await room.drain(consumer)
    await watch()
    await send(room, changed(4, new_id()))
    await room.ground.relay(room)
    await watch()
    with monkeypatch.context() as useless:
        useless.setattr(KafkaConsumer, "close", nothing)  # the new client is no better
        room.clock.advance(seconds=3600)  # all of this process stood still
        await watch()
        assert ended == []
        for _ in range(2):
            room.clock.advance(seconds=watchdog.UNSEEN_S)
            await watch()
    assert ended == [True]


async def test_a_batch_that_takes_long_is_no_reason_to_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is slow but not away: whoever came next would begin the same batch from its beginning, for ever."""
    ended: list[bool] = []
    monkeypatch.setattr(watchdog, "end_this_process", lambda: ended.append(True))
    begun, slow = asyncio.Event(), asyncio.Event()

    async def handle(_tx: Tx, _events: Sequence[Event[Any]]) -> None:
        begun.set()
        await slow.wait()

    consumer = await room.consumer(handler=handle)
    await send(room, changed(1, new_id()))
    round_ = asyncio.create_task(room.first_round(consumer))
    await begun.wait()
    watch = room.job("bus-watchdog").run_once
    for _ in range(10):
        await watch()
        room.clock.advance(seconds=watchdog.UNSEEN_S)
    assert ended == []
    for _ in range(16):
        await watch()
        room.clock.advance(seconds=watchdog.UNSEEN_S)
    assert ended  # a handler that hangs is another matter
    slow.set()
    await round_


async def test_offsets_that_could_not_be_committed_are_committed_later(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the last events before a quiet hour would count as unread: a false alarm, and nothing lost could be found meanwhile."""
    consumer = await room.consumer()
    assert isinstance(consumer, KafkaConsumer)
    await room.ground.join(consumer)
    refused: list[bool] = []

    async def refuse(*_: Any) -> None:
        refused.append(True)
        raise RequestTimedOutError

    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaConsumer, "commit", refuse)
        await send(room, changed(1, new_id()))
        await room.first_round(consumer)
        room.clock.advance(seconds=COMMIT_EVERY_S + 1)
        while not refused:
            await consumer.drain_once()
    room.clock.advance(seconds=COMMIT_EVERY_S)
    await consumer.drain_once()
    assert not any((await room.survey.lags("room")).values())


async def test_topics_are_made_and_checked_when_kafka_comes_later_than_we_do(
    database: Database, database_url: str, kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = KafkaBus(database_url, kafka_settings)
    with monkeypatch.context() as away:
        away.setattr(guard, "ensure", no_kafka)
        await bus.prepare(database)
    jobs = {job.name: job.run_once for job in bus.jobs(database, FakeClock(NOW))}
    with pytest.raises(TRANSIENT):
        await jobs["bus-relay"]()  # nobody asks for a topic that may be missing: many brokers make it then, in their own way
    assert [one.what for one in await ensure(kafka_settings, create=False)] == ["topic"]
    await jobs["bus-topics"]()
    assert await ensure(kafka_settings, create=False) == []
    await jobs["bus-relay"]()
    await bus._publisher.close()


async def test_nothing_is_read_from_a_topic_that_turns_out_to_be_another(
    database: Database, database_url: str, kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure(kafka_settings.model_copy(update={"partitions": 2}))
    bus = KafkaBus(database_url, kafka_settings)
    with monkeypatch.context() as away:
        away.setattr(guard, "ensure", no_kafka)
        await bus.prepare(database)
    jobs = {job.name: job.run_once for job in bus.jobs(database, FakeClock(NOW))}
    await jobs["bus-topics"]()
    assert "topic_not_as_declared" in caplog.text
    await jobs["bus-watchdog"]()
    assert bus.missing() == ["kafka"]
    with pytest.raises(TRANSIENT):
        await jobs["bus-relay"]()


async def test_a_topic_that_was_deleted_is_made_again_and_what_was_unread_comes_first(room: Room, kafka_settings: KafkaSettings) -> None:
    consumer = await room.consumer()
    key = new_id()
    await send(room, changed(1, key))
    await room.drain(consumer)
    await room.job("bus-reconcile-room").run_once()
    await consumer.close()
    await send(room, changed(2, key))
    await room.ground.relay(room)
    admin = AIOKafkaAdminClient(**kafka_settings.client())
    await admin.start()
    await admin.delete_topics([kafka_settings.events.name])
    await admin.close()
    while await ensure(kafka_settings, create=False) == []:
        pass
    await room.job("bus-topics").run_once()
    await send(room, changed(3, key))
    await room.bus._publisher.close()  # type: ignore[attr-defined]
    await room.drain(consumer)
    await room.ground.relay(room)  # it has found where to begin
    await room.drain(consumer)
    assert await room.effects(key) == [1, 2, 3]


async def nothing(*_: Any) -> None:
    pass


async def no_kafka(*_: Any, **__: Any) -> None:
    raise KafkaConnectionError("away")


async def test_moving_to_kafka_and_back_loses_and_doubles_nothing(room: Room, database_url: str) -> None:
    before = Room(room.database, database_url, OnPostgres(), room.clock)
    await before.bus.prepare(room.database)
    key = new_id()
    old = await before.consumer()
    await send(room, changed(1, key))
    await before.drain(old)
    await send(room, changed(2, key))  # not handled when the bus is changed
    new = await room.consumer()
    await room.drain(new)
    await send(room, changed(3, key))
    await room.drain(new)
    await room.job("bus-reconcile-room").run_once()
    await send(room, changed(4, key))
    await room.ground.relay(room)  # in Kafka, and nobody has read it
    assert isinstance(before.bus, PostgresBus)
    await before.bus.prepare(room.database)
    assert await behind(room, RELAY) is None
    await before.drain(await before.consumer())
    assert await room.effects(key) == [1, 2, 3, 4]


async def lose_everything(settings: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    topic = settings.events
    await admin.delete_records({TopicPartition(topic.name, n): RecordsToDelete(before_offset=-1) for n in range(topic.partitions)})
    await admin.close()


async def records(room: Room) -> int:
    """How many records Kafka holds."""
    return sum((await room.survey.lags("nobody-yet")).values())


async def behind(room: Room, group: str) -> int | None:
    """How many events stand behind the cursors of `group`; None when it has none."""
    async with room.database.connection() as c:
        if not await c.fetchval("SELECT count(*) FROM bus.cursors WHERE grp = $1", group):
            return None
        return await c.fetchval(
            "SELECT count(*) FROM bus.cursors AS cursor JOIN bus.outbox AS event ON event.shard = cursor.shard"
            " AND (event.xid, event.id) > (cursor.xid, cursor.position) WHERE grp = $1",
            group,
        )


def unix_socket(url: str) -> str:
    """Where the server of `url` listens."""
    (host,) = parse_qs(urlsplit(url).query)["host"]
    return f"{host}/.s.PGSQL.5432"
