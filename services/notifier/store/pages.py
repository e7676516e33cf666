"""Numbers that cannot be relied on, and the SMS that tell supervisors of them.

Whoever locks both locks the numbers (`troubles`) before what the supervisor is told (`pages`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.db import Tx
from services.notifier.rules.texts import COUNT_MAX, Page

TIMEOUT_S = 10.0
FOUND_MAX = 100
"""Numbers for which somebody is looked up in one transaction."""

# What is known is left out before it could be waited for: whoever looks up whom to tell has it locked, and alarms must not wait.
_ADD = """
INSERT INTO notifier.troubles AS t (contact_id, what, officer_id, post_id, division_code, found_at, state)
SELECT n.*, $6, 'new' FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[])
    AS n (contact_id, what, officer_id, post_id, division_code)
WHERE NOT EXISTS (SELECT 1 FROM notifier.troubles k WHERE k.contact_id = n.contact_id AND k.what = n.what AND k.found_at > $7)
ORDER BY n.contact_id, n.what
ON CONFLICT (contact_id, what) DO UPDATE
SET officer_id = excluded.officer_id, post_id = excluded.post_id, division_code = excluded.division_code, found_at = excluded.found_at,
    state = 'new', supervisor_id = NULL, passed = '{}', told_at = NULL
WHERE t.found_at <= $7
"""
_FOUND = """
SELECT contact_id, what, officer_id, post_id, division_code, passed FROM notifier.troubles
WHERE state = 'new' ORDER BY found_at, contact_id, what LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_PLACE = """
UPDATE notifier.troubles t
SET post_id = p.post_id, division_code = p.division_code, supervisor_id = p.supervisor_id,
    state = CASE WHEN p.supervisor_id IS NULL THEN 'nobody' ELSE 'placed' END
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[]) AS p (contact_id, what, post_id, division_code, supervisor_id)
WHERE t.contact_id = p.contact_id AND t.what = p.what
"""
_DUE = """
INSERT INTO notifier.pages AS p (supervisor_id, what, next_at, tries) SELECT *, $3, 0 FROM unnest($1::uuid[], $2::text[])
ON CONFLICT (supervisor_id, what) DO UPDATE SET next_at = coalesce(p.next_at, greatest(excluded.next_at, p.sent_at + $4::interval))
"""
_CLAIM = """
UPDATE notifier.pages p SET next_at = $2, tries = tries + 1
FROM (SELECT supervisor_id, what FROM notifier.pages WHERE next_at <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS due
WHERE p.supervisor_id = due.supervisor_id AND p.what = due.what
RETURNING p.supervisor_id, p.what, p.tries
"""
_PLACED = """
SELECT contact_id, division_code FROM notifier.troubles
WHERE supervisor_id = $1 AND what = $2 AND state = 'placed' ORDER BY found_at, contact_id LIMIT $3
"""
_END = """
UPDATE notifier.troubles t
SET state = $4::text, told_at = $5, supervisor_id = CASE WHEN $4::text = 'told' THEN t.supervisor_id END,
    passed = CASE WHEN $4::text = 'told' THEN t.passed ELSE array_append(t.passed, t.supervisor_id) END
FROM (SELECT contact_id, what FROM notifier.troubles
      WHERE supervisor_id = $1 AND what = $2 AND contact_id = ANY ($3::uuid[]) AND state = 'placed'
      ORDER BY contact_id FOR UPDATE) AS told
WHERE t.contact_id = told.contact_id AND t.what = told.what
"""
_LOCK = "SELECT sent_at FROM notifier.pages WHERE supervisor_id = $1 AND what = $2 FOR UPDATE"
_NEXT = """
UPDATE notifier.pages p SET tries = 0, sent_at = coalesce($3::timestamptz, p.sent_at),
    next_at = (SELECT $4::timestamptz FROM notifier.troubles t
               WHERE t.supervisor_id = $1 AND t.what = $2 AND t.state = 'placed' LIMIT 1)
WHERE p.supervisor_id = $1 AND p.what = $2
"""
_NEXT_AT = """
SELECT least((SELECT min(found_at) FROM notifier.troubles WHERE state = 'new'),
             (SELECT min(next_at) FROM notifier.pages WHERE next_at IS NOT NULL))
"""
_SEEN = "contact_id, what, officer_id, post_id, division_code, found_at, state, told_at"
_LATEST = f"""
SELECT {_SEEN} FROM notifier.troubles
WHERE found_at > $1 AND what = $2 AND starts_with(division_code, $3) ORDER BY found_at DESC, contact_id LIMIT $4
"""
_OF = f"SELECT {_SEEN} FROM notifier.troubles WHERE what = $1 AND contact_id = ANY ($2::uuid[])"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An officer's number that cannot be relied on. No `post_id`: only the officer is known, and the directory knows their posts."""

    contact_id: UUID
    what: Page
    officer_id: UUID
    post_id: UUID | None
    division_code: str
    passed: tuple[UUID, ...] = ()
    """Supervisors whom nothing reached."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A number, the post that it concerns, and whom to tell; None: there is nobody."""

    trouble: Trouble
    post_id: UUID | None
    division_code: str
    supervisor_id: UUID | None


