"""Calls under way, one per officer at a time, and what came of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from services.notifier.rules.calls import LINE_STALE, CallOutcome
from services.notifier.store import SUBJECT, Subject, subject_of


@dataclass(frozen=True, slots=True)
class Call:
    """A call: what it is about, what is said in it, and what came of it so far."""

    attempt_id: UUID
    subject: Subject
    template_id: str
    text: str
    outcome: CallOutcome | None


# Two replicas may have a call for the same officer at hand: one gets the lock, the other looks again later. Nobody waits.
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('notifier.call ' || $1::text, 0))"
_FREE = """
SELECT NOT EXISTS (SELECT 1 FROM notifier.calls WHERE officer_id = $1 AND ended_at IS NULL AND begun_at > $2)
"""
_BEGIN = "INSERT INTO notifier.calls (attempt_id, officer_id, begun_at) VALUES ($1, $2, $3)"
_END = "UPDATE notifier.calls SET ended_at = $2 WHERE attempt_id = ANY ($1::uuid[]) AND ended_at IS NULL"
_NOTE = f"""
UPDATE notifier.calls
SET outcome = CASE WHEN coalesce(outcome, '{CallOutcome.ANSWERED}') = '{CallOutcome.ANSWERED}' THEN $2 ELSE outcome END,
    ended_at = coalesce(ended_at, CASE WHEN $4 THEN $3::timestamptz END)
WHERE attempt_id = $1
"""
_CALL = f"""
SELECT {SUBJECT}, a.attempt_id, a.template_id, a.body, c.outcome
FROM notifier.calls c JOIN notifier.attempts a USING (attempt_id) JOIN notifier.notifications n USING (notification_id)
WHERE c.attempt_id = $1
"""


async def take_line(tx: Tx, officer_id: UUID, now: datetime) -> bool:
    """Whether the officer is not on the phone with us; until this transaction ends nobody else may call them."""
    if not await tx.fetchval(_LOCK, str(officer_id)):
        return False
    return bool(await tx.fetchval(_FREE, officer_id, now - LINE_STALE))


async def begin(tx: Tx, attempt_id: UUID, officer_id: UUID, now: datetime) -> None:
    """The officer's phone is about to ring."""
    await tx.execute(_BEGIN, attempt_id, officer_id, now)


async def end(tx: Tx, attempt_ids: Sequence[UUID], now: datetime) -> None:
    """These calls are over."""
    if attempt_ids:
        await tx.execute(_END, list(attempt_ids), now)


async def note(tx: Tx, attempt_id: UUID, outcome: CallOutcome, now: datetime, *, over: bool) -> None:
    """What came of a call; only that somebody took it is ever followed by something else."""
    await tx.execute(_NOTE, attempt_id, outcome, now, over)


async def call_of(tx: Tx, attempt_id: UUID) -> Call | None:
    """A call; None when there was none by that id. Its notification's row is its lock."""
    row = await tx.fetchrow(_CALL, attempt_id)
    if row is None:
        return None
    outcome = CallOutcome(row["outcome"]) if row["outcome"] else None
    return Call(row["attempt_id"], subject_of(row), row["template_id"], row["body"], outcome)
