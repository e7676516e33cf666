"""What the containers run, run here: one report goes through nginx, five services and the bus, and comes out as an SMS that is answered."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from deploy.demo.directory import DemoAccess
from tests.deploy import fleet
from tests.deploy.chart import PLAIN
from tests.deploy.fleet import ROOMS, Fleet, Unpacked
from tests.support.kafka import on_kafka
from tests.support.postgres import fresh_database
from tests.support.process import free_port, until
from tests.support.world import SMALLEST_REPORT

TOLD_S = 60


@pytest.fixture
async def empty_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database without a single table."""
    async with fresh_database(postgres_url, None) as url:
        yield url


def kafka_places(request: pytest.FixtureRequest) -> dict[str, str]:
    """One node instead of three, and topics of this test alone."""
    return {
        "TOCSIN_KAFKA_BOOTSTRAP_SERVERS": request.getfixturevalue("kafka_servers"),
        "TOCSIN_KAFKA_TOPIC_PREFIX": f"fleet-{uuid4().hex[:8]}",
        "TOCSIN_KAFKA_REPLICATION": "1",
        "TOCSIN_KAFKA_MIN_INSYNC_REPLICAS": "1",
        "TOCSIN_KAFKA_PARTITIONS": "4",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "twice"),
    [
        pytest.param("compose", ("router", "notifier"), marks=on_kafka),
        ("chart, bus in PostgreSQL", ("notifier",)),
    ],
)
async def test_a_report_becomes_an_answered_sms(
    request: pytest.FixtureRequest, unpacked: Unpacked, empty_database_url: str, source: str, twice: tuple[str, ...]
):
    plan = fleet.of_compose() if source == "compose" else fleet.of_chart(PLAIN)
    places = {
        "TOCSIN_DATABASE_URL": empty_database_url,
        "TOCSIN_HOST": "127.0.0.1",
        **(kafka_places(request) if plan.bus == "kafka" else {}),
    }
    ports = {room: [free_port() for _ in range(2 if room in twice else 1)] for room in ROOMS}
    async with fleet.fleet(unpacked, plan, places, ports) as made:
        before = fleet.written(unpacked.app)
        await made.step("migrate")
        if plan.bus == "kafka":
            await made.step("topics")
        access = await made.demo()
        await made.start(ports)
        for container, port, _process in made.processes:
            assert await made.healthy(container, port), container.name
        async with _client(made) as client:
            await _report_and_answer(made, client, access)
            await _staff_sees_it(client, access)
        await until(made.well, "the doctor finds every promise kept", timeout_s=TOLD_S)
        stopped = await made.stop()
        assert set(stopped.values()) == {0}, stopped
        for container, port, process in made.processes:
            assert not await made.healthy(container, port)
            assert not fleet.complaints(process), process.last_words()
        assert fleet.written(unpacked.app) == before  # nothing was written where a container may not write


def _client(made: Fleet) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=made.door.trusted) if made.plan.https else None
    return aiohttp.ClientSession(
        made.url, connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=30)
    )


async def _report_and_answer(made: Fleet, client: aiohttp.ClientSession, access: DemoAccess) -> None:
    """A school reports; an officer's phone gets an SMS and answers 1; the reporter reads that somebody is taking care."""
    bearer = {"Authorization": f"Bearer {access.api_key}"}
    async with client.post("/v1/reports", json=SMALLEST_REPORT, headers={**bearer, "Idempotency-Key": "of-the-fleet"}) as answer:
        assert answer.status == 202, await answer.text()
        report = await answer.json()

    async with aiohttp.ClientSession(made.sandbox_url, timeout=aiohttp.ClientTimeout(total=10)) as phones:

        async def told() -> list[dict[str, Any]]:
            with contextlib.suppress(aiohttp.ClientError):
                async with phones.get("/messages") as answer:
                    return [one for one in (await answer.json())["items"] if "回复1" in one["body"]]  # not a department's
            return []

        messages = await until(told, f"an SMS; {_last_words(made)}", timeout_s=TOLD_S)
        async with phones.post(f"/messages/{messages[-1]['sid']}/reply", json={"body": "1"}) as answer:
            assert answer.status == 201, await answer.text()

    async def case() -> dict[str, Any] | None:
        async with client.get("/v1/cases", params={"report_id": report["report_id"]}, headers=bearer) as answer:
            (found,) = (await answer.json())["items"]
        return found if found["status"] == "acknowledged" else None

    found = await until(case, f"the case is acknowledged; {_last_words(made)}", timeout_s=TOLD_S)

    async def delivered() -> bool:
        async with client.get("/v1/notifications", params={"case_id": found["case_id"]}, headers=bearer) as answer:
            return any(one["state"] == "delivered" for one in (await answer.json())["items"])

    await until(delivered, "a notification is delivered: the provider's callbacks come through nginx", timeout_s=TOLD_S)

    async def followed() -> bool:
        async with client.get(f"/v1/reports/{report['receipt']}") as answer:
            return (await answer.json())["state"] == "acknowledged"

    await until(followed, "the receipt tells it", timeout_s=TOLD_S)

    async def recorded() -> bool:
        async with client.get(f"/v1/cases/{found['case_id']}/timeline", headers=bearer) as answer:
            return answer.status == 200 and "tocsin.case.acknowledged.v1" in {one["event_type"] for one in (await answer.json())["items"]}

    await until(recorded, "the ledger has it", timeout_s=TOLD_S)


async def _staff_sees_it(client: aiohttp.ClientSession, access: DemoAccess) -> None:
    """The session that one service opens is known to all others."""
    supervisor = next(one for one in access.accounts if one.role == "supervisor")
    form = {"username": supervisor.username, "password": supervisor.password}
    async with client.post("/login", data=form, headers={"Accept": "text/html"}) as page:
        assert (page.status, page.url.path) == (200, "/board"), await page.text()
    for path in ("/directory", "/response-times", "/notifications", "/"):
        async with client.get(path, headers={"Accept": "text/html"}) as page:
            assert page.status == 200, path
            assert page.content_type == "text/html"
            text = await page.text()
        for asset in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text)):
            async with client.get(asset) as found:
                assert found.status == 200, asset
    async with client.get("/board/stream") as stream:
        assert await stream.content.readuntil(b"\n\n")


def _last_words(made: Fleet) -> str:
    return "\n".join(f"{container.name}: {process.last_words(5)}" for container, _port, process in made.processes)
