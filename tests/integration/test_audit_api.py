"""The audit's interface and page over HTTP: shapes, rights, wrong questions."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.clock import FakeClock
from libs.db import Database
from libs.directory.permissions import ClientPrincipal, Principal, Role, StaffPrincipal
from libs.events import new_id
from libs.settings import CommonSettings
from libs.terms import Grade, Tier
from libs.web import furnish
from services.audit import api, handlers, web
from tests.integration.test_audit_ledger import T0, story
from tests.integration.test_audit_response_times import NORTH, Case

NOW = T0 + timedelta(minutes=60)
NO_CASE = "00000000-0000-7000-8000-000000000000"
AUDITOR = StaffPrincipal(new_id(), "auditor", Role.AUDITOR, None, "440304", "en")


@asynccontextmanager
async def visiting(audit: Database, who: Principal | None) -> AsyncIterator[httpx.AsyncClient]:
    """The audit's routes as `who` meets them."""

    async def session(_token: str, _now: Any) -> Principal | None:
        return who if isinstance(who, StaffPrincipal) else None

    async def authenticate_key(_bearer: str, _now: Any) -> Principal | None:
        return who

    app = FastAPI()
    settings = CommonSettings(public_base_url="http://tocsin.test", language="en")
    app.state.context = SimpleNamespace(clock=FakeClock(NOW), settings=settings)
    app.state.identity = SimpleNamespace(session=session, authenticate_key=authenticate_key)
    furnish(app, settings)
    app.include_router(api.router(audit, FakeClock(NOW), "Asia/Shanghai"))
    app.include_router(web.router(audit, FakeClock(NOW), "Asia/Shanghai"))
    cookies = {"tocsin_session": "x"} if isinstance(who, StaffPrincipal) else {}
    headers = {"Authorization": "Bearer a.b"} if isinstance(who, ClientPrincipal) else {}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://tocsin.test", headers=headers, cookies=cookies
    ) as client:
        yield client


def key(*scopes: str) -> ClientPrincipal:
    return ClientPrincipal("client", "Client", frozenset(scopes), None)


@pytest.fixture
async def audit(database_url: str):
    opened = await Database.open(database_url, role="tocsin_audit", size_max=2)
    cases = [
        Case(grade=Grade.I).acknowledged(10).on_site(50, sighted=True),
        Case().climbed(30).acknowledged(45, Tier.STREET),
        Case(division_code=NORTH),
        Case(division_code="440305001001"),
    ]
    async with opened.transaction() as tx:
        await handlers.record(tx, [event for case in cases for event in case.events], NOW)
    yield opened
    await opened.close()


async def test_response_times(audit: Database):
    async with visiting(audit, key("audit")) as http:
        answer = (await http.get("/v1/response-times", params={"group_by": "division", "from": "2026-11-22", "to": "2026-11-22"})).json()
    assert (answer["from"], answer["to"]) == ("2026-11-21T16:00:00Z", "2026-11-22T16:00:00Z")
    assert (answer["total"]["cases"], answer["next"]) == (4, None)
    assert {item["key"]: item["cases"] for item in answer["items"]} == {"440304001": 2, "440304002": 1, "440305001": 1}
    (ack,) = (step for step in answer["total"]["steps"] if step["step"] == "acknowledged")
    assert (ack["count"], ack["in_time"], ack["late"], ack["overdue"]) == (2, 1, 1, 2)
    assert (ack["share_in_time"], ack["p50_s"], ack["p90_s"], ack["at_least_from_s"]) == (0.25, 2700, 3600, 3600)
    assert {step["definition"] for step in answer["total"]["steps"] if step["step"] in ("on_site_attempted", "child_sighted")} == {
        "lenient",
        "strict",
    }
    assert {tier["tier"]: tier["silent"] for tier in answer["tiers"]} == {"community": 3, "street": 0}


