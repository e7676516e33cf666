"""What tocsin.js adds to the pages, in a real browser; and that the frame fits a phone and a desk."""

import asyncio
import re
import socket
from contextlib import asynccontextmanager

import jinja2
import pytest
import pytest_asyncio
import uvicorn
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from playwright.async_api import expect

from libs import i18n
from libs.web import templates
from tests.support.browser import chromium, fits, visiting
from tests.unit.web.app import NOW, make_app

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("script"), pytest.mark.asyncio(loop_scope="module")]

PAGE = """{% extends "base.html" %}{% import "ui.html" as ui with context %}
{% block title %}Parts{% endblock %}
{% block main %}
<p id="due">{{ ui.countdown(now.replace(minute=2)) }}</p><p id="ago">{{ ui.ago(now) }}</p>
<form method="post" action="/send" data-confirm="Really?">
  {{ ui.choices("kind", "Kind", [("a", "A"), ("b", "B")], chosen="a", inline=true) }}
  <div id="more" data-show-when="kind=b">{{ ui.field("more", "More") }}</div>
  <button class="button primary" data-key="Alt+s">Send</button>
</form>
<button id="jump" data-key="j" type="button">Jump</button>
<p id="code">ABCD</p>
{% endblock %}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    """One browser for all: each test visits with a context of its own."""
    async with chromium() as started:
        yield started


@asynccontextmanager
async def serving():
    app = make_app()
    shared = templates.environment().loader
    assert shared is not None
    pages = templates.environment().overlay(loader=jinja2.ChoiceLoader([jinja2.DictLoader({"parts.html": PAGE}), shared]))

    async def parts(request: Request):
        given = {"request": request, "principal": None, "locale": i18n.current_locale(), "request_id": "", "now": NOW}
        page = pages.get_template("parts.html").render(given, language_url=lambda code: f"/parts?lang={code}")
        return HTMLResponse(page)

    async def send():
        return Response(status_code=204)

    app.add_api_route("/parts", parts)
    app.add_api_route("/send", send, methods=["POST"])

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_the_frame_fits_and_the_language_can_be_switched(browser, width, language):
    async with serving() as url, visiting(browser, url, width=width) as page:
        await page.goto(f"/parts?lang={language}")
        await fits(page)
        assert await page.get_attribute("html", "lang") == language.replace("_", "-")
        await page.get_by_role("link", name="中文" if language == "en" else "English").click()
        assert await page.get_attribute("html", "lang") != language.replace("_", "-")


async def test_deadlines_count_down_and_then_up(browser):
    async with serving() as url, visiting(browser, url) as page:
        await page.clock.install()
        await page.goto("/parts?lang=en")
        due = page.locator("#due time")
        await expect(due).to_have_text("2 min left")
        await page.clock.fast_forward(61_000)
        await expect(due).to_have_text(re.compile(r"^5\d s left$"))
        await expect(due).to_have_class(re.compile("soon"))
        await page.clock.fast_forward(120_000)
        await expect(due).to_have_class(re.compile("overdue"))
        await expect(due).to_have_text(re.compile(r"^1 min \d+ s overdue$"))
        await expect(page.locator("#ago time")).to_have_text(re.compile(r"^3 min( \d+ s)? ago$"))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
async def test_the_browser_writes_durations_as_the_server_does(browser, language):
    lengths = [0, 1, 59.6, 60, 61, 3599, 3600, 3660, 7500, 86_399, 86_400, 90_061, 1e6]
    async with serving() as url, visiting(browser, url) as page:
        await page.goto(f"/parts?lang={language}")
        written = await page.evaluate("lengths => lengths.map(window.tocsin.duration)", lengths)
    with i18n.use_locale(language):
        assert written == [i18n.format_duration(length) for length in lengths]


async def test_fields_show_when_they_matter_and_keys_press_buttons(browser):
    async with serving() as url, visiting(browser, url) as page:
        await page.goto("/parts?lang=en")
        await expect(page.locator("#more")).to_be_hidden()
        await page.get_by_label("B", exact=True).check()
        await expect(page.locator("#more")).to_be_visible()
        await page.get_by_label("More").fill("j")
        await page.get_by_label("More").press("j")
        await expect(page.get_by_label("More")).to_have_value("jj")
        await page.get_by_label("More").blur()
        await page.keyboard.press("j")
        await expect(page.locator("#jump")).to_be_focused()
        await page.goto("/parts?lang=en")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


async def test_a_form_asks_first_and_is_sent_once(browser):
    async with serving() as url, visiting(browser, url) as page:
        await page.goto("/parts?lang=en")
        send = page.get_by_role("button", name="Send")
        asked: list[str] = []

        async def refuse(dialog):
            asked.append(dialog.message)
            await (dialog.dismiss() if len(asked) == 1 else dialog.accept())

        page.on("dialog", refuse)
        await send.click()
        await expect(send).to_be_enabled()
        await page.keyboard.press("Alt+s")
        await expect(page.locator("form[aria-busy] button")).to_be_disabled()
        assert asked == ["Really?", "Really?"]
