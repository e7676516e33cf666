"""A grade I report rings the officer's phone, and "1" takes the case; a link in an SMS takes one with one tap, without script."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import picture
from tests.support.world import World

pytestmark = pytest.mark.browser

CALLING = """
extends: futian_2022
id: futian_calling
version: 2
title: {zh: 福田区电话通知, en: Futian with calls}
bind: [{division: "440304", since: 2026-01-01, src: decision of the district}]
voice: [{grades: [I], when: start}, {grades: [II], when: silence, at: 0.5}]
"""


@pytest.fixture
def calling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place asks for calls, there is a number that calls, and links are sent."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "futian_calling.yaml").write_text(CALLING, encoding="utf-8")
    monkeypatch.setenv("TOCSIN_ROUTER_POLICIES_DIR", str(folder))
    monkeypatch.setenv("TOCSIN_TWILIO_VOICE_FROM_NUMBER", "+860019999999")
    monkeypatch.setenv("TOCSIN_LINK_BASE_URL", "https://t.example.cn/l")


async def fits(page: Page, name: str) -> None:
    for width, height in ((360, 740), (1440, 900)):
        await page.set_viewport_size({"width": width, "height": height})
        await picture(page, f"{name}-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "it fits"


@pytest.mark.usefixtures("calling")
async def test_an_officer_takes_a_case_on_the_phone_and_one_by_a_link(world: World, browser: Browser) -> None:
    first = await world.report(situations=["MR1_GENITAL_INJURY"])
    await world.settle()
    (ringing,) = (await world.get("/sandbox/calls"))["items"]
    context = await browser.new_context(locale="en")
    page = await context.new_page()
    await page.goto(f"{world.base_url}/sandbox?q={ringing['to'].removeprefix('+')}&lang=en")
    phone = page.locator(f'.phone[data-number="{ringing["to"]}"]')
    await expect(phone.get_by_text("Tocsin is calling")).to_be_visible()
    await fits(page, "phones-ringing")
    await phone.get_by_role("button", name="Take the call").click()
    await expect(phone.locator(".said")).to_contain_text("签收请按1")
    await fits(page, "phones-talking")
    await phone.locator(".keys").get_by_role("button", name="1", exact=True).click()
    await expect(phone.locator(".call")).to_be_hidden()
    await context.close()
    await world.settle()
    case = await world.case_of(first)
    assert case["status"] == "acknowledged"
    (taken,) = await world.fetch(
        "SELECT envelope::jsonb -> 'data' AS data FROM bus.outbox WHERE event_type = 'tocsin.case.acknowledged.v1'"
    )
    assert taken["data"]["via"] == "keypad"

    second = await world.report(situations=["MR4_ABUSE_INJURY"])
    await world.settle()
    case = await world.case_of(second)
    told = [one for one in await world.phones() if "签收 https://t.example.cn/l/" in one["body"]]
    token = re.findall(r"/l/(\w+)$", told[-1]["body"])[0]
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{world.base_url}/l/{token}")
    await expect(page.get_by_role("heading")).to_have_text("您有一件待办等待签收")
    await page.set_viewport_size({"width": 360, "height": 740})
    await picture(page, "link-360")
    assert (await world.case_of(second))["status"] == "open", "looking is not accepting"
    await page.get_by_role("button", name="签收此待办").click()
    await expect(page.get_by_role("heading")).to_have_text("您已签收")
    await picture(page, "link-accepted-360")
    await context.close()
    await world.settle()
    assert (await world.case_of(second))["status"] == "acknowledged"
    lines = await world.fetch(
        "SELECT envelope::jsonb -> 'data' ->> 'via' AS via FROM bus.outbox WHERE event_type = 'tocsin.case.acknowledged.v1'"
    )
    assert [one["via"] for one in lines] == ["keypad", "link"]
