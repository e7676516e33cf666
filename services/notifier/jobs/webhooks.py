"""Telling receivers what is due, without one of them holding up another."""

import asyncio
from collections import Counter as Counts
from collections import deque
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter

from libs.clock import Clock
from libs.crypto import Sealer
from libs.db import Database
from libs.log import get_logger
from libs.service import Tick
from services.notifier.gateways.webhooks import Receivers
from services.notifier.handlers.webhooks import ToTell, claim, record
from services.notifier.rules.webhooks import KEPT, Answered, DeliveryState, sign
from services.notifier.store import webhooks as store

LOOK_AGAIN_S = 0.5
LEASE_SLACK_S = 20.0
"""A delivery that nobody recorded is told again after the call's own time and this: then whoever took it is dead."""
FAILING_SHARE = 0.5
"""Of all places, how many receivers that fail may hold together."""
FORGET_MAX = 1000
FORGET_EVERY = timedelta(hours=1)

log = get_logger("notifier")

TOLD = Counter("tocsin_notifier_webhook_calls_total", "Calls to the webhooks of schools and hospitals, by outcome.", ["outcome"])


class Teller:
    """Claims, calls and records, each call by itself. Every replica may run one."""

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, receivers: Receivers, *, each_max: int, at_once_max: int, timeout_s: float
    ) -> None:
        self.wake = asyncio.Event()
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._receivers = receivers
        self._each_max = each_max
        self._at_once_max = at_once_max
        self._failing_max = max(int(at_once_max * FAILING_SHARE), 1)
        self._lease = timedelta(seconds=timeout_s + LEASE_SLACK_S)
        self._finish_s = timeout_s + 1
        self._calls: set[asyncio.Task[None]] = set()
        self._busy: Counts[UUID] = Counts()
        self._failing: Counts[UUID] = Counts()
        self._heard: deque[tuple[ToTell, Answered]] = deque()
        self._more = True

    def work_arrived(self) -> None:
        """Something was queued: look at once."""
        self._more = True
        self.wake.set()

    async def run_once(self) -> Tick:
        """Tells until nothing is due and every call has ended."""
        worked = 0
        self._more = True
        try:
            while self._more or self._calls or self._heard:
                worked += await self._record()
                if self._more:
                    worked += await self._launch()
                elif not self._heard:
                    await self._wait()
        except asyncio.CancelledError:
            if self._calls:
                await asyncio.wait(self._calls, timeout=self._finish_s)
            while self._heard:
                await self._record()
            raise
        async with self._database.connection() as connection:
            return Tick(worked=worked, next_at=await store.next_at(connection))

    async def _launch(self) -> int:
        self._more = False
        free = self._at_once_max - len(self._calls)
        if free <= 0:
            return 0
        async with self._database.transaction() as tx:
            ready = await claim(
                tx,
                self._sealer,
                self._clock.now(),
                busy=self._busy,
                places=self._each_max,
                free=free,
                free_of_failing=self._failing_max - self._failing.total(),
                lease=self._lease,
            )
        for one in ready:
            receiver = one.delivery.webhook_id
            self._busy[receiver] += 1
            if one.failing:
                self._failing[receiver] += 1
            task = asyncio.create_task(self._call(one), name="webhook-call")
            self._calls.add(task)
            task.add_done_callback(self._ended)
        return len(ready)

    async def _call(self, one: ToTell) -> None:
        receiver = one.delivery.webhook_id
        try:
            if one.secrets:
                headers = sign(one.secrets, str(one.delivery.delivery_id), self._clock.now(), one.body)
                answered = await self._receivers.tell(one.url, headers, one.body)
            else:
                answered = Answered(None, "no secret to sign with")
        finally:
            self._busy[receiver] -= 1
            if one.failing:
                self._failing[receiver] -= 1
        self._heard.append((one, answered))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("webhook.call_failed", error=type(error).__name__, exc_info=error)  # told again after its lease
        self._more = True  # a place is free again
        self.wake.set()

    async def _record(self) -> int:
        recorded = 0
        while self._heard:
            one, answered = self._heard[0]
            async with self._database.transaction() as tx:
                state = await record(tx, one.delivery, answered, self._clock.now())
            self._heard.popleft()
            recorded += 1
            outcome = "taken" if state is DeliveryState.DELIVERED else "given_up" if state is DeliveryState.DEAD else "failed"
            TOLD.labels(outcome).inc()
            if state is not DeliveryState.DELIVERED:
                delivery = one.delivery
                log.warning(
                    "webhook.not_taken",
                    delivery_id=str(delivery.delivery_id),
                    webhook_id=str(delivery.webhook_id),
                    tries=delivery.tries,
                    answer=answered.said,
                )
        return recorded

    async def _wait(self) -> None:
        """Until a call ends or work arrives; in real time, since it waits for the network, and looks again twice a second."""
        self.wake.clear()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self.wake.wait()
        except TimeoutError:
            self._more = True


async def forget(database: Database, clock: Clock) -> None:
    """Deletes what was told long ago."""
    async with database.connection() as connection:
        await store.forget(connection, clock.now() - KEPT, FORGET_MAX)
