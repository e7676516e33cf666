"""What the directory does by itself: duty begins and ends, and what is over is forgotten."""

from datetime import timedelta
from functools import partial

from libs.clock import Clock
from libs.db import Database
from libs.jobs import at_intervals
from libs.service import Job, Tick
from libs.workdays import WorkCalendar
from services.directory.handlers import accounts, people, reachability
from services.directory.store import verifications

CLEAN_EVERY = timedelta(minutes=10)
VERIFICATIONS_KEPT = timedelta(days=30)
"""Nothing reads them after an hour; who asks why a code did not come, asks within days (default)."""
VERIFICATIONS_AT_ONCE_MAX = 1_000


def jobs(database: Database, clock: Clock, calendar: WorkCalendar) -> tuple[Job, ...]:
    """The jobs; every replica may run them."""
    return (
        Job("directory-roster", partial(_roster, database, clock, calendar)),
        at_intervals("directory-figures", reachability.EVERY_S, clock, partial(reachability.count, database)),
        Job("directory-clean", partial(_clean, database, clock), idle_s=CLEAN_EVERY.total_seconds()),
    )


async def _roster(database: Database, clock: Clock, calendar: WorkCalendar) -> Tick:
    async with database.transaction() as tx:
        return await people.keep_roster(tx, calendar, clock.now())


async def _clean(database: Database, clock: Clock) -> Tick:
    async with database.transaction() as tx:
        old = await verifications.forget(tx, clock.now() - VERIFICATIONS_KEPT, VERIFICATIONS_AT_ONCE_MAX)
        return Tick(worked=await accounts.clean(tx, clock.now()) + old)
