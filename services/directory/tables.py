"""The tables of schema `directory`. Only this service writes them; what the others may read is granted in the migration."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class DirectoryTable(SQLModel, registry=registry(metadata=MetaData(schema="directory"))):
    """Base of the directory's tables."""


def _text(*, key: bool = False) -> Any:
    return Field(sa_column=Column(Text, primary_key=key, nullable=False))


def _maybe_text() -> Any:
    return Field(default=None, sa_column=Column(Text, nullable=True))


def _time() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _maybe_time() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=True))


def _one_of(column: str, values: tuple[str, ...], name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=name)


class DivisionRow(DirectoryTable, table=True):
    """A place in the register. `pinyin` and `initials` of the name are made at import; an index per way to look for it."""

    __tablename__ = "divisions"
    __table_args__ = (
        _one_of("level", ("province", "city", "district", "street", "community", "grid"), "divisions_level"),
        Index("divisions_parent", "parent_code", "code"),
        Index("divisions_code_prefix", "code", postgresql_ops={"code": "text_pattern_ops"}),
        Index("divisions_name_prefix", "name", postgresql_ops={"name": "text_pattern_ops"}),
        Index("divisions_pinyin_prefix", "pinyin", postgresql_ops={"pinyin": "text_pattern_ops"}),
        Index("divisions_initials_prefix", "initials", postgresql_ops={"initials": "text_pattern_ops"}),
    )

    code: str = _text(key=True)
    name: str = _text()
    level: str = _text()
    parent_code: str | None = _maybe_text()
    zone: str = _text()
    pinyin: str = _text()
    initials: str = _text()


class PostRow(DirectoryTable, table=True):
    """A role at a division. `position` is whom to ask first there; the same role may exist several times (SEED_G: 10 for 8 streets)."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("division_code", "role", "position", name="posts_place_role_position"),
        Index("posts_role", "role", "division_code"),
        Index("posts_duty_next", "duty_next", postgresql_where="duty_next IS NOT NULL"),
    )

    post_id: UUID = Field(primary_key=True)
    division_code: str = Field(sa_column=Column(Text, ForeignKey("directory.divisions.code", name="posts_division"), nullable=False))
    role: str = _text()
    tier: str = _text()
    title_zh: str = _text()
    title_en: str = _text()
    position: int = Field(sa_column=Column(Integer, nullable=False))
    duty_next: datetime | None = _maybe_time()
    """When who is on duty may change next, by roster, override or leave; None: not by these."""
    unstaffed_at: datetime | None = _maybe_time()
    """When, within the week after it was last looked at, the roster first has nobody on duty; None: always somebody."""


class OfficerRow(DirectoryTable, table=True):
    """A person who may hold posts. `division_code` is where they work: whose administrators see them.

    `quiet_from` and `quiet_to`: times of the day ("22:00") between which messages of grades III and IV wait.
    """

    __tablename__ = "officers"
    __table_args__ = (Index("officers_division", "division_code", postgresql_ops={"division_code": "text_pattern_ops"}),)

    officer_id: UUID = Field(primary_key=True)
    name: str = _text()
    language: str = _text()
    active: bool = Field(sa_column=Column(Boolean, nullable=False))
    division_code: str = _text()
    created_at: datetime = _time()
    quiet_from: str | None = _maybe_text()
    quiet_to: str | None = _maybe_text()


class ContactRow(DirectoryTable, table=True):
    """A way to reach an officer. The number is sealed; its blind index finds the officer who replied.

    `stopped_at`: when the officer sent STOP from it; it is not enabled since, until somebody or the officer switches it on again.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        _one_of("channel", ("sms", "voice"), "contacts_channel"),
        UniqueConstraint("officer_id", "channel", "phone_index", name="contacts_officer_channel_phone"),
        Index("contacts_phone", "phone_index"),
    )

    contact_id: UUID = Field(primary_key=True)
    officer_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="contacts_officer"), nullable=False))
    channel: str = _text()
    phone_sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    phone_index: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    enabled: bool = Field(sa_column=Column(Boolean, nullable=False))
    verified_at: datetime | None = _maybe_time()
    stopped_at: datetime | None = _maybe_time()


class VerificationRow(DirectoryTable, table=True):
    """A code that was sent to a contact; it follows from `verification_id` and the master keys, and is kept nowhere."""

    __tablename__ = "verifications"
    __table_args__ = (Index("verifications_latest", "contact_id", "requested_at"), Index("verifications_old", "requested_at"))

    verification_id: UUID = Field(primary_key=True)
    contact_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("directory.contacts.contact_id", name="verifications_contact"), nullable=False)
    )
    requested_at: datetime = _time()
    expires_at: datetime = _time()
    used_at: datetime | None = _maybe_time()
    tries: int = Field(sa_column=Column(Integer, nullable=False))


_CURRENT = "state = 'current'"


