"""The sweeper, moves of running cases to other rules, and figures.

Every replica may run all of them: cases that one of them is busy with are left out by the others.
"""

import asyncio
from functools import partial

from libs.db import TRANSIENT, Database
from libs.jobs import at_intervals
from libs.log import get_logger
from libs.service import Job, Tick
from services.router.handlers import figures, monthly, moving, sweep
from services.router.handlers.desk import Desk
from services.router.store import cases as store

ONE_BY_ONE_MAX = 50
STORM_BATCHES = 3
"""How many batches are fired at the same time once a whole one was due."""

log = get_logger("router")


def jobs(desk: Desk, database: Database, batch: int) -> tuple[Job, ...]:
    """The router's jobs."""
    return (
        sweeper(desk, database, batch),
        Job("router-moves", partial(move_once, desk, database), idle_s=1.0),
        at_intervals("router-figures", figures.EVERY_S, desk.clock, partial(figures.count, desk, database)),
        at_intervals("router-monthly-reports", monthly.EVERY_S, desk.clock, partial(monthly.remind, desk, database)),
    )


def sweeper(desk: Desk, database: Database, batch: int) -> Job:
    """Fires deadlines at their time."""
    return Job("router-sweeper", partial(sweep_once, desk, database, batch), idle_s=1.0, wake=desk.alarm.wake)


async def sweep_once(desk: Desk, database: Database, batch: int) -> Tick:
    """Fires what is due, a batch at a time, in a storm several of them; when nothing is due, tells when the next thing will be."""
    try:
        tick = await _sweep(desk, database, batch)
        if tick.worked < batch:
            return tick
        # While the database writes one batch, the rules work on another; each case is in one of them only.
        rounds = await asyncio.gather(*(_sweep(desk, database, batch) for _ in range(STORM_BATCHES)), return_exceptions=True)
        return Tick(worked=tick.worked + sum(_worked(one) for one in rounds))
    except TRANSIENT:
        raise
    except Exception as error:  # the batch holds something that cannot be fired: find it, and let the others go on
        log.exception("router.sweep_failed", error=type(error).__name__)
        return Tick(worked=await sweep.fire_one_by_one(desk, database, ONE_BY_ONE_MAX))


def _worked(outcome: Tick | BaseException) -> int:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome.worked


async def _sweep(desk: Desk, database: Database, batch: int) -> Tick:
    async with database.transaction() as tx:
        fired = await sweep.fire_due(desk, tx, batch)
        if fired:
            return Tick(worked=fired)
        desk.alarm.next_at = await store.next_wake(tx, desk.clock.now())
        return Tick(next_at=desk.alarm.next_at)


async def move_once(desk: Desk, database: Database) -> Tick:
    """Moves a batch of running cases to the rules that somebody ordered for them; a move that cannot be written is given up."""
    try:
        async with database.transaction() as tx:
            return Tick(worked=await moving.work(desk, tx))
    except moving.MoveFailed as failed:  # it would fail again at every round
        log.exception("router.move_stopped", move_id=str(failed.move_id))
        await moving.stop(desk, database, failed.move_id)
        return Tick(worked=1)
