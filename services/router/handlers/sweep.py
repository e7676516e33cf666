"""What time brings: whatever is due is fired, each thing once, never early, at once after an outage."""

import asyncio
import copy
from datetime import timedelta

from prometheus_client import Counter, Histogram

from libs import trace
from libs.db import Database, Tx
from libs.log import get_logger
from services.router.handlers.desk import Batch, Desk, place_asked, places
from services.router.rules.case import Outcome
from services.router.rules.machine import fire
from services.router.store import cases as store

BREATHE_EVERY = 25
"""After so many cases the loop looks after others, so that a storm of deadlines does not hold up requests."""
SET_ASIDE_FOR = timedelta(minutes=1)

log = get_logger("router")

LATENESS = Histogram(
    "tocsin_deadline_lateness_seconds",
    "How long after its due time a deadline or reminder fired.",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30, 300, 3600),
)
SET_ASIDE = Counter("tocsin_cases_set_aside_total", "Cases whose deadlines could not be fired and are tried again in a minute.")


async def fire_due(desk: Desk, tx: Tx, limit: int) -> int:
    """Fires what is due on up to `limit` cases; answers how many those were."""
    now = desk.clock.now()
    due = await store.claim_due(tx, now, limit)
    if not due:
        return 0
    routes = await desk.routes(tx, places(due))
    batch = Batch(desk, now)
    for number, case in enumerate(due, start=1):
        if case.wakes_at is not None:
            LATENESS.observe(max((now - case.wakes_at).total_seconds(), 0.0))
        # Nobody's request lies behind a firing: each begins a trace, and the case's id leads to the others.
        with trace.span("fire deadlines", "internal", "") as span:
            if span.recorded:
                span.note({"tocsin.case_id": str(case.case_id)})
            outcome = fire(case, desk.moment(routes[case.division_code], desk.policy_of(case), now, place_asked(case, routes)))
            # A case whose row says that it is due, but which has nothing to do, is written again with its true next time.
            batch.add(outcome if outcome.changed else Outcome(case, copy.copy(case), ()))
        if number % BREATHE_EVERY == 0:
            await asyncio.sleep(0)
    return await batch.commit(tx)


async def fire_one_by_one(desk: Desk, database: Database, limit: int) -> int:
    """The same, one case in a transaction, after a batch has failed: a case that cannot be fired is set aside and stops no other."""
    fired = 0
    for _ in range(limit):
        async with database.transaction() as tx:
            case_id = await store.first_due(tx, desk.clock.now())
        if case_id is None:
            break
        try:
            async with database.transaction() as tx:
                fired += await fire_due(desk, tx, 1)
        except Exception as error:  # whatever it is, the other cases must go on
            SET_ASIDE.inc()
            log.exception("router.case_set_aside", case_id=str(case_id), error=type(error).__name__)
            async with database.transaction() as tx:
                await store.set_aside(tx, case_id, desk.clock.now() + SET_ASIDE_FOR)
    return fired
