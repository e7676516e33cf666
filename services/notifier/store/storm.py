"""What went to which number within the last day, who else waits for a message, and whose budget is spent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.db import Tx
from services.notifier.rules.budgets import Tally
from services.notifier.rules.states import FINAL, Notification, NotificationState
from services.notifier.store import STATE, SUBJECT, Subject, notification_of, subject_of

TIMEOUT_S = 10.0
WAITING_MAX = 2_000
"""Waiting notifications that are looked at together, whoever they are for."""
FOLLOWERS_MAX = 2_000
"""Members that are moved by one statement."""

# A refusal is certain: it was not sent, and counts against nobody.
_SENT = """
SELECT number, gateway, sha256(convert_to(body, 'UTF8')) AS words, count(*) AS sent,
       count(*) FILTER (WHERE started_at > $3) AS recent, max(started_at) AS last_at
FROM notifier.attempts
WHERE number = ANY ($1::bytea[]) AND started_at > $2 AND state <> 'rejected' AND channel = 'sms'
GROUP BY number, gateway, words
"""

_WAITING = f"""
SELECT {SUBJECT}, {STATE} FROM notifier.notifications n
WHERE n.state = 'queued' AND n.officer_id = ANY ($1::uuid[]) AND n.current_attempt IS NULL AND n.tasks = 0 AND n.channel = 'sms'
  AND n.grade = ANY ($2::text[]) AND n.purpose = ANY ($3::text[]) AND n.priority > 1
ORDER BY n.turn_at LIMIT $4
FOR UPDATE SKIP LOCKED
"""

_JOIN = """
UPDATE notifier.notifications n SET state = 'sending', next_at = NULL, reason = NULL, carrier = j.carrier, updated_at = $3
FROM unnest($1::uuid[], $2::uuid[]) AS j (notification_id, carrier) WHERE n.notification_id = j.notification_id
"""
_CARRY = """
UPDATE notifier.notifications n SET tasks = c.tasks
FROM unnest($1::uuid[], $2::smallint[]) AS c (notification_id, tasks) WHERE n.notification_id = c.notification_id
"""

# Whoever has moved the carrier moves its members, in the same transaction; those that somebody else is moving are left to them.
# A process of an earlier version, which knows no bundles, may have sent the carrier's own text: then the members were not told.
_UNTOLD = "c.state <> 'failed' AND c.tasks > 1 AND a.template_id NOT LIKE 'bundle.%'"
_FOLLOWERS = f"""
SELECT {SUBJECT}, n.state AS was, a.attempt_id, a.gateway AS told_through, a.channel AS told_by,
       CASE WHEN {_UNTOLD} THEN 'failed' ELSE c.state END AS state, CASE WHEN {_UNTOLD} THEN 'left_out' ELSE c.reason END AS reason
FROM notifier.notifications n
JOIN notifier.notifications c ON c.notification_id = n.carrier
LEFT JOIN LATERAL (
    SELECT attempt_id, gateway, channel, template_id FROM notifier.attempts
    WHERE notification_id = c.notification_id
    ORDER BY (state = 'delivered') DESC, (attempt_id = c.current_attempt) DESC, started_at DESC LIMIT 1
) a ON true
WHERE n.carrier IS NOT NULL AND ($1::uuid[] IS NULL OR n.carrier = ANY ($1::uuid[]))
  AND n.state IN ('sending', 'submitted') AND c.state IN ('submitted', 'delivered', 'failed') AND n.state <> c.state
ORDER BY n.notification_id LIMIT $2
FOR UPDATE OF n SKIP LOCKED
"""
_FOLLOW = """
UPDATE notifier.notifications n SET state = f.state, reason = f.reason, next_at = NULL, updated_at = $4
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS f (notification_id, state, reason)
WHERE n.notification_id = f.notification_id
"""

_SPEND = """
INSERT INTO notifier.spent AS s (contact_id, gateway, officer_id, post_id, division_code, budget, held, since, seen_at)
SELECT *, $8, $8 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::integer[], $7::integer[])
ON CONFLICT (contact_id, gateway) DO UPDATE
SET officer_id = excluded.officer_id, post_id = excluded.post_id, division_code = excluded.division_code, budget = excluded.budget,
    held = excluded.held + CASE WHEN s.since > $9 THEN s.held ELSE 0 END,
    since = CASE WHEN s.since > $9 THEN s.since ELSE excluded.since END, seen_at = excluded.seen_at
