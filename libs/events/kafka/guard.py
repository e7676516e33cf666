"""Sees to it that the topics are there as declared: at the start, when Kafka comes later than we do, and when a topic is lost meanwhile."""

from datetime import timedelta

from libs.clock import Clock
from libs.db import Database
from libs.events.kafka.settings import KafkaSettings
from libs.events.kafka.topics import MISSING, UNREACHABLE, Difference, ensure
from libs.events.restored import relay_anew
from libs.jobs import Job, Tick
from libs.log import get_logger

EVERY_S = 60.0
SOON = timedelta(seconds=1)
"""While nobody knows yet whether they are there."""

log = get_logger("kafka")


class Guard:
    """`sure` once the topics have been found, or made, as declared: before that, nobody reads or writes."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self.sure = False

    async def look(self, own: Database) -> list[Difference]:
        """Makes what is missing and answers what is not as declared. One of topics.UNREACHABLE when Kafka does not say, or refuses."""
        differences = await ensure(self._settings, create=False)
        if any(one.what == MISSING for one in differences):
            async with own.transaction() as tx:
                await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '30s'")  # a young cluster takes its time
                # Whatever was sent to a topic of this name before is gone: what was unread of it comes first in the new one.
                await relay_anew(tx)
                differences = await ensure(self._settings)
            log.warning("kafka.topics_made", topics=[topic.name for topic in self._settings.topics])
        self.sure = self.sure or not differences
        return differences

    def job(self, own: Database, clock: Clock) -> Job:
        """Looks again and again; a difference that was not there at the start is an error in the log."""

        async def run_once() -> Tick:
            try:
                for one in await self.look(own):
                    what = {"topic": one.topic, "what": one.what, "declared": one.declared, "found": one.found}
                    log.error("kafka.topic_not_as_declared", **what, pages=True)
            except UNREACHABLE as error:
                say_not_checked(error)
            return Tick(next_at=None if self.sure else clock.now() + SOON)

        return Job("bus-topics", run_once, idle_s=EVERY_S)


def say_not_checked(error: BaseException) -> None:
    """Kafka is away, or does not let us look or make: it says why."""
    log.warning("kafka.topics_not_checked", error=type(error).__name__, reason=str(error)[:200])
