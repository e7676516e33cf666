"""What is left of all that had begun by some instant: events that a group has not read, reports without a case, people not told."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.clock import SystemClock
from tests.faults.cluster.system import ClusterSystem

# Asked often while others work: everything is found by an index, reports and cases by the time that stands in their ids (UUIDv7). Of the
# events a shard's first unread one tells; of what is older than `since` was told after the fault before.
LEFT = """
SELECT
    (SELECT count(*) FROM bus.cursors AS cursor CROSS JOIN LATERAL (
        SELECT created_at FROM bus.outbox AS event
        WHERE event.shard = cursor.shard AND (event.xid, event.id) > (cursor.xid, cursor.position)
        ORDER BY event.xid, event.id LIMIT 1) AS unread WHERE unread.created_at <= $1) AS shards,
    (SELECT count(*) FROM intake.reports AS report WHERE report.report_id >= $2 AND report.received_at <= $1
        AND (SELECT true FROM router.case_reports AS filed WHERE filed.report_id = report.report_id LIMIT 1) IS NULL) AS reports,
    (SELECT count(*) FROM router.cases AS one WHERE one.case_id >= $2 AND one.opened_at <= $1 AND (
        SELECT true FROM notifier.notifications AS told WHERE told.case_id = one.case_id AND told.post_id = one.owner_post_id
            AND told.officer_id = one.owner_officer_id AND told.state IN ('submitted', 'delivered') LIMIT 1) IS NULL) AS owners,
    (SELECT count(*) FROM notifier.notifications WHERE state = 'queued' AND requested_at <= $1)
        + (SELECT count(*) FROM notifier.attempts
           WHERE check_at IS NOT NULL AND state IN ('sending', 'ambiguous') AND started_at <= $1) AS messages
"""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
EVERY_S = 0.3


@dataclass(frozen=True)
class Left:
    """How much is not done; of events, how many shards of groups have some."""

    shards: int
    reports: int
    owners: int
    messages: int

    def __bool__(self) -> bool:
        return bool(self.shards or self.reports or self.owners or self.messages)

    def __str__(self) -> str:
        return f"{self.shards} shards, {self.reports} reports, {self.owners} owners, {self.messages} messages"


async def left(system: ClusterSystem, until: datetime, since: datetime) -> Left:
    async with system.postgres.connected() as db:
        row = await db.fetchrow(LEFT, until, UUID(int=int(since.timestamp() * 1000) << 80))
        assert row is not None
        return Left(*row)


async def drained(system: ClusterSystem, since: datetime, *, timeout_s: float) -> tuple[float, Left, str]:
    """Seconds (at most `timeout_s`) until nothing is left of what had begun by now; what was left at first, and what was last."""
    until, began_s = SystemClock().now(), time.monotonic()
    first: Left | None = None
    last = ""
    while time.monotonic() - began_s < timeout_s:
        try:
            found = await left(system, until, since)
        except AWAY:
            found = None
        if found is not None:
            first = first or found
            if not found:
                return time.monotonic() - began_s, first, last
            last = str(found)
        await asyncio.sleep(EVERY_S)
    return timeout_s, first or Left(0, 0, 0, 0), f"STILL {last}"
