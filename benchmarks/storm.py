"""B12: a storm of notifications for few officers, over a provider with limits: how long alarms wait, and that nothing is lost.

The notifier runs as in production, a process of its own that reads the log of events and calls the provider through the official SDK;
the provider's callbacks come back signed. The notifications are written into the log as the router would, at a steady rate.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from benchmarks.ground import Ground, free_port, percentile, processes
from benchmarks.notifications import add_officers, emit, requested, sending_to
from benchmarks.table import Row
from libs.db import Database
from libs.events import new_event
from libs.terms import Grade

NOTIFICATIONS = 20_000
OFFICERS = 500
FOR_S = 100
"""Notifications arrive for so long, at one rate."""
PROVIDER_PER_S = 100
PACE_PER_S = 80
"""What the notifier is told to send; with a full bucket, a quarter more, that is what the provider takes in a second."""
BUDGET = 14
"""A tenth of what a provider gives, so that a storm of minutes can use it up."""
SHARES = ((Grade.I, 0.05), (Grade.II, 0.15), (Grade.III, 0.35), (Grade.IV, 0.45))
SETTLE_MAX_S = 600.0
DELAY_MAX_S = 2.0

_LEFT = """
    SELECT $1 - (SELECT count(*) FROM notifier.notifications WHERE state IN ('submitted', 'delivered', 'failed'))
"""
_NOTIFICATIONS = """
    SELECT n.grade, n.state, n.reason, n.carrier IS NOT NULL AS carried, n.tasks,
           extract(epoch FROM (SELECT min(started_at) FROM notifier.attempts a
                               WHERE a.notification_id = coalesce(n.carrier, n.notification_id)) - n.requested_at)::float AS waited_s
    FROM notifier.notifications n
"""
_PER_NUMBER = """
    SELECT count(*) FILTER (WHERE n.priority > 1) AS held, count(*) AS sent
    FROM notifier.attempts a JOIN notifier.notifications n USING (notification_id) WHERE a.state <> 'rejected' GROUP BY a.number
"""
_EVENTS = "SELECT event_type, count(*) AS n FROM bus.outbox WHERE event_type LIKE 'tocsin.notification.%' GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the storm."""

    waits_s: dict[str, list[float]]
    states: dict[str, int]
    reasons: dict[str, int]
    bundles: int
    bundled: int
    most_to_a_number: int
    refused: int
    took_s: float


async def measure(ground: Ground) -> list[Row]:
    """One storm."""
    port, provider_port = free_port(), free_port()
    bounds = {"TOCSIN_STORM_PER_SECOND": str(PACE_PER_S), "TOCSIN_STORM_PER_NUMBER_PER_DAY": str(BUDGET)}
    inbound = f"http://127.0.0.1:{port}/v1/twilio/inbound"
    database = await Database.open(ground.url, role=None, size_max=4)
    connection = await asyncpg.connect(ground.url)
    try:
        officers, place = await add_officers(ground, database, OFFICERS)
        with (
            processes(ground, provider_port, "benchmarks.provider", str(provider_port), inbound, str(PROVIDER_PER_S)),
            processes(
                ground,
                port,
                "deploy.cli",
                "run",
                "--services",
                "notifier",
                "--no-demo",
                count=1,
                **sending_to(provider_port, port, **bounds),
            ),
        ):
            started = time.monotonic()
            await _storm(database, connection, officers, place)
            await _settled(connection)
            outcome = await _outcome(connection, provider_port, time.monotonic() - started)
    finally:
        await connection.close()
        await database.close()
    return _rows(outcome)


async def _storm(database: Database, connection: "asyncpg.Connection[Any]", officers: list[UUID], place: str) -> None:
    """Writes the requests into the log, ten times a second."""
    random = Random(12)
    grades, shares = [grade for grade, _ in SHARES], [share for _, share in SHARES]
    steps = FOR_S * 10
    started = time.monotonic()
    for step in range(steps):
        pause_s = started + step / 10 - time.monotonic()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        now = datetime.now(UTC)
        events = []
        for _ in range(NOTIFICATIONS // steps):
            (grade,) = random.choices(grades, shares)
            request = requested(random, place, random.choice(officers), grade, now, critical=grade is Grade.I and random.random() < 0.5)
            events.append(new_event(request, key=request.case_id, time=now))
        await emit(database, connection, events)


async def _settled(connection: "asyncpg.Connection[Any]") -> None:
    until = time.monotonic() + SETTLE_MAX_S
    while await connection.fetchval(_LEFT, NOTIFICATIONS):
        if time.monotonic() > until:
            raise RuntimeError(f"{await connection.fetchval(_LEFT, NOTIFICATIONS)} notifications came to no end")
        await asyncio.sleep(0.5)


async def _outcome(connection: "asyncpg.Connection[Any]", provider_port: int, took_s: float) -> Outcome:
    rows = await connection.fetch(_NOTIFICATIONS)
    waits: dict[str, list[float]] = {}
    states: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
        if row["state"] == "failed":
            reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
        if row["waited_s"] is not None:
            waits.setdefault(row["grade"], []).append(row["waited_s"])
    told = {row["event_type"].split(".")[2]: row["n"] for row in await connection.fetch(_EVENTS)}
    if told["failed"] != states.get("failed", 0) or told["submitted"] < NOTIFICATIONS - told["failed"]:
        raise RuntimeError(f"what became of them was not told of each: {told}, {states}")
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{provider_port}/limits") as answer:
        refused = (await answer.json())["refused"]
    return Outcome(
        waits,
        states,
        reasons,
        bundles=sum(1 for row in rows if row["tasks"]),
        bundled=sum(1 for row in rows if row["tasks"] or row["carried"]),
        most_to_a_number=max(row["held"] for row in await connection.fetch(_PER_NUMBER)),
        refused=refused,
        took_s=took_s,
    )


def _rows(outcome: Outcome) -> list[Row]:
    def waited(grade: Grade) -> str:
        waits = outcome.waits_s.get(grade, [0.0])
        return f"{grade}: p50 {percentile(waits, 0.5):,.2f} s, p99 {percentile(waits, 0.99):,.2f} s, most {max(waits):,.2f} s"

    alarms = outcome.waits_s[Grade.I]
    others = "; ".join(waited(grade) for grade in list(Grade)[1:])
    lost = NOTIFICATIONS - sum(outcome.states.values())
    what_failed = ", ".join(f"{n:,} {reason}" for reason, n in sorted(outcome.reasons.items())) or "none"
    return [
        Row(
            "B12",
            f"a storm of {NOTIFICATIONS:,} notifications in {FOR_S} s to {OFFICERS} officers, {PACE_PER_S}/s to the provider: "
            f"first attempt of grade I, p99 ({len(alarms):,} of them, most {max(alarms):,.2f} s); {others}",
            f"{percentile(alarms, 0.99):,.2f} s",
            "≤ 2 s",
            percentile(alarms, 0.99) <= DELAY_MAX_S,
        ),
        Row(
            "B12",
            f"none lost: all at an end after {outcome.took_s:,.0f} s; handed on to somebody else: {what_failed}; the provider refused "
            f"{outcome.refused:,} calls as too many in a second",
            f"{lost:,}",
            "0",
            lost == 0 and set(outcome.reasons) <= {"budget_spent"},
        ),
        Row(
            "B12",
            f"{outcome.bundled:,} notifications in {outcome.bundles:,} bundles; most messages to one number, urgent ones aside, "
            f"of a budget of {BUDGET}",
            f"{outcome.most_to_a_number}",
            f"≤ {BUDGET}",
            outcome.most_to_a_number <= BUDGET,
        ),
    ]
