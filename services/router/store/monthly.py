"""Which places were told that their monthly report is due: once for each place and month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.db import Tx

TIMEOUT_S = 5.0
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Told:
    """A place that has to report, and to which role."""

    division_code: str
    day: date
    receiver: str


async def first_time(tx: Tx, told: Told, policy: str, now: datetime) -> bool:
    """Records that a place is told for the month of `told.day`; whether it had not been told before. Whoever comes second waits here."""
    month = told.day.replace(day=1)
    return bool(await tx.fetchval(_RECORD, told.division_code, month, told.day, told.receiver, policy, now, timeout=TIMEOUT_S))


async def of_month(tx: Tx, scope: str, month: date) -> Sequence[Told]:
    """What places within `scope` were told this month, at most SHOWN_MAX of them."""
    rows = await tx.fetch(_OF_MONTH, scope, scope + ":", month, SHOWN_MAX, timeout=TIMEOUT_S)
    return [Told(row["division_code"], row["day"], row["receiver"]) for row in rows]


_RECORD = """
    INSERT INTO router.monthly_reports (division_code, month, day, receiver, policy, told_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING RETURNING true
"""
_OF_MONTH = """
    SELECT division_code, day, receiver FROM router.monthly_reports
    WHERE division_code >= $1 AND division_code < $2 AND month = $3 ORDER BY division_code LIMIT $4
"""
