"""The real router gives, for every preset, exactly the tables that were calculated by hand: one database, one walk through two years."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson

from libs.clock import FakeClock
from libs.db import Database
from libs.directory.model import Post
from libs.events import new_event
from libs.events.catalogue import NotificationRequested
from libs.terms import Purpose
from services.router.handlers import hearing, sweep
from services.router.handlers.desk import Desk
from services.router.rules.policy_files import load_book
from tests.integration.router_town import desk, people
from tests.support.presets import PRESETS, Expected, bind, preset, told_of

ACTIONS = {Purpose.ESCALATE: "escalate", Purpose.SUPERVISE: "supervise", Purpose.REMIND: "remind"}
BATCH = 500


async def test_the_router_gives_every_table(database: Database, tmp_path: Path) -> None:
    presets = [preset(name) for name in PRESETS]
    posts: dict[UUID, Post] = {post.post_id: post for one in presets for post in one.everybody()}
    divisions = {code: division for one in presets for code, division in one.divisions().items()}
    tables = [expected for one in presets for expected in one.reports]
    clock = FakeClock(min(one.report.received_at for one in tables))
    office = desk(clock)
    for one in presets:
        if one.bound_to:
            bind(tmp_path, one.policy_id, one.bound_to)
    office.book = load_book([tmp_path])
    async with database.transaction() as tx:
        await people(tx, divisions.values(), posts.values(), clock.now())
    cases = await _walk(office, clock, database, tables)

    told = await _told(database, posts)
    for expected in tables:
        rungs, lanes = told[cases[expected.report.report_id], False], told[cases[expected.report.report_id], True]
        assert told_of(iter(rungs), expected.report.received_at) == list(expected.told), str(expected)
        assert told_of(iter(lanes), expected.report.received_at) == list(expected.lanes), str(expected)


async def _walk(office: Desk, clock: FakeClock, database: Database, tables: list[Expected]) -> dict[UUID, UUID]:
    """From instant to instant: reports come in, deadlines fire. A case whose table has ended is left alone, so as not to walk for years."""
    arrivals, endings = defaultdict(list), defaultdict(list)
    for one in tables:
        arrivals[one.report.received_at].append(new_event(one.report, key=one.report.report_id, time=one.report.received_at))
        endings[one.until].append(one.report.report_id)
    cases: dict[UUID, UUID] = {}
    while True:
        async with database.connection() as connection:
            due = await connection.fetchval("SELECT min(wakes_at) FROM router.cases")
        coming = min(arrivals, default=None)
        now = min((at for at in (due, coming) if at is not None), default=None)
        if now is None:
            return cases
        clock.set(now)
        async with database.transaction() as tx:
            await sweep.fire_due(office, tx, BATCH)
            await hearing.reports_received(office, tx, arrivals.pop(now, []))
            rows = await tx.fetch("SELECT report_id, case_id FROM router.case_reports WHERE attached_at = $1", now)
            cases |= {row["report_id"]: row["case_id"] for row in rows}
            over = [cases[report_id] for report_id in endings.pop(now, [])]
            await tx.execute("UPDATE router.cases SET wakes_at = NULL WHERE case_id = ANY($1)", over)


async def _told(database: Database, posts: dict[UUID, Post]) -> dict[tuple[UUID, bool], list[tuple[datetime, str, str, str]]]:
    """Of each case, on its ladder and on its lanes: when the router asked for which message, to a post of which role, about which step."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT key, envelope FROM bus.outbox WHERE event_type = $1 ORDER BY id", NotificationRequested.event_type
        )
    told = defaultdict(list)
    for row in rows:
        envelope = orjson.loads(row["envelope"])
        one = NotificationRequested.model_validate(envelope["data"])
        assert one.post_id is not None
        at = datetime.fromisoformat(envelope["time"])
        said = (at, ACTIONS.get(one.purpose, "notify"), posts[one.post_id].role, str(one.department or one.step))
        told[row["key"], one.department is not None].append(said)
    return told