@dataclass(frozen=True, slots=True)
class Due:
    """An SMS to a supervisor about these numbers, the officers of one of which answer for `division_code`."""

    supervisor_id: UUID
    what: Page
    contact_ids: tuple[UUID, ...]
    division_code: str
    tries: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A number as people see it: since when, and what became of telling somebody (new, placed, told or nobody)."""

    contact_id: UUID
    what: Page
    officer_id: UUID
    post_id: UUID | None
    division_code: str
    found_at: datetime
    state: str
    told_at: datetime | None


async def add(tx: Tx, troubles: Iterable[Trouble], now: datetime, window: timedelta) -> None:
    """Notes numbers to tell somebody of; one that was noted for the same within `window` stays as it is."""
    once = {(one.contact_id, one.what): one for one in troubles}
    new = [once[key] for key in sorted(once)]
    if new:
        await tx.execute(
            _ADD,
            [one.contact_id for one in new],
            [one.what for one in new],
            [one.officer_id for one in new],
            [one.post_id for one in new],
            [one.division_code for one in new],
            now,
            now - window,
            timeout=TIMEOUT_S,
        )


async def forget(tx: Tx, what: Page, contact_ids: Iterable[UUID]) -> None:
    """These numbers are good again: nobody needs to be told, and the next time is a new one."""
    await tx.execute(
        "DELETE FROM notifier.troubles WHERE what = $1 AND contact_id = ANY ($2::uuid[])", what, list(contact_ids), timeout=TIMEOUT_S
    )


async def found(tx: Tx) -> list[Trouble]:
    """Numbers for which nobody has looked up yet whom to tell, locked; what another replica has is left out."""
    rows = await tx.fetch(_FOUND, FOUND_MAX, timeout=TIMEOUT_S)
    return [Trouble(**{**dict(row), "passed": tuple(row["passed"])}) for row in rows]


async def place(tx: Tx, placed: Sequence[Placed], now: datetime, pause: timedelta) -> None:
    """Writes whom to tell; they are told at once, or `pause` after they were told of the like."""
    await tx.execute(
        _PLACE,
        [one.trouble.contact_id for one in placed],
        [one.trouble.what for one in placed],
        [one.post_id for one in placed],
        [one.division_code for one in placed],
        [one.supervisor_id for one in placed],
        timeout=TIMEOUT_S,
    )
    due = sorted({(one.supervisor_id, one.trouble.what) for one in placed if one.supervisor_id is not None})
    if due:
        await tx.execute(_DUE, [supervisor for supervisor, _ in due], [what for _, what in due], now, pause, timeout=TIMEOUT_S)


async def claim(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[Due]:
    """Takes what is due; each is taken again at `again_at` unless its end is written by then."""
    claimed: list[Due] = []
    for row in await tx.fetch(_CLAIM, now, again_at, limit, timeout=TIMEOUT_S):
        rows = await tx.fetch(_PLACED, row["supervisor_id"], row["what"], COUNT_MAX, timeout=TIMEOUT_S)
        contacts = tuple(one["contact_id"] for one in rows)
        claimed.append(Due(row["supervisor_id"], row["what"], contacts, rows[0]["division_code"] if rows else "", row["tries"]))
    return claimed


async def end(tx: Tx, due: Due, *, told: bool, now: datetime, pause: timedelta) -> None:
    """The supervisor was told, or cannot be, and somebody else is looked for. What was placed there meanwhile has its own time."""
    await tx.execute(
        _END,
        due.supervisor_id, due.what, list(due.contact_ids), "told" if told else "new", now if told else None,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    # A statement of its own, so that the next one sees what was placed by whoever had the lock.
    await tx.execute(_LOCK, due.supervisor_id, due.what, timeout=TIMEOUT_S)
    next_at = now + pause if told else now
    await tx.execute(_NEXT, due.supervisor_id, due.what, now if told else None, next_at, timeout=TIMEOUT_S)


async def next_at(tx: Tx) -> datetime | None:
    """When there is something to do; in the past when there is already."""
    due: datetime | None = await tx.fetchval(_NEXT_AT, timeout=TIMEOUT_S)
    return due


async def latest(tx: Tx, what: Page, since: datetime, division_code: str, limit: int) -> list[Seen]:
    """Numbers found since then within a division, the latest first."""
    return [Seen(**dict(row)) for row in await tx.fetch(_LATEST, since, what, division_code, limit, timeout=TIMEOUT_S)]


async def of_contacts(tx: Tx, what: Page, contact_ids: Iterable[UUID]) -> dict[UUID, Seen]:
    """Those of these numbers that were found, by contact."""
    rows = await tx.fetch(_OF, what, list(contact_ids), timeout=TIMEOUT_S)
    return {row["contact_id"]: Seen(**dict(row)) for row in rows}
