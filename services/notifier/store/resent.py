"""Queries about notifications that somebody has sent again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from services.notifier.rules.states import Notification
from services.notifier.store import STATE, SUBJECT, Subject, notification_of, subject_of


@dataclass(frozen=True, slots=True)
class Resent:
    """That a notification was sent again: as which one, when, and by which account or API client."""

    notification_id: UUID
    resend_of: UUID
    at: datetime
    by: str


_LOCKED = f"SELECT {SUBJECT}, {STATE} FROM notifier.notifications n WHERE n.notification_id = $1 FOR UPDATE"
_RESENT = """
SELECT notification_id, resend_of, requested_at AS at, resent_by AS by FROM notifier.notifications WHERE resend_of = ANY ($1::uuid[])
"""


async def locked(tx: Tx, notification_id: UUID) -> tuple[Subject, Notification] | None:
    """A notification, held until the transaction ends; None when there is none of that id."""
    row = await tx.fetchrow(_LOCKED, notification_id)
    return None if row is None else (subject_of(row), notification_of(row))


async def mark(tx: Tx, notification_id: UUID, resend_of: UUID, by: str) -> None:
    """Writes which failed notification a new one repeats, and who wanted it."""
    await tx.execute(
        "UPDATE notifier.notifications SET resend_of = $2, resent_by = $3 WHERE notification_id = $1", notification_id, resend_of, by
    )


async def of_notifications(tx: Tx, notification_ids: Iterable[UUID]) -> dict[UUID, Resent]:
    """How those of these notifications were sent again that were."""
    rows = await tx.fetch(_RESENT, list(notification_ids))
    return {row["resend_of"]: Resent(**dict(row)) for row in rows}
