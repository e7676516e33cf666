"""A new locality is one policy file, four tiers with grid, five grades, two shifts: the router does what the simulator foretells."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import orjson

from libs.clock import FakeClock
from libs.db import Database
from libs.events.catalogue import NotificationRequested
from libs.terms import Purpose
from services.router.rules.policy_files import load_book
from tests.integration.router_town import desk, people
from tests.integration.test_router_random import Run, read_back, walk
from tests.unit.router.test_new_place import BY_SHIFT, PLACE, night_and_day, told_by_shift

ACTIONS = {Purpose.ASSIGN: "notify", Purpose.ESCALATE: "escalate", Purpose.SUPERVISE: "supervise"}


async def test_who_is_told_by_day_and_by_night_in_a_place_that_is_one_file(database: Database, tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    book = load_book([tmp_path])
    policy = book.get("new_place")
    assert policy is not None
    runs = [
        Run(clock, policy, route, first.model_copy(update={"report_id": uuid4()}), foretold, [])
        for clock, first, route, foretold in night_and_day(policy)
    ]
    clock = FakeClock(min(run.report.received_at for run in runs))
    office = desk(clock)
    office.book = book
    async with database.transaction() as tx:
        await people(tx, runs[0].route.ancestors, runs[0].route.posts, clock.now())
    await walk(office, clock, database, runs)
    await read_back(database, runs)
    told = await _told(database, runs)
    for run in runs:
        assert sorted(run.lived, key=str) == sorted(run.expected(), key=str), run.name
        assert told_by_shift(told[run.case_id]) == BY_SHIFT[run.name], run.name
    async with database.connection() as connection:
        bands = await connection.fetch("SELECT DISTINCT policy_id, grade, band FROM router.cases")
    assert [tuple(row) for row in bands] == [("new_place", "II", "2")]


async def _told(database: Database, runs: list[Run]) -> dict[UUID | None, list[tuple[float, str, str]]]:
    """Of each case: at which minute the router asked for which message on the ladder, to a post of which role."""
    roles = {post.post_id: post.role for post in runs[0].route.posts}
    began = {run.case_id: run.report.received_at for run in runs}
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT key, envelope FROM bus.outbox WHERE event_type = $1 ORDER BY id", NotificationRequested.event_type
        )
    told = defaultdict(list)
    for row in rows:
        envelope = orjson.loads(row["envelope"])
        one = NotificationRequested.model_validate(envelope["data"])
        if one.department is None and one.post_id is not None and one.purpose in ACTIONS:
            minute = (datetime.fromisoformat(envelope["time"]) - began[row["key"]]).total_seconds() / 60
            told[row["key"]].append((minute, ACTIONS[one.purpose], roles[one.post_id]))
    return told
