"""Who is waited for to answer about which case, and what they answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case that waits for an officer's answer. `told`: a message that names it has gone out to them."""

    officer_id: UUID
    case_id: UUID
    code: str
    notification_id: UUID
    since: datetime
    told: bool = False


_WAIT = """
INSERT INTO notifier.waiting (officer_id, case_id, code, notification_id, since)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[])
ON CONFLICT (officer_id, case_id)
DO UPDATE SET code = excluded.code, notification_id = excluded.notification_id, since = excluded.since, answered_at = NULL
"""
_STOP_WAITING_FOR_CASES = "DELETE FROM notifier.waiting WHERE case_id = ANY ($1::uuid[])"
_STOP_WAITING = """
DELETE FROM notifier.waiting w USING unnest($1::uuid[], $2::uuid[]) AS gone (officer_id, case_id)
WHERE w.officer_id = gone.officer_id AND w.case_id = gone.case_id
"""
# A text for several tasks names none of them.
_WAITING = """
SELECT w.officer_id, w.case_id, w.code, w.notification_id, w.since, EXISTS (
    SELECT 1 FROM notifier.notifications n JOIN notifier.attempts a USING (notification_id)
    WHERE n.case_id = w.case_id AND n.officer_id = w.officer_id AND a.state <> 'rejected' AND a.template_id NOT LIKE 'bundle.%'
) AS told
FROM notifier.waiting w
WHERE w.officer_id = ANY ($1::uuid[]) AND w.answered_at IS NULL AND ($2::text IS NULL OR w.code = $2)
ORDER BY told DESC, w.since, w.case_id LIMIT 100
FOR UPDATE OF w
"""
_WAITING_OF = """
SELECT officer_id, case_id, code, notification_id, since FROM notifier.waiting
WHERE officer_id = $1 AND case_id = $2 AND answered_at IS NULL
FOR UPDATE
"""
_IS_WAITING = "SELECT EXISTS (SELECT 1 FROM notifier.waiting WHERE officer_id = $1 AND case_id = $2 AND answered_at IS NULL)"
_ANSWERED = "UPDATE notifier.waiting SET answered_at = $3 WHERE officer_id = $1 AND case_id = $2"

_ADD_REPLY = """
INSERT INTO notifier.replies (provider_id, gateway, meaning, answer, received_at) VALUES ($1, $2, $3, '', $4)
ON CONFLICT (provider_id) DO NOTHING RETURNING true
"""
_ANSWER_REPLY = """
UPDATE notifier.replies SET answer = $2, officer_id = $3, case_id = $4, contact_id = $5, said = $6, next_at = $7 WHERE provider_id = $1
"""
_NOT_UNDERSTOOD = """
SELECT count(*) FROM notifier.replies WHERE officer_id = ANY ($1::uuid[]) AND meaning = 'unclear' AND received_at > $2
"""
_CLAIM_ANSWERS = """
UPDATE notifier.replies SET next_at = $2, tries = tries + 1
WHERE provider_id IN (SELECT provider_id FROM notifier.replies WHERE next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING provider_id, officer_id, contact_id, said, received_at, tries
"""


async def wait_for(tx: Tx, cases: Sequence[Waiting]) -> None:
    """From now on these cases wait for these officers' answers."""
    if cases:
        await tx.execute(
            _WAIT,
            [w.officer_id for w in cases],
            [w.case_id for w in cases],
            [w.code for w in cases],
            [w.notification_id for w in cases],
            [w.since for w in cases],
        )


async def stop_waiting(tx: Tx, case_ids: Sequence[UUID], pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Nobody's answer is waited for on `case_ids`; on `pairs` of (officer, case) this officer's is not."""
    if case_ids:
        await tx.execute(_STOP_WAITING_FOR_CASES, list(case_ids))
    if pairs:
        await tx.execute(_STOP_WAITING, [officer_id for officer_id, _ in pairs], [case_id for _, case_id in pairs])


async def waiting_cases(tx: Tx, officer_ids: Sequence[UUID], code: str | None) -> list[Waiting]:
    """What waits for these officers, the 100 oldest first, locked; with a `code`, the cases of that code, however many others wait.

    Those of which they were told; only where there are none, those whose message has not gone out yet, or went out without their codes.
    """
    found = [Waiting(**dict(row)) for row in await tx.fetch(_WAITING, list(officer_ids), code)]
    return [one for one in found if one.told] or found


async def waiting_of(tx: Tx, officer_id: UUID, case_id: UUID) -> Waiting | None:
    """What waits for this officer's answer about this case, locked; None when nothing does any more."""
    row = await tx.fetchrow(_WAITING_OF, officer_id, case_id)
    return Waiting(**dict(row)) if row else None


async def is_waiting(tx: Tx, officer_id: UUID, case_id: UUID) -> bool:
    """Whether this officer's answer about this case is still waited for."""
    return bool(await tx.fetchval(_IS_WAITING, officer_id, case_id))


async def mark_answered(tx: Tx, officer_id: UUID, case_id: UUID, now: datetime) -> None:
    """This officer has answered about this case."""
    await tx.execute(_ANSWERED, officer_id, case_id, now)


async def add_reply(tx: Tx, provider_id: str, gateway: str, meaning: str, now: datetime) -> bool:
    """Whether this reply is new; a second one waits for the first one's transaction."""
    return bool(await tx.fetchval(_ADD_REPLY, provider_id, gateway, meaning, now))


@dataclass(frozen=True, slots=True)
class Answering:
    """An answer that is to be sent as an SMS of its own: what is said, to which of the officer's numbers."""

    provider_id: str
    officer_id: UUID
    contact_id: UUID
    said: str
    received_at: datetime
    tries: int = 0


async def answer_reply(  # noqa: PLR0917
    tx: Tx, provider_id: str, answer: str, officer_id: UUID | None, case_id: UUID | None, send: Answering | None = None
) -> None:
    """Keeps what was answered. `send`: the provider does not take the answer back with the request, so that it is queued."""
    contact_id, said, next_at = (send.contact_id, send.said, send.received_at) if send else (None, None, None)
    await tx.execute(_ANSWER_REPLY, provider_id, answer, officer_id, case_id, contact_id, said, next_at)


async def not_understood(tx: Tx, officer_ids: Sequence[UUID], since: datetime) -> int:
    """How many replies of these officers nobody understood since then."""
    return int(await tx.fetchval(_NOT_UNDERSTOOD, list(officer_ids), since))


async def claim_answers(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[Answering]:
    """Takes answers that are due; each is taken again at `again_at` unless its end is written by then."""
    return [Answering(**dict(row)) for row in await tx.fetch(_CLAIM_ANSWERS, now, again_at, limit)]


async def end_answer(tx: Tx, provider_id: str) -> None:
    """The answer was sent, or cannot be."""
    await tx.execute("UPDATE notifier.replies SET next_at = NULL WHERE provider_id = $1", provider_id)


async def next_answer_at(tx: Tx) -> datetime | None:
    """When the next answer is due."""
    found: datetime | None = await tx.fetchval("SELECT min(next_at) FROM notifier.replies WHERE next_at IS NOT NULL")
    return found


async def answer_to(tx: Tx, provider_id: str) -> str:
    """What was answered to a reply before."""
    answer: str | None = await tx.fetchval("SELECT answer FROM notifier.replies WHERE provider_id = $1", provider_id)
    return answer or ""
