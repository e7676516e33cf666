"""Rosters, overrides, hand-over and leave on a real database: who is asked changes at its minute, and each change is recorded."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.directory.duty import on_duty
from libs.directory.read import plans_of
from libs.settings import SettingsError
from libs.workdays import WorkCalendar
from services.directory.settings import DirectorySettings, calendar_of
from services.router.rules.policy_files import load_calendar
from tests.integration.directory_desk import COMMUNITY, STREET, Desk, deputy, directory_desk, primary

ANNA = primary(COMMUNITY, "community_officer")
BEN = deputy(COMMUNITY, "community_officer")
STRANGER = primary(STREET, "street_officer")
CALENDAR = WorkCalendar()
TWO_SHIFTS = [
    {"name": "day", "officers": [str(ANNA)], "start": "08:00", "end": "20:00"},
    {"name": "night", "officers": [str(BEN)], "start": "20:00", "end": "08:00"},
]


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def send(desk: Desk, method: str, path: str, status: int, **body: Any) -> Any:
    answer = await desk.http.request(method, path, json=body or None, headers=desk.bearer)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def post_of(desk: Desk) -> Any:
    return (await desk.route(COMMUNITY)).posts[0]


async def asked(desk: Desk) -> list[UUID]:
    return [holder.officer_id for holder in (await post_of(desk)).holders]


async def roster(desk: Desk, shifts: list[dict[str, Any]] = TWO_SHIFTS) -> str:
    path = f"/v1/posts/{(await post_of(desk)).post_id}"
    await send(desk, "PUT", f"{path}/roster", 204, shifts=shifts)
    return path


async def test_a_roster_changes_who_is_asked_at_its_minute_and_not_before(desk: Desk) -> None:
    assert await asked(desk) == [ANNA, BEN]
    path = await roster(desk)  # it is 12:00 in Shenzhen
    assert await asked(desk) == [ANNA, BEN]
    assert [holder.on_duty for holder in (await post_of(desk)).holders] == [True, False]
    version = (await desk.route(COMMUNITY)).version
    desk.clock.advance(hours=7, minutes=59, seconds=59)
    assert await desk.job("directory-roster") == 0
    assert (await desk.route(COMMUNITY)).version == version
    desk.clock.advance(seconds=1)
    assert await desk.job("directory-roster") == 1
    assert await asked(desk) == [BEN, ANNA]
    assert (await desk.route(COMMUNITY)).version == version + 1
    desk.clock.advance(days=40)  # everything was down meanwhile
    await desk.job("directory-roster")
    assert await asked(desk) == [BEN, ANNA]
    desk.clock.advance(hours=12)
    await desk.job("directory-roster")
    assert await asked(desk) == [ANNA, BEN]
    found = await send(desk, "GET", f"{path}/duty", 200)
    assert [(item["officer_id"], item["reason"], item["on_duty"]) for item in found["items"]] == [
        (str(ANNA), "shift", True),
        (str(BEN), "off_duty", False),
    ]
    assert found["until"].startswith("2027-01-03T12:00")
    night = await send(desk, "GET", f"{path}/duty?at=2027-02-01T03:00:00%2B08:00", 200)
    assert (night["items"][0]["officer_id"], night["items"][0]["shift"], night["items"][0]["text"]) == (str(BEN), "night", "shift: night")
    await send(desk, "PUT", f"{path}/roster", 204, shifts=[])
    assert [(holder.officer_id, holder.on_duty) for holder in (await post_of(desk)).holders] == [(ANNA, True), (BEN, True)]
    assert await desk.value("SELECT count(*) FROM directory.posts WHERE duty_next IS NOT NULL") == 0


async def test_what_the_job_does_is_what_the_rules_say_and_what_a_simulation_of_that_time_sees(desk: Desk) -> None:
    path = await roster(
        desk, [*TWO_SHIFTS[:1], {"name": "turns", "officers": [str(BEN), str(ANNA)], "since": "2026-11-20", "turn_days": 1}]
    )
    start = desk.clock.now()
    await send(
        desk, "POST", f"/v1/officers/{ANNA}/leaves", 201,
        starts_at=(start + timedelta(hours=30)).isoformat(), ends_at=(start + timedelta(hours=50)).isoformat(),
    )  # fmt: skip
    await send(
        desk, "POST", f"{path}/overrides", 201, officer_id=str(ANNA), starts_at=(start + timedelta(hours=9)).isoformat(),
        ends_at=(start + timedelta(hours=20)).isoformat(),
    )  # fmt: skip
    post_id = (await post_of(desk)).post_id
    async with desk.db.connection() as tx:
        plan = (await plans_of(tx, [post_id], start))[post_id]
        moments = [start + timedelta(hours=hours) for hours in range(0, 72, 5)]
        foreseen = [await desk.directory.route_at(tx, COMMUNITY, moment, CALENDAR) for moment in moments]
    seen = []
    for moment in moments:
        desk.clock.set(moment)
        await desk.job("directory-roster")
        seen.append(await post_of(desk))
    assert [[holder.officer_id for holder in post.holders] for post in seen] == [
        [duty.officer_id for duty in on_duty(plan, moment, CALENDAR)] for moment in moments
    ]
    assert [post.holders for post in seen] == [route.posts[0].holders for route in foreseen if route]
    assert len({post.holders for post in seen}) > 1


async def test_leave_counts_on_every_post_and_only_while_it_lasts(desk: Desk) -> None:
    now = desk.clock.now()
    leave = await send(desk, "POST", f"/v1/officers/{ANNA}/leaves", 201, ends_at=(now + timedelta(days=2)).isoformat())
    assert await asked(desk) == [BEN, ANNA]
    found = await send(desk, "GET", f"/v1/posts/{(await post_of(desk)).post_id}/duty", 200)
    assert [(item["reason"], item["instead_of"]) for item in found["items"]] == [("replaces", str(ANNA)), ("on_leave", None)]
    desk.clock.advance(days=1)
    await send(desk, "DELETE", f"/v1/officers/{ANNA}/leaves/{leave['id']}", 204)
    assert await asked(desk) == [ANNA, BEN]
    await send(desk, "DELETE", f"/v1/officers/{ANNA}/leaves/{leave['id']}", 404)
    await send(desk, "POST", f"/v1/officers/{ANNA}/leaves", 201, ends_at=(desk.clock.now() + timedelta(days=2)).isoformat())
    desk.clock.advance(days=2)
    await desk.job("directory-roster")
    assert await asked(desk) == [ANNA, BEN]
    wrong = await send(desk, "POST", f"/v1/officers/{ANNA}/leaves", 422, ends_at=now.isoformat())
    assert wrong["errors"][0]["field"] == "ends_at"


async def test_duty_is_handed_over_until_the_turn_is_over_and_the_record_says_who_gave_to_whom(desk: Desk) -> None:
    path = await roster(desk)
    made = await send(desk, "POST", f"{path}/hand-over", 201, to_officer=str(BEN))
    assert await asked(desk) == [BEN, ANNA]
    details = await desk.value("SELECT details FROM directory.changes WHERE what = 'duty.handed_over'")
    assert (details["officer_id"], details["given_by"]) == (str(BEN), str(ANNA))
    assert details["to"] == "2026-11-23T12:00:00+00:00"  # 20:00 in Shenzhen, when the day shift ends
    assert (await send(desk, "POST", f"{path}/hand-over", 422, to_officer=str(BEN)))["errors"][0]["field"] == "to_officer"
    gave = await send(desk, "POST", f"{path}/hand-over", 422, to_officer=str(BEN), from_officer=str(ANNA))
    assert gave["errors"][0]["field"] == "from_officer"
    await send(desk, "DELETE", f"{path}/overrides/{made['id']}", 204)
    assert await asked(desk) == [ANNA, BEN]
    await send(desk, "DELETE", f"{path}/overrides/{made['id']}", 404)
    await send(desk, "PUT", f"{path}/roster", 204, shifts=[])
    endless = await send(desk, "POST", f"{path}/hand-over", 422, to_officer=str(BEN))
    assert endless["errors"][0]["field"] == "until"
    until = (desk.clock.now() + timedelta(hours=3)).isoformat()
    await send(desk, "POST", f"{path}/hand-over", 201, to_officer=str(BEN), until=until)
    assert await asked(desk) == [BEN, ANNA]


async def test_an_officer_hands_over_their_own_duty_and_nobody_elses(desk: Desk) -> None:
    path = await roster(desk)
    username = await desk.value("SELECT username FROM directory.accounts WHERE officer_id = $1", ANNA)
    assert (await desk.log_in(username)).status_code == 303
    same = {"Sec-Fetch-Site": "same-origin"}
    foreign = await desk.http.post(f"{path}/hand-over", json={"to_officer": str(ANNA), "from_officer": str(BEN)}, headers=same)
    assert foreign.status_code == 403
    own = await desk.http.post(f"{path}/hand-over", json={"to_officer": str(BEN)}, headers=same)
    assert own.status_code == 201, own.text
    assert await asked(desk) == [BEN, ANNA]


async def test_what_is_asked_wrongly_changes_nothing(desk: Desk) -> None:
    path = f"/v1/posts/{(await post_of(desk)).post_id}"
    stranger = {"name": "day", "officers": [str(STRANGER)]}
    answer = await send(desk, "PUT", f"{path}/roster", 422, shifts=[*TWO_SHIFTS, stranger, {"name": "x", "officers": [None]}])
    assert [error["field"] for error in answer["errors"]] == ["shifts.3.officers", "shifts.3.officers", "shifts.2.officers"]
    await send(desk, "PUT", f"{path}/roster", 422, shifts=[{"name": "x", "officers": [str(ANNA)], "days": ["MONDAY"]}])
    await send(desk, "POST", f"{path}/overrides", 422, officer_id=str(STRANGER), ends_at=(desk.clock.now() + timedelta(days=1)).isoformat())
    await send(desk, "GET", f"/v1/posts/{uuid4()}/roster", 404)
    await send(desk, "PUT", f"/v1/posts/{uuid4()}/roster", 404, shifts=[])
    assert (await send(desk, "GET", f"{path}/roster", 200))["shifts"] == []
    assert await desk.value("SELECT count(*) FROM directory.changes WHERE what LIKE 'roster%'") == 0


async def test_of_two_who_change_a_roster_at_once_the_second_is_told(desk: Desk) -> None:
    path = f"/v1/posts/{(await post_of(desk)).post_id}"
    seen = (await send(desk, "GET", f"{path}/roster", 200))["version"]
    await send(desk, "PUT", f"{path}/roster", 204, shifts=TWO_SHIFTS, version=seen)
    refused = await send(desk, "PUT", f"{path}/roster", 409, shifts=[], version=seen)
    assert refused["type"] == "/problems/changed_meanwhile"
    found = await send(desk, "GET", f"{path}/roster", 200)
    assert [shift["name"] for shift in found["shifts"]] == ["day", "night"]
    await send(desk, "PUT", f"{path}/roster", 204, shifts=found["shifts"], version=found["version"])


async def test_periods_tell_the_coming_days(desk: Desk) -> None:
    path = await roster(desk)
    found = await send(desk, "GET", f"{path}/duty/periods?days=2", 200)
    assert [item["items"][0]["shift"] for item in found["items"]] == ["day", "night", "day", "night", "day"]


def test_both_rooms_read_the_same_notices(tmp_path: Path) -> None:
    given = calendar_of(DirectorySettings(), tmp_path)
    assert given.is_provisional(2031)
    file = tmp_path / "holidays.yaml"
    file.write_text(
        "notices:\n  2031:\n    src: 示例\n    holidays: [2031-01-01, 2031-01-02]\n    worked: [2031-01-05]\n", encoding="utf-8"
    )
    ours, routers = calendar_of(DirectorySettings(), tmp_path), load_calendar(file)
    for calendar in (ours, routers):
        assert [calendar.is_working(date(2031, 1, day)) for day in range(1, 6)] == [False, False, True, False, True]
    assert ours.is_holiday(date(2031, 1, 2))
    file.write_text("notices: {2031: {src: 示例}}", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"TOCSIN_DIRECTORY_CALENDAR_FILE: .*holidays"):
        calendar_of(DirectorySettings(), tmp_path)
