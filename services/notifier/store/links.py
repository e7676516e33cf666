"""Links that acknowledge, by the keyed hash of their token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from services.notifier.store import SUBJECT, Subject, subject_of


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was sent, and what it is about. `language`: the officer's."""

    token_hash: bytes
    subject: Subject
    language: str
    expires_at: datetime
    used_at: datetime | None


_ADD = "INSERT INTO notifier.links (token_hash, attempt_id, language, expires_at) VALUES ($1, $2, $3, $4)"
_FIND = f"""
SELECT {SUBJECT}, l.token_hash, l.language, l.expires_at, l.used_at
FROM notifier.links l JOIN notifier.attempts a USING (attempt_id) JOIN notifier.notifications n USING (notification_id)
WHERE l.token_hash = ANY ($1::bytea[])
"""
_USE = "UPDATE notifier.links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL RETURNING true"


async def add(tx: Tx, token_hash: bytes, attempt_id: UUID, language: str, expires_at: datetime) -> None:
    """A link goes out with an attempt."""
    await tx.execute(_ADD, token_hash, attempt_id, language, expires_at)


async def find(tx: Tx, token_hashes: Sequence[bytes], *, lock: bool = False) -> Link | None:
    """The link whose token has one of these hashes."""
    row = await tx.fetchrow(_FIND + ("FOR UPDATE OF l" if lock else ""), list(token_hashes))
    return Link(row["token_hash"], subject_of(row), row["language"], row["expires_at"], row["used_at"]) if row else None


async def use(tx: Tx, token_hash: bytes, now: datetime) -> bool:
    """Uses a link up; False when it was used before."""
    return bool(await tx.fetchval(_USE, token_hash, now))
