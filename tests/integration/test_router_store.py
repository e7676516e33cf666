"""Cases in a real database: saved and loaded whole, many at a time, fired once by however many sweepers."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.clock import FakeClock
from libs.db import Database
from libs.events import new_event
from libs.events.catalogue import NotificationFailed, OfficerReplied
from libs.events.catalogue.intake import ConflictOfInterest
from libs.terms import ConflictReason, Grade, Purpose, Tier
from services.router.handlers import hearing, sweep
from services.router.jobs import sweep_once
from services.router.rules.case import CaseState, Status
from services.router.store import cases as store
from services.router.store import lists
from services.router.store.lists import Filter
from tests.integration.router_town import desk, opened, published, received, settle_town
from tests.unit.router.town import CITY, COMMUNITY, DISTRICT, GRADE_I, GRADE_II, GRADE_III, T0, person, post_id


@pytest.fixture
async def town(database: Database) -> Database:
    async with database.transaction() as tx:
        await settle_town(tx)
    return database


async def load(database: Database, case_id: object) -> CaseState:
    async with database.connection() as connection:
        return (await store.read(connection, [case_id]))[case_id]  # type: ignore[list-item,index]


async def test_a_case_comes_back_as_it_was_saved(town: Database) -> None:
    office = desk()
    event = received(GRADE_II, reporter_reachable=True, police_reported=True)
    (case_id,) = await opened(office, town, event)
    case = await load(town, case_id)
    assert (case.grade, case.status, case.tier, case.owner_officer_id) == (Grade.II, Status.OPEN, Tier.COMMUNITY, person("Lan"))
    assert case.t0 == T0
    owed = {"reporter_procedure", "reporter_informed"}
    response = {"acknowledge", "on_site", "first_written_up", "assessment", "case_conference", "close"}
    assert {one.step for one in case.deadlines} == response | owed
    assert {one.officer_id for one in case.assignments} == {person("Lan"), person("Mei"), person("Jian")}
    assert {one.officer_id: one.beside for one in case.assignments}[person("Jian")] == "procuratorate"
    assert [(lane.department, lane.state) for lane in case.lanes] == [
        ("police", "unreached"),
        ("procuratorate", "told"),
        ("civil", "unreached"),
    ]
    async with town.transaction() as tx:
        locked = (await store.lock(tx, [case_id]))[case_id]
        await store.save(tx, [replace_outcome(locked)], T0)
    assert await load(town, case_id) == case


def replace_outcome(state: CaseState):
    from services.router.rules.case import Outcome

    return Outcome(None, state, ())


async def test_many_reports_become_as_many_cases_in_one_transaction(town: Database) -> None:
    events = [received(GRADE_II if number % 2 else GRADE_I) for number in range(300)]
    ids = await opened(desk(), town, *events)
    assert len(set(ids)) == 300
    opened_events = await published(town, "case.opened")
    assert [data.report_id for _, data in opened_events] == [event.data.report_id for event in events]
    assert {key for key, _ in opened_events} == set(ids)


async def test_the_same_report_heard_twice_is_one_case(town: Database) -> None:
    office, event = desk(), received(GRADE_II)
    first = await opened(office, town, event)
    again = await opened(office, town, event)
    assert first == again
    assert len(await published(town, "case.opened")) == 1


async def test_a_related_report_joins_the_open_case_also_within_one_batch(town: Database) -> None:
    office, first = desk(), received(GRADE_III)
    second = received(GRADE_III, related_report_ids=(first.data.report_id,))
    third = received(GRADE_III, related_report_ids=(second.data.report_id,))
    one, two = await opened(office, town, first, second)
    (three,) = await opened(office, town, third)
    assert one == two == three
    assert len(await published(town, "case.report_attached")) == 2


async def test_two_sweepers_at_once_fire_each_deadline_once(town: Database) -> None:
    clock = FakeClock(T0)
    await opened(desk(clock), town, *(received(GRADE_I) for _ in range(120)))
    clock.advance(minutes=10)
    sweepers = [desk(clock) for _ in range(4)]

    async def work(office) -> int:
        fired = 0
        while (tick := await sweep_once(office, town, 20)).worked:
            fired += tick.worked
        return fired

    fired = await asyncio.gather(*(work(office) for office in sweepers))
    assert sum(fired) == 120
    missed = Counter(data.deadline_id for _, data in await published(town, "deadline.missed"))
    assert len(missed) == 120
    assert set(missed.values()) == {1}
    async with town.connection() as connection:
        assert {row["tier"] for row in await connection.fetch("SELECT tier FROM router.cases")} == {"street"}


async def test_a_sweeper_sleeps_until_the_next_thing_is_due_and_never_fires_early(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    await opened(office, town, received(GRADE_II))
    tick = await sweep_once(office, town, 100)
    assert (tick.worked, tick.next_at) == (0, T0 + timedelta(minutes=15))
    clock.set(T0 + timedelta(minutes=15) - timedelta(microseconds=1))
    assert (await sweep_once(office, town, 100)).worked == 0
    clock.set(T0 + timedelta(minutes=15))
    assert (await sweep_once(office, town, 100)).worked == 1
    assert (await sweep_once(office, town, 100)).next_at == T0 + timedelta(minutes=24)


async def test_an_earlier_deadline_wakes_the_sweeper(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    await opened(office, town, received(GRADE_III))
    await sweep_once(office, town, 100)
    office.alarm.wake.clear()
    await opened(office, town, received(GRADE_I))
    assert office.alarm.wake.is_set()


async def test_what_passed_during_an_outage_fires_once_and_is_recorded_as_late(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    (case_id,) = await opened(office, town, received(GRADE_I))
    clock.advance(minutes=65)
    while (await sweep_once(office, town, 100)).worked:
        pass
    missed = [data for _, data in await published(town, "deadline.missed")]
    assert [(data.step, data.late_s) for data in missed] == [("acknowledge", 55 * 60), ("on_site", 5 * 60)]
    case = await load(town, case_id)
    assert case.tier is Tier.STREET  # one rung at a time: the street gets its window
    assert [one.due_at for one in case.deadlines if one.armed and one.kind == "acknowledge"] == [T0 + timedelta(minutes=75)]


async def test_a_case_that_cannot_be_fired_is_set_aside_and_stops_no_other(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    bad, good = await opened(office, town, received(GRADE_I), received(GRADE_I))
    async with town.transaction() as tx:
        await tx.execute("UPDATE router.deadlines SET step = 'unheard_of' WHERE case_id = $1", bad)
    clock.advance(minutes=10)
    assert (await sweep_once(office, town, 100)).worked == 1
    assert (await load(town, good)).tier is Tier.STREET
    async with town.connection() as connection:
        assert await connection.fetchval("SELECT wakes_at FROM router.cases WHERE case_id = $1", bad) == clock.now() + sweep.SET_ASIDE_FOR


async def test_replies_and_failures_change_their_cases_in_order(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    answered, lost = await opened(office, town, received(GRADE_II), received(GRADE_II))
    clock.advance(minutes=2)

    def failed(case_id, officer: str):
        return new_event(
            NotificationFailed(
                notification_id=uuid4(),
                case_id=case_id,
                grade=Grade.II,
                division_code=COMMUNITY,
                tier=Tier.COMMUNITY,
                post_id=post_id("community_officer"),
                officer_id=person(officer),
                purpose=Purpose.ASSIGN,
                reason="30003",
            ),
            key=case_id,
            time=clock.now(),
        )

    reply = OfficerReplied(case_id=answered, officer_id=person("Lan"), action="acknowledge", via="sms_reply")
    stranger = OfficerReplied(case_id=answered, officer_id=uuid4(), action="acknowledge", via="sms_reply")
    nowhere = OfficerReplied(case_id=uuid4(), officer_id=person("Lan"), action="decline", via="sms_reply")
    events = [new_event(data, key=data.case_id, time=clock.now()) for data in (reply, stranger, nowhere)]
    async with town.transaction() as tx:
        await hearing.answers(office, tx, [*events, failed(lost, "Lan"), failed(lost, "Bo")])
    assert (await load(town, answered)).status is Status.ACKNOWLEDGED
    climbed = await load(town, lost)
    assert (climbed.tier, climbed.owner_officer_id) == (Tier.STREET, person("Mei"))
    reasons = [(data.from_tier, data.reason) for _, data in await published(town, "case.escalated")]
    assert reasons == [("community", "unreachable")]


async def test_lists_show_the_readers_divisions_and_overdue_cases_first(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    slow, urgent = await opened(office, town, received(GRADE_III), received(GRADE_I))
    (wide,) = await opened(office, town, received(GRADE_II, division=CITY))
    async with town.connection() as connection:
        assert await lists.board(connection, Filter()) == [urgent, wide, slow]
        assert await lists.board(connection, Filter(scope=DISTRICT)) == [urgent, slow]
        assert await lists.board(connection, Filter(scope="5101")) == []
        assert await lists.board(connection, Filter(scope=DISTRICT, division="5101")) == []
        assert await lists.board(connection, Filter(scope=DISTRICT, division=COMMUNITY, grade="I")) == [urgent]
        assert await lists.find(connection, Filter(status="needs_placing"), after=None, limit=10) == [wide]
        assert await lists.find(connection, Filter(officer_id=person("Dong")), after=None, limit=10) == [urgent]
        page = await lists.find(connection, Filter(), after=None, limit=2)
        assert page + await lists.find(connection, Filter(), after=page[-1], limit=2) == sorted([slow, urgent, wide], reverse=True)
        assert await lists.counts(connection, "") == {"open": 3, "overdue": 0, "waiting": 2, "unplaced": 1}
    clock.advance(minutes=240)
    while (await sweep_once(office, town, 100)).worked:
        pass
    async with town.connection() as connection:
        overdue = await lists.find(connection, Filter(overdue=True), after=None, limit=10)
        assert set(overdue) == {slow, urgent, wide}
    assert (await load(town, slow)).overdue_since == T0 + timedelta(minutes=240)


async def test_lists_leave_out_the_cases_in_which_the_reader_has_a_conflict_of_interest(town: Database) -> None:
    unit = ConflictOfInterest(reason=ConflictReason.SUSPECT_UNIT, division_code=COMMUNITY)
    hidden = received(GRADE_II, conflicts=(unit,))
    first, _named, last = await opened(desk(), town, received(GRADE_II), hidden, received(GRADE_II))
    async with town.connection() as connection:
        for reader, seen in ((person("Lan"), 2), (person("Mei"), 3), (None, 3)):
            assert len(await lists.board(connection, Filter(reader=reader))) == seen
        page = await lists.find(connection, Filter(reader=person("Lan")), after=None, limit=2)
        assert set(page) == {first, last}, "what is left out does not shorten a page"


async def test_changes_are_seen_by_streams(town: Database) -> None:
    from services.router.handlers import views

    clock = FakeClock(T0)
    office = desk(clock)
    (case_id,) = await opened(office, town, received(GRADE_II))
    stream = views.changes(office, town, Filter())
    first = await anext(stream)
    assert [view.case.case_id for view in first] == [case_id]
    assert first[0].place == "福田区 · 园岭街道 · 园岭社区"
    clock.advance(minutes=1)
    waiting = asyncio.ensure_future(anext(stream))
    (second_id,) = await opened(office, town, received(GRADE_I))
    assert [view.case.case_id for view in await waiting] == [second_id]
    await stream.aclose()


async def test_a_newer_version_of_the_directory_is_used_at_once(town: Database) -> None:
    office = desk()
    (before,) = await opened(office, town, received(GRADE_II))
    async with town.transaction() as tx:
        await tx.execute("UPDATE directory.officers SET active = false WHERE officer_id = ANY($1)", [person("Lan"), person("Bo")])
        await tx.execute("UPDATE directory.version SET version = version + 1")
    (after,) = await opened(office, town, received(GRADE_II))
    assert (await load(town, before)).tier is Tier.COMMUNITY
    assert (await load(town, after)).tier is Tier.STREET


async def test_a_second_report_after_the_case_was_closed_opens_a_more_urgent_one(town: Database) -> None:
    clock = FakeClock(T0)
    office = desk(clock)
    first = received(GRADE_III)
    (closed,) = await opened(office, town, first)
    async with town.transaction() as tx:
        await tx.execute("UPDATE router.cases SET status = 'closed', wakes_at = NULL WHERE case_id = $1", closed)
    for days, grade in ((80, Grade.II), (91, Grade.III)):
        at = T0 + timedelta(days=days)
        clock.set(at)
        second = received(GRADE_III, at=at, related_report_ids=(first.data.report_id,))
        case_id = (await opened(office, town, first, second))[-1]
        assert case_id != closed
        assert (await load(town, case_id)).grade is grade
