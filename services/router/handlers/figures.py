"""Figures of the cases for Prometheus. Every replica counts the same table, so they all say the same."""

from collections import Counter

from prometheus_client import Gauge

from libs.db import Database
from libs.terms import Grade, Tier
from services.router.handlers.desk import Desk
from services.router.store import figures as store

EVERY_S = 30.0
CASES_MAX = 50_000
"""Cases that are counted at most, of each kind."""
NO_TIER = "none"

OPEN = Gauge("tocsin_cases_open", "Open cases, by grade and by the tier that is accountable.", ["grade", "tier"])
OVERDUE = Gauge("tocsin_cases_overdue", "Open cases on which something is late, by grade.", ["grade"])
UNARMED = Gauge("tocsin_cases_unarmed", "Open cases without any armed deadline: there must be none (promise 2).")
ARMED = Gauge("tocsin_cases_armed", "Open cases with an armed deadline.")
DUE = Gauge("tocsin_cases_due", "Cases with something due that has not been fired yet.")
DUE_SECONDS = Gauge("tocsin_cases_due_oldest_seconds", "For how long something has been due and not fired; 0 when nothing is.")


async def count(desk: Desk, database: Database) -> None:
    """Sets them as of now."""
    now = desk.clock.now()
    async with database.connection() as connection:
        found = await store.open_cases(connection, CASES_MAX)
        due, oldest = await store.due_cases(connection, now, CASES_MAX)
    cases: Counter[tuple[str, str]] = Counter()
    overdue: Counter[str] = Counter()
    for one in found:
        cases[one.grade, one.tier or NO_TIER] += one.cases
        overdue[one.grade] += one.overdue
    for grade in Grade:
        OVERDUE.labels(str(grade)).set(overdue[str(grade)])
        for tier in (*Tier, NO_TIER):
            OPEN.labels(str(grade), str(tier)).set(cases[str(grade), str(tier)])
    armed = sum(one.armed for one in found)
    ARMED.set(armed)
    UNARMED.set(sum(one.cases for one in found) - armed)
    DUE.set(due)
    DUE_SECONDS.set((now - oldest).total_seconds() if oldest else 0.0)
