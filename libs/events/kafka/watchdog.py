"""Watches over the consumers of this process: how far they lag, and whether they move.

A client library can stop without saying so. A group that has something to read and does not move while Kafka answers gets its client made
anew; if that does not help, the process ends, so that whoever runs it starts a fresh one. A process that cannot reach Kafka goes on: its
deadlines still fire, its reports are still accepted, and any other process relays them.
"""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from libs.clock import Clock
from libs.events.figures import LAG
from libs.events.kafka.consumer import HANDLING_S, KafkaConsumer
from libs.events.kafka.survey import Survey, Unknown
from libs.jobs import Job, Tick
from libs.log import get_logger

EVERY_S = 3.0
ANEW_AFTER_S = 15.0
EXIT_AFTER_S = 45.0
UNSEEN_S = 15.0
"""Between two looks no more than this counts: for the rest of the time this process itself was stopped, and nobody has seen anything."""
EXIT_GRACE_S = 20.0
SILENT_S = 15.0
"""After how long without an answer Kafka counts as missing."""

log = get_logger("kafka")


@dataclass
class _Progress:
    handled: int
    seen_s: float
    stuck_s: float = 0.0
    anew: bool = False


class Watchdog:
    """`silent` tells whether Kafka answers. `rebalance_s` is how long a group may stand still because a member has died."""

    def __init__(self, consumers: Sequence[KafkaConsumer], survey: Survey, clock: Clock, *, rebalance_s: float = 0.0) -> None:
        self._anew_after_s = max(ANEW_AFTER_S, rebalance_s * 5 / 3)
        self._exit_after_s = max(EXIT_AFTER_S, rebalance_s * 5)
        self._consumers = consumers
        self._survey = survey
        self._clock = clock
        self._progress: dict[str, _Progress] = {}
        self._answered_s = clock.elapsed_s() - SILENT_S
        self.job = Job("bus-watchdog", self.run_once, idle_s=EVERY_S)

    @property
    def silent(self) -> bool:
        """Whether Kafka has not answered for too long."""
        return self._clock.elapsed_s() - self._answered_s >= SILENT_S

    async def run_once(self) -> Tick:
        """Asks how far the groups lag, and acts where one is stuck."""
        if not self._consumers and await self._survey.answers():
            self._answered_s = self._clock.elapsed_s()
        for consumer in self._consumers:
            group = consumer.subscription.group
            try:
                lags = await self._survey.lags(group)
            except Unknown as error:
                log.warning("kafka.no_answer", error=str(error))
                self._progress.clear()  # without an answer nobody can tell who is stuck
                return Tick()
            self._answered_s = self._clock.elapsed_s()
            for partition, lag in lags.items():
                LAG.labels(group, str(partition)).set(lag)
            await self._judge(consumer, lags)
        return Tick()

    async def _judge(self, consumer: KafkaConsumer, lags: dict[int, int]) -> None:
        group, now_s = consumer.subscription.group, self._clock.elapsed_s()
        ours = sum(lags.get(partition, 0) for partition in consumer.assigned)
        busy_s = now_s - consumer.handling_since_s if consumer.handling_since_s is not None else None
        last = self._progress.get(group)
        moves = last is None or last.handled != consumer.handled or (busy_s is not None and busy_s < HANDLING_S)
        if last is None or moves or not any(lags.values()) or consumer.without_database:
            self._progress[group] = _Progress(consumer.handled, now_s)
            return
        last.stuck_s += min(now_s - last.seen_s, UNSEEN_S)
        last.seen_s = now_s
        stuck_s = last.stuck_s
        if (ours or busy_s is not None) and stuck_s >= self._exit_after_s:
            log.critical("kafka.stuck", group=group, lag=ours, seconds=round(stuck_s), pages=True)
            end_this_process()
        elif not last.anew and stuck_s >= self._anew_after_s and (ours or not consumer.assigned):
            log.error("kafka.client_made_anew", group=group, lag=sum(lags.values()), seconds=round(stuck_s))
            last.anew = True
            await consumer.close()


def end_this_process() -> None:
    """In order if that still works, and surely."""
    os.kill(os.getpid(), signal.SIGTERM)
    last_resort = threading.Timer(EXIT_GRACE_S, os._exit, args=(70,))
    last_resort.daemon = True
    last_resort.start()
