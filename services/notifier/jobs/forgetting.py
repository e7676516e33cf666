"""Forgetting what nothing reads any more, a bounded number at a time."""

from datetime import timedelta

from libs.clock import Clock
from libs.db import Database
from services.notifier.store import forgotten

KEPT = timedelta(days=30)
"""A link says for so long after its end that it is over, and a reply that a provider tells again is known for so long (default).

Providers tell a reply again within a day, and a link lives for a day.
"""
EVERY_S = 600.0
AT_ONCE_MAX = 2000
"""So many of each kind at a time: 288,000 a day, more than a storm a day leaves behind."""


async def forget(database: Database, clock: Clock) -> None:
    """Deletes links, replies and codes of long ago."""
    async with database.connection() as connection:
        await forgotten.forget(connection, clock.now() - KEPT, AT_ONCE_MAX)
