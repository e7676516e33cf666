"""What is left of all that had begun by some instant: events that a group has not read, reports without a case, people not told."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from libs.clock import SystemClock
from tests.faults.cluster.system import ClusterSystem

# Only the last minutes are looked at while the run is on: what is older was looked at after the fault before.
LEFT = """
SELECT
    (SELECT count(*) FROM bus.cursors AS cursor JOIN bus.outbox AS event
        ON event.shard = cursor.shard AND (event.xid, event.id) > (cursor.xid, cursor.position)
        WHERE event.created_at <= $1) AS events,
    (SELECT count(*) FROM intake.reports AS report WHERE report.received_at BETWEEN $2 AND $1
        AND NOT EXISTS (SELECT 1 FROM router.case_reports AS filed WHERE filed.report_id = report.report_id)) AS reports,
    (SELECT count(*) FROM router.cases AS one WHERE one.opened_at BETWEEN $2 AND $1 AND NOT EXISTS (
        SELECT 1 FROM notifier.notifications AS told WHERE told.case_id = one.case_id AND told.post_id = one.owner_post_id
            AND told.officer_id = one.owner_officer_id AND told.state IN ('submitted', 'delivered'))) AS owners,
    (SELECT count(*) FROM notifier.notifications WHERE state IN ('queued', 'sending') AND requested_at <= $1)
        + (SELECT count(*) FROM notifier.attempts WHERE state IN ('sending', 'ambiguous') AND started_at <= $1) AS messages
"""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
EVERY_S = 0.2
REST_S = 1.0


@dataclass(frozen=True)
class Left:
    """How much is not done."""

    events: int
    reports: int
    owners: int
    messages: int

    def __bool__(self) -> bool:
        return bool(self.events or self.reports or self.owners or self.messages)

    def __str__(self) -> str:
        return f"{self.events} events, {self.reports} reports, {self.owners} owners, {self.messages} messages"


async def left(system: ClusterSystem, until: datetime, since: datetime) -> Left:
    async with system.postgres.connected() as db:
        row = await db.fetchrow(LEFT, until, since)
        assert row is not None
        return Left(*row)


async def at_rest(system: ClusterSystem, *, timeout_s: float) -> float:
    """Seconds until nothing is left and nothing new comes of it: what is told to the gateway comes back as an event a little later."""
    began_s, last_s, count = time.monotonic(), 0.0, -1
    while time.monotonic() - began_s < timeout_s:
        found = await left(system, SystemClock().now() + timedelta(hours=1), SystemClock().now() - timedelta(days=1))
        async with system.postgres.connected() as db:
            published = await db.fetchval("SELECT count(*) FROM bus.outbox")
        if found or published != count:
            last_s, count = time.monotonic() - began_s, published
        elif time.monotonic() - began_s > last_s + REST_S:
            return last_s
        await asyncio.sleep(EVERY_S)
    raise AssertionError(f"no rest within {timeout_s} s, still: {found}")


async def drained(system: ClusterSystem, since: datetime, *, timeout_s: float) -> tuple[float, Left, str]:
    """Seconds until nothing is left of what had begun by now; what was left at first, and what was last."""
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
    raise AssertionError(f"not drained within {timeout_s} s, still: {last}")
