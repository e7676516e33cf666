"""The bus on Apache Kafka: the log in PostgreSQL stays the truth, a relay copies it to Kafka, and the groups read from there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.clock import Clock
from libs.db import Database
from libs.events import figures
from libs.events.bell import Bell
from libs.events.bus import BusMisconfigured, Consumer, Subscription
from libs.events.kafka.consumer import POLL_S, KafkaConsumer
from libs.events.kafka.guard import Guard, say_not_checked
from libs.events.kafka.publisher import Publisher
from libs.events.kafka.reconcile import Reconciler
from libs.events.kafka.relay import Relay
from libs.events.kafka.settings import KafkaSettings
from libs.events.kafka.survey import Survey
from libs.events.kafka.topics import UNREACHABLE
from libs.events.kafka.watchdog import Watchdog
from libs.events.reading import Reader
from libs.i18n import gettext as _
from libs.jobs import Job


class KafkaBus:
    """`url` is the database whose log is relayed."""

    def __init__(self, url: str, settings: KafkaSettings, *, poll_s: float = POLL_S) -> None:
        self._settings = settings
        self._bell = Bell(url)
        self._poll_s = poll_s
        self._consumers: list[KafkaConsumer] = []
        self._guard = Guard(settings)
        self._publisher = Publisher(settings, self._guard)
        self._survey = Survey(settings, self._guard)
        self._watchdog: Watchdog | None = None

    def announce(self) -> None:
        self._bell.ring()

    async def prepare(self, own: Database) -> None:
        try:
            differences = await self._guard.look(own)
        except UNREACHABLE as error:
            # Who starts before Kafka does waits for it: /readyz says so, and what needs no bus works already.
            say_not_checked(error)
            return
        if differences:
            raise BusMisconfigured(
                "; ".join(
                    _("topic %(topic)s: %(what)s is %(found)s, %(declared)s is declared",
                      topic=one.topic, what=one.what, found=one.found, declared=one.declared)
                    for one in differences
                )
            )  # fmt: skip

    async def subscribe(self, database: Database, subscription: Subscription, clock: Clock) -> Consumer:
        async with database.transaction() as tx:
            await Reader(subscription.group).start(tx)
        consumer = KafkaConsumer(self._settings, self._guard, database, subscription, clock, poll_s=self._poll_s)
        self._consumers.append(consumer)
        return consumer

    def jobs(self, own: Database, clock: Clock) -> tuple[Job, ...]:
        self._watchdog = Watchdog(self._consumers, self._survey, clock, rebalance_s=self._settings.rebalance_s)
        heard: dict[str, set[str]] = {}
        for consumer in self._consumers:
            heard.setdefault(consumer.subscription.group, set()).update(consumer.inbox.types)
        reconcilers = [Reconciler(own, group, sorted(types), (self._survey, self._publisher), clock) for group, types in heard.items()]
        relay = Relay(own, self._publisher, clock, self._bell)
        counting = figures.job(own, clock, lambda: heard, relayed=True)
        guarding = self._guard.job(own, clock)
        return (relay.job, self._watchdog.job, guarding, counting, *(reconciler.job for reconciler in reconcilers))

    def missing(self) -> list[str]:
        return ["kafka"] if self._watchdog is None or self._watchdog.silent else []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            async with self._bell.running():
                yield
        finally:
            await self._publisher.close()
            await self._survey.close()
