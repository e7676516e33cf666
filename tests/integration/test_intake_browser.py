"""Intake's pages in a real browser, wide and narrow, in both languages, by keyboard alone."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import fits, picture, visiting
from tests.support.world import World

pytestmark = pytest.mark.browser

WIDTHS = (1440, 360)
LANGUAGES = ("zh-CN", "en")
RECEIPT = re.compile(r"^([2-9CFGHJMPQRVWX]{4}-){3}[2-9CFGHJMPQRVWX]{4}$")


async def log_in(page: Page, world: World, role: str = "operator") -> None:
    account = next(one for one in world.demo.accounts if one.role == role)
    await page.goto("/login?next=/report")
    await page.locator("input[name=username]").fill(account.username)
    await page.locator("input[name=password]").fill(account.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: urlsplit(url).path == "/report")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_anybody_reports_and_reads_the_receipt(world: World, browser: Browser, width: int, language: str):
    async with visiting(browser, world.base_url, width=width, language=language) as page:
        await page.goto("/")
        await fits(page)
        await expect(page.locator(".emergency a[href='tel:110']")).to_be_visible()
        await picture(page, f"public-{width}-{language}")
        await page.locator("input[name=danger_now][value=yes]").check()
        await expect(page.locator("input[name=police_called]")).to_be_visible()
        await page.locator("textarea[name=narrative]").fill("【测试】合成的叙述")
        await page.locator("input[name=place]").press_sequentially("nanyuan")
        await expect(page.locator("[role=option]").first).to_be_visible()
        await picture(page, f"public-place-{width}-{language}")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-place-code]")).to_have_value(re.compile(r"^\d+$"))
        await fits(page)
        await page.locator("button[type=submit].big").click()
        receipt = page.locator("#receipt")
        await expect(receipt).to_have_text(RECEIPT)
        await fits(page)
        await picture(page, f"sent-{width}-{language}")
        code = await receipt.inner_text()
        await world.settle()
        await page.goto("/receipt")
        await page.locator("input[name=code]").fill(code.lower().replace("-", " "))
        await page.keyboard.press("Enter")
        await expect(page.locator(".timeline li")).to_have_count(2)
        assert code not in page.url
        await fits(page)
        await picture(page, f"receipt-{width}-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_operator_reports_by_keyboard_alone(world: World, browser: Browser, language: str):
    async with visiting(browser, world.base_url, language=language) as page:
        await log_in(page, world)
        await fits(page)
        for key in ("4", "a"):
            await page.keyboard.press(key)
        await expect(page.locator("input[name=situations]:checked")).to_have_count(2)
        await page.keyboard.press("Alt+q")
        for key in ("y", "n", "u", "y"):
            await page.keyboard.press(key)
        await expect(page.locator("[name=danger-danger_now]:checked")).to_have_value("yes")
        await expect(page.locator("[name=danger-needs_medical_now]:checked")).to_have_value("no")
        await expect(page.locator("[name=danger-perpetrator_has_access]:checked")).to_have_value("yes")
        await page.keyboard.press("Alt+p")
        await page.keyboard.type("南园街道")
        await expect(page.locator("[role=option]").first).to_be_visible()
        await page.keyboard.press("Enter")
        # Danger now, and a suspected person who can reach the child: grade I, told at every tier, the countdown running.
        await expect(page.locator("#preview .badge.grade-I")).to_be_visible()
        await expect(page.locator("#call-110")).to_be_visible()
        assert await page.locator("#preview .told li").count() >= 2
        assert await page.locator("#preview .countdown").count() >= 4
        await page.keyboard.press("Alt+t")
        await page.keyboard.type("【测试】合成的叙述 4 a y")
        await expect(page.locator("input[name=situations]:checked")).to_have_count(2)
        await fits(page)
        await picture(page, f"operator-1440-{language}")
        await page.keyboard.press("Alt+s")
        await expect(page.locator("#receipt")).to_have_text(RECEIPT)
        await world.settle()
        await expect(page.locator("#case-link a")).to_have_attribute("href", re.compile(r"^/cases/[0-9a-f-]{36}$"))
        await picture(page, f"operator-sent-1440-{language}")
    (row,) = await world.fetch("SELECT channel, situations FROM intake.reports")
    assert (row["channel"], row["situations"]) == ("hotline", ["MR4_ABUSE_INJURY", "GC1_NEGLECT"])


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


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_public_form_works_without_scripts(world: World, browser: Browser, width: int):
    context = await browser.new_context(
        base_url=world.base_url, java_script_enabled=False, locale="zh-CN", viewport={"width": width, "height": 800}
    )
    page = await context.new_page()
    await page.goto("/")
    await page.locator("button[type=submit].big").click()
    await expect(page.locator("#f-narrative-error")).to_be_visible()
    await page.locator("textarea[name=narrative]").fill("【测试】合成的叙述")
    await page.locator("input[name=place]").fill("南园街道")
    await page.locator("button[type=submit].big").click()
    await expect(page.locator("#receipt")).to_have_text(RECEIPT)
    (row,) = await world.fetch("SELECT division_code FROM intake.reports")
    assert row["division_code"] == "440304001"
    await context.close()
