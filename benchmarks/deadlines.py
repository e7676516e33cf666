"""B6: how late deadlines fire with many armed, and how long a burst takes that is due at one instant.

The router's own store, rules and sweeper on a real PostgreSQL with fsync on and the real clock; lateness ends with the commit. The armed
cases are those that the router opens for one report in each community, multiplied in SQL with ids of their own.
"""

import asyncio
import os
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.ground import Ground, cpu_s, percentile
from benchmarks.table import Row
from libs import memory
from libs.clock import Clock, SystemClock
from libs.db import Database
from libs.directory.read import Directory
from libs.events import Event, new_event, new_id
from libs.events.catalogue import ReportReceived
from libs.service import Job, Tick
from libs.service.loops import work
from libs.terms import AgeBand, Answer, Channel, Danger, Situation
from services.router import jobs
from services.router.handlers import hearing
from services.router.handlers.desk import Desk
from services.router.rules.policy_files import load_book, load_calendar
from services.router.settings import RouterSettings

ARMED = int(os.environ.get("BENCH_ARMED", "100000"))
PER_S = 100
SECONDS = 20
BURST = int(os.environ.get("BENCH_BURST", "5000"))
BURST_RATE_MIN = 50_000 / 2
LATENESS_P99_MAX_S = 0.020
LEAD_S = 2.0
DONE_MAX_S = 300.0
LOOK_EVERY_S = 2.0

_MULTIPLY = f"""
    CREATE TEMPORARY TABLE made AS
    SELECT case_id AS original, gen_random_uuid() AS case_id FROM router.cases, generate_series(1, {ARMED}) LIMIT {ARMED}
"""
_NEW_IDS = {
    "cases": {"case_id": "made.case_id"},
    "deadlines": {"case_id": "made.case_id", "deadline_id": "gen_random_uuid()"},
    "assignments": {"case_id": "made.case_id"},
}
_COLUMNS = """
    SELECT column_name FROM information_schema.columns WHERE table_schema = 'router' AND table_name = $1 ORDER BY ordinal_position
"""
# Nothing else may fall due while we measure: every clock of every case runs out a day later.
_PUT_OFF = """
    UPDATE router.cases SET wakes_at = wakes_at + interval '1 day';
    UPDATE router.deadlines SET due_at = due_at + interval '1 day', started_at = started_at + interval '1 day', reminders = '{}'
"""
_CHOSEN = "SELECT case_id FROM router.cases WHERE wakes_at > $2 AND status = 'open' LIMIT $1"
_WINDOWS_DUE = """
    UPDATE router.deadlines AS d SET due_at = at.due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS at (case_id, due_at)
    WHERE d.case_id = at.case_id AND d.kind = 'acknowledge'
"""
_CASES_DUE = """
    UPDATE router.cases AS c SET wakes_at = at.due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS at (case_id, due_at)
    WHERE c.case_id = at.case_id
"""


@dataclass
class Sweeps:
    """The sweeper's job, with a note of when each of its transactions had committed."""

    job: Job
    clock: Clock
    committed: list[datetime] = field(default_factory=list)

    async def run_once(self) -> Tick:
        """As the job does."""
        tick = await self.job.run_once()
        self.committed.append(self.clock.now())
        return tick


async def measure(ground: Ground) -> list[Row]:
    """Seeds, then measures lateness at a steady rate, then a burst."""
    clock = SystemClock()
    settings = RouterSettings()
    database = await ground.context.database("router", size_max=settings.connections_max, by_key=True)
    desk = Desk(Directory.under(ground.context.keyring), load_book(), load_calendar(), clock)
    login = await asyncpg.connect(ground.url)
    try:
        await _seed(login, desk, database)
        memory.settle()
        job = jobs.sweeper(desk, database, settings.sweep_batch)
        sweeps = Sweeps(job, clock)
        task = asyncio.create_task(work(Job(job.name, sweeps.run_once, job.idle_s, job.wake), clock))
        try:
            late_s = await _steady(login, sweeps)
            took_s, cpu_us = await _burst(ground, login, sweeps)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await login.close()
        await database.close()
    p50, p99 = percentile(late_s, 0.5), percentile(late_s, 0.99)
    return [
        Row(
            "B6",
            f"deadline due → firing committed, p99 with {ARMED:,} cases armed and {PER_S}/s due for {SECONDS} s (p50 {p50 * 1e3:.1f} ms)",
            f"{p99 * 1e3:.1f} ms",
            "≤ 20 ms",
            p99 <= LATENESS_P99_MAX_S,
        ),
        Row(
            "B6",
            f"{BURST:,} due at one instant, until the last is committed: {BURST / took_s:,.0f}/s; CPU each {cpu_us}",
            f"{took_s:.2f} s",
            "50 k in ≤ 2 s",
            BURST / took_s >= BURST_RATE_MIN,
        ),
    ]


