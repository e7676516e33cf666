"""A fault of ours in one notification ends that one, and somebody else is told; it must not stop all the others."""

from collections.abc import Awaitable
from typing import TypeVar
from uuid import UUID

import asyncpg

from libs.db import TRANSIENT
from libs.log import get_logger

FAULT = "fault"
"""The reason of a notification that ended so."""

T = TypeVar("T")

log = get_logger("notifier")


async def contained(work: Awaitable[T], notification_id: UUID) -> T | str:
    """What `work` comes to, or `FAULT`. What the database says is raised: after that its transaction can do nothing more."""
    try:
        return await work
    except (*TRANSIENT, asyncpg.PostgresError):
        raise
    except Exception:
        log.exception("notifier.fault", notification_id=str(notification_id), pages=True)
        return FAULT
