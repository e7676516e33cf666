"""What happens to a child's case, told in minutes. 南园社区 (community) → 南园街道 (street) → 福田区 (district) → 督办.

Grade II by futian_2022: community 30 min, street 30 min, district 60 min; on site within 4 h; first written up within 24 h.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.directory.read import Directory
from tests.support.world import World

NANYUAN = "440304001020"


def minutes(events: Iterable[dict[str, Any]], t0: str, *kinds: str) -> list[tuple[int, str]]:
    """The minute of each event of these kinds, counted from t0."""
    start = datetime.fromisoformat(t0)
    found = []
    for event in events:
        _tocsin, noun, verb, _v1 = event["event_type"].split(".")
        if f"{noun}.{verb}" in kinds:
            found.append((round((datetime.fromisoformat(event["at"]) - start).total_seconds() / 60), event["tier"]))
    return found


async def purposes(world: World, case: dict[str, Any]) -> list[tuple[str, str]]:
    """Who was told, and why, in order."""
    rows = await world.fetch(
        "SELECT tier, purpose FROM notifier.notifications WHERE case_id = $1::uuid ORDER BY requested_at, tier, purpose", case["case_id"]
    )
    return [(row["tier"], row["purpose"]) for row in rows]


async def test_from_the_first_request_to_the_acknowledgement(world: World) -> None:
    """The teacher reports, the community officer reads the SMS and answers 1, the teacher looks at her receipt."""
    report = await world.report()
    await world.settle()
    case = await world.case_of(report)
    assert (case["grade"], case["tier"], case["status"]) == ("II", "community", "open")
    told = await world.phones()
    assert len(told) == 4  # the community, and the street beside it; the district's police on their lane, and a copy to its procurators
    assert all(len(message["body"]) <= 70 for message in told)
    mine = await _phone_of(world, case["owner"]["officer_id"])
    (message,) = await world.phones(to=mine)
    await world.reply(message, "1")
    await world.settle()
    case = await world.case_of(report)
    assert case["status"] == "acknowledged"
    assert [d["state"] for d in case["deadlines"] if d["step"] == "acknowledge"] == ["met"]
    status = await world.http.get(f"/v1/reports/{report['receipt']}", headers={"Accept-Language": "en"})
    assert status.status_code == 200
    assert status.json()["state"] == "acknowledged"


async def test_grade_one_tells_all_tiers_at_once(world: World) -> None:
    case = await _open(world, situations=["MR2_U14_SEXUAL"])
    assert case["grade"] == "I"
    assert case["tier"] == "community"
    assert await purposes(world, case) == [
        ("community", "assign"),
        ("district", "assign"),
        ("district", "inform"),  # the procurators get a copy
        ("district", "refer"),  # the police have to accept
        ("street", "assign"),
    ]


async def test_silence_climbs_each_tier_at_its_minute_and_then_supervises(world: World) -> None:
    case = await _open(world)
    await world.advance(minutes=301)
    events = await world.events(case)
    assert minutes(events, case["received_at"], "case.escalated") == [(30, "street"), (60, "district")]
    # 督办 when the district was silent too, three more times an hour apart, and once more when nobody was on site after four hours.
    assert [minute for minute, _ in minutes(events, case["received_at"], "case.supervised")] == [120, 180, 240, 240, 300]
    after = await world.case_of(case)
    assert after["tier"] == "district"  # it stays with the top rung


async def test_a_decline_climbs_at_once_and_the_next_window_starts_there(world: World) -> None:
    case = await _open(world)
    await world.advance(minutes=3)
    answer = await world.act(case, "decline", case["owner"]["officer_id"], reason="not_my_area")
    assert answer.status_code == 200, answer.text
    await world.advance(minutes=40)
    events = await world.events(case)
    assert minutes(events, case["received_at"], "case.declined") == [(3, "community")]
    assert minutes(events, case["received_at"], "case.escalated") == [(3, "street"), (33, "district")]


async def test_a_community_without_an_officer_climbs_in_the_same_transaction(world: World) -> None:
    async with world.db.transaction() as tx:
        await tx.execute(
            """
            UPDATE directory.officers SET active = false WHERE officer_id IN (
                SELECT officer_id FROM directory.holdings JOIN directory.posts USING (post_id) WHERE division_code = $1)
            """,
            NANYUAN,
        )
        await tx.execute("UPDATE directory.version SET version = version + 1")
    report = await world.report()
    await world.settle()
    case = await world.case_of(report)
    assert case["tier"] == "street"
    rows = await world.fetch(
        "SELECT DISTINCT xid::text FROM bus.outbox WHERE key = $1::uuid AND event_type LIKE 'tocsin.case.%'", case["case_id"]
    )
    assert len(rows) == 1
    assert ("community", "assign") not in await purposes(world, case)


async def test_reminders_come_at_half_and_at_four_fifths_of_the_window(world: World) -> None:
    case = await _open(world)
    await world.advance(minutes=29)
    events = await world.events(case)
    assert minutes(events, case["received_at"], "deadline.reminded") == [(15, "community"), (24, "community")]
    mine = await _phone_of(world, case["owner"]["officer_id"])
    bodies = [message["body"] for message in await world.phones(to=mine)]
    assert len(bodies) == 3
    assert "15" in bodies[1]
    assert "6" in bodies[2]


async def test_a_deadline_that_passed_while_everything_was_down_fires_once_late_and_says_so(world: World) -> None:
    case = await _open(world)
    world.clock.advance(hours=2)  # nothing runs meanwhile
    await world.settle()
    missed = await world.fetch(
        "SELECT payload FROM audit.ledger WHERE case_id = $1::uuid AND event_type = 'tocsin.deadline.missed.v1'", case["case_id"]
    )
    assert len(missed) == 1
    assert missed[0]["payload"]["late_s"] == 90 * 60
    case = await world.case_of(case)
    assert case["tier"] == "street"
    fired = [d for d in case["deadlines"] if d["state"] == "fired"]
    assert [(d["step"], d["tier"]) for d in fired] == [("acknowledge", "community")]


async def test_the_same_report_sent_twice_is_one_case(world: World) -> None:
    first = await world.report(key="the-same-key")
    await world.settle()
    second = await world.report(key="the-same-key")
    await world.settle()
    assert first == second
    assert len(await world.fetch("SELECT 1 FROM router.cases")) == 1
    assert len((await world.get("/v1/cases", report_id=first["report_id"]))["items"]) == 1


async def test_who_acknowledges_first_stops_the_climb_and_the_others_are_recalled(world: World) -> None:
    case = await _open(world)
    await world.advance(minutes=31)  # the street is accountable now; the community may still answer
    answer = await world.act(case, "acknowledge", case["owner"]["officer_id"])
    assert answer.status_code == 200, answer.text
    await world.advance(minutes=120)
    events = await world.events(case)
    assert minutes(events, case["received_at"], "case.acknowledged") == [(31, "community")]
    assert minutes(events, case["received_at"], "case.escalated") == [(30, "street")]
    assert ("street", "recall") in await purposes(world, case)


async def test_a_missed_step_climbs_one_rung_and_arms_a_new_window(world: World) -> None:
    case = await _open(world)
    await world.act(case, "acknowledge", case["owner"]["officer_id"])
    await world.advance(minutes=241)
    events = await world.events(case)
    assert minutes(events, case["received_at"], "case.escalated") == [(240, "street")]
    case = await world.case_of(case)
    assert case["tier"] == "street"
    armed = [d for d in case["deadlines"] if d["step"] == "acknowledge" and d["state"] == "armed"]
    assert [d["tier"] for d in armed] == ["street"]


async def test_from_on_site_to_closed_with_an_answer_to_the_reporter(world: World) -> None:
    case = await _open(world)
    officer = case["owner"]["officer_id"]
    await world.act(case, "acknowledge", officer)
    await world.advance(minutes=50)
    for step in (
        {"step": "on_site", "child_sighted": True},
        {"step": "police_linked"},
        {"step": "first_written_up"},
        {"step": "assessment"},
    ):
        answer = await world.act(case, "steps", officer, **step)
        assert answer.status_code == 200, answer.text
    answer = await world.act(case, "steps", officer, step="close", result="child_safe")
    assert answer.status_code == 200, answer.text
    await world.settle()
    closed = await world.case_of(case)
    assert closed["status"] == "closed"
    assert [d["kind"] for d in closed["deadlines"] if d["state"] == "armed"] == ["visit"]  # nothing else is waited for
    status = await world.http.get(f"/v1/reports/{case['receipt']}")
    assert status.json()["state"] == "closed"


async def _open(world: World, **changes: Any) -> dict[str, Any]:
    """A case from a fresh report, with its report's answer beside it."""
    report = await world.report(**changes)
    await world.settle()
    return {**await world.case_of(report), **report}


async def _phone_of(world: World, officer_id: str) -> str:
    directory = Directory.under(world.keyring)
    async with world.db.transaction() as tx:
        return (await directory.contacts(tx, UUID(officer_id)))[0].phone
