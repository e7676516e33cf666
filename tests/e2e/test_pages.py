"""Every page, on a desk and on a phone, in both languages: it fits, it can be read, pressed and heard, and nothing was left untranslated.

One world for all: a case that nobody answered, one that was acknowledged, one that has just come in, and one that waits for a place.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from deploy.demo.directory import officer_id
from libs.web.middleware import LANGUAGE_COOKIE
from tests.support.browser import WIDTHS, chromium, picture, visiting
from tests.support.http import client
from tests.support.pages import in_shape, place_names, sound
from tests.support.postgres import fresh_database
from tests.support.world import World, make_world

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages"), pytest.mark.asyncio(loop_scope="module")]

LANGUAGES = ("zh-CN", "en")
FAR_AWAY = "America/New_York"
"""Where the visitor's own clock stands: pages say Chinese time all the same."""
HERS = officer_id("440304001020", "community_officer", "primary")
SHUIWEI, HONGLI = "440304004028", "440304002016"


@dataclass(frozen=True, repr=False)
class Town:
    """A world in which something has happened."""

    world: World
    browser: Browser
    late: dict[str, Any]
    taken: dict[str, Any]
    new: dict[str, Any]
    report: dict[str, Any]
    unproven: UUID
    """A contact of the community's officer that was never verified."""
    names: frozenset[str]

    async def session(self, username: str) -> "list[SetCookieParam]":
        """The cookies of somebody who has logged in."""
        account = next(one for one in self.world.demo.accounts if one.username == username)
        async with client(self.world.base_url) as http:
            answer = await http.post("/login", data={"username": account.username, "password": account.password})
            assert answer.status_code == 303, answer.text
            return [{"name": one.name, "value": one.value or "", "url": self.world.base_url} for one in http.cookies.jar]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(postgres_url: str, demo_template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with (
        fresh_database(postgres_url, demo_template) as url,
        make_world(url, tmp_path_factory.mktemp("town")) as world,
        chromium() as browser,
    ):
        yield await _populate(world, browser)


async def _populate(world: World, browser: Browser) -> Town:
    report = await world.report()
    await world.advance(minutes=95)  # silent up to the district, which is supervised
    await world.get(f"/v1/reports/{report['report_id']}/content")
    taken = await world.report(situations=["MR2_U14_SEXUAL"], children=_in(SHUIWEI))
    await world.settle()
    case = await world.case_of(taken)
    assert (await world.act(case, "acknowledge", case["owner"]["officer_id"])).status_code == 200
    await world.advance(minutes=40)
    await world.report(situations=["GC5_DROPOUT"], children=_in(HONGLI))
    await world.report(situations=["GC3_LIVING_ALONE"], children=_in("440304"))
    new = await world.report(situations=["MR8_BEGGING"])
    await world.settle()
    await _put_on_duty(world, (await world.case_of(report))["owner"])
    await _other_rules(world)
    (unproven,) = await world.fetch("UPDATE directory.contacts SET verified_at = NULL WHERE officer_id = $1 RETURNING contact_id", HERS)
    names = place_names(await world.fetch("SELECT name FROM directory.divisions"))
    return Town(
        world,
        browser,
        await world.case_of(report),
        await world.case_of(taken),
        await world.case_of(new),
        report,
        unproven["contact_id"],
        frozenset(names),
    )


async def _put_on_duty(world: World, owner: dict[str, Any]) -> None:
    """A roster, and somebody on leave, on the post of a case."""
    path, officer = f"/v1/posts/{owner['post_id']}", owner["officer_id"]
    shifts = [
        {"name": name, "officers": [officer], "start": start, "end": end, "days": ["MO", "WORKDAY"]}
        for name, start, end in (("A", "08:00", "20:00"), ("B", "20:00", "08:00"))
    ]
    put = await world.http.put(f"{path}/roster", json={"shifts": shifts}, headers=world.bearer)
    assert put.status_code == 204, put.text
    away = {"ends_at": "2026-12-01T08:00:00+08:00"}
    left = await world.http.post(f"/v1/officers/{officer}/leaves", json=away, headers=world.bearer)
    assert left.status_code == 201, left.text


async def _other_rules(world: World) -> None:
    """A street takes up the rules of another place, and its cases are moved to them."""
    plan = {"policy": "guandu_2022@1", "division_code": "440304004", "since": "2026-12-01", "instead_of": "futian_2022@1"}
    move = {"division_code": "440304004", "before": "futian_2022@1", "after": "guandu_2022@1"}
    for path, body in (("bindings", plan), ("moves", move)):
        answer = await world.http.post(f"/v1/policies/{path}", json={**body, "reason": "2026-1"}, headers=world.bearer)
        assert answer.status_code < 300, answer.text
    await world.settle()


def _in(code: str) -> list[dict[str, Any]]:
    return [{"current_location": {"division_code": code}}]


def _pages(town: Town, username: str) -> dict[str, str]:
    """Name and path of what this account (or nobody) looks at."""
    late = town.late["case_id"]
    return {
        "": {
            "public": "/",
            "login": "/login",
            "receipt": "/receipt",
            "receipt-status": f"/receipt/{town.report['receipt']}",
            "phones": "/sandbox",
        },
        "operator": {"report": "/report", "board-operator": "/board"},
        "officer-nanyuan-community": {"case-new": f"/cases/{town.new['case_id']}", "board-mine": "/board?mine=true", **_account(town)},
        "supervisor": {
            "board": "/board",
            "board-empty": "/board?status=needs_placing&grade=I",
            "case-late": f"/cases/{late}",
            "case-taken": f"/cases/{town.taken['case_id']}",
            "content": f"/reports/{town.report['report_id']}",
            "response-times": "/response-times",
            "notifications": f"/notifications?case_id={late}",
            "policies": "/policies",
            "policy": "/policies/futian_2022",
            "simulate": "/policies/simulate?division=440304001020&situation=MR4_ABUSE_INJURY&answer=acknowledge&minute=45",
            "compare": "/policies/compare?division=440304001020&before=national&after=xiantao_2021",
        },
        "admin": {
            "directory": "/directory",
            "directory-place": "/directory?code=440304001020",
            "directory-district": "/directory?code=440304",
            "directory-found": "/directory?q=ny",
            "directory-post": f"/directory/posts/{town.late['owner']['post_id']}",
            "directory-reachability": "/directory/reachability",
            "policy-check": "/policies/check?extends=futian_2022",
            "policy-bind": "/policies/bind?policy=xiantao_2021@1&division=440304001&since=2026-12-01",
            "policy-bindings": "/policies/bindings",
            "policy-moves": "/policies/moves?division=440304&before=futian_2022@1&after=xiantao_2021@1",
            "notifications-latest": "/notifications?days=30",
            "notifications-empty": "/notifications?grade=IV&purpose=supervise",
            "notification-texts": "/notifications/texts",
        },
    }[username]


def _account(town: Town) -> dict[str, str]:
    return {"account": "/account", "account-code-sent": f"/account?sent={town.unproven}"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("username", ["", "operator", "officer-nanyuan-community", "supervisor", "admin"])
async def test_every_page_is_sound(town: Town, username: str, language: str) -> None:
    cookies = await town.session(username) if username else []
    chosen: SetCookieParam = {"name": LANGUAGE_COOKIE, "value": language.replace("-", "_"), "url": town.world.base_url}
    async with visiting(town.browser, town.world.base_url, language=language, zone=FAR_AWAY, cookies=[*cookies, chosen]) as page:
        widths = list(WIDTHS)
        for name, path in _pages(town, username).items():
            answer = await page.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            await _ready(page)
            await sound(page, language, town.names)
            for width in widths:
                await page.set_viewport_size({"width": width, "height": WIDTHS[width]})
                await picture(page, f"{name}-{language}-{width}")
                await in_shape(page)
            widths.reverse()  # the next page is looked at first as this one was last


async def _ready(page: Page) -> None:
    """Waits for what scripts still have to fetch."""
    if await page.locator("#timeline").count():
        await expect(page.locator("#timeline strong").first).to_be_visible()
    if await page.locator("#phones").count():
        await expect(page.locator(".bubble").first).to_be_visible()
    if await page.locator("#live").count():
        await expect(page.locator("#live")).to_have_class("state state-ok")
