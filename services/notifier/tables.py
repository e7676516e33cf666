"""The notifier's tables, schema `notifier`. No phone number and no name: contacts stay with the directory, sealed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, Integer, LargeBinary, MetaData, SmallInteger, String, Text, Uuid, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class NotifierTable(SQLModel, registry=registry(metadata=MetaData(schema="notifier"))):
    """Base of the notifier's tables."""


def _time(*, nullable: bool = False) -> "Column[datetime]":
    return Column(DateTime(timezone=True), nullable=nullable)


class NotificationRow(NotifierTable, table=True):
    """An intent to tell an officer: queued, sending, submitted, delivered or failed. `turn_at`: the smaller, the sooner.

    `carrier`: the notification whose attempts tell of this one too; `tasks`: of how many tasks this one's tell, when it carries others.
    `resend_of`: the failed one that it repeats because `resent_by` (an account's or API client's id) said so.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index("notifications_case", "case_id", "requested_at"),
        Index("notifications_requested", "requested_at", postgresql_using="brin"),
        Index("notifications_turn", "turn_at", "next_at", postgresql_where=text("state = 'queued'")),
        Index("notifications_officer", "officer_id", postgresql_where=text("state = 'queued'")),
        Index("notifications_followers", "carrier", postgresql_where=text("carrier IS NOT NULL AND state IN ('sending', 'submitted')")),
        Index("notifications_resent", "resend_of", unique=True, postgresql_where=text("resend_of IS NOT NULL")),
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
    channel: str = Field(sa_column=Column(String(8), nullable=False, server_default="sms"))
    turn_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default="-infinity"))
    carrier: UUID | None = None
    tasks: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    updated_at: datetime = Field(sa_column=_time())
    resend_of: UUID | None = None
    resent_by: str | None = Field(default=None, sa_column=Column(Text))


class AttemptRow(NotifierTable, table=True):
    """One try through one gateway, committed before the call. `check_at`: when somebody has to ask what became of it.

    `number`: a keyed fingerprint of the number, to count what went there.

    No foreign key: attempts are only made from a locked notification, and none is ever deleted.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("attempts_notification", "notification_id", "started_at"),
        Index("attempts_check", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index("attempts_number", "number", "started_at", postgresql_where=text("number IS NOT NULL")),
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
    number: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


class SpentRow(NotifierTable, table=True):
    """A contact that had all the messages of a day over a gateway. `held`: how many went another way since `since`."""

    __tablename__ = "spent"
    __table_args__ = (Index("spent_seen", "seen_at"),)

    contact_id: UUID = Field(primary_key=True)
    gateway: str = Field(sa_column=Column(String(16), primary_key=True))
    officer_id: UUID
    post_id: UUID
    division_code: str = Field(sa_column=Column(String(24), nullable=False))
    budget: int = Field(sa_column=Column(Integer, nullable=False))
    held: int = Field(sa_column=Column(Integer, nullable=False))
    since: datetime = Field(sa_column=_time())
    seen_at: datetime = Field(sa_column=_time())


class TroubleRow(NotifierTable, table=True):
    """A number that cannot be relied on: it sent STOP (`what` "stopped"), or had its messages of the day ("budget_spent").

    `state`: new, until it is clear whom to tell; placed with `supervisor_id`; told at `told_at`; or nobody, when there is nobody to tell.
    `passed`: supervisors to whom no SMS would go.
    """

    __tablename__ = "troubles"
    __table_args__ = (
        Index("troubles_new", "found_at", postgresql_where=text("state = 'new'")),
        Index("troubles_placed", "supervisor_id", "what", postgresql_where=text("state = 'placed'")),
        Index("troubles_found", "found_at"),
    )

    contact_id: UUID = Field(primary_key=True)
    what: str = Field(sa_column=Column(String(16), primary_key=True))
    officer_id: UUID
    post_id: UUID | None = None
    division_code: str = Field(sa_column=Column(String(24), nullable=False))
    found_at: datetime = Field(sa_column=_time())
    state: str = Field(sa_column=Column(String(12), nullable=False))
    supervisor_id: UUID | None = None
    passed: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False, server_default="{}"))
    told_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class PageRow(NotifierTable, table=True):
    """SMS to a supervisor about the numbers that are placed there: `next_at`, when the next is due; `sent_at`, when the last one went."""

    __tablename__ = "pages"
    __table_args__ = (Index("pages_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),)

    supervisor_id: UUID = Field(primary_key=True)
    what: str = Field(sa_column=Column(String(16), primary_key=True))
    next_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class CodeRow(NotifierTable, table=True):
    """A code that is to prove whose a number is: queued, sent or failed. `next_at`: when it is sent, or sent again."""

    __tablename__ = "codes"
    __table_args__ = (
        Index("codes_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("codes_old", "expires_at"),
    )

    verification_id: UUID = Field(primary_key=True)
    officer_id: UUID
    contact_id: UUID
    expires_at: datetime = Field(sa_column=_time())
    state: str = Field(sa_column=Column(String(12), nullable=False))
    gateway: str | None = Field(default=None, sa_column=Column(String(16)))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False))
    next_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class CallRow(NotifierTable, table=True):
    """A call: whose phone it is that rings, and what came of it. An officer is called once at a time."""

    __tablename__ = "calls"
    __table_args__ = (Index("calls_open", "officer_id", "begun_at", postgresql_where=text("ended_at IS NULL")),)

    attempt_id: UUID = Field(primary_key=True)
    officer_id: UUID
    begun_at: datetime = Field(sa_column=_time())
    outcome: str | None = Field(default=None, sa_column=Column(String(16)))
    ended_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class LinkRow(NotifierTable, table=True):
    """A link that acknowledges, known by the keyed hash of its token: the link itself is nowhere kept."""

    __tablename__ = "links"
    __table_args__ = (Index("links_old", "expires_at"),)

    token_hash: bytes = Field(primary_key=True)
    attempt_id: UUID
    language: str = Field(sa_column=Column(String(8), nullable=False))
    expires_at: datetime = Field(sa_column=_time())
    used_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


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
    """A reply as it was understood and answered, so that the same reply told twice has one effect and one answer.

    `said`: the answer that goes out as an SMS of its own at `next_at`, to `contact_id`, where the provider takes none with the request.
    """

    __tablename__ = "replies"
    __table_args__ = (
        Index("replies_received", "received_at"),
        Index("replies_to_answer", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    )

    provider_id: str = Field(sa_column=Column(String(64), primary_key=True))
    gateway: str = Field(sa_column=Column(String(16), nullable=False))
    meaning: str = Field(sa_column=Column(String(16), nullable=False))
    officer_id: UUID | None = None
    case_id: UUID | None = None
    answer: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=_time())
    contact_id: UUID | None = None
    said: str | None = Field(default=None, sa_column=Column(Text))
    tries: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    next_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class WebhookRow(NotifierTable, table=True):
    """Where an API client is told how its reports go on. `gone_at`: since then it is told nothing until it registers anew (`Gone`)."""

    __tablename__ = "webhooks"

    webhook_id: UUID = Field(primary_key=True)
    client_id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    url: str = Field(sa_column=Column(Text, nullable=False))
    secret_sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous_sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    previous_until: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    created_at: datetime = Field(sa_column=_time())
    gone_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    gone_because: str | None = Field(default=None, sa_column=Column(String(16)))
    failing_since: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    last_taken_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))


