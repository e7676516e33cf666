"""The ledger in a real database: one line per event, and no way to change one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from libs.clock import FakeClock
from libs.db import Database
from libs.directory.permissions import ClientPrincipal, Role, StaffPrincipal
from libs.errors import Forbidden, NotFound
from libs.events import Event, new_event, new_id, publish
from libs.events.catalogue import CaseAcknowledged, CaseOpened, DirectoryChanged, ReportReceived, ReportViewed
from libs.events.postgres import PostgresBus
from libs.terms import AgeBand, Channel, Grade, Step, Tier
from services.audit import handlers
from services.audit.consumers import subscriptions
from services.audit.rules.lines import leaf_hash

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
AUDITOR = ClientPrincipal("audit-office", "Audit office", frozenset({"audit"}), None)


def staff(division_code: str, role: Role = Role.SUPERVISOR) -> StaffPrincipal:
    return StaffPrincipal(new_id(), "someone", role, None, division_code, "en")


def story(division_code: str = "440304001020") -> list[Event[Any]]:
    """A report, its case, its acknowledgement after five minutes, and somebody who read the report."""
    report_id, case_id = new_id(), new_id()
    case: dict[str, Any] = {
        "case_id": case_id,
        "grade": Grade.II,
        "division_code": division_code,
        "tier": Tier.COMMUNITY,
        "post_id": new_id(),
    }
    received = ReportReceived(
        report_id=report_id, received_at=T0, channel=Channel.WEB, division_code=division_code, danger={}, age_bands=(AgeBand.UNKNOWN,)
    )
    opened = CaseOpened(
        **case,
        report_id=report_id,
        code="23CFGH",
        received_at=T0,
        policy_id="futian_2022",
        policy_version=1,
        grade_reason="MR4",
        deadlines={Step.ACKNOWLEDGE: T0 + timedelta(minutes=30)},
    )
    return [
        new_event(received, key=report_id, time=T0),
        new_event(opened, key=case_id, time=T0 + timedelta(seconds=1)),
        new_event(CaseAcknowledged(**case, via="sms_reply"), key=case_id, time=T0 + timedelta(minutes=5)),
        new_event(ReportViewed(report_id=report_id, account_id=new_id(), purpose="case"), key=report_id, time=T0 + timedelta(minutes=6)),
    ]


@pytest.fixture
async def audit(database_url: str):
    """The database as the audit's own role sees it."""
    opened = await Database.open(database_url, role="tocsin_audit", size_max=2)
    yield opened
    await opened.close()


async def record(audit: Database, events: list[Event[Any]]) -> None:
    async with audit.transaction() as tx:
        await handlers.record(tx, events, T0 + timedelta(minutes=10))


async def test_every_event_that_is_published_becomes_one_line(database: Database, audit: Database, database_url: str):
    clock, bus = FakeClock(T0), PostgresBus(database_url)
    events = [*story(), new_event(DirectoryChanged(version=2, what="post"), key=new_id(), time=T0)]
    async with database.transaction() as tx:
        await publish(tx, events)
    consumer = await bus.subscribe(audit, subscriptions(clock)[0], clock)
    while (await consumer.drain_once()).events:
        pass
    async with audit.connection() as connection:
        lines = await connection.fetch("SELECT * FROM audit.ledger")
        (times,) = await connection.fetch("SELECT * FROM audit.case_times")
    assert {line["event_id"] for line in lines} == {event.id for event in events}
    assert len(lines) == len(events)
    assert times["acknowledged_at"] - times["received_at"] == timedelta(minutes=5)


async def test_a_line_that_was_stored_still_gives_its_leaf(audit: Database):
    await record(audit, story())
    async with audit.connection() as connection:
        for line in await connection.fetch("SELECT * FROM audit.ledger"):
            parts = {name: line[name] for name in ("event_id", "event_type", "at", "key", "correlation_id", "causation_id", "payload")}
            assert leaf_hash(**parts) == line["leaf"]


async def test_an_event_heard_twice_has_one_line_and_no_second_effect(audit: Database):
    events = story()
    await record(audit, events)
    await record(audit, events[1:])
    async with audit.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit.ledger") == len(events)
        assert await connection.fetchval("SELECT acknowledged_at FROM audit.case_times") == T0 + timedelta(minutes=5)


@pytest.mark.parametrize("change", ["UPDATE audit.ledger SET at = at", "DELETE FROM audit.ledger", "TRUNCATE audit.ledger"])
async def test_nobody_changes_a_line(database: Database, audit: Database, change: str):
    await record(audit, story())
    for who in (database, audit):
        async with who.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM audit.ledger") == 4


async def test_the_service_itself_lacks_the_right_to_change_lines(database: Database):
    async with database.connection() as connection:
        rights = await connection.fetch(
            "SELECT privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee = 'tocsin_audit' AND table_schema = 'audit' AND table_name = 'ledger'"
        )
    assert {row["privilege_type"] for row in rights} == {"SELECT", "INSERT"}


async def test_the_timeline_tells_what_happened_in_order_with_the_report_and_lags(audit: Database):
    events = story()
    await record(audit, list(reversed(events)))
    await record(audit, story())
    async with audit.connection() as connection:
        moments = await handlers.timeline(connection, AUDITOR, events[1].key, None, 50)
        later = await handlers.timeline(connection, AUDITOR, events[1].key, (moments[1].at, moments[1].seq), 50)
    assert [moment.event_id for moment in moments] == [event.id for event in events]
    assert [moment.lag_s for moment in moments] == [0, 1, 300, 360]
    assert later == moments[2:]
    assert moments[1].detail["grade_reason"] == "MR4"
    assert moments[2].detail == {"via": "sms_reply", "late": False}


async def test_a_timeline_is_for_those_whose_place_it_is(audit: Database):
    events = story()
    await record(audit, events)
    case_id = events[1].key
    async with audit.connection() as connection:
        for allowed in (staff("440304"), staff("440304001020", Role.OFFICER), staff("", Role.OPERATOR), AUDITOR):
            assert await handlers.timeline(connection, allowed, case_id, None, 1)
        for refused in (staff("440305"), ClientPrincipal("school", "School", frozenset({"report"}), "school_api")):
            with pytest.raises(NotFound):
                await handlers.timeline(connection, refused, case_id, None, 1)
        with pytest.raises(NotFound):
            await handlers.timeline(connection, AUDITOR, new_id(), None, 1)


async def test_the_ledger_is_read_in_pages_and_within_the_reader_s_place(audit: Database):
    ours, theirs = story(), story("440305001001")
    await record(audit, [*ours, *theirs, new_event(DirectoryChanged(version=2, what="post"), key=new_id(), time=T0)])
    async with audit.connection() as connection:

        async def ids(who, case_id=None, event_type=None, after_seq=0, limit=50):
            rows = await handlers.ledger(connection, who, case_id=case_id, event_type=event_type, after_seq=after_seq, limit=limit)
            return [row["event_id"] for row in rows]

        everything = await ids(AUDITOR)
        assert len(everything) == 9
        assert await ids(AUDITOR, limit=4) == everything[:4]
        assert await ids(AUDITOR, after_seq=4) == everything[4:]
        assert await ids(staff("440304")) == [event.id for event in ours[:3]]
        assert await ids(AUDITOR, case_id=theirs[1].key) == [event.id for event in theirs[1:3]]
        assert await ids(AUDITOR, event_type="tocsin.directory.changed.v1") == [everything[-1]]
        with pytest.raises(Forbidden):
            await ids(staff("440304"), case_id=theirs[1].key)
        with pytest.raises(Forbidden):
            await ids(staff("440304", Role.OFFICER))
