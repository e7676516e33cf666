"""Keeps consumers and jobs going: each in a task of its own, restarted with growing pauses when it fails."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import Counter, Gauge

from libs.clock import Clock
from libs.events import Consumer
from libs.log import get_logger
from libs.service import Job

POLL_S = 1.0
SOON_S = 0.005
SOON_MAX_S = 0.05
FAILURE_PAUSE_S = 0.2
FAILURE_PAUSE_MAX_S = 10.0

log = get_logger("service")

EVENTS = Counter("tocsin_events_handled_total", "Events handled, by group.", ["group"])
FAILURES = Counter("tocsin_loop_failures_total", "Rounds of a consumer or job that failed.", ["loop"])
ALIVE = Gauge("tocsin_loop_last_round_timestamp_seconds", "When a loop last finished a round.", ["loop"])


async def consume(consumer: Consumer, clock: Clock) -> None:
    """Drains one subscription for ever."""
    group = consumer.subscription.group
    soon_s = SOON_S
    checked_parked_s = 0.0

    async def round_() -> None:
        nonlocal soon_s, checked_parked_s
        consumer.wake.clear()
        drained = await consumer.drain_once()
        if drained.events:
            EVENTS.labels(group).inc(drained.events)
        if clock.elapsed_s() - checked_parked_s >= POLL_S:
            checked_parked_s = clock.elapsed_s()
            await consumer.retry_parked()
        if drained.events:
            soon_s = SOON_S
            if consumer.subscription.linger_s and drained.events < consumer.subscription.batch_max:
                await clock.wait(None, consumer.subscription.linger_s)
            return
        # Something may be committed but not yet readable, because an older transaction is still open: look again soon.
        await clock.wait(consumer.wake, soon_s if drained.more else POLL_S)
        soon_s = min(soon_s * 2, SOON_MAX_S) if drained.more else SOON_S

    await _for_ever(f"consumer:{group}", round_, clock)


async def work(job: Job, clock: Clock) -> None:
    """Runs one job for ever."""

    async def round_() -> None:
        if job.wake is not None:
            job.wake.clear()
        tick = await job.run_once()
        if tick.worked:
            await asyncio.sleep(0)
            return
        pause_s = job.idle_s
        if tick.next_at is not None:
            pause_s = min(pause_s, max((tick.next_at - clock.now()).total_seconds(), 0.0))
        await clock.wait(job.wake, pause_s)

    await _for_ever(f"job:{job.name}", round_, clock)


async def _for_ever(name: str, round_: Callable[[], Awaitable[None]], clock: Clock) -> None:
    pause_s = FAILURE_PAUSE_S
    while True:
        try:
            await round_()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a loop never ends because of a failure: it says so, waits a little longer each time, goes on
            FAILURES.labels(name).inc()
            log.exception("service.round_failed", loop=name, error=type(error).__name__, retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, FAILURE_PAUSE_MAX_S)
        else:
            pause_s = FAILURE_PAUSE_S
            ALIVE.labels(name).set(clock.now().timestamp())
