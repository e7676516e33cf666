"""What boards and lists show, within the reader's divisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx

TIMEOUT_S = 20.0
BOARD_MAX = 500
CHANGES_MAX = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases a list shows. `scope` is the reader's division prefix; None means any.

    `reader` is the officer who reads: cases in which they have a conflict of interest are none for them.
    """

    scope: str = ""
    division: str | None = None
    status: str | None = None
    grade: str | None = None
    overdue: bool | None = None
    officer_id: UUID | None = None
    reader: UUID | None = None


async def find(tx: Tx, wanted: Filter, *, after: UUID | None, limit: int) -> list[UUID]:
    """Case ids, newest first, after the cursor."""
    rows = await tx.fetch(
        _FIND_PAGE,
        *_filter(wanted),
        after,
        limit,
        timeout=TIMEOUT_S,
    )
    return [row["case_id"] for row in rows]


async def board(tx: Tx, wanted: Filter, limit: int = BOARD_MAX) -> list[UUID]:
    """Open cases in the order in which somebody has to look at them: overdue first, then by the next due time."""
    rows = await tx.fetch(
        _FIND_BOARD,
        *_filter(wanted),
        limit,
        timeout=TIMEOUT_S,
    )
    return [row["case_id"] for row in rows]


async def changed_since(tx: Tx, wanted: Filter, since: datetime, limit: int = CHANGES_MAX) -> list[tuple[UUID, datetime]]:
    """Cases that changed after `since`, oldest change first, with the time of the change."""
    rows = await tx.fetch(_FIND_CHANGED, *_filter(wanted), since, limit, timeout=TIMEOUT_S)
    return [(row["case_id"], row["changed_at"]) for row in rows]


async def counts(tx: Tx, scope: str) -> dict[str, int]:
    """How many open cases there are, and how many of them are overdue, unacknowledged or unplaced."""
    row = await tx.fetchrow(_COUNTS, scope, timeout=TIMEOUT_S)
    return dict(row) if row else {}


def _filter(wanted: Filter) -> tuple[Any, ...]:
    prefix = wanted.division if wanted.division and wanted.division.startswith(wanted.scope) else wanted.scope
    if wanted.division and not wanted.division.startswith(wanted.scope) and not wanted.scope.startswith(wanted.division):
        prefix = "-"  # outside of the reader's divisions there is nothing
    return prefix, prefix + ":", wanted.status, wanted.grade, wanted.overdue, wanted.officer_id, wanted.reader


# Division codes are digits, and ':' follows '9': everything within a division lies between its code and its code followed by ':'.
_FIND = """
    SELECT c.case_id, c.changed_at FROM router.cases c
    WHERE c.division_code >= $1 AND c.division_code < $2
      AND ($3::text IS NULL OR c.status = $3)
      AND ($4::text IS NULL OR c.grade = $4)
      AND ($5::boolean IS NULL OR (c.status <> 'closed' AND c.overdue_since IS NOT NULL) = $5)
      AND ($6::uuid IS NULL OR EXISTS (SELECT 1 FROM router.assignments a WHERE a.case_id = c.case_id AND a.officer_id = $6))
      AND ($7::uuid IS NULL OR c.conflicts = '{}'
        OR NOT jsonb_path_exists(c.conflicts, '$.all[*][4][*] ? (@ == $reader)', jsonb_build_object('reader', $7::text))
        OR EXISTS (SELECT 1 FROM router.assignments a WHERE a.case_id = c.case_id AND a.officer_id = $7 AND a.answer <> 'conflicted'))
"""
"""The last condition is `CaseState.bars`."""
_FIND_PAGE = _FIND + " AND ($8::uuid IS NULL OR c.case_id < $8) ORDER BY c.case_id DESC LIMIT $9"
_FIND_BOARD = _FIND + " AND c.status <> 'closed' ORDER BY c.overdue_since NULLS LAST, c.next_due_at NULLS LAST, c.case_id LIMIT $8"
_FIND_CHANGED = _FIND + " AND c.changed_at > $8 ORDER BY c.changed_at LIMIT $9"
_COUNTS = """
    SELECT count(*) AS open,
           count(*) FILTER (WHERE overdue_since IS NOT NULL) AS overdue,
           count(*) FILTER (WHERE status = 'open') AS waiting,
           count(*) FILTER (WHERE status = 'needs_placing') AS unplaced
    FROM router.cases
    WHERE status <> 'closed' AND division_code >= $1 AND division_code < $1 || ':'
"""
