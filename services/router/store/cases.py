"""Cases with their deadlines and assignments: locked, loaded and saved, many at a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.db import Tx
from libs.events.catalogue import ReportReceived
from services.router.rules.case import Assignment, CaseState, Deadline, Outcome
from services.router.store import columns

TIMEOUT_S = 20.0


async def lock(tx: Tx, case_ids: Iterable[UUID]) -> dict[UUID, CaseState]:
    """Locks these cases, in one order for everybody, and loads them. Unknown ids are left out."""
    wanted = sorted(set(case_ids))
    rows = await tx.fetch(_LOCK, wanted, timeout=TIMEOUT_S) if wanted else []
    return await _with_parts(tx, rows)


async def claim_due(tx: Tx, now: datetime, limit: int) -> list[CaseState]:
    """Locks up to `limit` cases with something due by `now`, longest due first, leaving out what somebody else is busy with."""
    rows = await tx.fetch(_CLAIM, now, limit, timeout=TIMEOUT_S)
    return list((await _with_parts(tx, rows)).values())


async def next_wake(tx: Tx, now: datetime) -> datetime | None:
    """When the next case after `now` has something due."""
    at: datetime | None = await tx.fetchval(_NEXT_WAKE, now, timeout=TIMEOUT_S)
    return at


async def first_due(tx: Tx, now: datetime) -> UUID | None:
    """The case that has been due the longest."""
    case_id: UUID | None = await tx.fetchval(_FIRST_DUE, now, timeout=TIMEOUT_S)
    return case_id


async def set_aside(tx: Tx, case_id: UUID, until: datetime) -> None:
    """Lets a case that cannot be fired wait; its deadlines stay as they are."""
    await tx.execute("UPDATE router.cases SET wakes_at = $2 WHERE case_id = $1", case_id, until, timeout=TIMEOUT_S)


async def read(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, CaseState]:
    """Loads cases without locking them, in the order of `case_ids`."""
    rows = await tx.fetch(_READ, case_ids, timeout=TIMEOUT_S)
    found = await _with_parts(tx, rows)
    return {case_id: found[case_id] for case_id in case_ids if case_id in found}


async def save(tx: Tx, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Writes what the outcomes changed. The cases must be new, or locked in this transaction."""
    whole: list[tuple[Any, ...]] = []
    alarms: list[tuple[Any, ...]] = []
    for one in outcomes:
        values = columns.of_case(one.after, now)
        # Most of what time brings is a reminder: it moves the alarm clock and nothing that anybody sees.
        if one.before is not None and columns.of_case(one.before, now)[: columns.ALARM] == values[: columns.ALARM]:
            alarms.append((one.after.case_id, one.after.wakes_at))
        else:
            whole.append(values)
    if whole:
        await tx.execute(_SAVE_CASES, *columns.turned(whole), timeout=TIMEOUT_S)
    if alarms:
        await tx.execute(_SET_ALARMS, *columns.turned(alarms), timeout=TIMEOUT_S)
    deadlines = [columns.of_deadline(one.after.case_id, row) for one in outcomes for row in one.changed_deadlines]
    if deadlines:
        await tx.execute(_SAVE_DEADLINES, *columns.turned(deadlines), timeout=TIMEOUT_S)
    assignments = [columns.of_assignment(one.after.case_id, row) for one in outcomes for row in one.changed_assignments]
    if assignments:
        await tx.execute(_SAVE_ASSIGNMENTS, *columns.turned(assignments), timeout=TIMEOUT_S)


async def cases_of_reports(tx: Tx, report_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The case of each report that has one."""
    rows = await tx.fetch(_CASES_OF_REPORTS, list(report_ids), timeout=TIMEOUT_S)
    return {row["report_id"]: row["case_id"] for row in rows}


async def attached_at(tx: Tx, report_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """When each report came to its case, of those that have one."""
    rows = await tx.fetch(_ATTACHED_AT, list(report_ids), timeout=TIMEOUT_S)
    return {row["report_id"]: row["attached_at"] for row in rows}


async def reports_of_cases(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The reports of each case, the first one first."""
    rows = await tx.fetch(_REPORTS_OF_CASES, case_ids, timeout=TIMEOUT_S)
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row["case_id"], []).append(row["report_id"])
    return found


