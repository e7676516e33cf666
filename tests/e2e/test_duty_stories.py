"""Who is told when somebody is on the night shift or on leave: 南园社区 has a day officer and a night officer."""

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from deploy.demo.directory import officer_id
from libs.directory.read import Directory
from tests.support.world import World

NANYUAN = "440304001020"
DAY = officer_id(NANYUAN, "community_officer", "primary")
NIGHT = officer_id(NANYUAN, "community_officer", "deputy")


async def test_at_three_the_night_shift_is_told_and_during_leave_the_deputy(world: World) -> None:
    post = (await world.get("/v1/posts", division_code=NANYUAN))["items"][0]
    await put_on_duty(world, post["post_id"])
    world.clock.advance(hours=15)  # from Monday noon to Tuesday, 03:00 in Shenzhen
    await world.settle()
    assert world.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).hour == 3
    night = await told_of_a_report(world)
    assert (night["owner"]["officer_id"], len(night["sms"][NIGHT]), night["sms"][DAY]) == (str(NIGHT), 1, [])

    before = await deadlines(world, night)
    await leave(world, NIGHT, timedelta(days=1))
    assert await deadlines(world, night) == before  # a change of duty moves no clock, and takes nobody's case away
    assert (await world.case_of(night))["owner"]["officer_id"] == str(NIGHT)

    during = await told_of_a_report(world)
    assert (during["owner"]["officer_id"], len(during["sms"][DAY]), during["sms"][NIGHT]) == (str(DAY), 1, [])


async def put_on_duty(world: World, post_id: str) -> None:
    shifts = [
        {"name": "day", "officers": [str(DAY)], "start": "08:00", "end": "20:00"},
        {"name": "night", "officers": [str(NIGHT)], "start": "20:00", "end": "08:00"},
    ]
    answer = await world.http.put(f"/v1/posts/{post_id}/roster", json={"shifts": shifts}, headers=world.bearer)
    assert answer.status_code == 204, answer.text


async def leave(world: World, officer: UUID, length: timedelta) -> None:
    body = {"ends_at": (world.clock.now() + length).isoformat()}
    answer = await world.http.post(f"/v1/officers/{officer}/leaves", json=body, headers=world.bearer)
    assert answer.status_code == 201, answer.text
    await world.settle()


async def deadlines(world: World, case: dict[str, Any]) -> Any:
    return (await world.case_of(case))["deadlines"]


async def told_of_a_report(world: World) -> dict[str, Any]:
    """The case of a fresh report, and the SMS that the day's and the night's officer got for it."""
    had = {officer: len(await sms(world, officer)) for officer in (DAY, NIGHT)}
    report = await world.report()
    await world.settle()
    return {**await world.case_of(report), **report, "sms": {officer: (await sms(world, officer))[had[officer] :] for officer in had}}


async def sms(world: World, officer: UUID) -> list[dict[str, Any]]:
    directory = Directory.under(world.keyring)
    async with world.db.transaction() as tx:
        (contact, *_rest) = await directory.contacts(tx, officer)
    return await world.phones(to=contact.phone)