class HoldingRow(DirectoryTable, table=True):
    """An officer on a post for a time. `state` says whether it counts now; the `roster` job moves it when its time comes.

    `duty` and `on_duty` are what libs.directory.duty finds for now: in which order to ask, and who is not on duty.
    """

    __tablename__ = "holdings"
    __table_args__ = (
        _one_of("rank", ("primary", "deputy"), "holdings_rank"),
        _one_of("state", ("planned", "current", "ended"), "holdings_state"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="holdings_period"),
        Index("holdings_post_primary", "post_id", unique=True, postgresql_where=f"{_CURRENT} AND rank = 'primary'"),
        Index("holdings_post_officer", "post_id", "officer_id", unique=True, postgresql_where=_CURRENT),
        Index("holdings_officer", "officer_id", postgresql_where=_CURRENT),
        Index("holdings_starting", "valid_from", postgresql_where="state = 'planned'"),
        Index("holdings_ending", "valid_to", postgresql_where=f"{_CURRENT} AND valid_to IS NOT NULL"),
    )

    holding_id: UUID = Field(primary_key=True)
    post_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("directory.posts.post_id", name="holdings_post"), nullable=False))
    officer_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="holdings_officer_fk"), nullable=False)
    )
    rank: str = _text()
    state: str = _text()
    valid_from: datetime = _time()
    valid_to: datetime | None = _maybe_time()
    duty: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    on_duty: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="true"))


class RosterRow(DirectoryTable, table=True):
    """The shifts of a post, in the order in which they count (libs.directory.duty.Shift)."""

    __tablename__ = "rosters"

    post_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("directory.posts.post_id", name="rosters_post"), primary_key=True))
    shifts: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    changed_at: datetime = _time()


class OverrideRow(DirectoryTable, table=True):
    """An officer on duty for a span instead of whom the roster has; `given_by` handed over to them. One taken back ends when it was."""

    __tablename__ = "duty_overrides"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at", name="duty_overrides_period"),
        Index("duty_overrides_post", "post_id", "ends_at"),
    )

    override_id: UUID = Field(primary_key=True)
    post_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("directory.posts.post_id", name="duty_overrides_post_fk"), nullable=False))
    officer_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="duty_overrides_officer"), nullable=False)
    )
    given_by: UUID | None = Field(
        default=None, sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="duty_overrides_giver"), nullable=True)
    )
    starts_at: datetime = _time()
    ends_at: datetime = _time()
    created_at: datetime = _time()


class LeaveRow(DirectoryTable, table=True):
    """A span in which an officer is away from every post. Why is nobody's business here."""

    __tablename__ = "leaves"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at", name="leaves_period"),
        Index("leaves_officer", "officer_id", "ends_at"),
    )

    leave_id: UUID = Field(primary_key=True)
    officer_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="leaves_officer_fk"), nullable=False))
    starts_at: datetime = _time()
    ends_at: datetime = _time()
    created_at: datetime = _time()


class AccountRow(DirectoryTable, table=True):
    """Who may log in. `division_code` bounds their rights ("" = everywhere)."""

    __tablename__ = "accounts"
    __table_args__ = (
        _one_of("role", ("operator", "officer", "supervisor", "auditor", "admin"), "accounts_role"),
        UniqueConstraint("username", name="accounts_username"),
    )

    account_id: UUID = Field(primary_key=True)
    username: str = _text()
    password_hash: str = _text()
    role: str = _text()
    officer_id: UUID | None = Field(
        default=None, sa_column=Column(Uuid, ForeignKey("directory.officers.officer_id", name="accounts_officer"), nullable=True)
    )
    division_code: str = _text()
    language: str = _text()
    active: bool = Field(sa_column=Column(Boolean, nullable=False))
    created_at: datetime = _time()


class LoginFailuresRow(DirectoryTable, table=True):
    """How often a name, known or not, was tried with a wrong password: both look the same to whoever is guessing."""

    __tablename__ = "login_failures"
    __table_args__ = (Index("login_failures_last", "last_at"),)

    username_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    last_at: datetime = _time()
    locked_until: datetime | None = _maybe_time()


class SessionRow(DirectoryTable, table=True):
    """A login, known by the hash of its token."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_account", "account_id"), Index("sessions_expiry", "expires_at"))

    token_hash: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    account_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("directory.accounts.account_id", name="sessions_account_fk", ondelete="CASCADE"), nullable=False)
    )
    created_at: datetime = _time()
    expires_at: datetime = _time()
    last_seen: datetime = _time()


class ApiClientRow(DirectoryTable, table=True):
    """A program that may call the API; `channel` is the report channel it files under."""

    __tablename__ = "api_clients"

    client_id: str = _text(key=True)
    name: str = _text()
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    channel: str | None = _maybe_text()
    created_at: datetime = _time()


class ApiKeyRow(DirectoryTable, table=True):
    """A key of a client. At most two live at once, so that a client can change over without a gap."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("api_keys_client", "client_id"),)

    key_id: str = _text(key=True)
    client_id: str = Field(sa_column=Column(Text, ForeignKey("directory.api_clients.client_id", name="api_keys_client_fk"), nullable=False))
    key_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = _time()
    expires_at: datetime | None = _maybe_time()
    revoked_at: datetime | None = _maybe_time()


class VersionRow(DirectoryTable, table=True):
    """One row: how often the directory changed. Bumped in the transaction of each change."""

    __tablename__ = "version"
    __table_args__ = (CheckConstraint("singleton", name="version_single"),)

    singleton: bool = Field(sa_column=Column(Boolean, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class ChangeRow(DirectoryTable, table=True):
    """Who changed what, and when; never changed itself (the service's role may only add)."""

    __tablename__ = "changes"
    __table_args__ = (Index("changes_at", "at"), Index("changes_subject", "subject_id", "at"))

    change_id: UUID = Field(primary_key=True)
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = _time()
    account_id: UUID | None = None
    actor: str = _text()
    what: str = _text()
    division_code: str | None = _maybe_text()
    subject_id: str | None = _maybe_text()
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
