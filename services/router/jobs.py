"""The sweeper. Every replica may run it: cases that one of them is busy with are left out by the others."""

from functools import partial

from libs.db import TRANSIENT, Database
from libs.log import get_logger
from libs.service import Job, Tick
from services.router.handlers import sweep
from services.router.handlers.desk import Desk
from services.router.store import cases as store

ONE_BY_ONE_MAX = 50

log = get_logger("router")


def jobs(desk: Desk, database: Database, batch: int) -> tuple[Job, ...]:
    """The router's jobs."""
    return (Job("router-sweeper", partial(sweep_once, desk, database, batch), idle_s=1.0, wake=desk.alarm.wake),)


async def sweep_once(desk: Desk, database: Database, batch: int) -> Tick:
    """Fires one batch of what is due; when nothing is, tells when the next thing will be."""
    try:
        async with database.transaction() as tx:
            fired = await sweep.fire_due(desk, tx, batch)
            if fired:
                return Tick(worked=fired)
            desk.alarm.next_at = await store.next_wake(tx, desk.clock.now())
            return Tick(next_at=desk.alarm.next_at)
    except TRANSIENT:
        raise
    except Exception as error:  # the batch holds something that cannot be fired: find it, and let the others go on
        log.exception("router.sweep_failed", error=type(error).__name__)
        return Tick(worked=await sweep.fire_one_by_one(desk, database, ONE_BY_ONE_MAX))
