"""What a second look at the seams asked: two things that happen at the same moment."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from libs.clock import FakeClock, SystemClock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.model import Contact, Officer, Route
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import assemble
from libs.settings import CommonSettings
from services.notifier.handlers.people import People
from services.router.handlers.desk import Desk
from services.router.rules.policy_files import load_book, load_calendar
from tests.unit.router.town import COMMUNITY, T0, person, town

NO_TX: Any = None
WAIT_MAX_S = 30


class ChangingDirectory:
    """Answers slowly, with what it held when it was asked; somebody may change it meanwhile."""

    def __init__(self) -> None:
        self.now = 1
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def version(self, _tx: Any) -> int:
        return self.now

    async def _slowly(self) -> int:
        seen = self.now
        self.asked.set()
        await self.go_on.wait()
        return seen

    async def route(self, _tx: Any, _code: str, _version: int) -> Route:
        away = () if await self._slowly() == 1 else ("Lan",)
        return town(away=away)

    async def officer(self, _tx: Any, officer_id: Any) -> Officer:
        return Officer(officer_id, "x", "en", active=True)

    async def contacts(self, _tx: Any, officer_id: Any) -> list[Contact]:
        return [Contact(officer_id, "sms", f"+8600100000{await self._slowly()}", 1)]


async def test_a_route_that_was_read_before_a_change_is_not_remembered_after_it(database: Database) -> None:
    """An officer leaves while a route is being read: the next case must not be theirs."""
    directory: Any = ChangingDirectory()
    desk = Desk(directory, load_book(), load_calendar(), FakeClock(T0))
    async with asyncio.timeout(WAIT_MAX_S), database.connection() as one, database.connection() as another:
        reading = asyncio.create_task(desk.route(one, COMMUNITY))
        await directory.asked.wait()
        directory.now = 2
        await another.execute("UPDATE directory.version SET version = version + 1")
        await desk.routes(another, ())  # another request sees the new version meanwhile
        directory.go_on.set()
        await reading
        assert not (await desk.route(another, COMMUNITY)).posts[0].holders[0].reachable


async def test_a_number_that_was_read_before_a_change_is_not_remembered_after_it() -> None:
    directory: Any = ChangingDirectory()
    people = People(directory)
    await people.fresh(NO_TX)
    reading = asyncio.create_task(people.recipient(NO_TX, person("Lan")))
    async with asyncio.timeout(WAIT_MAX_S):
        await directory.asked.wait()
    directory.now = 2
    await people.fresh(NO_TX)
    directory.go_on.set()
    await reading
    assert (await people.recipient(NO_TX, person("Lan"))).contacts[0].phone.endswith("2")


async def test_the_clock_is_right_before_anything_moves(database_url: str, tmp_path: Path) -> None:
    """A machine whose clock is an hour ahead must not fire an hour of deadlines before it has asked what time it is."""
    clock = SystemClock()
    clock.offset = timedelta(hours=1)
    context = Context(
        clock=clock,
        settings=CommonSettings(database_url=database_url, public_base_url="http://127.0.0.1", var_dir=tmp_path),
        keyring=KeyRing.parse(KeyRing.generate()),
        database_url=database_url,
        bus=PostgresBus(database_url),
    )
    async with assemble(context, []):
        assert abs(clock.offset) < timedelta(seconds=5)
        database = await Database.open(database_url, role=None, size_max=1)
        async with database.connection() as connection:
            theirs = await connection.fetchval("SELECT clock_timestamp()")
        await database.close()
        assert abs(clock.now() - theirs) < timedelta(seconds=1)
