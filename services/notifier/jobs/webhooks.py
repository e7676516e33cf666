"""Telling receivers what is due, without one of them holding up another."""

from collections import Counter as Counts
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
from services.notifier.jobs.calling import Calling
from services.notifier.rules.webhooks import KEPT, Answered, DeliveryState, sign
from services.notifier.store import webhooks as store

LEASE_SLACK_S = 20.0
"""A delivery that nobody recorded is told again after the call's own time and this: then whoever took it is dead."""
FAILING_SHARE = 0.5
"""Of all places, how many receivers that fail may hold together."""
FORGET_MAX = 1000
FORGET_EVERY = timedelta(hours=1)

log = get_logger("notifier")

TOLD = Counter("tocsin_notifier_webhook_calls_total", "Calls to the webhooks of schools and hospitals, by outcome.", ["outcome"])


class Teller(Calling[tuple[ToTell, Answered]]):
    """Claims, calls and records, each call by itself. Every replica may run one."""

    def __init__(
        self, database: Database, clock: Clock, sealer: Sealer, receivers: Receivers, *, each_max: int, at_once_max: int, timeout_s: float
    ) -> None:
        super().__init__(at_once_max=at_once_max, finish_s=timeout_s + 1)
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._receivers = receivers
        self._each_max = each_max
        self._failing_max = max(int(at_once_max * FAILING_SHARE), 1)
        self._lease = timedelta(seconds=timeout_s + LEASE_SLACK_S)
        self._busy: Counts[UUID] = Counts()
        self._failing: Counts[UUID] = Counts()

    async def run_once(self) -> Tick:
        """Tells until nothing is due and every call has ended."""
        worked = await self._work()
        async with self._database.connection() as connection:
            return Tick(worked=worked, next_at=await store.next_at(connection))

    async def _launch(self, free: int) -> int:
        self._more = False
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
            self._begin(self._call(one), "webhook-call")
        return len(ready)

    async def _call(self, one: ToTell) -> None:
        receiver = one.delivery.webhook_id
        try:
            if one.secrets:
                headers = sign(one.secrets, str(one.delivery.delivery_id), self._clock.now(), one.body)
                answered = await self._receivers.tell(one.url, headers, one.body)
            else:
                answered = Answered(None, "no secret to sign with")
        except Exception as error:
            # Nobody foresaw it; but a try that is not recorded would be made again for ever.
            log.exception("webhook.call_failed", webhook_id=str(receiver))
            answered = Answered(None, type(error).__name__)
        finally:
            self._busy[receiver] -= 1
            if one.failing:
                self._failing[receiver] -= 1
        self._heard.append((one, answered))

    def _place_is_free(self) -> None:
        self._more = True

    async def _record(self) -> int:
        recorded = 0
        while self._heard:
            one, answered = self._heard[0]
            async with self._database.transaction() as tx:
                state = await record(tx, one, answered, self._clock.now())
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


async def forget(database: Database, clock: Clock) -> None:
    """Deletes what was told long ago."""
    async with database.connection() as connection:
        await store.forget(connection, clock.now() - KEPT, FORGET_MAX)
