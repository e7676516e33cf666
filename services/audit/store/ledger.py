"""The ledger: adding lines, and reading them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.db import Tx
from libs.events.catalogue import CasePostSkipped
from services.audit.rules.lines import Line

QUERY_TIMEOUT_S = 20.0
TIMELINE_REPORTS_MAX = 200

_LINE_TYPES = {
    "event_id": "uuid",
    "event_type": "text",
    "at": "timestamptz",
    "received_at": "timestamptz",
    "key": "uuid",
    "correlation_id": "uuid",
    "causation_id": "uuid",
    "case_id": "uuid",
    "report_id": "uuid",
    "grade": "text",
    "division_code": "text",
    "tier": "text",
    "post_id": "uuid",
    "officer_id": "uuid",
    "payload": "text",
    "leaf": "bytea",
}
_LINES = ", ".join(_LINE_TYPES)
_APPEND = f"""
    INSERT INTO audit.ledger ({_LINES})
    SELECT {_LINES.replace("payload", "payload::jsonb")}
    FROM unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_LINE_TYPES.values(), 1))}) AS line ({_LINES})
    ON CONFLICT (event_id) DO NOTHING
"""


async def append(tx: Tx, lines: Sequence[Line]) -> None:
    """Adds lines, in their order; an event that has one already gets no second."""
    await tx.execute(_APPEND, *([getattr(line, name) for line in lines] for name in _LINE_TYPES))


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which lines are wanted; `division_code` is a prefix, "" for every line, those without a place included."""

    division_code: str = ""
    case_id: UUID | None = None
    event_type: str | None = None


_LEDGER = f"""
    SELECT seq, {_LINES} FROM audit.ledger
    WHERE seq > $1 AND ($2 = '' OR starts_with(division_code, $2)) {{narrow}}
    ORDER BY seq LIMIT ${{limit}}
"""


async def ledger(tx: Tx, wanted: LedgerFilter, after_seq: int, limit: int) -> list[asyncpg.Record]:
    """Lines behind `after_seq`, in the order in which the ledger heard of them."""
    parameters: list[Any] = [after_seq, wanted.division_code]
    narrow = ""
    for column, value in (("case_id", wanted.case_id), ("event_type", wanted.event_type)):
        if value is not None:
            parameters.append(value)
            narrow += f"AND {column} = ${len(parameters)} "
    parameters.append(limit)
    return await tx.fetch(_LEDGER.format(narrow=narrow, limit=len(parameters)), *parameters, timeout=QUERY_TIMEOUT_S)


_TIMELINE_LINE = "seq, event_id, event_type, at, tier, post_id, officer_id, grade, division_code, report_id, payload"
_TIMELINE = f"""
    SELECT * FROM (
        SELECT {_TIMELINE_LINE} FROM audit.ledger WHERE case_id = $1 AND (at, seq) > ($2, $3)
        UNION ALL
        SELECT {_TIMELINE_LINE} FROM audit.ledger WHERE case_id IS NULL AND (at, seq) > ($2, $3) AND report_id = ANY (ARRAY(
            SELECT DISTINCT report_id FROM audit.ledger WHERE case_id = $1 AND report_id IS NOT NULL LIMIT $5))
    ) AS line ORDER BY at, seq LIMIT $4
"""


async def timeline(tx: Tx, case_id: UUID, after: tuple[datetime, int], limit: int) -> list[asyncpg.Record]:
    """The lines of a case and of its reports behind `after`, in the order in which things happened."""
    return await tx.fetch(_TIMELINE, case_id, *after, limit, TIMELINE_REPORTS_MAX, timeout=QUERY_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class KnownCase:
    """What the audit knows of a case: enough to decide who may see it."""

    case_id: UUID
    division_code: str
    received_at: datetime | None


async def known_case(tx: Tx, case_id: UUID) -> KnownCase | None:
    """The case of that id, if the ledger has heard of it."""
    row = await tx.fetchrow("SELECT division_code, received_at FROM audit.case_times WHERE case_id = $1", case_id, timeout=QUERY_TIMEOUT_S)
    return KnownCase(case_id, row["division_code"] or "", row["received_at"]) if row else None


_BARRED = """
    SELECT EXISTS (SELECT FROM audit.ledger WHERE case_id = $1 AND event_type = $2 AND jsonb_exists(payload -> 'officers', $3))
"""


async def is_barred(tx: Tx, case_id: UUID, officer_id: UUID) -> bool:
    """Whether the officer was on a post that is passed over because of a conflict of interest (回避)."""
    return bool(await tx.fetchval(_BARRED, case_id, CasePostSkipped.event_type, str(officer_id), timeout=QUERY_TIMEOUT_S))


_NAMES = "SELECT code, name FROM directory.divisions WHERE code = ANY ($1::text[])"


async def division_names(tx: Tx, codes: Sequence[str]) -> dict[str, str]:
    """The names of places, by code."""
    rows = await tx.fetch(_NAMES, list(codes), timeout=QUERY_TIMEOUT_S)
    return {row["code"]: row["name"] for row in rows}


_TITLES = {
    "zh_CN": "SELECT post_id, title_zh AS title FROM directory.posts WHERE post_id = ANY ($1::uuid[])",
    "en": "SELECT post_id, title_en AS title FROM directory.posts WHERE post_id = ANY ($1::uuid[])",
}


async def post_titles(tx: Tx, post_ids: Iterable[UUID], locale: Literal["zh_CN", "en"]) -> dict[UUID, str]:
    """The titles of posts in a language, by id."""
    rows = await tx.fetch(_TITLES[locale], list(post_ids), timeout=QUERY_TIMEOUT_S)
    return {row["post_id"]: row["title"] for row in rows}
