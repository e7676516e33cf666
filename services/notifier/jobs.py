"""What the notifier does by itself: sending what is queued, and asking after what nobody reported on."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter, Histogram

from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.log import get_logger
from libs.service import Tick
from services.notifier import store
from services.notifier.handlers.sending import Means, Ready, ask, claim, number_of, observe
from services.notifier.rules.states import Accepted, Ambiguous, Attempt, Observation

CHECKS_AT_ONCE_MAX = 32
LOOK_AGAIN_S = 0.5
RECORD_MAX = 256

log = get_logger("notifier")

CALLS = Counter("tocsin_notifier_calls_total", "Calls to a gateway, by outcome.", ["gateway", "outcome"])
CALL_SECONDS = Histogram("tocsin_notifier_call_seconds", "How long a gateway took to answer.", ["gateway"])


class Sender:
    """Claims, calls and records without waiting for each other: a call that hangs keeps one place busy, never the others.

    A call is only made for an attempt that is committed. What a call brought is recorded in batches; results that could not be
    recorded (database away) are kept for the next round, and looked up at the provider after the lease if this process dies first.
    """

    def __init__(self, database: Database, clock: Clock, means: Means, *, at_once_max: int, finish_s: float) -> None:
        self.wake = asyncio.Event()
        self._database = database
        self._clock = clock
        self._means = means
        self._at_once_max = at_once_max
        self._finish_s = finish_s
        self._calls: set[asyncio.Task[None]] = set()
        self._seen: deque[tuple[UUID, Observation]] = deque()
        self._more = True

    def work_arrived(self) -> None:
        """Something was queued: look at once."""
        self._more = True
        self.wake.set()

    async def run_once(self) -> Tick:
        """Sends until nothing is due and every call has ended."""
        worked = 0
        self._more = True
        try:
            while self._more or self._calls or self._seen:
                worked += await self._record()
                free = self._at_once_max - len(self._calls)
                if self._more and free > 0:
                    worked += await self._launch(free)
                elif not self._seen:
                    await self._wait()
        except asyncio.CancelledError:
            await self._finish()
            raise
        async with self._database.connection() as connection:
            send_at, _ = await store.next_times(connection)
        return Tick(worked=worked, next_at=send_at)

    async def _launch(self, free: int) -> int:
        async with self._database.transaction() as tx:
            taken, ready = await claim(tx, self._means, self._clock.now(), free)
        self._more = taken == free
        for one in ready:
            task = asyncio.create_task(self._call(one), name="notifier-call")
            self._calls.add(task)
            task.add_done_callback(self._ended)
        return taken

    async def _call(self, ready: Ready) -> None:
        started_s = self._clock.elapsed_s()
        name = ready.gateway.name
        seen: Observation
        try:
            seen = await ready.gateway.send(ready.message)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a fault of ours in a gateway: the outcome is unknown, and the provider's list will tell
            log.exception("notifier.call_failed", gateway=name, error=type(error).__name__)
            seen = Ambiguous(type(error).__name__)
        CALL_SECONDS.labels(name).observe(max(self._clock.elapsed_s() - started_s, 0.0))
        CALLS.labels(name, type(seen).__name__.lower()).inc()
        if not isinstance(seen, Accepted):
            log.warning("notifier.call", gateway=name, attempt_id=str(ready.message.attempt_id), outcome=repr(seen))
        self._seen.append((ready.message.attempt_id, seen))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self.wake.set()

    async def _record(self) -> int:
        batch = [self._seen[at] for at in range(min(len(self._seen), RECORD_MAX))]
        if not batch:
            return 0
        try:
            await self._observe(batch)
        except TRANSIENT:
            raise
        except Exception as error:  # one result that cannot be recorded must not hold up the others
            log.exception("notifier.record_failed", error=type(error).__name__, results=len(batch))
            for one in batch:
                await self._record_single(one)
        for _ in batch:
            self._seen.popleft()
        return len(batch)

    async def _record_single(self, one: tuple[UUID, Observation]) -> None:
        try:
            await self._observe([one])
        except TRANSIENT:
            raise
        except Exception as error:  # its lease will bring it to the checker
            log.exception("notifier.result_dropped", attempt_id=str(one[0]), error=type(error).__name__)

    async def _observe(self, seen: list[tuple[UUID, Observation]]) -> None:
        async with self._database.transaction() as tx:
            await observe(tx, self._means, seen, self._clock.now())

    async def _wait(self) -> None:
        """Until a call ends or work arrives; in real time, since it waits for the network, and looks again twice a second."""
        self.wake.clear()
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self.wake.wait()
        except TimeoutError:
            self._more = True

    async def _finish(self) -> None:
        """On the way out: lets calls that are under way end, and records them, so that a restart has nothing to look up."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._finish_s)
        while self._seen:
            await self._record()


class Checker:
    """Asks the provider what became of attempts that nobody reported on: crashed, ambiguous, or unconfirmed for too long."""

    def __init__(self, database: Database, clock: Clock, means: Means) -> None:
        self._database = database
        self._clock = clock
        self._means = means

    async def run_once(self) -> Tick:
        """Asks after everything that is due, a bounded number at a time."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim_checks(tx, now, CHECKS_AT_ONCE_MAX, now + timedelta(seconds=self._means.limits.lease_s))
            asked: list[Awaitable[tuple[UUID, Observation]]] = [
                self._ask(attempt, body, *await self._known(tx, attempt, officer_id)) for attempt, body, officer_id in due
            ]
        if asked:
            seen = await asyncio.gather(*asked)
            async with self._database.transaction() as tx:
                await observe(tx, self._means, seen, self._clock.now())
        async with self._database.connection() as connection:
            _, check_at = await store.next_times(connection)
        return Tick(worked=len(due), next_at=check_at)

    async def _known(self, tx: Tx, attempt: Attempt, officer_id: UUID) -> tuple[str | None, frozenset[str]]:
        if attempt.provider_id is not None:
            return None, frozenset()
        to = await number_of(tx, self._means, officer_id, attempt.contact_id)
        return to, await store.taken_provider_ids(tx, attempt.contact_id, attempt.started_at - timedelta(hours=1), attempt.gateway)

    async def _ask(self, attempt: Attempt, body: str, to: str | None, taken: frozenset[str]) -> tuple[UUID, Observation]:
        seen = await ask(self._means, attempt, body, to, taken)
        log.info("notifier.asked", attempt_id=str(attempt.attempt_id), state=attempt.state, outcome=type(seen).__name__)
        return attempt.attempt_id, seen
