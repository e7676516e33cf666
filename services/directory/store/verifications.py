"""Codes that were sent to contacts, by the ids that they are derived from."""

from datetime import datetime
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 10.0


async def may_be_verified(tx: Tx, officer_id: UUID, contact_id: UUID) -> bool:
    """Whether the officer has that contact, for SMS, switched on; it stays as it is until the transaction ends."""
    found = await tx.fetchval(
        "SELECT true FROM directory.contacts WHERE officer_id = $1 AND contact_id = $2 AND enabled AND channel = 'sms' FOR UPDATE",
        officer_id, contact_id,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return bool(found)


async def sent_since(tx: Tx, contact_id: UUID, since: datetime) -> int:
    """How many codes were sent to a contact."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM directory.verifications WHERE contact_id = $1 AND requested_at > $2", contact_id, since, timeout=TIMEOUT_S
    )
    return found


async def add(tx: Tx, verification_id: UUID, contact_id: UUID, now: datetime, expires_at: datetime) -> None:
    await tx.execute(
        """
        INSERT INTO directory.verifications (verification_id, contact_id, requested_at, expires_at, tries) VALUES ($1, $2, $3, $4, 0)
        """,
        verification_id, contact_id, now, expires_at,
        timeout=TIMEOUT_S,
    )  # fmt: skip


async def try_latest(tx: Tx, contact_id: UUID, now: datetime) -> tuple[UUID, int] | None:
    """Counts a try of the latest code, unless it is used or too old; answers its id and its tries, this one included."""
    row = await tx.fetchrow(
        """
        UPDATE directory.verifications SET tries = tries + 1
        WHERE used_at IS NULL AND expires_at > $2 AND verification_id = (
            SELECT verification_id FROM directory.verifications WHERE contact_id = $1
            ORDER BY requested_at DESC, verification_id DESC LIMIT 1)
        RETURNING verification_id, tries
        """,
        contact_id, now,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return (row["verification_id"], row["tries"]) if row else None


async def use(tx: Tx, verification_id: UUID, contact_id: UUID, now: datetime) -> None:
    """The code was right: it is used up, and the contact is verified."""
    await tx.execute("UPDATE directory.verifications SET used_at = $2 WHERE verification_id = $1", verification_id, now, timeout=TIMEOUT_S)
    await tx.execute("UPDATE directory.contacts SET verified_at = $2 WHERE contact_id = $1", contact_id, now, timeout=TIMEOUT_S)


async def forget(tx: Tx, before: datetime, limit: int) -> int:
    """Deletes verifications that were asked for before then, the oldest `limit`; answers how many. That a number is verified stays."""
    done: str = await tx.execute(
        """
        DELETE FROM directory.verifications WHERE verification_id IN (
            SELECT verification_id FROM directory.verifications WHERE requested_at < $1
            ORDER BY requested_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        before, limit,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    return int(done.rpartition(" ")[2])
