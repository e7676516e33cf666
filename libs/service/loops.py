"""Keeps consumers and jobs going: each in a task of its own, restarted with growing pauses when it fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import Counter, Gauge

from libs.clock import Clock
from libs.db import TRANSIENT
from libs.events import BusAway, Consumer
from libs.jobs import Job
from libs.log import get_logger

POLL_S = 1.0
SOON_S = 0.005
SOON_MAX_S = 0.05
FAILURE_PAUSE_S = 0.2
FAILURE_PAUSE_MAX_S = 2.0
"""Whoever is away may be back any moment, and 10 s after that all has to be done (B10)."""
STOP_LOOK_S = 0.02

log = get_logger("service")

EVENTS = Counter("tocsin_events_handled_total", "Events handled, by group.", ["group"])
FAILURES = Counter("tocsin_loop_failures_total", "Rounds of a consumer or job that failed.", ["loop"])
ALIVE = Gauge("tocsin_loop_last_round_timestamp_seconds", "When a loop last finished a round.", ["loop"])


class Loop:
    """One consumer or job, going round for ever. `resting` while it waits for something to do: then it may be stopped at any moment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resting = False
        self.task: asyncio.Task[None] | None = None

    @classmethod
    def consuming(cls, consumer: Consumer, clock: Clock) -> "Loop":
        """Starts draining `consumer`."""
        loop = cls(f"consumer:{consumer.subscription.group}")
        loop.task = asyncio.create_task(consume(consumer, clock, loop), name=loop.name)
        return loop

    @classmethod
    def working(cls, job: Job, clock: Clock) -> "Loop":
        """Starts running `job`."""
        loop = cls(f"job:{job.name}")
        loop.task = asyncio.create_task(work(job, clock, loop), name=loop.name)
        return loop

    async def rest(self, clock: Clock, wake: asyncio.Event | None, timeout_s: float) -> None:
        """Waits until there may be something to do."""
        self.resting = True
        try:
            await clock.wait(wake, timeout_s)
        finally:
            self.resting = False


async def stop(loops: Sequence[Loop], grace_s: float) -> None:
    """Ends all: those that rest at once, those at work after their round, and what is not done after `grace_s` is rolled back."""
    tasks = {loop.task for loop in loops if loop.task is not None}
    async with _bounded(grace_s):
        while busy := [loop for loop in loops if loop.task is not None and not loop.task.done()]:
            for loop in busy:
                if loop.resting and loop.task is not None:
                    loop.task.cancel()
            await asyncio.sleep(STOP_LOOK_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _bounded(timeout_s: float) -> AsyncIterator[None]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            yield


async def consume(consumer: Consumer, clock: Clock, loop: Loop | None = None) -> None:
    """Drains one subscription for ever."""
    group = consumer.subscription.group
    loop = loop or Loop(f"consumer:{group}")
    soon_s = SOON_S
    checked_parked_s = 0.0

    async def retry_parked() -> None:
        nonlocal checked_parked_s
        if clock.elapsed_s() - checked_parked_s >= POLL_S:
            checked_parked_s = clock.elapsed_s()
            await consumer.retry_parked()

    async def round_() -> None:
        nonlocal soon_s
        consumer.wake.clear()
        try:
            drained = await consumer.drain_once()
        except BusAway:
            await retry_parked()
            raise
        if drained.events:
            EVENTS.labels(group).inc(drained.events)
        await retry_parked()
        if drained.events:
            soon_s = SOON_S
            lingers = consumer.subscription.linger_s and drained.events < consumer.subscription.batch_max
            await loop.rest(clock, None, consumer.subscription.linger_s if lingers else 0)
            return
        # Something may be committed but not yet readable, because an older transaction is still open: look again soon.
        await loop.rest(clock, consumer.wake, soon_s if drained.more else POLL_S)
        soon_s = min(soon_s * 2, SOON_MAX_S) if drained.more else SOON_S

    await _for_ever(loop, round_, clock)


async def work(job: Job, clock: Clock, loop: Loop | None = None) -> None:
    """Runs one job for ever."""
    loop = loop or Loop(f"job:{job.name}")

    async def round_() -> None:
        if job.wake is not None:
            job.wake.clear()
        tick = await job.run_once()
        if tick.worked:
            await loop.rest(clock, None, 0)
            return
        pause_s = job.idle_s
        if tick.next_at is not None:
            pause_s = min(pause_s, max((tick.next_at - clock.now()).total_seconds(), 0.0))
        await loop.rest(clock, job.wake, pause_s)

    await _for_ever(loop, round_, clock)


async def _for_ever(loop: Loop, round_: Callable[[], Awaitable[None]], clock: Clock) -> None:
    pause_s = FAILURE_PAUSE_S
    while True:
        try:
            await round_()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a loop never ends because of a failure: it says so, waits a little longer each time, goes on
            FAILURES.labels(loop.name).inc()
            if isinstance(error, TRANSIENT):
                log.warning("service.round_failed", loop=loop.name, error=type(error).__name__, retry_in_s=pause_s)
            else:
                log.exception("service.round_failed", loop=loop.name, error=type(error).__name__, retry_in_s=pause_s)
            loop.resting = True
            await asyncio.sleep(pause_s)
            loop.resting = False
            pause_s = min(pause_s * 2, FAILURE_PAUSE_MAX_S)
        else:
            pause_s = FAILURE_PAUSE_S
            ALIVE.labels(loop.name).set(clock.now().timestamp())
