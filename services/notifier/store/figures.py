"""How much is under way, counted through the two small indexes of what is, and bounded."""

from datetime import datetime

from libs.db import Tx
from services.notifier.rules.states import HELD, OPEN

TIMEOUT_S = 5.0

_QUEUED = """
SELECT count(*) AS waiting, min(requested_at) AS oldest
FROM (
    SELECT requested_at FROM notifier.notifications WHERE state = 'queued' AND coalesce(reason, '') <> ALL ($2::text[]) LIMIT $1
) AS bounded
"""
_UNDER_WAY = """
SELECT state, count(*) AS attempts
FROM (SELECT state FROM notifier.attempts WHERE check_at IS NOT NULL LIMIT $1) AS bounded GROUP BY state
"""


async def queued(tx: Tx, count_max: int) -> tuple[int, datetime | None]:
    """How many notifications wait for an attempt, and since when the longest of them does; those that are held on purpose left out."""
    row = await tx.fetchrow(_QUEUED, count_max, list(HELD), timeout=TIMEOUT_S)
    assert row is not None
    return row["waiting"], row["oldest"]


async def under_way(tx: Tx, count_max: int) -> dict[str, int]:
    """How many attempts are in each state in which something is still to come."""
    found = {row["state"]: row["attempts"] for row in await tx.fetch(_UNDER_WAY, count_max, timeout=TIMEOUT_S)}
    return {str(state): found.get(str(state), 0) for state in sorted(OPEN)}
