"""Keys, sessions, and where browsers are led."""

import httpx
import pytest

from libs.web import identity
from tests.unit.web.app import COOKIE, HTML, KEY, make_app


async def test_an_api_key_opens_what_its_scopes_cover(http):
    body = {"children": [{"sex": "female"}]}
    assert (await http.post("/v1/reports", json=body, headers=KEY)).json() == {"by": "school", "n": 1}
    refused = await http.get("/v1/cases", headers=KEY)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/scope_missing")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "api_key_required"),
        ({"authorization": "Basic Z29vZA=="}, "api_key_required"),
        ({"authorization": "Bearer"}, "api_key_required"),
        ({"authorization": "Bearer wrong"}, "bad_api_key"),
        ({"authorization": "Bearer wrong"} | COOKIE, "bad_api_key"),
        (COOKIE, "api_key_required"),
    ],
)
async def test_without_a_good_key_there_is_a_401(http, headers, code):
    answer = await http.post("/v1/reports", json={}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, f"/problems/{code}")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_session_opens_pages_and_routes_of_both(http):
    assert (await http.get("/board", headers=COOKIE)).json()["staff"] == "chen"
    assert (await http.get("/v1/cases", headers=COOKIE)).status_code == 200
    stale = await http.get("/board", headers={"cookie": "tocsin_session=old"})
    assert (stale.status_code, stale.json()["type"]) == (401, "/problems/login_required")


async def test_a_cookie_beside_an_authorization_header_counts_for_nothing(http):
    answer = await http.get("/v1/cases", headers=COOKIE | {"authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert (await http.get("/board", headers=COOKIE | {"authorization": "Bearer good.key"})).status_code == 401


async def test_browsers_are_led_to_the_login_and_back(http):
    answer = await http.get("/board?grade=I&x=%E4%B8%AD", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/board%3Fgrade%3DI%26x%3D%25E4%25B8%25AD")


@pytest.mark.parametrize(
    ("target", "led_to"),
    [
        ("/board?x=1", "/board?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("http://evil.example", "/"),
        ("", "/"),
        (None, "/"),
        ("/a\nb", "/"),
    ],
)
def test_a_login_leads_to_our_own_pages_only(target, led_to):
    assert identity.safe_next(target) == led_to


@pytest.mark.parametrize(
    ("base_url", "cookie"),
    [
        ("http://tocsin.test", "tocsin_session=good-token; HttpOnly; Max-Age=3600; Path=/; SameSite=lax"),
        ("https://tocsin.test", "__Host-tocsin=good-token; HttpOnly; Max-Age=3600; Path=/; SameSite=lax; Secure"),
    ],
)
async def test_the_session_cookie_is_as_strict_as_the_connection_allows(base_url, cookie):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(base_url)), base_url=base_url) as http:
        given = await http.post("/login")
        assert given.headers["set-cookie"] == cookie
        assert (await http.get("/board")).status_code == 200
        await http.post("/logout")
        assert (await http.get("/board")).status_code == 401
        assert ("strict-transport-security" in given.headers) == base_url.startswith("https")
