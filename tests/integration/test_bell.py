"""Whoever listens for wake-ups notices at once when PostgreSQL ends the connection, as a restart does."""

import asyncio

from libs.db import Database
from libs.events.bell import HEARTBEAT_S, Bell

SOON_S = 5


async def test_a_listener_that_was_cut_off_is_back_at_once(database: Database, database_url: str) -> None:
    assert SOON_S < HEARTBEAT_S
    bell = Bell(database_url)
    heard = bell.hear()
    async with bell.running():
        await asyncio.wait_for(heard.wait(), SOON_S)  # it listens, and has woken everybody for what it may have missed
        heard.clear()
        async with database.connection() as c:
            await c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin-bus'")
        await asyncio.wait_for(heard.wait(), SOON_S)
