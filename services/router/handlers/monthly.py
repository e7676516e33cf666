"""Telling places that their monthly report is due, once for each month."""

from datetime import date
from uuid import NAMESPACE_OID, uuid5
from zoneinfo import ZoneInfo

from libs.db import Database, Tx
from libs.events import new_event, publish
from libs.events.catalogue import MonthlyReportDue
from services.router.handlers.desk import Desk
from services.router.rules.book import STANDARD_ZONE
from services.router.rules.periodic import monthly_due, reporting_places
from services.router.store import monthly as store
from services.router.store.monthly import Told

EVERY_S = 600.0


async def remind(desk: Desk, database: Database) -> None:
    """Every place of the register that has to report and was not told this month is told: recorded, published, shown on its board."""
    now = desk.clock.now()
    async with database.connection() as connection:
        book = await desk.refresh(connection)
    for due in monthly_due(book, reporting_places(book), now):
        async with database.transaction() as tx:
            if await desk.directory.division(tx, due.division_code) is None:
                continue
            told = Told(due.division_code, due.day, due.to)
            if not await store.first_time(tx, told, due.policy.stamp, now):
                continue
            said = MonthlyReportDue(
                division_code=due.division_code, month=due.month, day=due.day, receiver=due.to, policy_id=due.policy.id,
                policy_version=due.policy.version,
            )  # fmt: skip
            await publish(tx, [new_event(said, key=uuid5(NAMESPACE_OID, f"{due.division_code} {due.month}"), time=now)])


async def shown(desk: Desk, tx: Tx, scope: str) -> list[tuple[str, date, str]]:
    """Name, day and receiver of what is due this month within a reader's divisions."""
    month = desk.clock.now().astimezone(ZoneInfo(STANDARD_ZONE)).date().replace(day=1)
    found: list[tuple[str, date, str]] = []
    for told in await store.of_month(tx, scope, month):
        division = await desk.directory.division(tx, told.division_code)
        found.append((division.name if division else told.division_code, told.day, told.receiver))
    return found
