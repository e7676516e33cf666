"""What people do on the pages, by keyboard alone: report, read, answer, act, find their way. One world; each story has its own place."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from libs.directory.read import Directory
from tests.support.browser import chromium, fits, picture, tab_to, visiting
from tests.support.postgres import fresh_database
from tests.support.world import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages-flows"), pytest.mark.asyncio(loop_scope="module")]

NARRATIVE = "【测试】合成的叙述，供浏览器使用"
RECEIPT = re.compile(r"^([2-9CFGHJMPQRVWX]{4}-){3}[2-9CFGHJMPQRVWX]{4}$")
NANYUAN, SHUIWEI, XINSHA = "440304001020", "440304004028", "440304005021"


@dataclass(frozen=True, repr=False)
class Town:
    """A world and a browser to look at it with."""

    world: World
    browser: Browser

    async def open_case(self, division_code: str, situation: str = "MR4_ABUSE_INJURY") -> dict[str, Any]:
        """A case that has just come in from a place."""
        report = await self.world.report(
            situations=[situation], narrative=NARRATIVE, children=[{"current_location": {"division_code": division_code}}]
        )
        await self.world.settle()
        return await self.world.case_of(report)

    async def phone(self, officer_id: str) -> str:
        """The number of an officer."""
        async with self.world.db.transaction() as tx:
            contacts = await Directory.under(self.world.keyring).contacts(tx, UUID(officer_id))
        return contacts[0].phone

    async def heard(self, case: dict[str, Any]) -> list[str]:
        """What the ledger says of a case."""
        return [event["event_type"] for event in await self.world.events(case)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(postgres_url: str, demo_template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with (
        fresh_database(postgres_url, demo_template) as url,
        make_world(url, tmp_path_factory.mktemp("town")) as world,
        chromium() as browser,
    ):
        yield Town(world, browser)


async def log_in(page: Page, town: Town, username: str, then: str = "") -> None:
    """As on any morning: name, Tab, password, Enter."""
    account = next(one for one in town.world.demo.accounts if one.username == username)
    await page.goto(f"/login?next={then}")
    await expect(page.locator("[name=username]")).to_be_focused()
    await page.keyboard.type(account.username)
    await page.keyboard.press("Tab")
    await page.keyboard.type(account.password)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert "/login" not in page.url


async def press(page: Page, selector: str, key: str = "Enter") -> None:
    """Goes to what is meant with Tab, and presses it."""
    await tab_to(page, page.locator(selector))
    await page.keyboard.press(key)


async def test_an_operator_sees_what_a_report_will_do_before_sending_it(town: Town) -> None:
    async with visiting(town.browser, town.world.base_url) as page:
        await log_in(page, town, "operator")
        await expect(page).to_have_url(re.compile("/report$"))
        await page.keyboard.press("4")
        await expect(page.locator("[name=situations]:checked")).to_have_value("MR4_ABUSE_INJURY")
        await page.keyboard.press("Alt+p")
        await page.keyboard.type("xinsha")
        await expect(page.locator("[role=option]").first).to_contain_text("新沙社区")
        await page.keyboard.press("Enter")
        preview = page.locator("#preview")
        await expect(preview.locator(".badge")).to_have_class(re.compile("grade-II$"))
        await expect(preview.locator(".told li").first).to_contain_text("新沙社区居委会 儿童主任")
        await expect(preview.locator(".told li").nth(1)).to_contain_text("沙头街道 儿童督导员")
        deadlines = preview.locator("dl")
        await expect(deadlines.locator("dd").first).to_have_text("30分钟内 11月23日 12:30")
        await expect(deadlines).to_contain_text("到场")
        await expect(page.locator("#call-110")).to_be_visible()
        await page.keyboard.press("Alt+q")
        await page.keyboard.press("y")  # in danger right now: grade I, and every tier is told
        await expect(preview.locator(".badge")).to_have_class(re.compile("grade-I$"))
        await expect(preview.locator(".told li")).to_have_count(3)
        await page.keyboard.press("Alt+t")
        await page.keyboard.type(NARRATIVE)
        await picture(page, "flow-operator-before-sending")
        await page.keyboard.press("Alt+s")
        await expect(page.locator("#receipt")).to_have_text(RECEIPT)
        await town.world.settle()
        await expect(page.locator("#case-link a")).to_be_visible()
        async with page.expect_navigation():
            await page.keyboard.press("Alt+o")
        await expect(page.locator("h1")).to_contain_text(re.compile("[2-9CFGHJMPQRVWX]{6}"))
        await expect(page.locator(".badge").first).to_have_class(re.compile("grade-I$"))


async def test_a_neighbour_reports_from_a_phone_without_a_name_and_looks_the_report_up(town: Town) -> None:
    async with visiting(town.browser, town.world.base_url, width=360) as page:
        await page.goto("/")
        first = page.locator("main > *").first
        await expect(first).to_contain_text("请先拨打110")
        await expect(first.locator("a")).to_have_attribute("href", "tel:110")
        await tab_to(page, page.locator("[name=danger_now]").first)
        await page.keyboard.press("Space")
        await expect(page.locator("main .alert a[href='tel:110']")).to_be_visible()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("[name=danger_now]:checked")).to_have_value("unknown")
        await tab_to(page, page.locator("[name=narrative]"))
        await page.keyboard.type(NARRATIVE)
        await tab_to(page, page.locator("[name=place]"))
        await page.keyboard.type("swsq")  # initials
        await expect(page.locator("[role=option]").first).to_contain_text("水围社区")
        await page.keyboard.press("Enter")
        await fits(page)
        async with page.expect_navigation():
            await press(page, "form[action='/public'] button[type=submit]")
        await expect(page.locator("#receipt")).to_have_text(RECEIPT)
        receipt = await page.locator("#receipt").inner_text()
        await picture(page, "flow-public-sent-360")
        await town.world.settle()
        await press(page, "nav a[href='/receipt']")
        await expect(page.locator("[name=code]")).to_be_visible()
        await tab_to(page, page.locator("[name=code]"))
        await page.keyboard.type(receipt.lower().replace("-", " "))
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.locator(".timeline li")).to_have_count(2)
        assert receipt not in page.url
        assert NARRATIVE not in await page.content()
    (row,) = await town.world.fetch("SELECT division_code FROM intake.reports ORDER BY received_at DESC, report_id DESC LIMIT 1")
    assert row["division_code"] == SHUIWEI


async def test_an_answer_on_a_phone_is_on_the_board_at_once(town: Town) -> None:
    world = town.world
    async with visiting(town.browser, world.base_url) as board, visiting(town.browser, world.base_url, width=360) as phones:
        await log_in(board, town, "supervisor", "/board")
        await expect(board.locator("#live")).to_have_text("实时")
        await board.evaluate("window.neverReloaded = true")
        open_before = int(await board.locator("[data-figure=open]").inner_text())
        case = await town.open_case("440304006020")
        row = board.locator(f"#case-{case['case_id']}")
        await expect(row.locator(".row-state")).to_have_text("待签收")
        await expect(board.locator("[data-figure=open]")).to_have_text(str(open_before + 1))
        world.clock.advance(seconds=40)

        await phones.goto("/sandbox")
        await expect(phones.locator(".phone").first).to_be_visible()
        await phones.keyboard.press("/")
        await phones.keyboard.type(await town.phone(case["owner"]["officer_id"]))
        phone = phones.locator(".phone")
        await expect(phone).to_have_count(1)
        code = await row.locator("a.code").inner_text()
        await expect(phone.locator(".bubble").last).to_contain_text(code)
        await press(phones, ".phone .answer button >> nth=0")
        await expect(phone.locator(".bubble.out")).to_contain_text("1")
        await world.settle()
        await expect(row.locator(".row-state")).to_have_text("已签收")
        await picture(phones, "flow-phone-answered-360")
        await picture(board, "flow-board-answered")
        assert await board.evaluate("window.neverReloaded")
    assert (await world.get(f"/v1/cases/{case['case_id']}"))["status"] == "acknowledged"


async def test_one_officer_declines_and_the_next_acknowledges_and_does_a_step(town: Town) -> None:
    world = town.world
    case = await town.open_case(NANYUAN)
    address = f"/cases/{case['case_id']}"
    async with visiting(town.browser, world.base_url, width=360) as page:
        await log_in(page, town, "officer-nanyuan-community", address)
        await press(page, ".acts details:has([action$='/decline']) summary")
        await tab_to(page, page.locator("#decline-reason"))
        await page.keyboard.press("ArrowDown")
        async with page.expect_navigation():
            await press(page, "[action$='/decline'] button")
        await expect(page.locator(".told li").first).to_contain_text("无法办理")
        await picture(page, "flow-declined-360")
    await world.settle()
    assert (await world.get(f"/v1{address}"))["tier"] == "street"
    async with visiting(town.browser, world.base_url, language="en") as page:
        await log_in(page, town, "officer-street", f"{address}?lang=en")
        async with page.expect_navigation():
            await page.keyboard.press("a")
        await expect(page.locator(".split .state")).to_have_text("Acknowledged")
        await expect(page.locator(".acts details").first).to_have_attribute("open", "")
        await tab_to(page, page.locator("#f-step"))
        await page.keyboard.type("On site")
        await expect(page.locator("#f-step")).to_have_value("on_site")
        await press(page, "[name=child_sighted]", "Space")
        async with page.expect_navigation():
            await press(page, "[action$='/steps'] button")
        await world.settle()
        await page.reload()
        await expect(page.locator("#timeline")).to_contain_text("Step done")
        await expect(page.locator(".deadlines tr", has_text="On site")).to_contain_text("met")
        await picture(page, "flow-step-done")
    assert [one for one in await town.heard(case) if one in {"tocsin.case.declined.v1", "tocsin.case.acknowledged.v1"}] == [
        "tocsin.case.declined.v1",
        "tocsin.case.acknowledged.v1",
    ]


async def test_a_report_is_read_only_when_asked_for_and_the_reading_is_recorded(town: Town) -> None:
    world = town.world
    case = await town.open_case(XINSHA)
    async with visiting(town.browser, world.base_url) as page:
        await log_in(page, town, "supervisor", f"/cases/{case['case_id']}")
        await expect(page.locator("#timeline strong").first).to_be_visible()
        assert NARRATIVE not in await page.content()
        await world.settle()
        assert "tocsin.report.viewed.v1" not in await town.heard(case)
        async with page.expect_navigation():
            await press(page, "a[href^='/reports/']")
        await expect(page.locator("main")).to_contain_text(NARRATIVE)
        await expect(page.locator("main")).to_contain_text("您的查阅已记录在案")
        await expect(page.locator("main")).to_contain_text("新沙社区居委会")
        await world.settle()
        async with page.expect_navigation():
            await press(page, f"main a[href='/cases/{case['case_id']}']")
        await expect(page.locator("#timeline")).to_contain_text("查阅报告 · 办理案件")
    assert (await town.heard(case)).count("tocsin.report.viewed.v1") == 1


async def test_the_language_stays_as_chosen_and_logging_out_ends_the_visit(town: Town) -> None:
    async with visiting(town.browser, town.world.base_url) as page:
        await log_in(page, town, "officer-street")
        await expect(page.locator("h1")).to_have_text("案件看板")
        await press(page, "a[hreflang=en]")
        await expect(page.locator("h1")).to_have_text("Board")
        await page.goto("/sandbox")
        await expect(page.locator("h1")).to_have_text("Virtual phones")
        async with page.expect_navigation():
            await press(page, "form[action='/logout'] button")
        await expect(page.locator("h1")).to_have_text("Log in")
        await page.goto("/board")
        await expect(page).to_have_url(re.compile("/login"))


async def test_the_public_form_needs_no_scripts(town: Town) -> None:
    async with visiting(town.browser, town.world.base_url, width=360, scripts=False) as page:
        await page.goto("/")
        await tab_to(page, page.locator("[name=narrative]"))
        await page.keyboard.type(NARRATIVE)
        await page.keyboard.press("Tab")
        await page.keyboard.type("南园街道")
        async with page.expect_navigation():
            await page.keyboard.press("Enter")
        await expect(page.locator("#receipt")).to_have_text(RECEIPT)
        await page.goto(f"/receipt/{await page.locator('#receipt').inner_text()}")
        await expect(page.locator(".timeline li").first).to_be_visible()
