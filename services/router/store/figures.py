"""How many cases are open, and how many wait for the sweeper: bounded, so that a country's worth of cases costs no more than a city's."""

from dataclasses import dataclass
from datetime import datetime

from libs.db import Tx

TIMEOUT_S = 5.0

_OPEN = """
    SELECT grade, tier, count(*) AS cases, count(overdue_since) AS overdue, count(wakes_at) AS armed
    FROM (SELECT grade, tier, overdue_since, wakes_at FROM router.cases WHERE status <> 'closed' LIMIT $1) AS bounded
    GROUP BY grade, tier
"""
_DUE = """
    SELECT count(*) AS cases, min(wakes_at) AS oldest
    FROM (SELECT wakes_at FROM router.cases WHERE wakes_at <= $1 ORDER BY wakes_at LIMIT $2) AS bounded
"""


@dataclass(frozen=True, slots=True)
class OpenCases:
    """Of one grade and tier (None: not assigned to any): all of them, those that have missed something, those with an armed deadline."""

    grade: str
    tier: str | None
    cases: int
    overdue: int
    armed: int


async def open_cases(tx: Tx, count_max: int) -> list[OpenCases]:
    """What is open, of at most `count_max` cases."""
    return [OpenCases(**dict(row)) for row in await tx.fetch(_OPEN, count_max, timeout=TIMEOUT_S)]


async def due_cases(tx: Tx, now: datetime, count_max: int) -> tuple[int, datetime | None]:
    """How many cases have something due that has not been fired, and since when."""
    row = await tx.fetchrow(_DUE, now, count_max, timeout=TIMEOUT_S)
    assert row is not None
    return row["cases"], row["oldest"]
