"""A new topic for the same database, as after a change of partitions, a loss of everything, or a restore: order is kept."""

from libs.clock import FakeClock
from libs.db import Database
from libs.events import new_id
from libs.events.kafka.settings import KafkaSettings
from libs.events.restored import relay_anew
from tests.contracts.room import NOW, OnKafka, Room, changed, send
from tests.support.kafka import on_kafka

pytestmark = on_kafka


async def test_what_the_old_topic_kept_unread_comes_first_in_the_new_one(
    database: Database, database_url: str, kafka_settings: KafkaSettings, effects: None
) -> None:
    key = new_id()
    old = Room(database, database_url, OnKafka(kafka_settings), FakeClock(NOW))
    await old.bus.prepare(database)
    await send(old, changed(1, key))
    await old.drain(await old.consumer())
    await send(old, changed(2, key))
    await old.ground.relay(old)  # in the old topic, and nobody has read it
    await old.close()

    anew = kafka_settings.model_copy(update={"topic_prefix": f"{kafka_settings.topic_prefix}-anew", "partitions": 2})
    async with database.transaction() as tx:
        await relay_anew(tx)
    new = Room(database, database_url, OnKafka(anew), old.clock)
    await new.bus.prepare(database)
    consumer = await new.consumer()
    await send(new, changed(3, key))
    await new.drain(consumer)
    await new.ground.relay(new)  # it has found where to begin
    await new.drain(consumer)
    assert await new.effects(key) == [1, 2, 3]
    await new.close()
