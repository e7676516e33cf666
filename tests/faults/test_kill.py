"""`kill -9` in the middle of everything: nothing accepted is lost, everybody is told, and hardly anybody twice (promises 1, 2 and 5).

Real processes, a real PostgreSQL with fsync, real HTTP. FAULT_REPORTS raises the number of reports, FAULT_SEED moves the moments.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.faults.intake_storm import Storm
from tests.faults.questions import CASES_OF_REPORTS, OWNERS_NOT_TOLD
from tests.support.process import System, running_system, until

REPORTS = int(os.environ.get("FAULT_REPORTS", "300"))
"""Enough that every kill meets requests and sends in flight; `make faults` sends 2,000."""
SEED = int(os.environ.get("FAULT_SEED", "3"))
SEND_S = 300 + REPORTS / 20
DRAIN_S = 120 + REPORTS / 20
GATEWAY_LATENCY_S = 0.15
"""A gateway as slow as a real one, so that a kill always meets sends in flight."""

UNREAD = """
SELECT count(*) FROM bus.cursors AS cursor JOIN bus.outbox AS event
    ON event.shard = cursor.shard AND (event.xid, event.id) > (cursor.xid, cursor.position)
"""
UNDER_WAY = """
SELECT (SELECT count(*) FROM notifier.notifications WHERE state IN ('queued', 'sending'))
     + (SELECT count(*) FROM notifier.attempts WHERE state IN ('sending', 'ambiguous'))
