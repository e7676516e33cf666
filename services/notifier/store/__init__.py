"""Every query of the notifier. Batches travel as arrays: one statement per batch, however long it is.

Here: notifications and their attempts. `replies`: who is waited for, and what they answered. `figures`: how much is under way.
`recent`: notifications of any case. `receipts`: attempts by the provider's ids. `storm`: what went to which number, and bundles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.db import Tx
from libs.terms import Grade, Purpose, Step, Tier
from services.notifier.rules.states import Attempt, AttemptState, Notification, NotificationState
from services.notifier.rules.texts import Text
from services.notifier.rules.turns import URGENT_MAX, turn_of


@dataclass(frozen=True, slots=True)
class Subject:
    """What a notification is about, as the request said it; never changes."""

    notification_id: UUID
    case_id: UUID
    code: str
    grade: Grade
    division_code: str
    tier: Tier | None
    post_id: UUID
    officer_id: UUID
    purpose: Purpose
    step: Step | None
    deadline_at: datetime | None
    priority: int
    requested_at: datetime
    cause_id: UUID
    correlation_id: UUID
    traceparent: str
    channel: Literal["sms", "voice"] = "sms"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A new attempt, and the text that it sends."""

    notification_id: UUID
    attempt: Attempt
    text: Text
    possible_duplicate: bool
    number: bytes | None = None
    """The keyed fingerprint of the number that it goes to."""


@dataclass(frozen=True, slots=True)
class Waited:
    """Waiting for a gateway since `before` at the latest: since it was due, and all were down; or a contact of theirs was just given up."""

    before: datetime
    down_since: datetime | None


@dataclass(frozen=True, slots=True)
class Unheard:
    """An attempt that nobody reported on, the text that it sent, to whom, and the trace that it belongs to."""

    attempt: Attempt
    body: str
    officer_id: UUID
    traceparent: str


_SUBJECT_FIELDS = tuple(field.name for field in fields(Subject))
"""The columns of a subject, in the order of the statements below."""

_ADD = """
INSERT INTO notifier.notifications (
    notification_id, case_id, code, grade, division_code, tier, post_id, officer_id, purpose, step, deadline_at, priority,
    requested_at, cause_id, correlation_id, traceparent, channel,
    turn_at, state, next_at, tries, duplicates, tried, possible_duplicate, refused, updated_at)
SELECT *, 'queued', $19, 0, 0, '{}'::uuid[], false, '{}'::text[], $19
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[], $9::text[], $10::text[],
            $11::timestamptz[], $12::smallint[], $13::timestamptz[], $14::uuid[], $15::uuid[], $16::text[], $17::text[], $18::timestamptz[])
ON CONFLICT (notification_id) DO NOTHING
"""

SUBJECT = ", ".join(f"n.{name}" for name in _SUBJECT_FIELDS)
STATE = """
n.state, n.current_attempt, n.next_at, n.tries, n.duplicates, n.contact_since, n.tried, n.possible_duplicate, n.reason, n.refused,
n.carrier, n.tasks
"""
_ATTEMPT = """
a.attempt_id, a.contact_id, a.gateway, a.channel, a.state AS attempt_state, a.started_at, a.provider_id, a.error_code, a.provider_code,
a.submitted_at, a.ended_at, a.check_at
"""

_CLAIM_DUE = f"""
SELECT {SUBJECT}, {STATE}
FROM notifier.notifications n
WHERE n.state = 'queued' AND n.next_at <= $1 AND n.priority <= $4 AND ($6::text IS NULL OR n.reason IS DISTINCT FROM $6)
  AND (coalesce(n.contact_since, greatest(n.next_at, $5)) <= $3 OR n.contact_since IS NULL AND n.tried <> '{{}}')
ORDER BY n.turn_at, n.next_at
LIMIT $2
FOR UPDATE SKIP LOCKED
"""

_BEGIN = """
INSERT INTO notifier.attempts (
    attempt_id, notification_id, contact_id, gateway, channel, template_id, body, state, possible_duplicate, started_at, check_at, number)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[],
                     $10::timestamptz[], $11::timestamptz[], $12::bytea[])
"""

