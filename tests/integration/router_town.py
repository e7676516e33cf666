"""The town of tests/unit/router/town.py in a real database, and a router desk on a fake clock."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from libs.clock import FakeClock
from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Database, Tx
from libs.directory.model import Division, Post
from libs.directory.read import Directory
from libs.events import Event, new_event
from libs.events.catalogue import ReportReceived
from libs.events.envelope import CATALOGUE
from services.router.handlers import hearing
from services.router.handlers.desk import Desk
from services.router.rules.policy_files import load_book, load_calendar
from tests.unit.router.town import DIVISIONS, T0, report, town

KEYRING = KeyRing.parse("1:" + "A" * 43 + "=")


async def settle_town(tx: Tx, *, without: tuple[str, ...] = (), away: tuple[str, ...] = ()) -> None:
    """The town's divisions, posts, officers, contacts, holdings."""
    await people(tx, DIVISIONS, town(without=without, away=away).posts, T0)


async def people(tx: Tx, divisions: Iterable[Division], posts: Iterable[Post], since: datetime) -> None:
    """Places, and who sits where in them."""
    for one in sorted(divisions, key=lambda division: division.code):
        await tx.execute(
            "INSERT INTO directory.divisions VALUES ($1, $2, $3, $4, $5, '', '')", one.code, one.name, one.level, one.parent_code, one.zone
        )
    for post in posts:
        await tx.execute(
            "INSERT INTO directory.posts VALUES ($1, $2, $3, $4, $5, $6, $7)",
            post.post_id,
            post.division_code,
            post.role,
            post.tier,
            post.title_zh,
            post.title_en,
            post.order,
        )
        for holder in post.holders:
            await tx.execute(
                "INSERT INTO directory.officers VALUES ($1, 'Somebody', 'en', $2, $3, $4)",
                holder.officer_id,
                holder.reachable,
                post.division_code,
                since,
            )
            await tx.execute(
                "INSERT INTO directory.contacts VALUES ($1, $2, 'sms', $3, $4, 1, true, NULL)",
                uuid4(),
                holder.officer_id,
                b"x",
                holder.officer_id.bytes,
            )
            await tx.execute(
                "INSERT INTO directory.holdings VALUES ($1, $2, $3, $4, 'current', $5, NULL)",
                uuid4(),
                post.post_id,
                holder.officer_id,
                holder.rank,
                since,
            )


def desk(clock: FakeClock | None = None) -> Desk:
    """A desk as `services.router.app` makes it."""
    directory = Directory(BlindIndex(KEYRING, "phones"), Sealer(KEYRING))
    return Desk(directory, load_book(), load_calendar(), clock or FakeClock(T0))


def received(*situations: Any, **fields: Any) -> Event[ReportReceived]:
    """A report that came in, as an event."""
    data = report(*situations, **{"report_id": uuid4(), **fields})
    return new_event(data, key=data.report_id, time=data.received_at)


async def opened(office: Desk, database: Database, *events: Event[ReportReceived]) -> list[UUID]:
    """The cases of these reports, in their order."""
    async with database.transaction() as tx:
        await hearing.reports_received(office, tx, events)
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT report_id, case_id FROM router.case_reports")
    cases = {row["report_id"]: row["case_id"] for row in rows}
    return [cases[event.data.report_id] for event in events]


async def published(database: Database, event: str = "") -> list[tuple[UUID, Any]]:
    """(key, data) of everything that was published, or of one type."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT key, event_type, envelope FROM bus.outbox ORDER BY id")
    return [
        (row["key"], CATALOGUE[row["event_type"]].model_validate(orjson.loads(row["envelope"])["data"]))
        for row in rows
        if event in row["event_type"]
    ]
