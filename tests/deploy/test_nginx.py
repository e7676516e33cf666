"""nginx.conf: every path of every service goes to a service that has it, and what nginx itself answers."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from libs.web import assets
from tests.deploy import nginx, rooms
from tests.deploy.nginx import Nginx
from tests.support.process import free_port, until

ROOMS = ("directory", "intake", "router", "notifier", "audit")
MEBIBYTE = 1 << 20


class Stub:
    """Stands for a service: tells what it was asked, and holds streams open until `over`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/stream"):
            return await self._stream(request)
        body = await request.read()
        told = {
            "service": self.name,
            "path": request.path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "size": len(body),
        }
        return web.json_response(told, headers={"X-Request-Id": "an-id-of-the-service"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Service": self.name})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await asyncio.wait_for(self.over.wait(), 30)
        await response.write(b"data: last\n\n")
        return response


@pytest.fixture
async def stubs() -> AsyncIterator[dict[str, Stub]]:
    made = {name: Stub(name) for name in ROOMS}
    runners = []
    for stub in made.values():
        application = web.Application(client_max_size=8 * MEBIBYTE)
        application.router.add_route("*", "/{path:.*}", stub.answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", stub.port).start()
        runners.append(runner)
    yield made
    for stub, runner in zip(made.values(), runners, strict=True):
        stub.over.set()
        await runner.cleanup()


@pytest.fixture
async def door(stubs: dict[str, Stub]) -> AsyncIterator[Nginx]:
    async with nginx.running({name: f"127.0.0.1:{stub.port}" for name, stub in stubs.items()}) as started:
        yield started


@pytest.fixture
async def browser_like(door: Nginx) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that trusts the certificate of the test."""
    connector = aiohttp.TCPConnector(ssl=door.trusted)
    async with aiohttp.ClientSession(door.https, connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
        yield client


async def asked(client: aiohttp.ClientSession, path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    async with client.request(method, path, **options) as answer:
        assert answer.status == 200, (path, answer.status)
        return await answer.json() if "X-Service" not in answer.headers else {"service": answer.headers["X-Service"]}


async def test_every_path_goes_to_a_service_that_has_it(
    stubs: dict[str, Stub], browser_like: aiohttp.ClientSession, database_url: str, tmp_path: Path
):
    answered_by: dict[str, set[str]] = {}
    for room, paths in (await rooms.paths(database_url, tmp_path)).items():
        assert paths, room
        for path in paths:
            answered_by.setdefault(path, set()).add(room)
    assert len(answered_by) > 40
    stubs["router"].over.set()  # streams end at once
    wrong = {}
    for path, haves in sorted(answered_by.items()):
        # With POST where only addresses are bounded that read, so that this test is not taken for somebody who guesses.
        method = "PUT" if path.startswith(("/receipt", "/v1/reports", "/public")) else "GET"
        told = await asked(browser_like, path, method)
        if told["service"] not in haves:
            wrong[path] = (told["service"], haves)
    assert not wrong


async def test_static_files_come_from_whoever_has_them_all(browser_like: aiohttp.ClientSession):
    for name in ("tocsin.css", "router/board.js", "intake/operator.js"):
        url = assets.static_url(name) if name == "tocsin.css" else f"/static/{name}"
        assert (await asked(browser_like, url))["service"] in ROOMS  # every process mounts every folder: libs/web/assets.py


async def test_an_unknown_path_is_explained_by_a_service(browser_like: aiohttp.ClientSession):
    for path in ("/nowhere", "/boards", "/v1/casesx", "/sandbox", "/v1/twilios", "/problems/invalid"):
        assert (await asked(browser_like, path))["service"] == "intake", path


async def test_what_processes_say_about_themselves_stays_inside(browser_like: aiohttp.ClientSession):
    for path in ("/readyz", "/metrics"):
        async with browser_like.get(path) as answer:
            assert answer.status == 404
    async with browser_like.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


@pytest.mark.parametrize("room", ROOMS)
async def test_each_service_describes_its_interface(browser_like: aiohttp.ClientSession, room: str):
    told = await asked(browser_like, f"/openapi/{room}.json")
    assert (told["service"], told["path"]) == (room, "/openapi.json")
    assert (await asked(browser_like, "/openapi.json"))["service"] == "intake"


async def test_news_arrives_while_the_stream_is_open(stubs: dict[str, Stub], browser_like: aiohttp.ClientSession):
    for path in ("/board/stream", "/v1/cases/stream"):
        stubs["router"].over.clear()
        async with browser_like.get(path) as answer:
            assert await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 10) == b"data: first\n\n"
            stubs["router"].over.set()
            assert await answer.content.read() == b"data: last\n\n"


async def test_services_see_the_address_the_browser_used_and_no_forged_forwarding(door: Nginx, browser_like: aiohttp.ClientSession):
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Forwarded-Proto": "gopher"}
    told = await asked(browser_like, "/board", headers={**forged, "X-Request-Id": "given-by-the-client"})
    headers = told["headers"]
    assert headers["host"] == door.https.removeprefix("https://")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-request-id"] == "given-by-the-client"
    assert "forwarded" not in headers


async def test_tocsin_itself_refuses_what_is_too_large_and_nginx_what_is_far_too_large(browser_like: aiohttp.ClientSession):
    told = await asked(browser_like, "/v1/reports", "POST", data=io.BytesIO(b"x" * (MEBIBYTE + 1)))
    assert (told["service"], told["size"]) == ("intake", MEBIBYTE + 1)
    async with browser_like.post("/v1/reports", data=io.BytesIO(b"x" * (2 * MEBIBYTE + 1))) as answer:
        assert (answer.status, answer.content_type) == (413, "application/problem+json")
        assert (await answer.json())["type"] == "/problems/too_large"


async def test_nobody_guesses_receipts(browser_like: aiohttp.ClientSession):
    statuses = []
    for number in range(40):
        path = ("/receipt/A{}", "/v1/reports/A{}")[number % 2].format(number)
        async with browser_like.get(path, headers={"Accept": "text/html"}) as answer:
            statuses.append(answer.status)
            if answer.status == 429:
                assert answer.headers["Retry-After"]
                assert "110" in await answer.text()
    assert statuses.count(200) in range(31, 34)  # thirty at once and one each two seconds
    assert set(statuses) == {200, 429}


async def test_nobody_floods_the_public_page_but_keys_are_never_refused(browser_like: aiohttp.ClientSession):
    for path, refused in (("/public", True), ("/v1/reports", False), ("/report", False)):
        statuses = []
        for _ in range(30):
            async with browser_like.post(path, data=b"{}") as answer:
                statuses.append(answer.status)
        assert (429 in statuses) is refused, path
    assert (await asked(browser_like, "/public"))["service"] == "intake"  # who only reads is not counted


async def test_a_service_that_is_gone_is_said_to_people_and_programs(door: Nginx):
    gone = dict.fromkeys(ROOMS, f"127.0.0.1:{free_port()}")
    async with (
        nginx.running(gone) as alone,
        aiohttp.ClientSession(alone.https, connector=aiohttp.TCPConnector(ssl=alone.trusted)) as client,
    ):
        async with client.get("/board", headers={"Accept": "text/html"}) as page:
            assert (page.status, page.content_type) == (503, "text/html")
            assert "110" in await page.text()
        async with client.post("/v1/reports", data=b"{}") as answer:
            assert (answer.status, answer.content_type) == (503, "application/problem+json")
            assert answer.headers["Retry-After"]
            assert (await answer.json())["status"] == 503


async def test_a_report_goes_to_the_replica_that_lives(stubs: dict[str, Stub]):
    upstreams = {name: f"127.0.0.1:{stub.port}" for name, stub in stubs.items()}
    upstreams["intake"] = f"127.0.0.1:{free_port()},{upstreams['intake']}"
    async with (
        nginx.running(upstreams) as started,
        aiohttp.ClientSession(started.https, connector=aiohttp.TCPConnector(ssl=started.trusted)) as client,
    ):
        for _ in range(6):
            assert (await asked(client, "/v1/reports", "POST", data=b"{}"))["service"] == "intake"


async def test_plain_http_leads_to_tls(door: Nginx):
    async with aiohttp.ClientSession(door.http) as client:
        async with client.get("/report?x=1", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, "https://127.0.0.1/report?x=1")
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_the_log_names_no_receipt_no_query_and_nobody(door: Nginx, browser_like: aiohttp.ClientSession):
    for path in (
        "/receipt/K7QX-SECRET",
        "/v1/reports/K7QX-SECRET",
        "/receipt//K7QX-SECRET",
        "/v1/divisions?q=SECRET",
        "/receipt?code=SECRET",
    ):
        await asked(browser_like, path, headers={"Referer": "https://x.test/SECRET", "User-Agent": "SECRET"})

    async def all_written() -> bool:
        return door.log.count("\n") == 5  # a line is written after its answer

    await until(all_written, "every request stands in the log", timeout_s=10)
    lines = [json.loads(line) for line in door.log.splitlines()]
    assert "SECRET" not in door.log
    assert '"127.0.0.1"' not in door.log
    assert {line["path"] for line in lines} == {"/receipt/-", "/v1/reports/-", "/v1/divisions", "/receipt"}
    assert {line["request_id"] for line in lines} == {"an-id-of-the-service"}