_BRING_FORWARD = """
UPDATE notifier.notifications SET next_at = $1
WHERE notification_id IN (
    SELECT notification_id FROM notifier.notifications
    WHERE state = 'queued' AND next_at > $1 AND reason = $2
    ORDER BY turn_at, next_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED)
"""

# The notification's row is the lock of all its attempts; taken in one order, so that two batches cannot wait for each other.
# The attempts are read in a second statement: only its snapshot is sure to see what the lock was waited for.
_LOCK = """
SELECT notification_id FROM notifier.notifications
WHERE notification_id IN (SELECT notification_id FROM notifier.attempts WHERE attempt_id = ANY ($1::uuid[]))
ORDER BY notification_id
FOR UPDATE
"""
_LOCKED = f"""
SELECT {SUBJECT}, {STATE}, {_ATTEMPT}
FROM notifier.attempts a JOIN notifier.notifications n USING (notification_id)
WHERE a.attempt_id = ANY ($1::uuid[])
"""

# Arrays of arrays must be rectangular, so what was tried travels as text.
_MOVE = """
UPDATE notifier.notifications n
SET state = m.state, current_attempt = m.current_attempt, next_at = m.next_at, tries = m.tries, duplicates = m.duplicates,
    contact_since = m.contact_since, tried = m.tried::uuid[], possible_duplicate = m.possible_duplicate, reason = m.reason,
    refused = m.refused::text[], updated_at = $12
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::smallint[], $6::smallint[], $7::timestamptz[], $8::text[],
            $9::boolean[], $10::text[], $11::text[])
     AS m (notification_id, state, current_attempt, next_at, tries, duplicates, contact_since, tried, possible_duplicate, reason, refused)
WHERE n.notification_id = m.notification_id
"""

_RECORD = """
UPDATE notifier.attempts a
SET state = r.state, provider_id = r.provider_id, error_code = r.error_code, provider_code = r.provider_code,
    submitted_at = r.submitted_at, ended_at = r.ended_at, check_at = r.check_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::timestamptz[])
     AS r (attempt_id, state, provider_id, error_code, provider_code, submitted_at, ended_at, check_at)
WHERE a.attempt_id = r.attempt_id
"""

# What may never have been sent goes before what only waits to be confirmed, alarms before all else; a few are those due longest. However
# many are due, a bounded number is looked at: joined with all of them, the whole table of notifications would be read.
_CLAIM_CHECKS = f"""
WITH looked_at AS (
    (SELECT attempt_id FROM notifier.attempts WHERE check_at <= $1 AND submitted_at IS NULL ORDER BY check_at LIMIT 500)
    UNION ALL
    (SELECT attempt_id FROM notifier.attempts WHERE check_at <= $1 AND submitted_at IS NOT NULL ORDER BY check_at LIMIT 100)
), important AS (
    SELECT a.attempt_id
    FROM looked_at JOIN notifier.attempts a USING (attempt_id) JOIN notifier.notifications n USING (notification_id)
    WHERE a.check_at <= $1
    ORDER BY a.submitted_at IS NOT NULL, n.priority, a.check_at LIMIT $2
    FOR UPDATE OF a SKIP LOCKED
), oldest AS (
    SELECT attempt_id FROM notifier.attempts WHERE check_at <= $1 AND attempt_id NOT IN (SELECT attempt_id FROM important)
    ORDER BY check_at LIMIT $4
    FOR UPDATE SKIP LOCKED
), due AS (
    SELECT attempt_id FROM important UNION ALL SELECT attempt_id FROM oldest
), leased AS (
    UPDATE notifier.attempts SET check_at = $3 FROM due WHERE attempts.attempt_id = due.attempt_id
    RETURNING attempts.attempt_id
)
SELECT {_ATTEMPT}, a.body, n.officer_id, n.traceparent
FROM leased JOIN notifier.attempts a USING (attempt_id) JOIN notifier.notifications n USING (notification_id)
"""

_EVER = datetime.max.replace(tzinfo=UTC)
_ANY_PRIORITY = 32_767

_NEXT_TIMES = """
SELECT (SELECT min(next_at) FROM notifier.notifications WHERE state = 'queued') AS send_at,
       (SELECT min(check_at) FROM notifier.attempts WHERE check_at IS NOT NULL) AS check_at
"""

_TAKEN = """
SELECT provider_id FROM notifier.attempts
WHERE number = $1 AND started_at >= $2 AND provider_id IS NOT NULL AND gateway = $3
"""

