"""Which places exist, known without asking the database for every report."""

import asyncio

from libs.clock import Clock
from libs.db import Database, Tx
from libs.directory.model import Division, contains
from libs.directory.read import Directory
from services.intake import store

FRESH_S = 1.0
"""How long the directory's version is believed without asking again; a new place is known after that."""
REMEMBERED_MAX = 100_000
SEARCH_MAX = 8


class Places:
    """Divisions of the register, remembered per directory version. Bounded; one per process."""

    def __init__(self, database: Database, directory: Directory, clock: Clock, home_division: str | None = None) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._home_setting = home_division
        self._known: dict[str, Division | None] = {}
        self._version = -1
        self._checked_s = float("-inf")
        self._home: str | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, code: str) -> Division | None:
        """The place of that code; None when the register has none."""
        await self._fresh()
        if code in self._known:
            return self._known[code]
        version = self._version
        async with self._database.connection() as connection:
            found = await self._directory.division(connection, code)
        if version == self._version:  # else the register has changed meanwhile, maybe in just this place
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[code] = found
        return found

    async def home(self) -> str:
        """Where a report goes whose place nobody can name: as configured, else the smallest place that contains every post."""
        if self._home_setting:
            return self._home_setting
        await self._fresh()
        if self._home is None:
            async with self._database.connection() as connection:
                self._home = await self._common_place(connection)
        return self._home

    async def search(self, text: str, within: str = "") -> list[Division]:
        """The places that `text` may mean, best first."""
        async with self._database.connection() as connection:
            found = await self._directory.search(connection, text, SEARCH_MAX)
        return [place for place in found if contains(within, place.code)]

    async def _fresh(self) -> None:
        """Asks for the directory's version when the last answer is too old: one request for all that come meanwhile."""
        if self._clock.elapsed_s() - self._checked_s < FRESH_S:
            return
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="places")
        await asyncio.shield(self._refreshing)

    async def _refresh(self) -> None:
        async with self._database.connection() as connection:
            version = await self._directory.version(connection)
        if version != self._version:
            self._known.clear()
            self._home = None
            self._version = version
        self._checked_s = self._clock.elapsed_s()

    async def _common_place(self, connection: Tx) -> str:
        extremes = await store.extreme_places(connection)
        if extremes is None:
            return ""
        low, high = extremes
        shared = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
        place = await self._directory.nearest(connection, low[:shared])
        return place.code if place else low