async def _seed(login: "asyncpg.Connection[Any]", desk: Desk, database: Database) -> None:
    now = desk.clock.now()
    places = [row["code"] for row in await login.fetch("SELECT code FROM directory.divisions WHERE level = 'community' ORDER BY code")]
    async with database.transaction() as tx:
        await hearing.reports_received(desk, tx, [_report(place, now) for place in places])
    await login.execute(_MULTIPLY)
    for table, new_ids in _NEW_IDS.items():
        columns = [row["column_name"] for row in await login.fetch(_COLUMNS, table)]
        values = ", ".join(new_ids.get(column, f"opened.{column}") for column in columns)
        await login.execute(
            f"INSERT INTO router.{table} ({', '.join(columns)}) "
            f"SELECT {values} FROM made JOIN router.{table} AS opened ON opened.case_id = made.original",
            timeout=180,
        )
    await login.execute(_PUT_OFF, timeout=180)
    await login.execute("VACUUM ANALYZE router.cases, router.deadlines, router.assignments", timeout=180)
    await login.execute("CHECKPOINT", timeout=180)


def _report(place: str, now: datetime) -> Event[ReportReceived]:
    """A report of grade III."""
    report_id = new_id()
    data = ReportReceived(
        report_id=report_id,
        received_at=now,
        channel=Channel.SCHOOL_API,
        reporter_category="teacher",
        mandated=Answer.YES,
        reporter_reachable=True,
        division_code=place,
        situations=(Situation.MR4_ABUSE_INJURY,),
        danger=dict.fromkeys(Danger, Answer.UNKNOWN),
        age_bands=(AgeBand.FROM_8_TO_13,),
    )
    return new_event(data, key=report_id, time=now)


async def _arm(login: "asyncpg.Connection[Any]", clock: Clock, count: int, gap: timedelta) -> tuple[datetime, list[UUID]]:
    """Lets `count` acknowledge windows end from a moment on, `gap` apart; answers when the first one ends, and of which cases."""
    far = clock.now() + timedelta(hours=1)
    lead = timedelta(seconds=LEAD_S + count / 2_000)
    first = clock.now() + lead
    chosen = [row["case_id"] for row in await login.fetch(_CHOSEN, count, far, timeout=60)]
    due = [first + number * gap for number in range(len(chosen))]
    await login.execute("SET enable_hashjoin = off")  # a few of very many: by their index
    for statement in (_WINDOWS_DUE, _CASES_DUE):
        await login.execute(statement, chosen, due, timeout=120)
    if clock.now() >= first:
        raise RuntimeError("arming took longer than the time that was left for it")
    return first, chosen


async def _steady(login: "asyncpg.Connection[Any]", sweeps: Sweeps) -> list[float]:
    count = PER_S * SECONDS
    first, cases = await _arm(login, sweeps.clock, count, timedelta(seconds=1 / PER_S))
    await asyncio.sleep((first - sweeps.clock.now()).total_seconds() + SECONDS)
    rows = await _fired(login, first, cases)
    return [(_commit_of(sweeps, row["fired_at"]) - row["due_at"]).total_seconds() for row in rows]


async def _burst(ground: Ground, login: "asyncpg.Connection[Any]", sweeps: Sweeps) -> tuple[float, str]:
    due_at, cases = await _arm(login, sweeps.clock, BURST, timedelta(0))
    await login.execute("CHECKPOINT", timeout=180)
    before = cpu_s(os.getpid()), cpu_s(ground.postgres_pid, with_children=True)
    await asyncio.sleep(max((due_at - sweeps.clock.now()).total_seconds(), 0))
    rows = await _fired(login, due_at, cases)
    after = cpu_s(os.getpid()), cpu_s(ground.postgres_pid, with_children=True)
    own, postgres = ((now - was) / BURST * 1e6 for now, was in zip(after, before, strict=True))
    last = max(_commit_of(sweeps, row["fired_at"]) for row in rows)
    return (last - due_at).total_seconds(), f"{own:,.0f} µs, PostgreSQL {postgres:,.0f} µs"


async def _fired(login: "asyncpg.Connection[Any]", first: datetime, cases: list[UUID]) -> list[asyncpg.Record]:
    """The deadlines of these cases that came due since `first`, once all of them have fired."""
    async with asyncio.timeout(DONE_MAX_S):
        while True:
            rows = await login.fetch(
                "SELECT due_at, fired_at FROM router.deadlines WHERE case_id = ANY ($2) AND fired_at >= $1", first, cases, timeout=60
            )
            if len(rows) >= len(cases):
                return rows
            await asyncio.sleep(LOOK_EVERY_S)


def _commit_of(sweeps: Sweeps, fired_at: datetime) -> datetime:
    """When the transaction had committed that fired something at `fired_at`: sweeps follow one another."""
    return sweeps.committed[bisect_left(sweeps.committed, fired_at)]