_LIST = f"""
SELECT {SUBJECT}, {STATE}
FROM notifier.notifications n
WHERE n.case_id = $1 AND ($2::timestamptz IS NULL OR (n.requested_at, n.notification_id) > ($2, $3::uuid))
  AND starts_with(n.division_code, $5)
ORDER BY n.requested_at, n.notification_id LIMIT $4
"""
_LIST_ATTEMPTS = """
SELECT a.notification_id, a.attempt_id, a.gateway, a.channel, a.template_id, a.state, a.possible_duplicate, a.provider_id, a.error_code,
       a.provider_code, a.started_at, c.outcome
FROM notifier.attempts a LEFT JOIN notifier.calls c USING (attempt_id)
WHERE a.notification_id = ANY ($1::uuid[]) ORDER BY a.started_at, a.attempt_id
"""


async def add_notifications(tx: Tx, subjects: Sequence[Subject], now: datetime) -> None:
    """Queues notifications; those that are known already stay as they are."""
    if subjects:
        turns = [turn_of(one.priority, one.requested_at) for one in subjects]
        await tx.execute(_ADD, *([getattr(one, field) for one in subjects] for field in _SUBJECT_FIELDS), turns, now)


async def claim_due(
    tx: Tx, now: datetime, limit: int, *, waited: Waited | None = None, urgent_only: bool = False, without: str | None = None
) -> list[tuple[Subject, Notification]]:
    """Locks notifications that need an attempt, in the order of their turns, skipping those that another replica has.

    `waited`: only those that have waited for a gateway so long. `without`: none of those that wait for that reason.
    """
    before, down_since = (waited.before, waited.down_since) if waited else (_EVER, None)
    rows = await tx.fetch(_CLAIM_DUE, now, limit, before, URGENT_MAX if urgent_only else _ANY_PRIORITY, down_since, without)
    return [(subject_of(row), notification_of(row)) for row in rows]


async def bring_forward(tx: Tx, reason: str, now: datetime, limit: int) -> None:
    """Lets what waits for `reason` be taken up at once, the most urgent first."""
    await tx.execute(_BRING_FORWARD, now, reason, limit)


async def begin_attempts(tx: Tx, beginnings: Sequence[Beginning]) -> None:
    """Writes attempts that are about to be made."""
    if not beginnings:
        return
    attempts = [one.attempt for one in beginnings]
    await tx.execute(
        _BEGIN,
        [one.attempt_id for one in attempts],
        [one.notification_id for one in beginnings],
        [one.contact_id for one in attempts],
        [one.gateway for one in attempts],
        [one.channel for one in attempts],
        [one.text.template_id for one in beginnings],
        [one.text.body for one in beginnings],
        [one.state for one in attempts],
        [one.possible_duplicate for one in beginnings],
        [one.started_at for one in attempts],
        [one.check_at for one in attempts],
        [one.number for one in beginnings],
    )


async def lock_attempts(tx: Tx, attempt_ids: Iterable[UUID]) -> dict[UUID, tuple[Subject, Notification, Attempt]]:
    """Locks the notifications of these attempts and reads both; unknown attempts are missing from the answer."""
    ids = list(attempt_ids)
    await tx.execute(_LOCK, ids)
    return {row["attempt_id"]: (subject_of(row), notification_of(row), _attempt(row)) for row in await tx.fetch(_LOCKED, ids)}


async def move_notifications(tx: Tx, moved: dict[UUID, Notification], now: datetime) -> None:
    """Writes the states of locked notifications."""
    if not moved:
        return
    states = moved.values()
    await tx.execute(
        _MOVE,
        list(moved),
        [n.state for n in states],
        [n.current_attempt for n in states],
        [n.next_at for n in states],
        [n.tries for n in states],
        [n.duplicates for n in states],
        [n.contact_since for n in states],
        ["{" + ",".join(str(contact_id) for contact_id in n.tried) + "}" for n in states],
        [n.possible_duplicate for n in states],
        [n.reason for n in states],
        ["{" + ",".join(n.refused) + "}" for n in states],
        now,
    )


