"""The doctor finds every promise that is broken on purpose, and nothing in a system that keeps them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from deploy.doctor import PROMISES, cli, doctor_job, examination, examine, queries
from deploy.doctor import job as job_module
from deploy.doctor.job import OK, SETTLE_S, VIOLATIONS
from deploy.doctor.lag import lags_of
from libs.db import Tx
from libs.i18n import use_locale

if TYPE_CHECKING:
    from tests.support.world import World

OPEN_CASE = "(SELECT case_id FROM router.cases WHERE status = 'open' ORDER BY case_id LIMIT 1)"
OWNER_POST = f"(SELECT owner_post_id FROM router.cases WHERE case_id = {OPEN_CASE})"
HOUR_AGO = "$1::timestamptz - interval '1 hour'"
A_NOTIFICATION = "(SELECT notification_id FROM notifier.notifications ORDER BY notification_id LIMIT 1)"
ITS_NOTIFICATION = f"""(
    SELECT notification_id FROM notifier.notifications WHERE case_id = {OPEN_CASE} AND purpose IN ('assign', 'escalate')
    ORDER BY requested_at DESC LIMIT 1)"""
LINE = "event_type, at, received_at, key, correlation_id, case_id, payload, leaf"
MISSED_AGAIN = f"""
    INSERT INTO audit.ledger (event_id, {LINE})
    SELECT gen_random_uuid(), {LINE} FROM audit.ledger WHERE event_type = 'tocsin.deadline.missed.v1' LIMIT 1
"""
MISSED_EARLY = """
    INSERT INTO audit.ledger (event_id, event_type, at, received_at, key, correlation_id, payload, leaf)
    SELECT gen_random_uuid(), 'tocsin.deadline.missed.v1', at, received_at, key, correlation_id, early, leaf FROM (
        SELECT *, jsonb_build_object(
            'deadline_id', gen_random_uuid(), 'late_s', 0, 'due_at', at, 'fired_at', at - interval '1 s') AS early
        FROM audit.ledger LIMIT 1) AS line
"""
UNORDERED = """
    WITH event AS (
        INSERT INTO bus.outbox (shard, key, event_id, event_type, envelope, created_at)
        SELECT 0, '00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'x', '{}', $1 FROM generate_series(1, 2)
        RETURNING id, event_id, key)
    INSERT INTO audit.ledger (event_id, event_type, at, received_at, key, correlation_id, payload, leaf)
    SELECT event_id, 'x', $1, $1, key, key, '{}'::jsonb, ''::bytea FROM event ORDER BY id DESC
"""
PARKED = """
    INSERT INTO bus.parked (grp, key, event_id, event_type, envelope, attempts, state, error, parked_at, next_at)
    VALUES ('router', gen_random_uuid(), gen_random_uuid(), 'x', '{}', 8, 'dead', 'ValueError', $1, $1)
