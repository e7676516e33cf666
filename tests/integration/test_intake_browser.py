"""What the operator typed wrong, in a real browser; the flows stand in tests/e2e/test_pages_flows.py."""

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import fits, picture
from tests.support.world import World

pytestmark = pytest.mark.browser


async def log_in(page: Page, world: World, role: str = "operator") -> None:
    account = next(one for one in world.demo.accounts if one.role == role)
    await page.goto("/login?next=/report")
    await page.locator("input[name=username]").fill(account.username)
    await page.locator("input[name=password]").fill(account.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: urlsplit(url).path == "/report")


async def test_what_is_wrong_comes_back_at_its_field_and_nothing_typed_is_lost(world: World, browser: Browser):
    # Not by `visiting`: the console complains of the 422 itself.
    page = await browser.new_page(base_url=world.base_url, viewport={"width": 360, "height": 740}, locale="en")
    await log_in(page, world)
    await fits(page)
    await picture(page, "operator-360-en")
    await page.locator("#add-child").click()
    await page.locator("#name-2").fill("【测试】乙")
    await page.locator("[name='reporter.phone']").fill("call me")
    async with page.expect_response("**/report") as refused:
        await page.locator("button[data-key='Alt+s']").click()
    assert (await refused.value).status == 422
    await expect(page.locator("#failure")).to_be_visible()
    for field in ("[name=narrative]", "[name='reporter.phone']", "#place-1", "#place-2"):
        await expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#name-2")).to_have_value("【测试】乙")
    await fits(page)
    await picture(page, "operator-wrong-360-en")
    await page.close()