async def test_a_reader_sees_their_own_place_only(audit: Database):
    async with visiting(audit, AUDITOR) as http:
        assert (await http.get("/v1/response-times")).json()["total"]["cases"] == 3
        assert (await http.get("/v1/response-times", params={"division": "440304002"})).json()["total"]["cases"] == 1
        assert (await http.get("/v1/response-times", params={"division": "44"})).status_code == 403
        assert {line["division_code"][:6] for line in (await http.get("/v1/ledger", params={"limit": 200})).json()["items"]} == {"440304"}


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        (None, "/v1/response-times", 401),
        (None, "/v1/ledger", 401),
        (key("read"), "/v1/response-times", 403),
        (key("read", "act", "report", "admin"), "/v1/ledger", 403),
        (key("audit"), "/v1/ledger", 200),
        (key("report"), f"/v1/cases/{NO_CASE}/timeline", 403),
        (key("read"), f"/v1/cases/{NO_CASE}/timeline", 404),
        (key("audit"), f"/v1/cases/{NO_CASE}/timeline", 404),
        (key("audit"), "/v1/response-times?from=yesterday", 422),
        (key("audit"), "/v1/response-times?from=2026-02-30", 422),
        (key("audit"), "/v1/response-times?from=2026-02-03T00:00:00", 422),
        (key("audit"), "/v1/response-times?from=2026-11-23&to=2026-11-01", 422),
        (key("audit"), "/v1/response-times?to=9999-12-31", 422),
        (key("audit"), "/v1/response-times?from=0001-01-01", 422),
        (key("audit"), "/v1/response-times?to=9998-12-31", 200),
        (key("audit"), "/v1/response-times?division=44%25", 422),
        (key("audit"), "/v1/response-times?grade=V", 422),
        (key("audit"), "/v1/response-times?group_by=officer", 422),
        (key("audit"), "/v1/ledger?after=-1", 422),
        (key("audit"), "/v1/ledger?after=9223372036854775808", 422),
        (key("audit"), "/v1/ledger?case_id=1", 422),
        (key("audit"), "/v1/ledger?cursor=nonsense", 422),
        (key("audit"), "/v1/ledger?limit=0", 422),
        (key("audit"), "/v1/ledger?event_type=%00", 422),
        (key("audit"), f"/v1/cases/{NO_CASE}/timeline?cursor=WyJ4Il0", 422),
    ],
)
async def test_wrong_questions_and_wrong_people(audit: Database, who: Principal | None, path: str, status: int):
    async with visiting(audit, who) as http:
        answer = await http.get(path)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_lists_go_page_by_page(audit: Database):
    events = story()
    async with audit.transaction() as tx:
        await handlers.record(tx, events, NOW)
    async with visiting(audit, key("audit")) as http:

        async def pages(path: str) -> list[dict[str, Any]]:
            found, cursor = [], None
            for _ in range(20):
                page = (await http.get(path, params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
                found += page["items"]
                cursor = page["next"]
                if cursor is None:
                    return found
            raise AssertionError("the list does not end")

        timeline = await pages(f"/v1/cases/{events[1].key}/timeline")
        ledger = await pages("/v1/ledger")
        behind = (await http.get("/v1/ledger", params={"after": ledger[-2]["seq"]})).json()["items"]
    assert [line["event_id"] for line in timeline] == [str(event.id) for event in events]
    assert {"at", "event_type", "tier", "post_id", "post_title", "officer_id", "lag_s", "detail"} <= timeline[0].keys()
    assert [line["seq"] for line in ledger] == sorted(line["seq"] for line in ledger)
    assert behind == ledger[-1:]
    assert len(ledger[0]["leaf"]) == 64


@pytest.mark.parametrize(("language", "title"), [("en", "Response times"), ("zh_CN", "响应时间")])
async def test_the_page(audit: Database, language: str, title: str):
    async with visiting(audit, AUDITOR) as http:
        page = await http.get("/response-times", params={"lang": language, "group_by": "division"}, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert f"<h1>{title}</h1>" in page.text
    assert "33.3%" in page.text
    assert '<rect class="bar-overdue"' in page.text
    assert not re.search(r"<[^>]+\sstyle=|<script(?![^>]*src=)", page.text), "the content security policy forbids inline styles and scripts"


async def test_the_page_says_what_is_wrong_with_a_filter_and_shows_the_rest(audit: Database):
    async with visiting(audit, AUDITOR) as http:
        page = await http.get("/response-times?from=soon&division=%25%25&grade=V&group_by=x", headers={"accept": "text/html"})
        empty = await http.get("/response-times?from=2020-01-01&to=2020-01-02", headers={"accept": "text/html"})
        elsewhere = await http.get("/response-times?division=4403", headers={"accept": "text/html"})
    assert page.status_code == empty.status_code == 200
    assert 'role="alert"' in page.text
    assert "No cases in this period." in empty.text
    assert elsewhere.status_code == 403


async def test_the_page_is_for_those_who_may_read_it(audit: Database):
    async with visiting(audit, None) as http:
        stranger = await http.get("/response-times", headers={"accept": "text/html"})
    async with visiting(audit, StaffPrincipal(new_id(), "o", Role.OFFICER, new_id(), "440304", "en")) as http:
        officer = await http.get("/response-times", headers={"accept": "text/html"})
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login?next=/response-times")
    assert officer.status_code == 403
