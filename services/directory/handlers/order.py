"""The order in which the holders of posts are asked now, as the read model has it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from libs.db import Tx
from libs.directory.duty import Duty, Plan, Reason, next_change, on_duty, periods, staffed
from libs.directory.read import plans_of
from libs.workdays import WorkCalendar
from services.directory.store import duty as store

OUTLOOK = timedelta(days=7)
"""How far ahead holes in a roster are told."""


async def refresh(tx: Tx, calendar: WorkCalendar, post_ids: Sequence[UUID], now: datetime) -> int:
    """Works out who is on duty on the posts, and when to look again; answers on how many posts it is somebody else."""
    if not post_ids:
        return 0
    plans = await plans_of(tx, post_ids, now)
    rows = [
        (post_id, duty.officer_id, order, duty.on_duty)
        for post_id, plan in plans.items()
        for order, duty in _ordered(on_duty(plan, now, calendar))
    ]
    moved = await store.set_order(tx, rows)
    outlook = [(post_id, _look_again(plan, now, calendar), _unstaffed_at(plan, now, calendar)) for post_id, plan in plans.items()]
    await store.set_outlook(tx, outlook)
    return len(moved)


def _ordered(duties: Sequence[Duty]) -> list[tuple[int, Duty]]:
    """Numbered from 1; all 0 where rank alone decides, so that most holdings are never written."""
    if all(duty.reason in {Reason.PRIMARY, Reason.DEPUTY} for duty in duties):
        return [(0, duty) for duty in duties]
    return list(enumerate(duties, start=1))


def _look_again(plan: Plan, now: datetime, calendar: WorkCalendar) -> datetime | None:
    return next_change(plan, now, calendar) if plan.shifts or plan.overrides or plan.leaves else None


def _unstaffed_at(plan: Plan, now: datetime, calendar: WorkCalendar) -> datetime | None:
    """When within OUTLOOK the roster first has nobody on duty; who has neither roster nor leave is looked after by rank."""
    if not plan.shifts and not plan.leaves:
        return None
    return next((one.starts_at for one in periods(plan, now, now + OUTLOOK, calendar) if not staffed(one.duties)), None)
