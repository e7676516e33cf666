"""Publishing to Kafka: acknowledged by a majority of the replicas, in order per partition, and never through a producer that has failed.

An idempotent producer can wedge itself: a batch that expires while there is no leader advances the sequence here and not there, and every
later send fails. So every send has a timeout, and after any failure the producer is thrown away. What was sent twice because of that is
known by its event id to every inbox.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from prometheus_client import Counter

from libs.events.inbox import Letter
from libs.events.kafka.guard import Guard
from libs.events.kafka.settings import KafkaSettings
from libs.events.tracing import publishing, trace_of
from libs.log import get_logger

SEND_S = 5.0
"""How long a send may take in all; shorter than what PostgreSQL grants to a transaction that waits."""
START_S = 12.0
"""Enough to try the next broker when the first one takes connections and says nothing."""
DISCARD_S = 2.0
BATCH_SIZE_BYTES = 512 * 1024

PUBLISHED = Counter("tocsin_kafka_published_total", "Events that Kafka has acknowledged.")
DISCARDED = Counter("tocsin_kafka_producers_discarded_total", "Producers that were thrown away after a failure.")

log = get_logger("kafka")


class NotPublished(ConnectionError):
    """Kafka did not acknowledge in time, or refused: to be sent again. Transient, like any connection that fails."""


def partition_of(key: bytes, partitions: int) -> int:
    """Where events of this key go: as every Kafka client partitions by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Publisher:
    """Sends to the events topic. One at a time: callers wait for each other."""

    def __init__(self, settings: KafkaSettings, guard: Guard | None = None) -> None:
        self._settings = settings
        self._guard = guard
        self._producer: AIOKafkaProducer | None = None
        self._discarded: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    async def ready(self) -> None:
        """Returns once there is a producer that Kafka has answered; `NotPublished` when it does not answer."""
        if self._producer is not None:
            return
        if self._guard is not None and not self._guard.sure:
            raise NotPublished("the topics are yet to be looked at")
        async with self._lock:
            try:
                async with asyncio.timeout(START_S):
                    await self._started()
            except (KafkaError, TimeoutError, OSError) as error:
                raise NotPublished(type(error).__name__) from error

    async def send(self, letters: Sequence[Letter]) -> None:
        """Returns once Kafka has all of them; `NotPublished` when that is not known of some. Their order is kept per key."""
        async with self._lock:
            try:
                with publishing("kafka", letters):
                    async with asyncio.timeout(SEND_S):
                        await self._send(letters)
            except BaseException as error:
                self._discard()
                if isinstance(error, KafkaError | TimeoutError | OSError):
                    raise NotPublished(type(error).__name__) from error
                raise
        PUBLISHED.inc(len(letters))

    async def close(self) -> None:
        """Ends it."""
        async with self._lock:
            self._discard()
        if self._discarded:
            await asyncio.wait(self._discarded, timeout=DISCARD_S * 2)

    async def _send(self, letters: Sequence[Letter]) -> None:
        producer = await self._started()
        topic, partitions = self._settings.events.name, self._settings.partitions
        by_partition: dict[int, list[Letter]] = defaultdict(list)
        for letter in letters:
            by_partition[partition_of(letter["key"].bytes, partitions)].append(letter)
        acknowledgements: list[Any] = []
        for partition, group in by_partition.items():
            batch = producer.create_batch()
            for letter in group:
                if _append(batch, letter):
                    continue
                acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                if not _append(batch, letter):
                    raise ValueError(f"event {letter['event_id']} is larger than a batch")
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*acknowledgements)

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._settings.client(timeout_s=SEND_S), acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=BATCH_SIZE_BYTES
            )
            try:
                await producer.start()
            except BaseException:
                self._throw_away(producer)
                raise
            self._producer = producer
        return self._producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            self._throw_away(producer)

    def _throw_away(self, producer: AIOKafkaProducer) -> None:
        DISCARDED.inc()
        task = asyncio.create_task(_stop(producer), name="kafka-discard")
        self._discarded.add(task)
        task.add_done_callback(self._discarded.discard)


def _append(batch: Any, letter: Letter) -> bool:
    envelope: str = letter["envelope"]
    headers = [
        ("content-type", b"application/cloudevents+json; charset=UTF-8"),
        ("ce_id", str(letter["event_id"]).encode()),
        ("ce_type", letter["event_type"].encode()),
    ]
    if trace := trace_of(envelope):
        headers.append(("traceparent", trace.encode()))
    return batch.append(timestamp=None, key=letter["key"].bytes, value=envelope.encode(), headers=headers) is not None


async def _stop(producer: AIOKafkaProducer) -> None:
    """Ends it without waiting for what it could not deliver: that is sent again, by another."""
    producer._closed = True  # noqa: SLF001 - its own stop() would go on trying
    with contextlib.suppress(Exception):
        async with asyncio.timeout(DISCARD_S):
            await producer._sender.close()  # noqa: SLF001 - as above
    with contextlib.suppress(Exception):
        async with asyncio.timeout(DISCARD_S):
            await producer.client.close()
