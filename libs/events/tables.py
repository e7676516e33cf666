"""The tables of the bus, schema `bus`, shared by all services: one log for all emitters (docs/adr/0002)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, MetaData, SmallInteger, String, Text, types
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Xid8(types.UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id: it never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class BusTable(SQLModel, registry=registry(metadata=MetaData(schema="bus"))):
    """Base of the bus's tables."""


class OutboxRow(BusTable, table=True):
    """The log: every event, written in the transaction that it tells about. Read in the order (xid, id) below the oldest running xid."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_read", "shard", "xid", "id"), Index("outbox_created", "created_at"))

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    xid: int = Field(sa_column=Column(Xid8, nullable=False, server_default="pg_current_xact_id()"))
    shard: int = Field(sa_column=Column(SmallInteger, nullable=False))
    key: UUID
    event_id: UUID
    event_type: str = Field(sa_column=Column(Text, nullable=False))
    envelope: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class CursorRow(BusTable, table=True):
    """How far a group has read a shard. Its row lock is the ownership of the shard."""

    __tablename__ = "cursors"

    grp: str = Field(sa_column=Column(String(64), primary_key=True))
    shard: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    xid: int = Field(sa_column=Column(Xid8, nullable=False))
    position: int = Field(sa_column=Column(BigInteger, nullable=False))


class InboxRow(BusTable, table=True):
    """The events that a group has handled: a second delivery has no second effect."""

    __tablename__ = "inbox"
    __table_args__ = (Index("inbox_handled", "handled_at"),)

    grp: str = Field(sa_column=Column(String(64), primary_key=True))
    event_id: UUID = Field(primary_key=True)
    handled_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class ParkedRow(BusTable, table=True):
    """Events that a group could not handle, and later ones of the same key behind them, in order."""

    __tablename__ = "parked"
    __table_args__ = (Index("parked_key", "grp", "key", "seq"), Index("parked_event", "grp", "event_id", unique=True))

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    grp: str = Field(sa_column=Column(String(64), nullable=False))
    key: UUID
    event_id: UUID
    event_type: str = Field(sa_column=Column(Text, nullable=False))
    envelope: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=Column(String(8), nullable=False))
    error: str = Field(sa_column=Column(Text, nullable=False))
    parked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    next_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
