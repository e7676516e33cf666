"""An officer's number that cannot be relied on is told to whoever answers above the officer, by SMS."""

import re
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from libs.directory.permissions import Role
from libs.terms import Grade, Tier
from tests.integration.notifier_desk import Desk, make_desk
from tests.support.china import China

PLACE, STREET, DISTRICT = "440304001020", "440304001", "440304"
OFFICER, CHIEF, DEPUTY, TOP = "+860010009991", "+860010009992", "+860010009993", "+860010009994"
ABOUT_STOP, ABOUT_BUDGET = "停收警钟短信", "今日短信额度用尽"


@pytest.fixture
async def desk(database_url, tmp_path, request):
    async with make_desk(database_url, tmp_path, **getattr(request, "param", {})) as made:
        yield made


def on(**given: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("desk", [given], indirect=True)


async def tell_supervisors(desk: Desk) -> None:
    """Lets the notifier hear and send what there is, and then page."""
    await desk.settle()
    while (await desk.job("notifier-pages").run_once()).worked:
        pass


async def pages(desk: Desk, to: str | None = None) -> list[str]:
    """The SMS to supervisors on the phones."""
    return [one["body"] for one in await desk.sms(to) if ABOUT_STOP in one["body"] or ABOUT_BUDGET in one["body"]]


def counts(bodies: list[str]) -> list[int]:
    return [int(count) for body in bodies for count in re.findall(r"新增([0-9]+)个", body)]


async def stop(desk: Desk, officer: UUID, phone: str, text: str = "STOP") -> None:
    await desk.request(officer, grade=Grade.I)
    await desk.settle()
    await desk.reply((await desk.sms(phone))[-1]["sid"], text)


async def test_who_sends_stop_is_told_to_whoever_is_above_once_until_start(desk: Desk):
    officer = await desk.officer(OFFICER)
    await desk.post("community_officer", Tier.COMMUNITY, officer)
    await desk.post("street_officer", Tier.STREET, await desk.officer(CHIEF), await desk.officer(DEPUTY), place=STREET)
    await desk.post("district_center", Tier.DISTRICT, await desk.officer(TOP, language="en"), place=DISTRICT)
    await stop(desk, officer, OFFICER)
    await tell_supervisors(desk)
    assert (
        await pages(desk)
        == await pages(desk, CHIEF)
        == ["【警钟】截至11月23日12:00，您辖区新增1个值班号码停收警钟短信，岗位可能无人可达，请登录工作台处理。"]
    ), "nobody but the nearest above"
    await stop(desk, officer, OFFICER, "退订")
    desk.clock.advance(seconds=60 * 15)
    await tell_supervisors(desk)
    assert len(await pages(desk)) == 1, "the same again is no news"
    page = await desk.http.get("/notifications", headers=await desk.log_in(Role.SUPERVISOR, "4403"))
    assert "Numbers that sent STOP" in page.text
    assert "SMS sent" in page.text
    assert OFFICER not in page.text

    await stop(desk, officer, OFFICER, "START")
    await stop(desk, officer, OFFICER)
    await desk.faults({"to": CHIEF, "http_status": 400, "error_code": 21610}, {"to": DEPUTY, "http_status": 429, "error_code": 20429})
    await tell_supervisors(desk)
    assert len(await pages(desk)) == 1
    desk.clock.advance(seconds=60)
    await desk.faults()
    await tell_supervisors(desk)
    assert len(await pages(desk, DEPUTY)) == 1, "whom no SMS reaches is passed over; who cannot be reached now is tried again"
    assert await desk.fetch("SELECT state, told_at FROM notifier.troubles") == [{"state": "told", "told_at": desk.clock.now()}]

    await desk.fetch("UPDATE directory.contacts SET enabled = false WHERE officer_id = $1", officer)
    await desk.fetch("UPDATE directory.version SET version = version + 1")
    desk.clock.advance(seconds=60 * 15)
    await desk.reply((await desk.sms(OFFICER))[-1]["sid"], "STOP")
    await tell_supervisors(desk)
    assert len(await pages(desk)) == 2, "nor of a number that is switched off"


@on(storm={"per_number_per_day": 1})
async def test_forty_spent_numbers_are_two_messages_ten_minutes_apart(desk: Desk):
    officers = [await desk.officer() for _ in range(40)]
    await desk.post("community_officer", Tier.COMMUNITY, *officers)
    chief = await desk.officer(CHIEF)
    await desk.post("street_officer", Tier.STREET, chief, place=STREET)
    await desk.fetch("UPDATE directory.officers SET quiet_from = '11:00', quiet_to = '14:00' WHERE officer_id = $1", chief)
    for spent in (officers[:1], officers[1:]):
        for officer in spent:
            for code in desk.codes[:2]:
                await desk.request(officer, code=code)
        await tell_supervisors(desk)
    assert counts(await pages(desk, CHIEF)) == [1], "at once, and once"
    desk.clock.advance(seconds=60 * 10 - 1)
    await tell_supervisors(desk)
    assert counts(await pages(desk, CHIEF)) == [1]
    desk.clock.advance(seconds=1)
    await tell_supervisors(desk)
    assert counts(await pages(desk, CHIEF)) == [1, 39]
    await desk.request(officers[0])
    desk.clock.advance(seconds=60 * 11)
    await tell_supervisors(desk)
    assert len(await pages(desk)) == 2, "a number is told once a day"
    page = await desk.http.get("/notifications", headers=await desk.log_in(Role.SUPERVISOR, "4403"))
    assert page.text.count("SMS sent") == 40


async def test_where_nobody_is_above_the_log_says_so(desk: Desk):
    officer = await desk.officer(OFFICER)
    await desk.faults({"http_status": 400, "error_code": 21610})
    await desk.request(officer)
    await desk.settle()
    with capture_logs() as lines:
        await tell_supervisors(desk)
    (line,) = [one for one in lines if one.get("pages")]
    assert (line["event"], line["what"], line["officer_id"]) == ("notifier.nobody_to_page", "stopped", str(officer)), (
        "no post, nobody above"
    )
    assert OFFICER not in str(lines)
    await desk.faults()

    await desk.post("community_officer", Tier.COMMUNITY, officer)
    top = await desk.officer(TOP)
    await desk.post("district_center", Tier.DISTRICT, top, place=DISTRICT)
    desk.clock.advance(seconds=60 * 15)
    await desk.faults({"to": OFFICER, "http_status": 400, "error_code": 21610}, {"to": TOP, "http_status": 401, "error_code": 20003})
    await desk.request(officer)
    with capture_logs() as lines:
        for _ in range(15):
            await tell_supervisors(desk)
            assert not [one for one in lines if one["event"] == "notifier.nobody_to_page"]
            desk.clock.advance(seconds=60)
        await tell_supervisors(desk)
    assert [one["passed"] for one in lines if one["event"] == "notifier.nobody_to_page"] == [1], "after a quarter of an hour"
    assert await pages(desk) == []
    page = await desk.http.get("/notifications", headers=await desk.log_in(Role.SUPERVISOR, "4403"))
    assert "nobody above could be told" in page.text


@on(china=True)
async def test_a_domestic_provider_gets_the_registered_template_and_its_variables(desk: Desk, tmp_path: Any):
    officer = await desk.officer(OFFICER)
    await desk.post("community_officer", Tier.COMMUNITY, officer)
    await desk.post("street_officer", Tier.STREET, await desk.officer(CHIEF, language="en"), place=STREET)
    await desk.faults({"provider": "aliyun", "final_status": "undelivered", "final_code": "MOBILE_IN_BLACK"})
    await desk.request(officer)
    await desk.settle()
    await desk.faults()
    await tell_supervisors(desk)
    (message,) = await desk.sms(CHIEF)
    china = China.at(desk.base_url, tmp_path)
    assert (message["provider"], china.template_of("aliyun", message["template"])) == ("aliyun", "stopped.zh_CN.1")
    assert message["variables"] == ["at=11月23日12:00", "count=1"]