"""
IN_FLIGHT = "SELECT count(*) FROM notifier.attempts WHERE state = 'sending'"
SENT = """
SELECT body, count(DISTINCT notification_id) AS notifications, bool_or(possible_duplicate) AS possible_duplicate
FROM notifier.attempts GROUP BY body
"""


async def test_killed_in_the_middle_of_reports_and_of_sending(record_property: Callable[[str, object], None]) -> None:
    chance = random.Random(SEED)
    async with running_system() as system:
        await slow_gateway(system)
        storm = Storm(system, REPORTS, SEED)
        sending = asyncio.create_task(storm.run())
        in_flight = 0
        for share in (chance.uniform(0.15, 0.35), chance.uniform(0.55, 0.8)):
            await within(SEND_S, storm.accepted(int(REPORTS * share)), sending)
            in_flight += await kill(system)
            await system.start()
        await within(SEND_S, sending)
        # Everything is accepted; now in the middle of what follows from it.
        await until(lambda: sends_in_flight(system), "something is being sent", timeout_s=DRAIN_S)
        stopped_at = time.monotonic()
        last = await kill(system)
        assert last > 0
        in_flight += last
        left = await backlog(system)
        await system.start()
        ready_s = time.monotonic() - stopped_at
        await until(lambda: drained(system), "everything is drained", timeout_s=DRAIN_S)
        drained_s = time.monotonic() - stopped_at

        doubled = await judge(system, storm, in_flight_max=in_flight)
        figures = (
            f"{REPORTS} reports, {storm.retries} retries, 3 kills, {in_flight} sends in flight, {doubled} SMS doubled; "
            f"last kill: {left} events and messages left, ready after {ready_s:.1f} s, drained after {drained_s:.1f} s"
        )
        record_property("figures", figures)
        print(figures)  # noqa: T201 - what a person runs this for


async def test_postgresql_is_killed_instead(record_property: Callable[[str, object], None]) -> None:
    reports = max(REPORTS // 5, 100)
    chance = random.Random(SEED)
    async with running_system() as system:
        await slow_gateway(system)
        storm = Storm(system, reports, SEED + 1)
        sending = asyncio.create_task(storm.run())
        await within(SEND_S, storm.accepted(int(reports * chance.uniform(0.2, 0.7))), sending)
        dead = system.postmaster
        assert dead is not None
        stopped_at = time.monotonic()
        os.kill(dead, signal.SIGKILL)
        await until(lambda: another_postmaster(system, dead), "PostgreSQL is started again", timeout_s=60)
        await system.ready()
        ready_s = time.monotonic() - stopped_at
        await within(SEND_S, sending)
        await until(lambda: drained(system), "everything is drained", timeout_s=DRAIN_S)
        drained_s = time.monotonic() - stopped_at
        assert system.process.alive
        # Who was being told at that moment is not known to us here: at most what one process sends at once.
        doubled = await judge(system, storm, in_flight_max=64)
        figures = (
            f"{reports} reports, PostgreSQL killed: back after {ready_s:.1f} s, drained after {drained_s:.1f} s, {doubled} SMS doubled"
        )
        record_property("figures", figures)
        print(figures)  # noqa: T201 - as above


async def judge(system: System, storm: Storm, *, in_flight_max: int) -> int:
    """Nothing is lost, nothing is doubled without need; answers how many SMS were sent twice."""
    code, found = await system.doctor()
    assert code == 0, found
    await storm.again(20)
    receipts = [answer["receipt"] for answer in storm.answers.values()]
    assert len(set(receipts)) == len(storm.reports)

    async with system.database() as db:
        cases = {row["report_id"]: row["cases"] for row in await db.fetch(CASES_OF_REPORTS)}
        assert cases == {answer["report_id"]: 1 for answer in storm.answers.values()}
        assert await db.fetchval("SELECT count(*) FROM router.cases") == len(storm.reports)
        assert await db.fetchval(OWNERS_NOT_TOLD) == 0
        assert await db.fetchval("SELECT count(*) FROM bus.parked") == 0
        wanted = {row["body"]: row for row in await db.fetch(SENT)}
    reached = Counter(message["body"] for message in await messages(system))
    assert set(reached) == set(wanted)
    assert not [body for body, row in wanted.items() if reached[body] < row["notifications"]], "an SMS is missing"
    doubled = {body: reached[body] - row["notifications"] for body, row in wanted.items() if reached[body] > row["notifications"]}
    assert not [body for body in doubled if not wanted[body]["possible_duplicate"]], "an SMS was doubled and not marked"
    assert sum(doubled.values()) <= in_flight_max
    return sum(doubled.values())


async def kill(system: System) -> int:
    """Kills the system; answers how many sends were in flight: begun, and their outcome not recorded."""
    await system.kill()
    async with system.database() as db:
        return await db.fetchval(IN_FLIGHT)


async def sends_in_flight(system: System) -> bool:
    async with system.database() as db:
        return await db.fetchval(IN_FLIGHT) > 0


async def backlog(system: System) -> int:
    """Events that some group has not read, and messages that are not sent."""
    async with system.database() as db:
        return await db.fetchval(UNREAD) + await db.fetchval(UNDER_WAY)


async def drained(system: System) -> bool:
    return await backlog(system) == 0


async def another_postmaster(system: System, dead: int) -> bool:
    return system.postmaster not in {None, dead}


async def slow_gateway(system: System) -> None:
    faults = {"items": [{"latency_s": GATEWAY_LATENCY_S}]}
    async with aiohttp.ClientSession() as http, http.put(f"{system.sandbox_url}/faults", json=faults) as answer:
        assert answer.status == 200, await answer.text()


async def messages(system: System) -> list[dict[str, Any]]:
    """Every SMS that reached the sandbox."""
    found: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as http:
        while True:
            query = {"after": found[-1]["sid"]} if found else {}
            async with http.get(f"{system.sandbox_url}/messages", params=query) as answer:
                page = await answer.json()
            found += page["items"]
            if page["next"] is None:
                return found


async def within(seconds: float, waited_for: Any, beside: "asyncio.Task[Any] | None" = None) -> None:
    """Awaits in bounded time; what fails beside it fails here, at once."""
    task = asyncio.ensure_future(waited_for)
    done, _ = await asyncio.wait({task, *({beside} if beside else ())}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if beside is not None and beside in done:
        beside.result()
    if not task.done():
        task.cancel()
        pytest.fail(f"not within {seconds} s")
    task.result()