"""


class Broken(NamedTuple):
    """How a promise is broken, and what is said of it."""

    promise: int
    words: str
    statements: tuple[str, ...]


BROKEN = (
    Broken(1, "1 of 3 reports have no case", (f"DELETE FROM router.case_reports WHERE case_id = {OPEN_CASE}",)),
    Broken(
        1,
        "1 of 4 cases have no report",
        (
            "CREATE TEMP TABLE one AS SELECT * FROM router.cases LIMIT 1",
            "UPDATE one SET case_id = gen_random_uuid()",
            "INSERT INTO router.cases SELECT * FROM one",
        ),
    ),
    Broken(1, "events wait unread for “router”", ("UPDATE bus.cursors SET xid = '0', position = 0 WHERE grp = 'router'",)),
    Broken(2, "1 of 2 open cases rest on nobody", (f"UPDATE router.cases SET owner_post_id = NULL WHERE case_id = {OPEN_CASE}",)),
    Broken(2, "rest on a post that nobody is on", (f"DELETE FROM directory.holdings WHERE post_id = {OWNER_POST}",)),
    Broken(
        2,
        "1 have no armed deadline",
        (f"UPDATE router.deadlines SET state = 'cancelled' WHERE case_id = {OPEN_CASE} AND state = 'armed'",),
    ),
    Broken(2, "1 would wake after their deadline", (f"UPDATE router.cases SET wakes_at = NULL WHERE case_id = {OPEN_CASE}",)),
    Broken(
        3,
        "1 of ",
        (
            f"UPDATE router.deadlines SET due_at = {HOUR_AGO} WHERE case_id = {OPEN_CASE} AND state = 'armed' AND kind = 'acknowledge'",
            f"UPDATE router.cases SET wakes_at = {HOUR_AGO} WHERE case_id = {OPEN_CASE}",
        ),
    ),
    Broken(3, "1 fired before they were due", (MISSED_EARLY,)),
    Broken(3, "1 fired more than once", (MISSED_AGAIN,)),
    Broken(
        4,
        "1 of 1 unanswered cases rest on a post whose people cannot be reached",
        (
            (
                "UPDATE directory.contacts SET enabled = false WHERE officer_id IN "
                f"(SELECT officer_id FROM directory.holdings WHERE post_id = {OWNER_POST})"
            ),
        ),
    ),
    Broken(
        4,
        "1 rest on somebody who declined or could not be told",
        (
            (
                f"UPDATE router.assignments SET answer = 'declined', answered_at = {HOUR_AGO} "
                f"WHERE case_id = {OPEN_CASE} AND post_id = {OWNER_POST}"
            ),
        ),
    ),
    Broken(
        4,
        "1 did not climb when their window ended",
        (f"UPDATE router.deadlines SET due_at = {HOUR_AGO} WHERE case_id = {OPEN_CASE} AND state = 'armed' AND kind = 'acknowledge'",),
    ),
    Broken(
        5,
        "1 of 1 notifications under way are stuck",
        (f"UPDATE notifier.notifications SET state = 'queued', next_at = {HOUR_AGO} WHERE notification_id = {A_NOTIFICATION}",),
    ),
    Broken(
        5,
        "1 were asked for and never begun",
        ("DELETE FROM notifier.attempts", f"DELETE FROM notifier.notifications WHERE notification_id = {A_NOTIFICATION}"),
    ),
    Broken(
        5,
        "1 of 1 failed ones led to nobody else",
        (f"UPDATE notifier.notifications SET state = 'failed', updated_at = {HOUR_AGO} WHERE notification_id = {ITS_NOTIFICATION}",),
    ),
    Broken(6, "1 events of 1 cases are parked for “router”, 1 of them for good", (PARKED,)),
    Broken(6, "ledger lines stand out of order", (UNORDERED,)),
)


@pytest.fixture
async def busy(world: "World") -> "World":
    """Three cases: one has climbed and is still unanswered, one was acknowledged, one is closed; a minute has passed since."""
    _silent, taken, ended = [await world.report() for _ in range(3)]
    await world.settle()
    for report in (taken, ended):
        case = await world.case_of(report)
        answer = await world.act(case, "acknowledge", case["owner"]["officer_id"])
        assert answer.status_code == 200, answer.text
    case = await world.case_of(ended)
    for step in case["missing_to_close"]:
        await world.act(case, "steps", case["owner"]["officer_id"], step=step)
    closed = await world.act(case, "close", case["owner"]["officer_id"], result="child_safe")
    assert closed.status_code == 200, closed.text
    await world.advance(minutes=31)
    return world


@asynccontextmanager
async def undone(world: "World") -> AsyncIterator[Tx]:
    """A connection whose changes are rolled back at the end."""
    async with world.db.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            await transaction.rollback()


async def test_a_system_at_work_keeps_every_promise(busy: "World"):
    async with busy.db.connection() as connection:
        findings = await examine(connection, busy.clock.now())
    assert {finding.promise: (finding.ok, finding.figure) for finding in findings} == dict.fromkeys(PROMISES, (True, 0)), findings
    assert all(finding.detail for finding in findings)
    async with undone(busy) as connection:  # that a year's notice is not out yet is said, and breaks nothing
        await connection.execute(f"UPDATE router.deadlines SET provisional = true WHERE case_id = {OPEN_CASE} AND kind = 'acknowledge'")
        with use_locale("en"):
            finding = await PROMISES[3][1](connection, busy.clock.now(), 1.0)
    assert finding.ok
    assert any("1 are provisional" in line for line in finding.detail), finding.detail


async def test_every_promise_that_is_broken_is_found(busy: "World"):
    now = busy.clock.now()
    for broken in BROKEN:
        async with undone(busy) as connection:
            for statement in broken.statements:
                await connection.execute(statement, *([now] if "$1" in statement else []))
            with use_locale("en"):
                finding = await PROMISES[broken.promise][1](connection, now, 1.0)
        assert not finding.ok, broken.words
        assert finding.figure > 0
        assert any(broken.words in line for line in finding.detail), (broken.words, finding.detail)


async def test_what_has_just_happened_is_no_broken_promise(busy: "World"):
    await busy.report()  # nobody has handled it yet
    async with busy.db.connection() as connection:
        findings = await examine(connection, busy.clock.now())
    assert all(finding.ok for finding in findings), findings
    async with busy.db.connection() as connection:
        findings = await examine(connection, busy.clock.now() + timedelta(seconds=31))
    assert [finding.promise for finding in findings if not finding.ok] == [1]


async def test_a_fast_clock_gets_as_many_of_its_seconds(busy: "World"):
    await busy.report()
    async with busy.db.connection() as connection:
        findings = await examine(connection, busy.clock.now() + timedelta(seconds=31), pace=144)
    assert all(finding.ok for finding in findings), findings


async def test_a_check_that_cannot_be_done_is_a_finding_and_hides_no_other(busy: "World", monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "LADDER", "SELECT pg_sleep(10), $1::timestamptz")
    monkeypatch.setattr(queries, "PARKED", "SELECT * FROM bus.nowhere")
    monkeypatch.setattr(examination, "STATEMENT_TIMEOUT_S", 1)
    async with busy.db.connection() as connection:
        findings = {finding.promise: finding for finding in await examine(connection, busy.clock.now())}
    assert [number for number, finding in findings.items() if not finding.ok] == [4, 6]
    assert (findings[4].figure, findings[6].figure) == (-1, -1)


async def test_the_round_sets_gauges_and_says_what_is_broken(busy: "World", monkeypatch: pytest.MonkeyPatch):
    said: list[dict[str, Any]] = []

    class Log:
        def error(self, event: str, **fields: Any) -> None:
            said.append({"event": event, **fields})

    monkeypatch.setattr(job_module, "log", Log())
    job = doctor_job(busy.context, settle_s=0)
    assert job.name == "doctor"
    tick = await job.run_once()
    assert tick.next_at == busy.clock.now() + timedelta(seconds=60)
    assert said == []
    assert {number: OK.labels(str(number))._value.get() for number in PROMISES} == dict.fromkeys(PROMISES, 1.0)
    await busy.fetch(f"UPDATE router.cases SET owner_post_id = NULL WHERE case_id = {OPEN_CASE}")
    await job.run_once()
    assert [(line["event"], line["promise"], line["figure"]) for line in said] == [("doctor.promise_broken", 2, 1)]
    assert (OK.labels("2")._value.get(), VIOLATIONS.labels("2")._value.get(), OK.labels("1")._value.get()) == (0.0, 1.0, 1.0)


async def test_it_does_not_judge_what_has_just_been_started(busy: "World"):
    await busy.fetch(f"UPDATE router.cases SET owner_post_id = NULL WHERE case_id = {OPEN_CASE}")
    OK.labels("2").set(1)
    job = doctor_job(busy.context)
    tick = await job.run_once()
    assert tick.next_at == busy.clock.now() + timedelta(seconds=SETTLE_S)
    assert OK.labels("2")._value.get() == 1.0
    busy.clock.advance(seconds=SETTLE_S)
    await job.run_once()
    assert OK.labels("2")._value.get() == 0.0


async def test_what_is_printed(busy: "World"):
    await busy.fetch(f"UPDATE router.cases SET owner_post_id = NULL WHERE case_id = {OPEN_CASE}")
    async with busy.db.connection() as connection:
        lags = await lags_of(connection, busy.context.settings)
        with use_locale("zh_CN"):
            chinese = cli._text(await examine(connection, busy.clock.now()), lags)
        with use_locale("en"):
            findings = await examine(connection, busy.clock.now())
            english = cli._text(findings, lags)
    assert "2  违反" in chinese
    assert "有1项承诺被违反。" in chinese
    assert "2  BROKEN" in english
    assert "1 of 2 open cases rest on nobody" in english
    document = json.loads(cli._document(findings, lags))
    assert document["ok"] is False
    groups = {"audit", "directory", "intake.followers", "intake.progress", "notifier", "notifier.webhooks", "router"}
    assert set(document["lag"]["log"]) == groups
    assert not any(lag for shards in document["lag"]["log"].values() for lag in shards.values())
    assert "log    router" in english
    assert document["promises"] == json.loads(json.dumps([asdict(finding) for finding in findings]))
