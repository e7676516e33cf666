"""The audit's tables, schema `audit`: the ledger, and what is derived from it for questions about time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Float, Identity, Index, Integer, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from libs.events.tables import Xid8


class AuditTable(SQLModel, registry=registry(metadata=MetaData(schema="audit"))):
    """Base of the audit's tables."""


class LedgerRow(AuditTable, table=True):
    """One line per event, for ever: a trigger and the role's rights refuse every change.

    `xid` orders the lines for whoever seals them: below `pg_snapshot_xmin` nothing can be added any more, so the order (xid, seq) is final.
    `leaf` is the line's RFC 6962 leaf hash (`rules.lines.leaf_hash`).
    """

    __tablename__ = "ledger"
    __table_args__ = (
        Index("ledger_event", "event_id", unique=True),
        Index("ledger_order", "xid", "seq"),
        Index("ledger_case", "case_id", "at", "seq", postgresql_where=text("case_id IS NOT NULL")),
        Index("ledger_report", "report_id", postgresql_where=text("report_id IS NOT NULL")),
        Index("ledger_type", "event_type", "seq"),
    )

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    xid: int = Field(sa_column=Column(Xid8, nullable=False, server_default=text("pg_current_xact_id()")))
    event_id: UUID
    event_type: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    key: UUID
    correlation_id: UUID
    causation_id: UUID | None = None
    case_id: UUID | None = None
    report_id: UUID | None = None
    grade: str | None = Field(default=None, sa_column=Column(Text))
    division_code: str | None = Field(default=None, sa_column=Column(Text))
    tier: str | None = Field(default=None, sa_column=Column(Text))
    post_id: UUID | None = None
    officer_id: UUID | None = None
    payload: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


def _instant() -> Column[datetime]:
    return Column(DateTime(timezone=True))


class CaseTimesRow(AuditTable, table=True):
    """The times of a case, one row each: derived from the ledger in the transaction that writes it.

    `<measured>_at` is when a step was first done, `<step>_due_at` by when it had to be. `tier` is that of the rung that is accountable now,
    `acknowledged_tier` that of the officer who took the case. A row without `received_at` has not heard of its opening yet.
    """

    __tablename__ = "case_times"
    __table_args__ = (
        Index("case_times_received", "received_at"),
        Index("case_times_moved", "received_at", postgresql_where=text("moves > 0")),
    )

    case_id: UUID = Field(primary_key=True)
    received_at: datetime | None = Field(default=None, sa_column=_instant())
    division_code: str | None = Field(default=None, sa_column=Column(Text))
    grade: str | None = Field(default=None, sa_column=Column(Text))
    tier: str | None = Field(default=None, sa_column=Column(Text))
    acknowledged_tier: str | None = Field(default=None, sa_column=Column(Text))
    policy_id: str | None = Field(default=None, sa_column=Column(Text))
    policy_version: int | None = Field(default=None, sa_column=Column(Integer))
    supervised_at: datetime | None = Field(default=None, sa_column=_instant())
    late_s_max: float | None = Field(default=None, sa_column=Column(Float))
    moves: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    missed: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))
    routed_at: datetime | None = Field(default=None, sa_column=_instant())
    submitted_at: datetime | None = Field(default=None, sa_column=_instant())
    delivered_at: datetime | None = Field(default=None, sa_column=_instant())
    acknowledged_at: datetime | None = Field(default=None, sa_column=_instant())
    on_site_attempted_at: datetime | None = Field(default=None, sa_column=_instant())
    child_sighted_at: datetime | None = Field(default=None, sa_column=_instant())
    first_written_up_at: datetime | None = Field(default=None, sa_column=_instant())
    assessment_at: datetime | None = Field(default=None, sa_column=_instant())
    case_conference_at: datetime | None = Field(default=None, sa_column=_instant())
    police_linked_at: datetime | None = Field(default=None, sa_column=_instant())
    reporter_informed_at: datetime | None = Field(default=None, sa_column=_instant())
    closed_at: datetime | None = Field(default=None, sa_column=_instant())
    dispatch_due_at: datetime | None = Field(default=None, sa_column=_instant())
    acknowledge_due_at: datetime | None = Field(default=None, sa_column=_instant())
    on_site_due_at: datetime | None = Field(default=None, sa_column=_instant())
    first_written_up_due_at: datetime | None = Field(default=None, sa_column=_instant())
    assessment_due_at: datetime | None = Field(default=None, sa_column=_instant())
    case_conference_due_at: datetime | None = Field(default=None, sa_column=_instant())
    police_linked_due_at: datetime | None = Field(default=None, sa_column=_instant())
    reporter_informed_due_at: datetime | None = Field(default=None, sa_column=_instant())
    close_due_at: datetime | None = Field(default=None, sa_column=_instant())


class CaseRungRow(AuditTable, table=True):
    """What each rung of a case's ladder did with its window to acknowledge: silence stays with the tier that was silent."""

    __tablename__ = "case_rungs"

    case_id: UUID = Field(primary_key=True)
    tier: str = Field(sa_column=Column(Text, primary_key=True))
    post_id: UUID | None = None
    told_at: datetime | None = Field(default=None, sa_column=_instant())
    accountable_at: datetime | None = Field(default=None, sa_column=_instant())
    due_at: datetime | None = Field(default=None, sa_column=_instant())
    acknowledged_at: datetime | None = Field(default=None, sa_column=_instant())
    declined_at: datetime | None = Field(default=None, sa_column=_instant())
    missed_at: datetime | None = Field(default=None, sa_column=_instant())
