"""Reading from Kafka for one group: effects and inbox row commit in the database first, offsets in Kafka afterwards.

The inbox makes every redelivery harmless, so offsets may lag behind. A consumer that cannot reach its database gives its partitions back:
the group's other members can. One that Kafka no longer hears of loses them by itself, and whatever it still does then, the inbox decides.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from libs.clock import Clock
from libs.db import TRANSIENT, Database
from libs.events.bus import BusAway, Drained, Subscription
from libs.events.inbox import Inbox, Letter
from libs.events.kafka.guard import Guard
from libs.events.kafka.settings import KafkaSettings
from libs.log import get_logger

POLL_S = 0.5
COMMIT_EVERY_S = 1.0
"""Each commit is a write on a majority of the brokers; what is read again because of a late one is known by its id."""
COMMIT_S = 5.0
STOP_S = 3.0
FETCH_S = 15.0
HANDLING_S = 300.0
"""How long a batch may be handled. A slow database is no reason to begin again: whoever came next would begin with the same batch."""
DATABASE_GIVE_UP_S = 5.0
"""How long a consumer keeps its partitions without its database: longer than a restart takes, after which all are back together."""

log = get_logger("kafka")


class NoKafka(BusAway):
    """Reading failed."""


class KafkaConsumer:
    """Reads the events topic for one group. Made anew inside whenever anything is wrong with the client."""

    def __init__(
        self, settings: KafkaSettings, guard: Guard, database: Database, subscription: Subscription, clock: Clock, *, poll_s: float
    ) -> None:
        self.subscription = subscription
        self.wake = asyncio.Event()
        self.inbox = Inbox(database, subscription, clock)
        self.handled = 0
        """Events that were dealt with so far: the watchdog looks whether it moves."""
        self.handling_since_s: float | None = None
        """Since when a batch is being handled."""
        self._settings = settings
        self._guard = guard
        self._database = database
        self._clock = clock
        self._poll_ms = int(poll_s * 1000)
        self._client: AIOKafkaConsumer | None = None
        self._done: dict[TopicPartition, int] = {}
        self._committed_s = 0.0
        self._refused = False
        self._without_database_since_s: float | None = None

    @property
    def assigned(self) -> set[int]:
        """The partitions that are ours at the moment."""
        return {place.partition for place in self._client.assignment()} if self._client is not None else set()

    @property
    def without_database(self) -> bool:
        """Whether the last round failed for want of the database."""
        return self._without_database_since_s is not None

    async def drain_once(self) -> Drained:
        try:
            drained = await self._drain()
        except TRANSIENT as error:
            if not isinstance(error, NoKafka):
                await self._without_database()
            raise
        finally:
            self.wake.set()  # waiting is what the fetch does
        self._without_database_since_s = None
        return drained

    async def retry_parked(self) -> int:
        return await self.inbox.retry_parked()

    async def close(self) -> None:
        """Commits what was handled and leaves the group."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(Exception):
            await self._commit(client)
        self._done.clear()
        await _end(client)

    async def _drain(self) -> Drained:
        client = await self._joined()
        try:
            async with asyncio.timeout(FETCH_S):
                fetched = await client.getmany(timeout_ms=self._poll_ms, max_records=self.subscription.batch_max)
        except Exception as error:  # aiokafka hands on whatever its tasks met, as uvloop's RuntimeError for a connection that was closed
            log.warning("kafka.client_failed", group=self.subscription.group, error=type(error).__name__, reason=str(error)[:200])
            await self.close()
            raise NoKafka(type(error).__name__) from error
        if not fetched:
            if self.without_database:
                await self._look_for_the_database()
            await self._commit_now_and_then(client, at_once=True)
            return Drained(0)
        self.handling_since_s = self._clock.elapsed_s()
        try:
            await self._handle(fetched)
        except BaseException:
            self._rewind(client, fetched)
            raise
        finally:
            self.handling_since_s = None
        count = sum(len(records) for records in fetched.values())
        self.handled += count
        still_ours = client.assignment()
        if self._client is not client:
            return Drained(count, more=True)  # it was thrown away meanwhile: asked to commit, it would open connections again
        for place, records in fetched.items():
            if place in still_ours:
                self._done[place] = records[-1].offset + 1
        await self._commit_now_and_then(client)
        return Drained(count, more=True)

    async def _handle(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        letters = [_letter(record) for records in fetched.values() for record in records]
        wanted = [letter for letter in letters if letter is not None and self.inbox.concerns(letter["event_type"])]
        if not wanted:
            return
        try:
            async with self._database.transaction() as tx:
                await self.inbox.handle(tx, await self.inbox.fresh(tx, wanted))
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the handler raised: find the event that it cannot handle
            log.warning("bus.batch_failed", group=self.subscription.group, error=type(error).__name__)
        else:
            return
        for letter in wanted:
            await self._handle_single(letter)

    async def _handle_single(self, letter: Letter) -> None:
        try:
            async with self._database.transaction() as tx:
                await self.inbox.handle(tx, await self.inbox.fresh(tx, [letter]))
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            async with self._database.transaction() as tx:
                await self.inbox.park(tx, letter, error)

    def _rewind(self, client: AIOKafkaConsumer, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """What was not handled is read again."""
        ours = client.assignment()
        for place, records in fetched.items():
            if place in ours:
                with contextlib.suppress(KafkaError):
                    client.seek(place, records[0].offset)

    async def _commit_now_and_then(self, client: AIOKafkaConsumer, *, at_once: bool = False) -> None:
        soon = self._clock.elapsed_s() - self._committed_s < COMMIT_EVERY_S
        if not self._done or (soon and (self._refused or not at_once)):
            return
        self._refused = True
        try:
            await self._commit(client)
            self._refused = False
        except Exception as error:  # noqa: BLE001 - as above
            # A rebalance is under way, or a broker is away: what is read again is known by its id.
            log.info("kafka.offsets_not_committed", group=self.subscription.group, error=type(error).__name__)
        self._committed_s = self._clock.elapsed_s()

    async def _commit(self, client: AIOKafkaConsumer) -> None:
        ours = client.assignment()
        done, self._done = {place: offset for place, offset in self._done.items() if place in ours}, {}
        if not done:
            return
        try:
            async with asyncio.timeout(COMMIT_S):
                await client.commit(done)
        except BaseException:
            self._done = done | self._done  # to be tried again: else the last ones before a pause would count as unread
            raise

    async def _joined(self) -> AIOKafkaConsumer:
        if self._client is not None:
            return self._client
        if not self._guard.sure:
            raise NoKafka("the topics are yet to be looked at")
        await self._look_for_the_database()  # who cannot reach it takes no partitions
        client = AIOKafkaConsumer(
            **self._settings.client(timeout_s=self._settings.rebalance_s),
            group_id=self._settings.group_id(self.subscription.group),
            group_instance_id=f"{self._settings.instance_id}.{self.subscription.group}" if self._settings.instance_id else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout_s * 1000 / 8),
            rebalance_timeout_ms=int(self._settings.session_timeout_s * 1000),
            max_poll_interval_ms=int(HANDLING_S * 1000),
        )
        client.subscribe([self._settings.events.name], listener=_Leaving(self))
        try:
            async with asyncio.timeout(self._settings.rebalance_s + 1):
                await client.start()
        except BaseException as error:
            await _end(client)
            if isinstance(error, Exception):
                raise NoKafka(type(error).__name__) from error
            raise
        self._client = client
        return client

    async def _look_for_the_database(self) -> None:
        async with self._database.connection() as connection:
            await connection.execute("SELECT 1")

    async def _without_database(self) -> None:
        now_s = self._clock.elapsed_s()
        if self._without_database_since_s is None:
            self._without_database_since_s = now_s
        if now_s - self._without_database_since_s >= DATABASE_GIVE_UP_S and self._client is not None:
            log.warning("kafka.partitions_given_back", group=self.subscription.group)
            await self.close()


class _Leaving(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is not typed
    """Commits what was handled before partitions go to others."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the library's shape
        client = self._consumer._client  # noqa: SLF001 - one thing in two classes, because the library wants a listener
        if client is not None:
            with contextlib.suppress(Exception):
                await self._consumer._commit(client)  # noqa: SLF001

    async def on_partitions_assigned(self, assigned: Any) -> None:
        log.info("kafka.assigned", group=self._consumer.subscription.group, partitions=len(assigned))


async def _end(client: AIOKafkaConsumer) -> None:
    """Stops a client; one that does not stop in time is torn from the group: its heartbeats alone would keep its partitions from others."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_S):
            await client.stop()
            return
    coordinator = client._coordinator  # noqa: SLF001 - there is no other way to be sure
    tasks = [getattr(coordinator, name, None) for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")]
    for task in tasks:
        if task is not None:
            task.cancel()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_S):
            await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
            await client._fetcher.close()  # noqa: SLF001 - as above
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_S):
            await client._client.close()  # noqa: SLF001 - as above


def _letter(record: Any) -> Letter | None:
    """None for what no relay of ours has written: it is not in the log, so nothing is lost with it."""
    try:
        headers = dict(record.headers)
        return {
            "key": UUID(bytes=bytes(record.key)),
            "event_id": UUID(headers["ce_id"].decode()),
            "event_type": headers["ce_type"].decode(),
            "envelope": bytes(record.value).decode(),
        }
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        log.error(  # noqa: TRY400 - a traceback would quote what stands in it
            "kafka.foreign_record", partition=record.partition, offset=record.offset, error=type(error).__name__
        )
        return None
