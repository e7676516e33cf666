"""How the values of a case are laid out in columns, and back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.terms import CloseResult, Grade, Step, Tier
from services.router.rules.case import Answered, Assignment, CaseState, Deadline, Kind, Reminder, State, Status

_GRADES = {str(one): one for one in Grade}
_TIERS: dict[str | None, Tier | None] = {None: None, **{str(one): one for one in Tier}}
_TIERS_OF_POSTS = {str(one): one for one in Tier}
_STEPS = {str(one): one for one in Step}
_STATUSES = {str(one): one for one in Status}
_KINDS = {str(one): one for one in Kind}
_STATES = {str(one): one for one in State}
_ANSWERS = {str(one): one for one in Answered}


def case(row: asyncpg.Record) -> CaseState:
    """A case without its deadlines and assignments."""
    return CaseState(
        case_id=row["case_id"],
        code=row["code"],
        grade=_GRADES[row["grade"]],
        grade_reason=row["grade_reason"],
        floor=_GRADES[row["floor"]] if row["floor"] else None,
        mandatory=row["mandatory"],
        division_code=row["division_code"],
        zone=row["zone"],
        policy_id=row["policy_id"],
        policy_version=row["policy_version"],
        t0=row["t0"],
        opened_at=row["opened_at"],
        status=_STATUSES[row["status"]],
        tier=_TIERS[row["tier"]],
        owner_post_id=row["owner_post_id"],
        owner_division_code=row["owner_division_code"],
        owner_officer_id=row["owner_officer_id"],
        off_ladder=row["off_ladder"],
        acknowledged_at=row["acknowledged_at"],
        supervise_round=row["supervise_round"],
        supervise_left=row["supervise_left"],
        reporter_reachable=row["reporter_reachable"],
        steps_done={_STEPS[step]: datetime.fromisoformat(at) for step, at in row["steps_done"].items()},
        child_sighted=row["child_sighted"],
        result=CloseResult(row["result"]) if row["result"] else None,
        closed_at=row["closed_at"],
        band=row["band"] or "",
        floor_band=row["floor_band"],
    )


def deadline(row: asyncpg.Record) -> Deadline:
    return Deadline(
        row["deadline_id"],
        _KINDS[row["kind"]],
        _STEPS[row["step"]],
        _TIERS[row["tier"]],
        row["started_at"],
        row["due_at"],
        row["policy"],
        tuple(sorted(Reminder(datetime.fromisoformat(at), float(fraction)) for fraction, at in row["reminders"].items())),
        _STATES[row["state"]],
        row["fired_at"],
        row["done_at"],
        row["provisional"],
    )


def assignment(row: asyncpg.Record) -> Assignment:
    return Assignment(
        row["post_id"],
        row["officer_id"],
        _TIERS_OF_POSTS[row["tier"]],
        row["division_code"],
        row["told_at"],
        row["supervising"],
        _ANSWERS[row["answer"]],
        row["answered_at"],
    )


def of_case(case: CaseState, now: datetime) -> tuple[Any, ...]:
    """The values of CASE."""
    next_due = case.next_due
    return (
        case.case_id,
        case.code,
        case.grade,
        case.grade_reason,
        case.floor,
        case.mandatory,
        case.division_code,
        case.zone,
        case.policy_id,
        case.policy_version,
        case.t0,
        case.opened_at,
        case.status,
        case.tier,
        case.owner_post_id,
        case.owner_division_code,
        case.owner_officer_id,
        case.off_ladder,
        case.acknowledged_at,
        case.supervise_round,
        case.supervise_left,
        case.reporter_reachable,
        {str(step): at.isoformat() for step, at in case.steps_done.items()},
        case.child_sighted,
        case.result,
        case.closed_at,
        case.band if case.band != case.grade else None,
        case.floor_band if case.floor_band != case.floor else None,
        next_due.step if next_due else None,
        next_due.due_at if next_due else None,
        case.overdue_since,
        case.wakes_at,
        now,
    )


def of_deadline(case_id: UUID, row: Deadline) -> tuple[Any, ...]:
    return (
        case_id,
        row.deadline_id,
        row.kind,
        row.step,
        row.tier,
        row.started_at,
        row.due_at,
        row.policy,
        {str(one.fraction): one.at.isoformat() for one in row.reminders},
        row.state,
        row.fired_at,
        row.done_at,
        row.provisional,
    )


def of_assignment(case_id: UUID, row: Assignment) -> tuple[Any, ...]:
    return case_id, row.post_id, row.officer_id, row.tier, row.division_code, row.told_at, row.supervising, row.answer, row.answered_at


def turned(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as columns, which is what `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


def upsert(table: str, columns: Mapping[str, str], key: int, fixed: frozenset[str] = frozenset()) -> str:
    """An upsert of many rows; the first `key` columns identify a row, `fixed` ones never change after it was made."""
    names = list(columns)
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(columns.values(), start=1))
    sets = ", ".join(f"{name} = excluded.{name}" for name in names[key:] if name not in fixed)
    return (
        f"INSERT INTO router.{table} ({', '.join(names)}) SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT ({', '.join(names[:key])}) DO UPDATE SET {sets}"
    )


CASE = {
    "case_id": "uuid",
    "code": "text",
    "grade": "text",
    "grade_reason": "text",
    "floor": "text",
    "mandatory": "boolean",
    "division_code": "text",
    "zone": "text",
    "policy_id": "text",
    "policy_version": "integer",
    "t0": "timestamptz",
    "opened_at": "timestamptz",
    "status": "text",
    "tier": "text",
    "owner_post_id": "uuid",
    "owner_division_code": "text",
    "owner_officer_id": "uuid",
    "off_ladder": "boolean",
    "acknowledged_at": "timestamptz",
    "supervise_round": "smallint",
    "supervise_left": "smallint",
    "reporter_reachable": "boolean",
    "steps_done": "jsonb",
    "child_sighted": "boolean",
    "result": "text",
    "closed_at": "timestamptz",
    "band": "text",
    "floor_band": "text",
    "next_step": "text",
    "next_due_at": "timestamptz",
    "overdue_since": "timestamptz",
    "wakes_at": "timestamptz",
    "changed_at": "timestamptz",
}
ALARM = list(CASE).index("wakes_at")
"""Where the columns begin that nobody sees."""
DEADLINE = {
    "case_id": "uuid",
    "deadline_id": "uuid",
    "kind": "text",
    "step": "text",
    "tier": "text",
    "started_at": "timestamptz",
    "due_at": "timestamptz",
    "policy": "text",
    "reminders": "jsonb",
    "state": "text",
    "fired_at": "timestamptz",
    "done_at": "timestamptz",
    "provisional": "boolean",
}
ASSIGNMENT = {
    "case_id": "uuid",
    "post_id": "uuid",
    "officer_id": "uuid",
    "tier": "text",
    "division_code": "text",
    "told_at": "timestamptz",
    "supervising": "boolean",
    "answer": "text",
    "answered_at": "timestamptz",
}
