"""Notifications of the last days, whatever their case, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from services.notifier.rules.states import Notification
from services.notifier.store import STATE, SUBJECT, Subject, attempts_of, notification_of, subject_of

TIMEOUT_S = 10.0

# Ids are UUIDv7: read backwards, the primary key gives the newest first; the time is that of the clock, and has an index that costs little.
_RECENT = f"""
SELECT {SUBJECT}, {STATE} FROM notifier.notifications n
WHERE n.requested_at >= $1 AND ($2::uuid IS NULL OR n.notification_id < $2)
  AND starts_with(n.division_code, $3) AND ($4 = '' OR n.state = $4) AND ($5 = '' OR n.grade = $5) AND ($6 = '' OR n.purpose = $6)
  AND ($7 = '' OR EXISTS (
      SELECT 1 FROM notifier.attempts a WHERE a.notification_id = coalesce(n.carrier, n.notification_id) AND a.gateway = $7))
ORDER BY n.notification_id DESC LIMIT $8
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show: requested since then, and before the one of that id; "" is everything."""

    since: datetime
    before: UUID | None = None
    division: str = ""
    state: str = ""
    grade: str = ""
    purpose: str = ""
    gateway: str = ""


async def recent(tx: Tx, wanted: Wanted, limit: int) -> Sequence[tuple[Subject, Notification, list[Any]]]:
    """Those that fit, with their attempts."""
    rows = await tx.fetch(
        _RECENT,
        wanted.since,
        wanted.before,
        wanted.division,
        wanted.state,
        wanted.grade,
        wanted.purpose,
        wanted.gateway,
        limit,
        timeout=TIMEOUT_S,
    )
    attempts = await attempts_of(tx, rows, TIMEOUT_S)
    return [(subject_of(row), notification_of(row), attempts[row["notification_id"]]) for row in rows]
