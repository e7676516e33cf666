"""How the values of a case are laid out in columns, and back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.terms import (
    CloseResult,
    ConflictReason,
    Department,
    Grade,
    Household,
    LaneResult,
    PlacementNeed,
    Step,
    Tier,
    TransferReason,
)
from services.router.rules.case import Answered, Assignment, CaseState, Deadline, Kind, Reminder, State, Status
from services.router.rules.conflicts import Conflict
from services.router.rules.handover_values import NO_HANDOVER, Handover, Transfer
from services.router.rules.lane_values import Lane, LaneClock, LaneMode, LaneState
from services.router.rules.placement_values import Placement

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
        lanes=tuple(map(lane, row["lanes"].get("all", ()))),
        handover=handover(row["handover"]) if row["handover"] else NO_HANDOVER,
        conflicts=tuple(
            Conflict(ConflictReason(reason), _uuid(post_id), division, role, tuple(map(UUID, officers)))
            for reason, post_id, division, role, officers in row["conflicts"].get("all", ())
        ),
        placement=placement(row["placement"]) if row["placement"] else None,
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
        row["beside"],
    )


def lane(said: dict[str, Any]) -> Lane:
    """A lane from its JSON."""
    return Lane(
        department=Department(said["department"]),
        mode=LaneMode(said["mode"]),
        state=LaneState(said["state"]),
        opened_at=datetime.fromisoformat(said["opened_at"]),
        by_hand=said["by_hand"],
        post_id=_uuid(said["post_id"]),
        officer_id=_uuid(said["officer_id"]),
        tier=_TIERS[said["tier"]],
        division_code=said["division_code"],
        told_at=_time(said["told_at"]),
        answered_at=_time(said["answered_at"]),
        result=LaneResult(said["result"]) if said["result"] else None,
        passed=tuple(map(UUID, said["passed"])),
        special=tuple(said["special"]),
        clocks=tuple(
            LaneClock(code, datetime.fromisoformat(started), _time(due), _time(fired), _time(done))
            for code, started, due, fired, done in said["clocks"]
        ),
        roles=tuple(said.get("roles", ())),
    )


def of_lane(lane: Lane) -> dict[str, Any]:
    """A lane as JSON."""
    said = lane._asdict()
    for name in ("opened_at", "told_at", "answered_at"):
        said[name] = _text(said[name])
    for name in ("post_id", "officer_id"):
        said[name] = str(said[name]) if said[name] else None
    said["passed"] = [str(one) for one in lane.passed]
    said["clocks"] = [(one.code, *map(_text, one[1:])) for one in lane.clocks]
    return said


def handover(said: dict[str, Any]) -> Handover:
    """How a case was handed over, from its JSON."""
    asked = said["pending"]
    pending = (
        Transfer(
            asked["division_code"],
            TransferReason(asked["reason"]),
            UUID(asked["post_id"]),
            UUID(asked["officer_id"]),
            _TIERS_OF_POSTS[asked["tier"]],
            datetime.fromisoformat(asked["asked_at"]),
            datetime.fromisoformat(asked["accept_by"]),
        )
        if asked
        else None
    )
    return Handover(said["transfers"], said["refusals"], said["returns"], pending)


def of_handover(known: Handover) -> dict[str, Any]:
    """How a case was handed over, as JSON; nothing for one that never was."""
    if known == NO_HANDOVER:
        return {}
    said = known._asdict()
    if known.pending is not None:
        asked = known.pending
        said["pending"] = {
            **asked._asdict(),
            "post_id": str(asked.post_id),
            "officer_id": str(asked.officer_id),
            "asked_at": asked.asked_at.isoformat(),
            "accept_by": asked.accept_by.isoformat(),
        }
    return said


def placement(said: dict[str, Any]) -> Placement:
    """A placement, from its JSON."""
    asked_at = datetime.fromisoformat(said["asked_at"])
    return Placement(PlacementNeed(said["reason"]), Household(said["household"]), asked_at, said["option"], _time(said["made_at"]))


def of_placement(known: Placement | None) -> dict[str, Any]:
    """A placement as JSON; nothing for a case without one."""
    return {**known._asdict(), "asked_at": _text(known.asked_at), "made_at": _text(known.made_at)} if known else {}


def _of_conflict(one: Conflict) -> list[Any]:
    return [one.reason, str(one.post_id) if one.post_id else None, one.division_code, one.role, [str(officer) for officer in one.officers]]


def _time(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _uuid(said: str | None) -> UUID | None:
    return UUID(said) if said else None


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
        {"all": [of_lane(one) for one in case.lanes]} if case.lanes else {},
        of_handover(case.handover),
        {"all": [_of_conflict(one) for one in case.conflicts]} if case.conflicts else {},
        of_placement(case.placement),
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
    return (
        case_id,
        row.post_id,
        row.officer_id,
        row.tier,
        row.division_code,
        row.told_at,
        row.supervising,
        row.answer,
        row.answered_at,
        row.beside,
    )


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
    "lanes": "jsonb",
    "handover": "jsonb",
    "conflicts": "jsonb",
    "placement": "jsonb",
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
    "beside": "text",
}
