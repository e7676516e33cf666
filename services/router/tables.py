"""The tables of schema `router`. The row lock on a case is the only lock: whoever holds it may change its deadlines and assignments.

`cases.wakes_at` is the next instant at which something happens to the case by itself: the sweeper's alarm clock is one small index of
open cases, however many deadlines each of them has. There are no foreign keys between these tables: only `store.py` writes them, always a
case with its rows in one transaction, and each check would cost as much as the row.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class RouterTable(SQLModel, registry=registry(metadata=MetaData(schema="router"))):
    """Base of the router's tables."""


def _code(length: int = 24, *, key: bool = False) -> Any:
    return Field(sa_column=Column(String(length), primary_key=key, nullable=False))


def _maybe_code(length: int = 24) -> Any:
    return Field(default=None, sa_column=Column(String(length)))


def _time() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _maybe_time() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True)))


def _maybe_uuid() -> Any:
    return Field(default=None, sa_column=Column(Uuid))


class CaseRow(RouterTable, table=True):
    """A case: `services.router.rules.case.CaseState`, and what lists and the sweeper sort by.

    `band` and `floor_band` stand only where the policy has grades of its own.
    """

    __tablename__ = "cases"
    __table_args__ = (
        Index("cases_wakes", "wakes_at", postgresql_where=text("wakes_at IS NOT NULL")),
        Index("cases_changed", "changed_at"),
        Index("cases_open", "division_code", postgresql_where=text("status <> 'closed'")),
    )

    case_id: UUID = Field(primary_key=True)
    code: str = _code(6)
    grade: str = _code(3)
    grade_reason: str = _code(300)
    floor: str | None = _maybe_code(3)
    mandatory: bool = Field(sa_column=Column(Boolean, nullable=False))
    division_code: str = Field(sa_column=Column(String(15, collation="C"), nullable=False))
    zone: str = _code(40)
    policy_id: str = _code(40)
    policy_version: int = Field(sa_column=Column(Integer, nullable=False))
    t0: datetime = _time()
    opened_at: datetime = _time()
    status: str = _code()
    tier: str | None = _maybe_code()
    owner_post_id: UUID | None = _maybe_uuid()
    owner_division_code: str | None = _maybe_code(15)
    owner_officer_id: UUID | None = _maybe_uuid()
    off_ladder: bool = Field(sa_column=Column(Boolean, nullable=False))
    acknowledged_at: datetime | None = _maybe_time()
    supervise_round: int = Field(sa_column=Column(SmallInteger, nullable=False))
    supervise_left: int = Field(sa_column=Column(SmallInteger, nullable=False))
    reporter_reachable: bool = Field(sa_column=Column(Boolean, nullable=False))
    steps_done: Any = Field(sa_column=Column(JSONB, nullable=False))
    child_sighted: bool = Field(sa_column=Column(Boolean, nullable=False))
    result: str | None = _maybe_code()
    closed_at: datetime | None = _maybe_time()
    band: str | None = _maybe_code(16)
    floor_band: str | None = _maybe_code(16)
    next_step: str | None = _maybe_code()
    next_due_at: datetime | None = _maybe_time()
    overdue_since: datetime | None = _maybe_time()
    wakes_at: datetime | None = _maybe_time()
    changed_at: datetime = _time()
    lanes: Any = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))
    handover: Any = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))
    conflicts: Any = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))
    placement: Any = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))


class MonthlyReportRow(RouterTable, table=True):
    """A place was told that its report of a month (its first day) is due on `day`, to the role `receiver`."""

    __tablename__ = "monthly_reports"

    division_code: str = Field(sa_column=Column(String(15, collation="C"), primary_key=True))
    month: date = Field(sa_column=Column(Date, primary_key=True))
    day: date = Field(sa_column=Column(Date, nullable=False))
    receiver: str = _code(40)
    policy: str = _code(60)
    told_at: datetime = _time()


class CaseReportRow(RouterTable, table=True):
    """Which case a report belongs to: exactly one (promise 1).

    `facts` is the event that told of it, by codes: other rules are tried on it. Unknown of reports before there was this column.
    """

    __tablename__ = "case_reports"
    __table_args__ = (Index("case_reports_case", "case_id"),)

    report_id: UUID = Field(primary_key=True)
    case_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    attached_at: datetime = _time()
    division_code: str | None = Field(default=None, sa_column=Column(String(15, collation="C")))
    facts: Any = Field(default=None, sa_column=Column(JSONB))