async def record_attempts(tx: Tx, attempts: Sequence[Attempt]) -> None:
    """Writes the states of attempts whose notifications are locked."""
    if not attempts:
        return
    await tx.execute(
        _RECORD,
        [a.attempt_id for a in attempts],
        [a.state for a in attempts],
        [a.provider_id for a in attempts],
        [a.error_code for a in attempts],
        [a.provider_code for a in attempts],
        [a.submitted_at for a in attempts],
        [a.ended_at for a in attempts],
        [a.check_at for a in attempts],
    )


async def claim_checks(tx: Tx, now: datetime, important: int, oldest: int, until: datetime) -> list[Unheard]:
    """Attempts whose outcome has to be asked for, the most important and some of those due longest; nobody else asks before `until`."""
    rows = await tx.fetch(_CLAIM_CHECKS, now, important, until, oldest)
    return [Unheard(_attempt(row), row["body"], row["officer_id"], row["traceparent"]) for row in rows]


async def next_times(tx: Tx) -> tuple[datetime | None, datetime | None]:
    """When the next notification, and the next check, is due."""
    row = await tx.fetchrow(_NEXT_TIMES)
    assert row is not None
    return row["send_at"], row["check_at"]


async def taken_provider_ids(tx: Tx, number: bytes, since: datetime, gateway: str) -> frozenset[str]:
    """The provider's ids that other attempts to the same number are known by, whoever was told: two officers may share a number."""
    return frozenset(row["provider_id"] for row in await tx.fetch(_TAKEN, number, since, gateway))


async def list_notifications(
    tx: Tx, case_id: UUID, within: str, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Subject, Notification, list[asyncpg.Record]]]:
    """The notifications of a case with their attempts, oldest first; those of when it lay within a division ("" is anywhere)."""
    requested_at, notification_id = after or (None, None)
    rows = await tx.fetch(_LIST, case_id, requested_at, notification_id, limit, within)
    attempts = await attempts_of(tx, rows)
    return [(subject_of(row), notification_of(row), attempts[row["notification_id"]]) for row in rows]


async def attempts_of(tx: Tx, rows: Sequence[Any], timeout_s: float | None = None) -> dict[UUID, list[Any]]:
    """The attempts of notifications, oldest first; a member of a bundle has those of its carrier."""
    found: dict[UUID, list[Any]] = {row["carrier"] or row["notification_id"]: [] for row in rows}
    for attempt in await tx.fetch(_LIST_ATTEMPTS, list(found), timeout=timeout_s):
        found[attempt["notification_id"]].append(attempt)
    return {row["notification_id"]: found[row["carrier"] or row["notification_id"]] for row in rows}


def subject_of(row: Any) -> Subject:
    """What the columns of SUBJECT say."""
    return Subject(
        notification_id=row["notification_id"],
        case_id=row["case_id"],
        code=row["code"],
        grade=Grade(row["grade"]),
        division_code=row["division_code"],
        tier=Tier(row["tier"]) if row["tier"] else None,
        post_id=row["post_id"],
        officer_id=row["officer_id"],
        purpose=Purpose(row["purpose"]),
        step=Step(row["step"]) if row["step"] else None,
        deadline_at=row["deadline_at"],
        priority=row["priority"],
        requested_at=row["requested_at"],
        cause_id=row["cause_id"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        channel=row["channel"],
    )


def notification_of(row: Any) -> Notification:
    """What the columns of STATE say."""
    return Notification(
        state=NotificationState(row["state"]),
        current_attempt=row["current_attempt"],
        next_at=row["next_at"],
        tries=row["tries"],
        duplicates=row["duplicates"],
        contact_since=row["contact_since"],
        tried=tuple(row["tried"]),
        possible_duplicate=row["possible_duplicate"],
        reason=row["reason"],
        refused=tuple(row["refused"]),
        carrier=row["carrier"],
        tasks=row["tasks"],
    )


def _attempt(row: Any) -> Attempt:
    return Attempt(
        attempt_id=row["attempt_id"],
        contact_id=row["contact_id"],
        gateway=row["gateway"],
        channel=row["channel"],
        state=AttemptState(row["attempt_state"]),
        started_at=row["started_at"],
        provider_id=row["provider_id"],
        error_code=row["error_code"],
        provider_code=row["provider_code"],
        submitted_at=row["submitted_at"],
        ended_at=row["ended_at"],
        check_at=row["check_at"],
    )
