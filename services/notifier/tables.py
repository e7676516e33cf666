"""The notifier's tables, schema `notifier`. No phone number and no name: contacts stay with the directory, sealed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, Integer, MetaData, SmallInteger, String, Text, Uuid, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class NotifierTable(SQLModel, registry=registry(metadata=MetaData(schema="notifier"))):
    """Base of the notifier's tables."""


def _time(*, nullable: bool = False) -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=nullable)


class NotificationRow(NotifierTable, table=True):
    """An intent to tell an officer: queued, sending, submitted, delivered or failed. `priority`: the smaller, the sooner."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_case", "case_id", "requested_at"),
        Index("notifications_requested", "requested_at", postgresql_using="brin"),
        Index("notifications_due", "priority", "next_at", postgresql_where=text("state = 'queued'")),
    )

    notification_id: UUID = Field(primary_key=True)
    case_id: UUID
    code: str = Field(sa_column=Column(String(6), nullable=False))
    grade: str = Field(sa_column=Column(String(3), nullable=False))
    division_code: str = Field(sa_column=Column(String(24), nullable=False))
    tier: str | None = Field(default=None, sa_column=Column(String(16)))
    post_id: UUID
    officer_id: UUID
    purpose: str = Field(sa_column=Column(String(16), nullable=False))
    step: str | None = Field(default=None, sa_column=Column(String(24)))
    deadline_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False))
    requested_at: datetime = Field(sa_column=_time())
    cause_id: UUID
    correlation_id: UUID
    traceparent: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(String(12), nullable=False))
    next_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    current_attempt: UUID | None = None
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False))
    duplicates: int = Field(sa_column=Column(SmallInteger, nullable=False))
    contact_since: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    tried: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    possible_duplicate: bool = Field(sa_column=Column(Boolean, nullable=False))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    refused: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    updated_at: datetime = Field(sa_column=_time())


class AttemptRow(NotifierTable, table=True):
    """One try through one gateway, committed before the call. `check_at`: when somebody has to ask what became of it.

    No foreign key: attempts are only made from a locked notification, and none is ever deleted.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_notification", "notification_id", "started_at"),
        Index("attempts_check", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index("attempts_provider", "gateway", "provider_id", unique=True, postgresql_where=text("provider_id IS NOT NULL")),
    )

    attempt_id: UUID = Field(primary_key=True)
    notification_id: UUID
    contact_id: UUID
    gateway: str = Field(sa_column=Column(String(16), nullable=False))
    channel: str = Field(sa_column=Column(String(8), nullable=False))
    template_id: str = Field(sa_column=Column(String(64), nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(String(12), nullable=False))
    possible_duplicate: bool = Field(sa_column=Column(Boolean, nullable=False))
    provider_id: str | None = Field(default=None, sa_column=Column(String(64)))
    error_code: int | None = Field(default=None, sa_column=Column(Integer))
    provider_code: str | None = Field(default=None, sa_column=Column(Text))
    started_at: datetime = Field(sa_column=_time())
    submitted_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    check_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class WaitingRow(NotifierTable, table=True):
    """A case that an officer was asked to acknowledge and has not answered yet, by phone: what a bare "1" is about."""

    __tablename__ = "waiting"
    __table_args__ = (Index("waiting_case", "case_id"),)

    officer_id: UUID = Field(primary_key=True)
    case_id: UUID = Field(primary_key=True)
    code: str = Field(sa_column=Column(String(6), nullable=False))
    notification_id: UUID
    since: datetime = Field(sa_column=_time())
    answered_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class ReplyRow(NotifierTable, table=True):
    """A reply as it was understood and answered, so that the same reply told twice has one effect and one answer."""

    __tablename__ = "replies"
    __table_args__ = (Index("replies_received", "received_at"),)

    provider_id: str = Field(sa_column=Column(String(64), primary_key=True))
    gateway: str = Field(sa_column=Column(String(16), nullable=False))
    meaning: str = Field(sa_column=Column(String(16), nullable=False))
    officer_id: UUID | None = None
    case_id: UUID | None = None
    answer: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=_time())