class ToldReportRow(NotifierTable, table=True):
    """How often a report was told of: the last `sequence`. It is kept when the deliveries are forgotten."""

    __tablename__ = "told_reports"

    report_id: UUID = Field(primary_key=True)
    sequence: int


class DeliveryRow(NotifierTable, table=True):
    """One status of one report that is to be told to one receiver: codes and times only, as they were when it changed."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_due", "webhook_id", "next_at", postgresql_where=text("state = 'pending'")),
        Index("deliveries_next", "next_at", postgresql_where=text("state = 'pending'")),
        Index("deliveries_report", "report_id", "sequence", unique=True),
        Index("deliveries_webhook", "webhook_id", "state", "delivery_id"),
        Index("deliveries_old", "created_at"),
    )

    delivery_id: UUID = Field(primary_key=True)
    webhook_id: UUID
    report_id: UUID
    sequence: int
    what: str = Field(sa_column=Column(String(16), nullable=False))
    stage: str = Field(sa_column=Column(String(16), nullable=False))
    tier: str | None = Field(default=None, sa_column=Column(String(16)))
    result: str | None = Field(default=None, sa_column=Column(String(32)))
    changed_at: datetime = Field(sa_column=_time())
    created_at: datetime = Field(sa_column=_time())
    state: str = Field(sa_column=Column(String(12), nullable=False))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False))
    next_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    tried_at: datetime | None = Field(default=None, sa_column=_time(nullable=True))
    answer: str | None = Field(default=None, sa_column=Column(Text))
