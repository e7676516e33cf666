"""A place with grades, a quorum and shifts of its own, from its policy file to the page of a case, and a visit after closing."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import picture, visiting
from tests.support.http import client
from tests.support.world import World

pytestmark = pytest.mark.browser

FIVE = """
extends: futian_2022
id: futian_five
version: 2
title: {zh: 福田区五级响应, en: Futian with five grades}
bind: [{division: "440304", since: 2026-01-01, src: decision of the district}]
shifts:
  - {name: {zh: 夜班, en: Night}, since: "20:00", until: "08:00", grades: {2: {ack_windows: {community: PT45M}}}, src: the district}
grades:
  1: {severity: I, rank: 1, name: {zh: 极危, en: Extreme}, quorum: 2, deputy_after: PT4M, stale_after: PT20M}
  2: {severity: II, rank: 2, name: {zh: 高危, en: High}}
  3: {severity: II, rank: 3, name: {zh: 中高, en: Raised}}
  4: {severity: III, rank: 4, name: {zh: 中危, en: Medium}}
  5: {severity: IV, rank: 5, name: {zh: 低危, en: Low}}
"""


async def _pictures(page: Page, name: str) -> None:
    for width, height in ((360, 740), (1440, 900)):
        await page.set_viewport_size({"width": width, "height": height})
        await picture(page, f"{name}-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "it fits"


async def _session(world: World, username: str) -> Any:
    """The cookies of somebody who has logged in."""
    account = next(one for one in world.demo.accounts if one.username == username)
    async with client(world.base_url) as http:
        assert (await http.post("/login", data={"username": account.username, "password": account.password})).status_code == 303
        return [{"name": one.name, "value": one.value or "", "url": world.base_url} for one in http.cookies.jar]


@pytest.fixture
def five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router of this test knows the place's own rules."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "futian_five.yaml").write_text(FIVE, encoding="utf-8")
    monkeypatch.setenv("TOCSIN_ROUTER_POLICIES_DIR", str(folder))


@pytest.mark.usefixtures("five")
async def test_a_place_reads_its_own_grades_and_records_a_visit(world: World, browser: Browser) -> None:
    report = await world.report(situations=["MR4_ABUSE_INJURY"])
    await world.settle()
    case = await world.case_of(report)
    assert (case["grade"], case["band"], case["band_name"], case["floor_band"]) == ("II", "2", "高危", "2")
    async with visiting(browser, world.base_url, cookies=await _session(world, "supervisor")) as page:
        await page.goto(f"{world.base_url}/policies/futian_five")
        await expect(page.get_by_text("须由2名不同岗位人员签收")).to_be_visible()
        await expect(page.get_by_text("夜班 20:00–08:00")).to_be_visible()
        await _pictures(page, "own-grades-policy")
        await page.goto(f"{world.base_url}/cases/{case['case_id']}")
        await expect(page.get_by_text("高危").first).to_be_visible()
        await page.get_by_text("变更等级").first.click()
        await page.get_by_label("等级").select_option("1")
        await page.get_by_role("button", name="变更等级").click()
        await expect(page.get_by_text("极危").first).to_be_visible()
        case = await world.case_of(report)
        assert (case["grade"], case["band"]) == ("I", "1")
        officer = case["owner"]["officer_id"]
        taken = await world.act(case, "acknowledge", officer)
        assert taken.json()["acknowledgements_wanted"] == 1
        await page.reload()
        await expect(page.get_by_text("按规则需其他人员签收")).to_be_visible()
        await expect(page.get_by_text("否则签收失效")).to_be_visible()
        await _pictures(page, "own-grades-case")
        for step in ("on_site", "police_linked", "reporter_informed"):
            await world.act(case, "steps", officer, step=step)
        closed = await world.act(case, "close", officer, result="child_safe")
        assert closed.json()["status"] == "closed", closed.text
        await page.reload()
        await expect(page.get_by_text("下次回访期限")).to_be_visible()
        await expect(page.get_by_role("button", name="登记现已回访")).to_have_count(0)  # that is for the post which had the case
    async with visiting(browser, world.base_url, cookies=await _session(world, "officer-nanyuan-community")) as page:
        await page.goto(f"{world.base_url}/cases/{case['case_id']}")
        await _pictures(page, "own-grades-visit")
        async with page.expect_navigation():
            await page.get_by_role("button", name="登记现已回访").click()
        await expect(page.get_by_text("下次回访期限")).to_be_visible()
        case = await world.case_of(report)
        assert [one["state"] for one in case["deadlines"] if one["kind"] == "visit"] == ["met", "armed"]
