"""B5 and B7 on Kafka: the relay against a bare pipelined producer on the same node, then the whole pipeline with the bus on Kafka.

One node of a real Apache Kafka shares the two cores with everything else: ratios mean something, rates are what is left.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from aiokafka import AIOKafkaProducer

from benchmarks import pipeline
from benchmarks.ground import ROOT, Ground, free_port
from benchmarks.table import Row
from deploy.kafka import Cluster
from libs.clock import SystemClock
from libs.db import Database
from libs.events import Event, new_event, new_id, publish
from libs.events.bell import Bell
from libs.events.catalogue import NotificationSubmitted
from libs.events.kafka.publisher import Publisher
from libs.events.kafka.relay import Relay
from libs.events.kafka.settings import KafkaSettings
from libs.events.kafka.topics import ensure
from libs.events.reading import Reader
from libs.events.relaying import RELAY
from libs.terms import Grade, Purpose, Tier

EVENTS = 40_000
CHUNK = 1_000
ROUNDS = 3
RATIO_MIN = 0.5


async def measure(ground: Ground) -> list[Row]:
    """One node, two topics: one for the bare producer, one for us."""
    async with kafka_node() as servers:
        rows = [await _relay(ground, servers)]
        environment = {"TOCSIN_BUS": "kafka", "TOCSIN_KAFKA_BOOTSTRAP_SERVERS": servers, "TOCSIN_KAFKA_REPLICATION": "1"}
        rows += [
            Row(row.name, f"on Kafka: {row.what}", row.figure, row.reach, row.reached)
            for row in await pipeline.measure(replace(ground, more=environment))
        ]
        return rows


@asynccontextmanager
async def kafka_node() -> AsyncIterator[str]:
    """Its address."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-bench-kafka-"))
    cluster = Cluster.under(folder, 1, lib=ROOT / "var/kafka/lib", ports=(free_port(), free_port()))
    try:
        await asyncio.to_thread(cluster.start)
        yield cluster.bootstrap_servers
    finally:
        await asyncio.to_thread(cluster.stop)
        shutil.rmtree(folder, ignore_errors=True)


async def _relay(ground: Ground, servers: str) -> Row:
    bare = KafkaSettings(bootstrap_servers=servers, topic_prefix="bare", replication=1)
    ours = KafkaSettings(bootstrap_servers=servers, topic_prefix="ours", replication=1)
    await ensure(bare)
    await ensure(ours)
    database = await Database.open(ground.url, role=None)
    publisher = Publisher(ours)
    relay = Relay(database, publisher, SystemClock(), Bell(ground.url))
    async with database.connection() as connection:
        await Reader(RELAY).start(connection)
    while (await relay.run_once()).worked:
        pass
    bare_s: list[float] = []
    relay_s: list[float] = []
    try:
        for _ in range(ROUNDS):  # in turns, so that whatever else this machine does falls on both
            bare_s.append(await _send_bare(bare, events()))
            await _log(database, events())
            began = time.perf_counter()
            relayed = 0
            while relayed < EVENTS:
                relayed += (await relay.run_once()).worked
            relay_s.append(time.perf_counter() - began)
    finally:
        await publisher.close()
        async with database.connection() as connection:  # nobody is to read a log in which these stand
            await connection.execute("DELETE FROM bus.outbox WHERE event_type = $1", NotificationSubmitted.event_type)
            await connection.execute("DELETE FROM bus.cursors WHERE grp = 'relay'")
        await database.close()
    ratio = min(bare_s) / min(relay_s)
    return Row(
        "B5",
        f"relay from the log to Kafka {EVENTS / min(relay_s):,.0f} events/s ÷ bare pipelined aiokafka {EVENTS / min(bare_s):,.0f}/s "
        f"(idempotent, acks=all, one node; best of {ROUNDS})",
        f"{ratio:.2f}",
        f"≥ {RATIO_MIN}",
        ratio >= RATIO_MIN,
    )


def events() -> list[Event[NotificationSubmitted]]:
    """Of ordinary size, each of a case of its own."""
    now = SystemClock().now()
    return [new_event(_data(key := new_id(), now), key=key, time=now) for _ in range(EVENTS)]


def _data(case_id: UUID, now: datetime) -> NotificationSubmitted:
    return NotificationSubmitted(
        notification_id=new_id(),
        case_id=case_id,
        grade=Grade.II,
        division_code="440304001020",
        tier=Tier.COMMUNITY,
        post_id=new_id(),
        officer_id=new_id(),
        purpose=Purpose.ASSIGN,
        attempt_id=new_id(),
        gateway="sandbox",
        channel="sms",
        requested_at=now,
    )


async def _log(database: Database, made: list[Event[NotificationSubmitted]]) -> None:
    for start in range(0, len(made), CHUNK):
        async with database.transaction() as tx:
            await publish(tx, made[start : start + CHUNK])


async def _send_bare(settings: KafkaSettings, made: list[Event[NotificationSubmitted]]) -> float:
    messages = [(event.key.bytes, event.to_json()) for event in made]
    producer = AIOKafkaProducer(**settings.client(), acks="all", enable_idempotence=True, linger_ms=2, max_batch_size=512 * 1024)
    await producer.start()
    try:
        began = time.perf_counter()
        for start in range(0, len(messages), CHUNK):
            futures = [await producer.send(settings.events.name, value, key=key) for key, value in messages[start : start + CHUNK]]
        await producer.flush()
        await asyncio.gather(*futures)
        return time.perf_counter() - began
    finally:
        await producer.stop()
