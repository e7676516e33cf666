"""The audit, the doctor and the demo's people in the whole system: what happens is in the ledger, and a played day keeps every promise."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser

from deploy.demo.client import Answer, Client
from deploy.demo.traffic import Play, Show
from deploy.doctor import examine
from tests.support.browser import fits, picture, visiting

if TYPE_CHECKING:
    from tests.support.world import World


async def test_every_event_is_in_the_ledger_and_a_case_tells_its_story(world: "World"):
    report = await world.report()
    await world.settle()
    case = await world.case_of(report)
    await world.advance(minutes=3)
    (text, *_more) = await world.phones()
    await world.reply(text, "1")
    await world.settle()
    told = await world.fetch("SELECT event_id FROM bus.outbox")
    heard = await world.fetch("SELECT event_id FROM audit.ledger")
    assert {row["event_id"] for row in told} == {row["event_id"] for row in heard}
    assert len(heard) == len(told)
    story = await world.events(case)
    kinds = [line["event_type"].removeprefix("tocsin.").removesuffix(".v1") for line in story]
    assert kinds[0] == "report.received"
    for earlier, later in (
        ("report.received", "case.opened"),
        ("case.opened", "notification.submitted"),
        ("notification.submitted", "notification.delivered"),
        ("notification.delivered", "case.acknowledged"),
    ):
        assert kinds.index(earlier) < kinds.index(later)
    acknowledged = story[kinds.index("case.acknowledged")]
    assert (acknowledged["lag_s"], acknowledged["tier"], bool(acknowledged["post_title"])) == (180, "community", True)
    times = await world.get("/v1/response-times", group_by="grade")
    (ack,) = (step for step in times["total"]["steps"] if step["step"] == "acknowledged")
    assert (ack["count"], ack["in_time"], ack["p50_s"]) == (1, 1, 180)


async def test_a_noon_of_invented_people_keeps_every_promise(world: "World"):
    async with Client(world.base_url, world.demo.api_key) as call:

        async def counted(method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
            answer = await call(method, path, json=json, headers=headers)
            assert answer.status not in {400, 401, 403, 404, 405, 422, 500}, (method, path, answer)
            return answer

        show = Show(world.clock.now().astimezone(ZoneInfo("Asia/Shanghai")), timedelta(minutes=30), 5, speed=1)
        play = Play(counted, show, world.clock, lambda _line: None)
        await play.prepare()
        for minutes in range(15, 121, 15):
            await play.step(minutes * 60.0)
            await world.advance(minutes=15)
        assert (await play.verdict()) != []
    tally = play.tally
    assert (tally.accepted, tally.refused, tally.failures) == (5, 0, 0)
    assert tally.taken >= 3
    assert tally.steps >= 1
    async with world.db.connection() as connection:
        findings = await examine(connection, world.clock.now())
    assert all(finding.ok for finding in findings), findings


@pytest.mark.browser
async def test_the_page_of_response_times(world: "World", browser: Browser):
    for _ in range(3):
        await world.report()
    await world.settle()
    await world.advance(minutes=45)
    (account,) = (one for one in world.demo.accounts if one.role == "auditor")
    for width, language, title in ((1440, "zh-CN", "响应时间"), (360, "en", "Response times")):
        async with visiting(browser, world.base_url, width=width, language=language) as page:
            await page.goto(f"/response-times?lang={language.replace('-', '_')}")
            await page.fill("[name=username]", account.username)
            await page.fill("[name=password]", account.password)
            await page.keyboard.press("Enter")
            await page.get_by_role("heading", level=1, name=title).wait_for()
            await fits(page)
            await picture(page, f"response-times-{width}-{language}")
            await page.select_option("[name=group_by]", "day")
            await page.focus("form.times-filter button[type=submit]")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**group_by=day*")
            assert await page.locator("section[aria-labelledby=by-group] tbody tr").count() == 1
