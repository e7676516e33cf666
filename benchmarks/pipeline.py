"""B7, B8: the whole embedded process, from the accepted report to the SMS request at the gateway, at half load and in a burst.

The process is the one that `make run` starts: five services, the Twilio sandbox with its signed callbacks, and a PostgreSQL with fsync
on; the generator that sends the reports shares its two cores.
"""

import asyncio
import json
import os
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import aiohttp
import asyncpg
import orjson

from benchmarks.ground import Ground, cpu_s, free_port, percentile, processes
from benchmarks.sender import Sender
from benchmarks.table import Row
from deploy.demo.people import report

BODIES = 1000
WARM_UP_S = 2.0
CAPACITY_S = 5.0
STEADY_S = 15.0
BURST_S = 1.0
BURST_TIMES = 10
SETTLE_MAX_S = 90.0
LOOK_EVERY_S = 0.1
P99_MAX_S = 0.25
BURST_P99_MAX_S = 5.0
RATE_MIN = 1222

_LEFT = """
    SELECT (SELECT count(*) FROM intake.reports) - (SELECT count(*) FROM router.case_reports)
         + (SELECT count(*) FROM bus.outbox WHERE event_type = 'tocsin.notification.requested.v1')
         - (SELECT count(*) FROM notifier.notifications WHERE state IN ('submitted', 'delivered', 'failed'))
"""
_SENT = """
    SELECT report.report_id, report.received_at, attempt.provider_id
    FROM intake.reports AS report JOIN router.case_reports USING (report_id)
    JOIN notifier.notifications AS notification USING (case_id) JOIN notifier.attempts AS attempt USING (notification_id)
    WHERE report.received_at >= $1
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase brought: reports, SMS, each SMS's time from its report's acceptance to the gateway, and how long all of it took."""

    reports: int
    lags_s: list[float]
    took_s: float

    @property
    def rate(self) -> float:
        """Reports per second, from the first acceptance to the last SMS."""
        return self.reports / self.took_s

    def lag_s(self, share: float) -> float:
        """The time that `share` of the SMS did not exceed."""
        return percentile(self.lags_s, share)


async def measure(ground: Ground) -> list[Row]:
    """Capacity first, then half of it, then ten times the half for a second."""
    connection = await asyncpg.connect(ground.url)
    port = free_port()
    try:
        places = [
            row["code"] for row in await connection.fetch("SELECT code FROM directory.divisions WHERE level = 'community' ORDER BY 1")
        ]
        with processes(ground, port, "deploy.cli", "run", PORT=str(port)) as (process,):
            key = json.loads((ground.folder / "demo.json").read_text())["api_key"]
            async with Sender(port, key, _bodies(places)) as sender:
                await sender.for_seconds(WARM_UP_S)
                await _settled(connection)
                before = _used(ground, process)
                full = await _phase(connection, port, sender, CAPACITY_S)
                used = [after - was for after, was in zip(_used(ground, process), before, strict=True)]
                load = full.rate / 2
                half = await _phase(connection, port, sender, STEADY_S, load)
                burst = await _phase(connection, port, sender, BURST_S, load * BURST_TIMES)
    finally:
        await connection.close()
    p99, burst_p99 = half.lag_s(0.99), burst.lag_s(0.99)
    service_us, postgres_us, sender_us = (1e6 * seconds / full.reports for seconds in used)
    return [
        Row(
            "B7",
            f"report accepted → SMS request, p99 at half load ({load:,.0f}/s for {STEADY_S:.0f} s; p50 {half.lag_s(0.5) * 1e3:,.0f} ms)",
            f"{p99 * 1e3:,.0f} ms",
            "≤ 250 ms",
            p99 <= P99_MAX_S,
        ),
        Row(
            "B7",
            f"the same in a {BURST_TIMES}× burst ({burst.reports:,} reports in {BURST_S:.0f} s; all sent after {burst.took_s:.1f} s)",
            f"{burst_p99:.1f} s",
            "≤ 5 s",
            burst_p99 <= BURST_P99_MAX_S,
        ),
        Row(
            "B8",
            f"whole pipeline, {full.reports:,} reports and {len(full.lags_s):,} SMS in {full.took_s:.1f} s; CPU per report: "
            f"services and sandbox {service_us:,.0f} µs, PostgreSQL {postgres_us:,.0f} µs, generator {sender_us:,.0f} µs",
            f"{full.rate:,.0f}/s",
            "≥ 1 222/s",
            full.rate >= RATE_MIN,
        ),
    ]


async def _phase(connection: "asyncpg.Connection[Any]", port: int, sender: Sender, seconds: float, per_s: float | None = None) -> Phase:
    since = await connection.fetchval("SELECT clock_timestamp()")
    known = len(sender.accepted)
    await (sender.for_seconds(seconds) if per_s is None else sender.at_rate(per_s, seconds))
    await _settled(connection)
    arrived = await _messages(port, since)
    wanted = set(sender.accepted[known:])
    rows = [row for row in await connection.fetch(_SENT, since) if str(row["report_id"]) in wanted]
    lags = {row["provider_id"]: (arrived[row["provider_id"]] - row["received_at"]).total_seconds() for row in rows}
    took_s = (max(arrived.values()) - min(row["received_at"] for row in rows)).total_seconds()
    told = {row["report_id"] for row in rows}
    if len(told) != len(wanted):
        raise RuntimeError(f"{len(wanted) - len(told)} of {len(wanted)} reports brought no SMS")
    return Phase(len(wanted), list(lags.values()), took_s)


async def _settled(connection: "asyncpg.Connection[Any]") -> None:
    """Until every report has its case, and every message that was asked for has been taken by the gateway or failed."""
    until = time.monotonic() + SETTLE_MAX_S
    while await connection.fetchval(_LEFT):
        if time.monotonic() > until:
            raise RuntimeError("the pipeline did not come to rest")
        await asyncio.sleep(LOOK_EVERY_S)


async def _messages(port: int, since: datetime) -> dict[str, datetime]:
    """When each SMS came to the gateway, by its sid."""
    url = f"http://127.0.0.1:{port}/sandbox/messages"
    async with aiohttp.ClientSession() as session, session.get(url, params={"after": since.isoformat()}) as answer:
        items = orjson.loads(await answer.read())["items"]
    return {item["sid"]: datetime.fromisoformat(item["received_at"]) for item in items}


def _used(ground: Ground, process: "subprocess.Popen[bytes]") -> tuple[float, float, float]:
    """Processor seconds so far: the services' process, PostgreSQL, and this one."""
    return cpu_s(process.pid), cpu_s(ground.postgres_pid, with_children=True), cpu_s(os.getpid())


def _bodies(places: list[str]) -> list[bytes]:
    """Invented reports in the mix of a realistic day (see the demo): of each grade some, so that up to three rungs are told at once."""
    random = Random(1)
    return [orjson.dumps(report(random.choice(places), random)) for _ in range(BODIES)]
