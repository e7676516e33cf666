"""Who is told when somebody is on the night shift or on leave: 南园社区 has a day officer and a night officer."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from deploy.demo.directory import officer_id
from libs.directory.read import Directory
from libs.terms import Situation
from services.router.handlers.desk import Desk
from services.router.handlers.policies import Question, preview
from services.router.rules.policy_files import load_book, load_calendar
from tests.support.world import World

NANYUAN = "440304001020"
DAY = officer_id(NANYUAN, "community_officer", "primary")
NIGHT = officer_id(NANYUAN, "community_officer", "deputy")


async def test_at_three_the_night_shift_is_told_and_during_leave_the_deputy(world: World) -> None:
    post = (await world.get("/v1/posts", division_code=NANYUAN))["items"][0]
    await put_on_duty(world, post["post_id"])
    night, noon = (world.clock.now() + timedelta(hours=hours) for hours in (15, 24))
    assert [await foreseen(world, at) for at in (night, noon)] == [NIGHT, DAY]
    question = {"division_code": NANYUAN, "situations": ["MR4_ABUSE_INJURY"], "at": night.isoformat()}
    simulated = await world.http.post("/v1/policies/simulate", json=question, headers=world.bearer)
    assert simulated.status_code == 200, simulated.text
    world.clock.advance(hours=15)  # from Monday noon to Tuesday, 03:00 in Shenzhen
    await world.settle()
    assert world.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).hour == 3
    case = await told_of_a_report(world)
    assert (case["owner"]["officer_id"], len(case["sms"][NIGHT]), case["sms"][DAY]) == (str(NIGHT), 1, [])

    before = await deadlines(world, case)
    await leave(world, NIGHT, timedelta(days=1))
    assert await deadlines(world, case) == before  # a change of duty moves no clock, and takes nobody's case away
    assert (await world.case_of(case))["owner"]["officer_id"] == str(NIGHT)

    during = await told_of_a_report(world)
    assert (during["owner"]["officer_id"], len(during["sms"][DAY]), during["sms"][NIGHT]) == (str(DAY), 1, [])


async def put_on_duty(world: World, post_id: str) -> None:
    shifts = [
        {"name": "day", "officers": [str(DAY)], "start": "08:00", "end": "20:00"},
        {"name": "night", "officers": [str(NIGHT)], "start": "20:00", "end": "08:00"},
    ]
    answer = await world.http.put(f"/v1/posts/{post_id}/roster", json={"shifts": shifts}, headers=world.bearer)
    assert answer.status_code == 204, answer.text


async def foreseen(world: World, at: datetime) -> UUID | None:
    """Whom a simulation of that time would ask."""
    desk = Desk(Directory.under(world.keyring), load_book(), load_calendar(), world.clock)
    async with world.db.connection() as tx:
        found = await preview(desk, tx, Question(NANYUAN, situations=(Situation.MR4_ABUSE_INJURY,), at=at))
    return found.told[0].officer_id


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
