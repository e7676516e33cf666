"""What every request passes: headers, sizes, languages, forged requests."""

import httpx
import pytest

from libs import i18n
from tests.unit.web.app import COOKIE, make_app


async def test_security_headers_are_on_every_answer(http):
    for path in ("/open", "/nowhere", "/errors/bug", "/static/tocsin.css"):
        headers = (await http.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers
        assert len(headers["x-request-id"]) >= 8
    assert (await http.get("/errors/gone")).headers["cache-control"] == "no-store"


async def test_a_request_keeps_the_id_it_came_with_if_that_is_harmless(http):
    assert (await http.get("/open", headers={"x-request-id": "abc-12345"})).headers["x-request-id"] == "abc-12345"
    assert (await http.get("/open", headers={"x-request-id": "<script>alert"})).headers["x-request-id"].count("-") == 4


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused(http, chunked):
    async def pieces():
        for _ in range(40):
            yield b"x" * 32_768

    body = pieces() if chunked else b"x" * (40 * 32_768)
    answer = await http.post("/echo", content=body)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too_large")
    assert (await http.post("/echo", content=b"x" * 1_000_000)).json() == {"size": 1_000_000}


async def test_a_huge_content_length_is_refused_unread(http):
    answer = await http.post("/echo", content=b"x", headers={"content-length": "9" * 5000})
    assert answer.status_code == 413


async def test_the_language_is_chosen_by_link_then_cookie_then_browser_then_account(http):
    chosen = await http.get("/open?lang=zh_CN", headers={"accept-language": "en"})
    assert chosen.headers["set-cookie"] == "tocsin_lang=zh_CN; Path=/; Max-Age=31536000; SameSite=Lax"
    assert chosen.headers["content-language"] == "zh-CN"
    http.cookies.clear()
    kept = await http.get("/open", headers={"accept-language": "en", "cookie": "a=b; tocsin_lang=zh_CN"})
    assert (kept.headers["content-language"], "set-cookie" in kept.headers) == ("zh-CN", False)
    assert (await http.get("/open", headers={"accept-language": "zh"})).headers["content-language"] == "zh-CN"
    assert (await http.get("/board", headers=COOKIE | {"accept-language": "zh"})).json()["language"] == "en"
    assert (await http.get("/board?lang=zh_CN", headers=COOKIE)).json()["language"] == "zh_CN"


async def test_one_request_does_not_leave_its_language_to_the_next(http):
    await http.get("/open?lang=zh_CN")
    assert i18n.current_locale() == "en"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://tocsin.test"}, True),
        ({"origin": "http://tocsin.test"}, False),
        ({"origin": "http://proxy.example"}, False),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://["}, True),
        ({"referer": "http://evil.example/x"}, True),
        ({"referer": "http://tocsin.test/login"}, False),
        ({"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, False),
    ],
)
async def test_forged_requests_of_other_sites_are_refused(headers, refused):
    app = make_app("http://proxy.example")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tocsin.test") as http:
        answer = await http.post("/echo", headers=COOKIE | headers)
        assert (answer.status_code == 403) == refused
        if refused:
            assert answer.json()["type"] == "/problems/cross_site"
        assert (await http.get("/open", headers=COOKIE | headers)).status_code == 200


async def test_a_client_that_hangs_up_is_no_error():
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/echo",
        "raw_path": b"/echo",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
    }
    await make_app()(scope | {"scheme": "http", "server": ("t", 80), "client": ("c", 1), "root_path": ""}, receive, send)
    assert sent == []
