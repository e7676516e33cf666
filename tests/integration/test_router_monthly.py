"""The monthly report: each place that has to report is told on the policy's day, once for each month."""

import asyncio
from datetime import UTC, date, datetime

import orjson

from libs.clock import FakeClock
from libs.db import Database
from libs.directory.model import Division
from libs.events.catalogue import MonthlyReportDue
from services.router.handlers import monthly
from services.router.rules.periodic import monthly_due, reporting_places
from tests.integration.router_town import desk, people
from tests.support.presets import BOOK

ERQI, XINGYANG = "410103", "410182"
BEFORE, ON_THE_DAY = datetime(2026, 3, 14, 15, 59, tzinfo=UTC), datetime(2026, 3, 14, 16, 0, tzinfo=UTC)  # the 15th begins in Zhengzhou


def test_places_with_a_pilot_have_to_report_from_the_fifteenth_on() -> None:
    places = reporting_places(BOOK)
    assert {ERQI, XINGYANG} <= places
    assert not list(monthly_due(BOOK, places, BEFORE))
    due = list(monthly_due(BOOK, places, ON_THE_DAY))
    assert {one.division_code for one in due} == places
    assert {(one.month, one.day, one.to) for one in due} == {(date(2026, 3, 1), date(2026, 3, 15), "district_office")}
    assert not list(monthly_due(BOOK, ["440304"], ON_THE_DAY))  # Futian reports nothing by the month


async def test_each_place_of_the_register_is_told_once_a_month_however_many_replicas_there_are(database: Database) -> None:
    clock = FakeClock(BEFORE)
    offices = [desk(clock), desk(clock)]
    here = [
        Division(ERQI, "二七区", "district", "4101"),
        Division("4101", "郑州市", "city", "41"),
        Division("41", "河南省", "province", None),
    ]
    async with database.transaction() as tx:
        await people(tx, here, [], clock.now())

    async def told(at: datetime) -> list[tuple[str, str]]:
        clock.set(at)
        await asyncio.gather(*(monthly.remind(office, database) for office in offices for _twice in range(2)))
        async with database.connection() as connection:
            said = await connection.fetch("SELECT envelope FROM bus.outbox WHERE event_type = $1 ORDER BY id", MonthlyReportDue.event_type)
        data = [orjson.loads(row["envelope"])["data"] for row in said]
        return [(one["division_code"], one["month"]) for one in data]

    assert await told(BEFORE) == []
    assert await told(ON_THE_DAY) == [(ERQI, "2026-03-01")]
    assert await told(datetime(2026, 3, 31, 15, 0, tzinfo=UTC)) == [(ERQI, "2026-03-01")]
    async with database.connection() as connection:
        assert await monthly.shown(offices[0], connection, "4101") == [("二七区", date(2026, 3, 15), "district_office")]
        assert await monthly.shown(offices[0], connection, "4403") == []
    late = datetime(2026, 4, 20, 2, 0, tzinfo=UTC)  # nothing ran on the 15th of April
    assert await told(late) == [(ERQI, "2026-03-01"), (ERQI, "2026-04-01")]