async def attach_reports(tx: Tx, attached: Sequence[tuple[ReportReceived, UUID]], now: datetime) -> None:
    """Records which case each report belongs to; a report that already has one raises a unique violation."""
    if attached:
        rows = [
            (one.report_id, case_id, one.division_code, one.model_dump(mode="json", exclude_defaults=True)) for one, case_id in attached
        ]
        await tx.execute(_ATTACH_REPORTS, *columns.turned(rows), now, timeout=TIMEOUT_S)


async def _with_parts(tx: Tx, rows: Sequence[asyncpg.Record]) -> dict[UUID, CaseState]:
    cases = {row["case_id"]: columns.case(row) for row in rows}
    if not cases:
        return cases
    ids = list(cases)
    deadlines: dict[UUID, list[Deadline]] = {}
    for row in await tx.fetch(_DEADLINES, ids, timeout=TIMEOUT_S):
        deadlines.setdefault(row["case_id"], []).append(columns.deadline(row))
    assignments: dict[UUID, list[Assignment]] = {}
    for row in await tx.fetch(_ASSIGNMENTS, ids, timeout=TIMEOUT_S):
        assignments.setdefault(row["case_id"], []).append(columns.assignment(row))
    for case_id, case in cases.items():
        case.deadlines = tuple(deadlines.get(case_id, ()))
        case.assignments = tuple(assignments.get(case_id, ()))
    return cases


_SAVE_CASES = columns.upsert("cases", columns.CASE, 1, frozenset({"code", "t0", "opened_at"}))
_SET_ALARMS = """
    UPDATE router.cases SET wakes_at = alarm.wakes_at FROM unnest($1::uuid[], $2::timestamptz[]) AS alarm (case_id, wakes_at)
    WHERE cases.case_id = alarm.case_id
"""
_SAVE_DEADLINES = columns.upsert("deadlines", columns.DEADLINE, 2, frozenset({"kind", "step", "tier", "started_at"}))
_SAVE_ASSIGNMENTS = columns.upsert("assignments", columns.ASSIGNMENT, 3, frozenset({"tier", "division_code"}))

_LOCK = "SELECT * FROM router.cases WHERE case_id = ANY($1) ORDER BY case_id FOR UPDATE"
_READ = "SELECT * FROM router.cases WHERE case_id = ANY($1)"
# The time is a bound parameter: clock_timestamp() here would be volatile and scan the table.
_CLAIM = "SELECT * FROM router.cases WHERE wakes_at <= $1 ORDER BY wakes_at LIMIT $2 FOR UPDATE SKIP LOCKED"
_FIRST_DUE = "SELECT case_id FROM router.cases WHERE wakes_at <= $1 ORDER BY wakes_at LIMIT 1 FOR UPDATE SKIP LOCKED"
_NEXT_WAKE = "SELECT wakes_at FROM router.cases WHERE wakes_at > $1 ORDER BY wakes_at LIMIT 1"
_DEADLINES = "SELECT * FROM router.deadlines WHERE case_id = ANY($1) ORDER BY case_id, deadline_id"
_ASSIGNMENTS = "SELECT * FROM router.assignments WHERE case_id = ANY($1) ORDER BY case_id, told_at, post_id"
_CASES_OF_REPORTS = "SELECT report_id, case_id FROM router.case_reports WHERE report_id = ANY($1)"
_ATTACHED_AT = "SELECT report_id, attached_at FROM router.case_reports WHERE report_id = ANY($1)"
_REPORTS_OF_CASES = "SELECT case_id, report_id FROM router.case_reports WHERE case_id = ANY($1) ORDER BY attached_at, report_id"
_ATTACH_REPORTS = """
    INSERT INTO router.case_reports (report_id, case_id, division_code, facts, attached_at)
    SELECT r, c, d, f, $5 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[]) AS t (r, c, d, f)
"""
