"""B13: the whole notifier against bare calls of the SDK, to the same provider in a process of its own, with signed callbacks.

Bare: as many calls at once as the notifier makes, through the official SDK and the same HTTP client, and nothing else: no row, no event,
no callback. The notifier: from the log of events to the provider and back, each attempt committed before its call, each callback checked
and recorded.
"""

import asyncio
import time
from datetime import UTC, datetime
from random import Random
from typing import Any

import asyncpg
from twilio.rest import Client

from benchmarks.ground import Ground, free_port, processes
from benchmarks.notifications import add_officers, emit, requested, sending_to
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN
from benchmarks.table import Row
from libs.db import Database
from libs.events import new_event
from libs.terms import Grade
from services.notifier.gateways.twilio import HttpClient

CALLS = 4_000
AT_ONCE = 64
OFFICERS = 500
BATCH = 200
UNLIMITED = 1_000_000
SETTLE_MAX_S = 300.0

_DONE = "SELECT count(*) FROM notifier.notifications WHERE state = $1"


async def measure(ground: Ground) -> list[Row]:
    """First the bare calls, then the notifier; both to the one provider."""
    port, provider_port = free_port(), free_port()
    inbound = f"http://127.0.0.1:{port}/v1/twilio/inbound"
    unbound = {"TOCSIN_STORM_PER_NUMBER_PER_DAY": "0", "TOCSIN_STORM_BUNDLE_AFTER": "0"}
    database = await Database.open(ground.url, role=None, size_max=4)
    connection = await asyncpg.connect(ground.url)
    try:
        officers, place = await add_officers(ground, database, OFFICERS)
        with processes(ground, provider_port, "benchmarks.provider", str(provider_port), inbound, str(UNLIMITED)):
            bare = await _bare(provider_port)
            environment = sending_to(provider_port, port, **unbound)
            with processes(ground, port, "deploy.cli", "run", "--services", "notifier", "--no-demo", count=1, **environment):
                random, started = Random(13), time.monotonic()
                for start in range(0, CALLS, BATCH):
                    now = datetime.now(UTC)
                    data = [requested(random, place, officers[n % OFFICERS], Grade.II, now) for n in range(start, start + BATCH)]
                    await emit(database, connection, [new_event(one, key=one.case_id, time=now) for one in data])
                await _until(connection, "delivered")
                whole = CALLS / (time.monotonic() - started)
    finally:
        await connection.close()
        await database.close()
    ratio = whole / bare
    whole_s, bare_s = f"{whole:,.0f} SMS/s until the last callback is recorded", f"{bare:,.0f}/s, {AT_ONCE} at once"
    what = f"the whole notifier ({whole_s}) ÷ bare calls of the SDK ({bare_s})"
    return [Row("B13", what, f"{ratio:.2f}", "-", None)]


async def _bare(provider_port: int) -> float:
    """Calls a second."""
    http = HttpClient(request_timeout_s=30, connect_timeout_s=5, connections_max=AT_ONCE)
    http.base_url = f"http://127.0.0.1:{provider_port}"
    client = Client(ACCOUNT, TOKEN, http_client=http)
    left = iter(range(CALLS))

    async def one_after_another() -> None:
        for number in left:
            await client.messages.create_async(to=f"+8600102{number % OFFICERS:05}", from_=NUMBER, body=f"bare {number}")

    started = time.monotonic()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    took_s = time.monotonic() - started
    await http.close()
    return CALLS / took_s


async def _until(connection: "asyncpg.Connection[Any]", state: str) -> None:
    until = time.monotonic() + SETTLE_MAX_S
    while await connection.fetchval(_DONE, state) < CALLS:
        if time.monotonic() > until:
            raise RuntimeError(f"{await connection.fetchval(_DONE, state)} of {CALLS} were {state}")
        await asyncio.sleep(0.05)
