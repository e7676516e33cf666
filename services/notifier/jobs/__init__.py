"""What the notifier does by itself: sending what is queued, and asking after what nobody reported on."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from libs import trace
from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.log import get_logger
from libs.service import Tick
from services.notifier import store
from services.notifier.handlers.asking import ask, number_of
from services.notifier.handlers.bundling import follow
from services.notifier.handlers.sending import Means, Ready, claim, observe
from services.notifier.jobs.calling import LOOK_AGAIN_S, Calling
from services.notifier.rules.states import GATEWAY_DOWN, Accepted, Ambiguous, Attempt, Observation, Refusal, Rejected, Unanswered
from services.notifier.store import Unheard, figures, receipts

CHECKS_AT_ONCE_MAX = 32
CHECKS_IN_ORDER = 8
"""So many of them are those that are due longest, whatever they are about: the others go by importance."""
ASK_S_MAX = 15.0
"""One answer may take several pages; the next round does not wait for more."""
LOOK_AGAIN_MIN_S = 0.01
RESERVED_PART = 8
"""An eighth of the calls that may be under way is kept for urgent messages: calls that hang with others do not keep them waiting."""
RECORD_MAX = 256
FORWARD_MAX = 10_000
"""So many that waited for a gateway are taken up at once when it is back; the others when their own time has come."""
FIGURES_EVERY_S = 10.0
BUNDLES_EVERY_S = 10.0
COUNT_MAX = 10_000
"""Notifications and attempts that are counted at most."""

Seen: TypeAlias = tuple[UUID, Observation]

log = get_logger("notifier")

CALLS = Counter("tocsin_notifier_calls_total", "Calls to a gateway, by outcome.", ["gateway", "outcome"])
CALL_SECONDS = Histogram("tocsin_notifier_call_seconds", "How long a gateway took to answer.", ["gateway"])
WAITED_SECONDS = Histogram(
    "tocsin_notifier_first_call_wait_seconds",
    "How long notifications waited from being requested to their first call.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600),
)
QUEUED = Gauge("tocsin_notifier_queued", "Notifications that wait for an attempt.")
QUEUED_SECONDS = Gauge("tocsin_notifier_queued_oldest_seconds", "How long ago the oldest of them was requested; 0 when none waits.")
UNDER_WAY = Gauge("tocsin_notifier_attempts_open", "Attempts from which something is still to be heard, by state.", ["state"])


async def count(database: Database, clock: Clock) -> None:
    """Sets the gauges of what is under way. Every replica counts the same tables, so they all say the same."""
    async with database.connection() as connection:
        queued, oldest = await figures.queued(connection, COUNT_MAX)
        under_way = await figures.under_way(connection, COUNT_MAX)
    QUEUED.set(queued)
    QUEUED_SECONDS.set(max((clock.now() - oldest).total_seconds(), 0.0) if oldest else 0.0)
    for state, attempts in under_way.items():
        UNDER_WAY.labels(state).set(attempts)


async def settle_bundles(database: Database, clock: Clock) -> None:
    """Lets members of bundles follow that were left behind (handlers.bundling)."""
    async with database.transaction() as tx:
        left_behind = await follow(tx, None, clock.now())
    if left_behind:
        log.warning("notifier.members_left_behind", notifications=left_behind)


class Sender(Calling[Seen]):
    """Sends what is queued.

    A call is only made for an attempt that is committed, and is looked up at the provider after the lease if this process dies first.
    """

    def __init__(self, database: Database, clock: Clock, means: Means, *, at_once_max: int, finish_s: float) -> None:
        super().__init__(at_once_max=at_once_max, finish_s=finish_s)
        self._database = database
        self._clock = clock
        self._means = means
        self._reserve = at_once_max // RESERVED_PART
        self._hungry = False
        self._gateways_back = 0

    async def run_once(self) -> Tick:
        """Sends until nothing is due and every call has ended."""
        worked = await self._work()
        async with self._database.connection() as connection:
            send_at, _ = await store.next_times(connection)
        now = self._clock.now()
        next_at = max(send_at, self._means.gates.free_at(now), self._means.shaping.next_at(now)) if send_at else None
        return Tick(worked=worked, next_at=next_at)

    async def _launch(self, free: int) -> int:
        back = self._gateways_back
        async with self._database.transaction() as tx:
            if back:
                await store.bring_forward(tx, GATEWAY_DOWN, self._clock.now(), FORWARD_MAX)
            claimed = await claim(tx, self._means, self._clock.now(), free, self._reserve)
        self._gateways_back -= back
        self._more, self._hungry = claimed.more, claimed.hungry
        for one in claimed.ready:
            self._begin(self._call(one), "notifier-call")
        return claimed.worked

    async def _call(self, ready: Ready) -> None:
        name, subject = ready.gateway.name, ready.subject
        if ready.first:
            WAITED_SECONDS.observe(max((self._clock.now() - subject.requested_at).total_seconds(), 0.0))
        with trace.span(f"attempt {name}", "client", subject.traceparent) as span:
            seen = await self._send(ready)
            self._means.shaping.heard(name, seen, self._clock.now())
            if self._means.gates.heard(name, seen, self._clock.now()):
                self._gateways_back += 1
                self._more = True
            outcome = type(seen).__name__.lower()
            CALLS.labels(name, outcome).inc()
            span.note(
                {
                    "tocsin.gateway": name,
                    "tocsin.outcome": outcome,
                    "tocsin.attempt_id": str(ready.message.attempt_id),
                    "tocsin.notification_id": str(subject.notification_id),
                    "tocsin.case_id": str(subject.case_id),
                    "tocsin.purpose": str(subject.purpose),
                }
            )
            if not isinstance(seen, Accepted):
                span.fail(outcome)
                if isinstance(seen, Rejected) and seen.refusal is Refusal.TEXT:
                    log.error("notifier.text_refused", gateway=name, template=ready.message.template_id, code=seen.code, pages=True)
                log.warning("notifier.call", gateway=name, attempt_id=str(ready.message.attempt_id), outcome=repr(seen))
        self._heard.append((ready.message.attempt_id, seen))

    async def _send(self, ready: Ready) -> Observation:
        started_s = self._clock.elapsed_s()
        name = ready.gateway.name
        try:
            return await ready.gateway.send(ready.message)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a fault of ours in a gateway: the outcome is unknown, and the provider's list will tell
            log.exception("notifier.call_failed", gateway=name, error=type(error).__name__)
            return Ambiguous(type(error).__name__)
        finally:
            CALL_SECONDS.labels(name).observe(max(self._clock.elapsed_s() - started_s, 0.0))

    def _place_is_free(self) -> None:
        # Not for each single place: what waits is taken up several at a time, and what is urgent has places of its own.
        self._more = self._more or (self._hungry and self._free >= 2 * self._reserve)

    async def _record(self) -> int:
        batch = [self._heard[at] for at in range(min(len(self._heard), RECORD_MAX))]
        if batch:
            await _record(self._database, self._clock, self._means, batch)
        for _ in batch:
            self._heard.popleft()
        return len(batch)

    def _wait_s(self) -> float:
        """Until a token is there, where only the pace keeps something waiting."""
        if not self._hungry:
            return LOOK_AGAIN_S
        now = self._clock.now()
        token_s = (self._means.shaping.next_at(now) - now).total_seconds()
        return min(max(token_s, LOOK_AGAIN_MIN_S), LOOK_AGAIN_S)


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
            until = now + timedelta(seconds=self._means.limits.lease_s)
            due = await store.claim_checks(tx, now, CHECKS_AT_ONCE_MAX - CHECKS_IN_ORDER, CHECKS_IN_ORDER, until)
            asked: list[Awaitable[Seen]] = [self._ask(one, *await self._known(tx, one.attempt, one.officer_id)) for one in due]
        if asked:
            seen = await self._without_others(due, await asyncio.gather(*asked))
            await _record(self._database, self._clock, self._means, _each_message_once(seen))
        async with self._database.connection() as connection:
            _, check_at = await store.next_times(connection)
        return Tick(worked=len(due), next_at=check_at)

    async def _known(self, tx: Tx, attempt: Attempt, officer_id: UUID) -> tuple[str | None, frozenset[str]]:
        to = await number_of(tx, self._means, officer_id, attempt.contact_id)
        if attempt.provider_id is not None or to is None:
            return to, frozenset()
        number = self._means.people.fingerprint(to)
        return to, await store.taken_provider_ids(tx, number, attempt.started_at - timedelta(hours=1), attempt.gateway)

    async def _without_others(self, due: Sequence[Unheard], seen: Sequence[Seen]) -> list[Seen]:
        """A message that another attempt is known by is none of this one's: it looks again, and is given up and sent again in the end."""
        found: dict[str, list[str]] = {}
        for one, (_, observation) in zip(due, seen, strict=True):
            if one.attempt.provider_id is None and isinstance(observation, Accepted):
                found.setdefault(one.attempt.gateway, []).append(observation.provider_id)
        owners: dict[tuple[str, str], UUID] = {}
        async with self._database.connection() as connection:
            for gateway, provider_ids in found.items():
                known = await receipts.attempts_known_as(connection, gateway, provider_ids)
                owners |= {(gateway, provider_id): attempt_id for provider_id, attempt_id in known.items()}
        kept: list[Seen] = []
        for one, (attempt_id, observation) in zip(due, seen, strict=True):
            key = (one.attempt.gateway, observation.provider_id) if isinstance(observation, Accepted) else None
            foreign = key is not None and owners.get(key, attempt_id) != attempt_id
            kept.append((attempt_id, Unanswered() if foreign else observation))
        return kept

    async def _ask(self, unheard: Unheard, to: str | None, taken: frozenset[str]) -> Seen:
        attempt = unheard.attempt
        with trace.span(f"ask {attempt.gateway}", "client", unheard.traceparent) as span:
            seen = await self._answer(unheard, to, taken)
            outcome = type(seen).__name__
            span.note({"tocsin.gateway": attempt.gateway, "tocsin.outcome": outcome.lower(), "tocsin.attempt_id": str(attempt.attempt_id)})
            log.info("notifier.asked", attempt_id=str(attempt.attempt_id), state=attempt.state, outcome=outcome)
        return attempt.attempt_id, seen

    async def _answer(self, unheard: Unheard, to: str | None, taken: frozenset[str]) -> Observation:
        """What the provider says; no answer where it takes too long or what it said cannot be read: nobody else is to wait for that."""
        try:
            async with asyncio.timeout(ASK_S_MAX):
                return await ask(self._means, unheard.attempt, unheard.body, to, taken)
        except TimeoutError:
            return Unanswered()
        except Exception as error:
            log.exception("notifier.ask_failed", gateway=unheard.attempt.gateway, error=type(error).__name__)
            return Unanswered()


async def _record(database: Database, clock: Clock, means: Means, seen: Sequence[Seen]) -> None:
    """Records a batch; when that fails, one by one, so that one result that cannot be recorded does not hold up the others."""
    try:
        async with database.transaction() as tx:
            await observe(tx, means, seen, clock.now())
    except TRANSIENT:
        raise
    except Exception as error:
        log.exception("notifier.record_failed", error=type(error).__name__, results=len(seen))
        if len(seen) > 1:
            for one in seen:
                await _record(database, clock, means, [one])


def _each_message_once(seen: Sequence[Seen]) -> list[Seen]:
    """Two attempts with the same text may find the same message: the second one has to look again once the first has it."""
    found: set[str] = set()
    once: list[Seen] = []
    for attempt_id, observation in seen:
        if isinstance(observation, Accepted) and observation.provider_id in found:
            once.append((attempt_id, Unanswered()))
            continue
        if isinstance(observation, Accepted):
            found.add(observation.provider_id)
        once.append((attempt_id, observation))
    return once
