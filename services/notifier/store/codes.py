"""Codes that are to be sent to numbers, so that whoever reads them proves to have the phone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Code:
    """A code to send, by the id that it is derived from."""

    verification_id: UUID
    officer_id: UUID
    contact_id: UUID
    expires_at: datetime
    tries: int


async def add(tx: Tx, code: Code, now: datetime) -> None:
    """Queues it; one that is known stays as it is."""
    await tx.execute(
        """
        INSERT INTO notifier.codes (verification_id, officer_id, contact_id, expires_at, state, tries, next_at)
        VALUES ($1, $2, $3, $4, 'queued', 0, $5) ON CONFLICT DO NOTHING
        """,
        code.verification_id, code.officer_id, code.contact_id, code.expires_at, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def claim(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[Code]:
    """Takes codes that are due; each is taken again at `again_at` unless its end is written by then."""
    rows = await tx.fetch(
        """
        UPDATE notifier.codes SET next_at = $2, tries = tries + 1
        WHERE verification_id IN (
            SELECT verification_id FROM notifier.codes WHERE next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING verification_id, officer_id, contact_id, expires_at, tries
        """,
        now, again_at, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return [Code(**dict(row)) for row in rows]


async def end(tx: Tx, verification_id: UUID, state: str, gateway: str | None) -> None:
    """It was sent, or cannot be."""
    await tx.execute(
        "UPDATE notifier.codes SET state = $2, gateway = $3, next_at = NULL WHERE verification_id = $1",
        verification_id, state, gateway,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def next_at(tx: Tx) -> datetime | None:
    """When the next one is due."""
    found: datetime | None = await tx.fetchval("SELECT min(next_at) FROM notifier.codes WHERE next_at IS NOT NULL", timeout=TIMEOUT_S)
    return found
