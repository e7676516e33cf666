"""Intake's tables, schema `intake`. In the clear stand only ids, codes, times and division codes; all else is sealed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, Index, LargeBinary, MetaData, SmallInteger, String, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class IntakeTable(SQLModel, registry=registry(metadata=MetaData(schema="intake"))):
    """Base of intake's tables."""


def _at(*, nullable: bool = False) -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=nullable)


class ReportRow(IntakeTable, table=True):
    """A report that was accepted. `content_sealed` is everything in it but the reporter, as JSON."""

    __tablename__ = "reports"
    __table_args__ = (
        Index("reports_idempotency", "idempotency_hash", unique=True),
        Index("reports_receipt", "receipt_hash", unique=True),
        Index("reports_place", "division_code", "report_id", postgresql_ops={"division_code": "text_pattern_ops"}),
    )

    report_id: UUID = Field(primary_key=True)
    received_at: datetime = Field(sa_column=_at())
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    division_code: str = Field(sa_column=Column(Text, nullable=False))
    situations: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    key_version: int = Field(sa_column=Column(SmallInteger, nullable=False))
    idempotency_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    receipt_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    content_sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ReporterRow(IntakeTable, table=True):
    """Who reported, apart from what was reported (PSCRIM art 173).

    No foreign key: one statement writes both rows, and checking each again would cost every report a second look-up.
    """

    __tablename__ = "reporters"

    report_id: UUID = Field(primary_key=True)
    identity_sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ChildIndexRow(IntakeTable, table=True):
    """Keyed fingerprints of identity documents: the same child in another report is found, the number is not."""

    __tablename__ = "child_index"

    fingerprint: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    report_id: UUID = Field(primary_key=True)


class ReportCaseRow(IntakeTable, table=True):
    """Which case a report became or joined, as heard from the router."""

    __tablename__ = "report_cases"
    __table_args__ = (Index("report_cases_case", "case_id"),)

    report_id: UUID = Field(primary_key=True)
    case_id: UUID


class BarredRow(IntakeTable, table=True):
    """An officer who must not read the reports of a case (回避), as heard from the router."""

    __tablename__ = "barred"

    case_id: UUID = Field(primary_key=True)
    officer_id: UUID = Field(primary_key=True)


class ProgressRow(IntakeTable, table=True):
    """How far a case has come, as far as a receipt may tell."""

    __tablename__ = "progress"

    case_id: UUID = Field(primary_key=True)
    division_code: str = Field(sa_column=Column(Text, nullable=False))
    tier: str | None = Field(sa_column=Column(String(16)))
    stage: str = Field(sa_column=Column(String(16), nullable=False))
    updated_at: datetime = Field(sa_column=_at())
    assigned_at: datetime | None = Field(sa_column=_at(nullable=True))
    escalated_at: datetime | None = Field(sa_column=_at(nullable=True))
    supervised_at: datetime | None = Field(sa_column=_at(nullable=True))
    acknowledged_at: datetime | None = Field(sa_column=_at(nullable=True))
    on_site_at: datetime | None = Field(sa_column=_at(nullable=True))
    child_sighted: bool = Field(sa_column=Column(Boolean, nullable=False))
    closed_at: datetime | None = Field(sa_column=_at(nullable=True))
    result: str | None = Field(sa_column=Column(String(32)))
    reporter_informed: bool = Field(sa_column=Column(Boolean, nullable=False))


class FollowerRow(IntakeTable, table=True):
    """An API client that is told how its reports go on, as heard from the notifier."""

    __tablename__ = "followers"

    client_id: str = Field(sa_column=Column(Text, primary_key=True))
    webhook_id: UUID