class DeadlineRow(RouterTable, table=True):
    """One due time of a case. `reminders` are those still to come: {fraction: time}."""

    __tablename__ = "deadlines"

    case_id: UUID = Field(primary_key=True)
    deadline_id: UUID = Field(primary_key=True)
    kind: str = _code()
    step: str = _code()
    tier: str | None = _maybe_code()
    started_at: datetime = _time()
    due_at: datetime = _time()
    policy: str = _code(60)
    reminders: Any = Field(sa_column=Column(JSONB, nullable=False))
    state: str = _code()
    fired_at: datetime | None = _maybe_time()
    done_at: datetime | None = _maybe_time()
    provisional: bool = Field(sa_column=Column(Boolean, nullable=False))


class AssignmentRow(RouterTable, table=True):
    """An officer on a post who was told of a case."""

    __tablename__ = "assignments"
    __table_args__ = (Index("assignments_officer", "officer_id", "case_id"),)

    case_id: UUID = Field(primary_key=True)
    post_id: UUID = Field(primary_key=True)
    officer_id: UUID = Field(primary_key=True)
    tier: str = _code()
    division_code: str = _code(15)
    told_at: datetime = _time()
    supervising: bool = Field(sa_column=Column(Boolean, nullable=False))
    answer: str = _code()
    answered_at: datetime | None = _maybe_time()
    beside: str = Field(sa_column=Column(String(24), nullable=False, server_default=""))


class PolicyRow(RouterTable, table=True):
    """A policy version that an administrator added. `document` is the whole policy, `source` the text that it was read from."""

    __tablename__ = "policies"

    policy_id: str = _code(40, key=True)
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    document: Any = Field(sa_column=Column(JSONB, nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    added_at: datetime = _time()
    added_by: UUID | None = _maybe_uuid()
    added_by_name: str = _code(200)


class BindingRow(RouterTable, table=True):
    """Where a policy version was bound, since when, by whom and why; `number` is the order in which bindings were made.

    `instead_of` is the policy that was in force there before, `reports` and `changed` what comparing the two came to.
    """

    __tablename__ = "bindings"
    __table_args__ = (Index("bindings_number", "number", unique=True),)

    binding_id: UUID = Field(primary_key=True)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    division_code: str = Field(sa_column=Column(String(15, collation="C"), nullable=False))
    policy_id: str = _code(40)
    policy_version: int = Field(sa_column=Column(Integer, nullable=False))
    since: date = Field(sa_column=Column(Date, nullable=False))
    until: date | None = Field(default=None, sa_column=Column(Date))
    reason: str = _code(300)
    instead_of: str = _code(60)
    reports: int = Field(sa_column=Column(Integer, nullable=False))
    changed: int = Field(sa_column=Column(Integer, nullable=False))
    made_at: datetime = _time()
    made_by: UUID | None = _maybe_uuid()
    made_by_name: str = _code(200)
    withdrawn_at: datetime | None = _maybe_time()
    withdrawn_by: UUID | None = _maybe_uuid()
    withdrawn_by_name: str | None = _maybe_code(200)
    withdrawn_reason: str | None = _maybe_code(300)


class PolicyMoveRow(RouterTable, table=True):
    """The open cases of a place are moved from one policy version to another, a batch at a time; `after_*` is how far that has come."""

    __tablename__ = "policy_moves"
    __table_args__ = (Index("policy_moves_running", "made_at", postgresql_where=text("state = 'running'")),)

    move_id: UUID = Field(primary_key=True)
    division_code: str = Field(sa_column=Column(String(15, collation="C"), nullable=False))
    from_policy_id: str = _code(40)
    from_version: int = Field(sa_column=Column(Integer, nullable=False))
    to_policy_id: str = _code(40)
    to_version: int = Field(sa_column=Column(Integer, nullable=False))
    reason: str = _code(300)
    made_at: datetime = _time()
    made_by: UUID | None = _maybe_uuid()
    made_by_name: str = _code(200)
    state: str = _code()
    total: int = Field(sa_column=Column(Integer, nullable=False))
    moved: int = Field(sa_column=Column(Integer, nullable=False))
    failed: int = Field(sa_column=Column(Integer, nullable=False))
    after_division: str = Field(sa_column=Column(String(15, collation="C"), nullable=False))
    after_case_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    finished_at: datetime | None = _maybe_time()


class PolicyVersionRow(RouterTable, table=True):
    """Counts the changes of policies and bindings, so that replicas know when to read them again."""

    __tablename__ = "policy_version"
    __table_args__ = (CheckConstraint("singleton", name="policy_version_single"),)

    singleton: bool = Field(sa_column=Column(Boolean, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