"""
_KNOWN_AS_SPENT = "SELECT contact_id, gateway FROM notifier.spent WHERE contact_id = ANY ($1::uuid[]) AND since > $2"
_SPENT = """
SELECT contact_id, gateway, officer_id, post_id, division_code, budget, held, since, seen_at FROM notifier.spent
WHERE seen_at > $1 AND starts_with(division_code, $2) ORDER BY seen_at DESC, contact_id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """What went to some numbers: the tally of a day, and of each number how many lately, and when the last."""

    tally: Tally
    recent: dict[bytes, int]
    last_at: dict[bytes, datetime]


@dataclass(frozen=True, slots=True)
class Spent:
    """A contact whose messages of a day over a gateway are used up."""

    contact_id: UUID
    gateway: str
    officer_id: UUID
    post_id: UUID
    division_code: str
    budget: int
    held: int
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Follower:
    """A member of a bundle that has yet to become what its carrier became, and the attempt that told of it."""

    subject: Subject
    was: NotificationState
    state: NotificationState
    reason: str | None
    attempt_id: UUID | None
    gateway: str
    channel: str


async def sent_to(tx: Tx, numbers: Iterable[bytes], since: datetime, lately: datetime) -> Sent:
    """What went to these numbers since then; `lately`: from when on messages count as recent."""
    wanted = list(numbers)
    rows = await tx.fetch(_SENT, wanted, since, lately, timeout=TIMEOUT_S) if wanted else []
    made = Sent(Tally.of((row["number"], row["gateway"], row["words"], row["sent"]) for row in rows), {}, {})
    for row in rows:
        number = row["number"]
        made.recent[number] = made.recent.get(number, 0) + row["recent"]
        made.last_at[number] = max(made.last_at.get(number, row["last_at"]), row["last_at"])
    return made


async def waiting_for(
    tx: Tx, officer_ids: Sequence[UUID], grades: Iterable[str], purposes: Iterable[str]
) -> dict[UUID, list[tuple[Subject, Notification]]]:
    """Of each officer what waits and was never tried, in the order of turns, locked; what another replica has is left out."""
    rows = await tx.fetch(_WAITING, list(officer_ids), list(grades), list(purposes), WAITING_MAX, timeout=TIMEOUT_S)
    found: dict[UUID, list[tuple[Subject, Notification]]] = {}
    for row in rows:
        found.setdefault(row["officer_id"], []).append((subject_of(row), notification_of(row)))
    return found


async def bundle(tx: Tx, members: dict[UUID, UUID], tasks: dict[UUID, int], now: datetime) -> None:
    """From now on the carriers' attempts tell of the members too (`members`: carrier by member); `tasks`: of how many tasks each tells."""
    if members:
        await tx.execute(_JOIN, list(members), list(members.values()), now)
    if tasks:
        await tx.execute(_CARRY, list(tasks), list(tasks.values()))


async def followers(tx: Tx, carriers: Sequence[UUID] | None) -> list[Follower]:
    """The members of these bundles, or of any, that have yet to follow what became of their carrier; locked."""
    rows = await tx.fetch(_FOLLOWERS, None if carriers is None else list(carriers), FOLLOWERS_MAX, timeout=TIMEOUT_S)
    return [
        Follower(
            subject_of(row),
            NotificationState(row["was"]),
            NotificationState(row["state"]),
            row["reason"],
            row["attempt_id"],
            row["told_through"] or "",
            row["told_by"] or "",
        )
        for row in rows
    ]


async def follow(tx: Tx, moved: Sequence[Follower], now: datetime) -> None:
    """Writes what became of members."""
    if moved:
        await tx.execute(
            _FOLLOW,
            [one.subject.notification_id for one in moved],
            [one.state for one in moved],
            [one.reason if one.state in FINAL else None for one in moved],
            now,
        )


async def spend(tx: Tx, spent: Sequence[Spent], now: datetime, window: timedelta) -> set[tuple[UUID, str]]:
    """Notes whose budget is spent; answers those of whom that was not told within `window`."""
    known = await tx.fetch(_KNOWN_AS_SPENT, [one.contact_id for one in spent], now - window, timeout=TIMEOUT_S)
    await tx.execute(
        _SPEND,
        [one.contact_id for one in spent],
        [one.gateway for one in spent],
        [one.officer_id for one in spent],
        [one.post_id for one in spent],
        [one.division_code for one in spent],
        [one.budget for one in spent],
        [one.held for one in spent],
        now,
        now - window,
        timeout=TIMEOUT_S,
    )
    return {(one.contact_id, one.gateway) for one in spent} - {(row["contact_id"], row["gateway"]) for row in known}


async def spent_since(tx: Tx, since: datetime, division_code: str, limit: int) -> list[Spent]:
    """Whose budget was found spent since then within a division, the latest first."""
    return [Spent(**dict(row)) for row in await tx.fetch(_SPENT, since, division_code, limit, timeout=TIMEOUT_S)]
