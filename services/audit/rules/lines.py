"""The ledger line of an event, and its leaf hash."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from libs.events.envelope import Event


@dataclass(slots=True)
class Line:
    """One line of the ledger: the event as it was, with the columns that people search by drawn out of it.

    Not frozen, as everything else is: there are eight for each report, and that alone would cost 3 µs each.
    `payload` is the event's data as JSON text; `received_at` is when the ledger heard of it, `at` when it happened.
    """

    event_id: UUID
    event_type: str
    at: datetime
    received_at: datetime
    key: UUID
    correlation_id: UUID
    causation_id: UUID | None
    case_id: UUID | None
    report_id: UUID | None
    grade: str | None
    division_code: str | None
    tier: str | None
    post_id: UUID | None
    officer_id: UUID | None
    payload: str
    leaf: bytes


def line_of(event: Event[Any], received_at: datetime) -> Line:
    """The line that keeps `event`, heard at `received_at`."""
    data = event.data
    payload = orjson.dumps(data.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return Line(
        event_id=event.id,
        event_type=event.type,
        at=event.time,
        received_at=received_at,
        key=event.key,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        case_id=getattr(data, "case_id", None),
        report_id=getattr(data, "report_id", None),
        grade=getattr(data, "grade", None),
        division_code=getattr(data, "division_code", None),
        tier=getattr(data, "tier", None),
        post_id=getattr(data, "post_id", None),
        officer_id=getattr(data, "officer_id", None),
        payload=payload.decode(),
        leaf=leaf_hash(
            event_id=event.id,
            event_type=event.type,
            at=event.time,
            key=event.key,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            payload=orjson.Fragment(payload),
        ),
    )


def leaf_hash(
    *,
    event_id: UUID,
    event_type: str,
    at: datetime,
    key: UUID,
    correlation_id: UUID,
    causation_id: UUID | None,
    payload: dict[str, Any] | orjson.Fragment,
) -> bytes:
    """The leaf of a Merkle tree over the ledger (RFC 6962 section 2.1: SHA-256 of 0x00 and the entry).

    The entry is the event as JSON with sorted keys and without spaces; everything it needs stands in the line's columns, so that
    anyone can compute it again from a line. A `payload` that is JSON already must be of that form.
    """
    entry = {
        "id": event_id,
        "type": event_type,
        "time": at.astimezone(UTC),
        "key": key,
        "correlation_id": correlation_id,
        "causation_id": causation_id,
        "data": payload,
    }
    # `default`: the database's UUIDs are of a class of their own.
    return hashlib.sha256(b"\x00" + orjson.dumps(entry, default=str, option=orjson.OPT_SORT_KEYS)).digest()
