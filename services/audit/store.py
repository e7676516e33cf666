"""Every query of the audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.db import Tx
from libs.terms import Step
from services.audit.rules.cases import CaseChange, RungChange
from services.audit.rules.figures import GROUPS_MAX, Group, Percentiles, Question, RungFigures, StepFigures
from services.audit.rules.lines import Line
from services.audit.rules.steps import ALWAYS, DUE_BY, Measured

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


_DUES = tuple(Step)
_DUE_NAMES = {step: f"{step}_due_at" for step in _DUES if step in set(DUE_BY.values())}
_NEWEST = {"division_code": "text", "grade": "text", "tier": "text", "policy_id": "text", "policy_version": "integer"}
_EARLIEST = ("received_at", "supervised_at", *(f"{measured}_at" for measured in Measured))
_CASE_COLUMNS = (
    "case_id",
    *_NEWEST,
    "acknowledged_tier",
    "late_s_max",
    *_EARLIEST,
    *_DUE_NAMES.values(),
)
_CASE_TYPES = {"case_id": "uuid", **_NEWEST, "acknowledged_tier": "text", "late_s_max": "float8"}
_MERGE_CASES = f"""
    INSERT INTO audit.case_times AS known ({", ".join(_CASE_COLUMNS)}, missed)
    SELECT {", ".join(f"change.{name}" for name in _CASE_COLUMNS)}, string_to_array(change.missed, ' ')
    FROM unnest({", ".join(f"${n}::{_CASE_TYPES.get(name, 'timestamptz')}[]" for n, name in enumerate(_CASE_COLUMNS, 1))},
                ${len(_CASE_COLUMNS) + 1}::text[]) AS change ({", ".join(_CASE_COLUMNS)}, missed)
    ORDER BY case_id
    ON CONFLICT (case_id) DO UPDATE SET
        {", ".join(f"{name} = coalesce(excluded.{name}, known.{name})" for name in (*_NEWEST, *_DUE_NAMES.values()))},
        {", ".join(f"{name} = least(known.{name}, excluded.{name})" for name in _EARLIEST)},
        acknowledged_tier = CASE WHEN known.acknowledged_at <= excluded.acknowledged_at THEN known.acknowledged_tier
                                 ELSE coalesce(excluded.acknowledged_tier, known.acknowledged_tier) END,
        late_s_max = greatest(known.late_s_max, excluded.late_s_max),
        missed = CASE WHEN excluded.missed <@ known.missed THEN known.missed
                      ELSE (SELECT array_agg(DISTINCT step ORDER BY step) FROM unnest(known.missed || excluded.missed) AS step) END
"""


async def merge_cases(tx: Tx, changes: Iterable[CaseChange]) -> None:
    """Merges what a batch told about cases into what is known of them."""
    found = list(changes)
    if not found:
        return
    columns: dict[str, list[Any]] = {
        name: [getattr(change, name) for change in found]
        for name in ("case_id", *_NEWEST, "acknowledged_tier", "late_s_max", "received_at", "supervised_at")
    }
    columns |= {f"{measured}_at": [change.times.get(measured) for change in found] for measured in Measured}
    columns |= {name: [change.dues.get(step) for change in found] for step, name in _DUE_NAMES.items()}
    await tx.execute(_MERGE_CASES, *(columns[name] for name in _CASE_COLUMNS), [" ".join(sorted(change.missed)) for change in found])


_RUNG_COLUMNS = tuple(field.name for field in fields(RungChange))
_RUNG_TYPES = {"case_id": "uuid", "tier": "text", "post_id": "uuid"}
_MERGE_RUNGS = f"""
    INSERT INTO audit.case_rungs AS known ({", ".join(_RUNG_COLUMNS)})
    SELECT * FROM unnest({", ".join(f"${n}::{_RUNG_TYPES.get(name, 'timestamptz')}[]" for n, name in enumerate(_RUNG_COLUMNS, 1))})
    ORDER BY 1, 2
    ON CONFLICT (case_id, tier) DO UPDATE SET
        post_id = coalesce(excluded.post_id, known.post_id),
        due_at = coalesce(excluded.due_at, known.due_at),
        {", ".join(f"{name} = least(known.{name}, excluded.{name})" for name in _RUNG_COLUMNS[3:] if name != "due_at")}
"""


async def merge_rungs(tx: Tx, changes: Iterable[RungChange]) -> None:
    """Merges what a batch told about the rungs of cases."""
    found = list(changes)
    if found:
        await tx.execute(_MERGE_RUNGS, *([getattr(change, name) for change in found] for name in _RUNG_COLUMNS))


_CASES = """
    SELECT *, extract(epoch FROM $5::timestamptz - received_at) AS age_s FROM audit.case_times
    WHERE received_at >= $1 AND received_at < $2 AND received_at <= $5 AND starts_with(division_code, $3)
      AND ($4::text IS NULL OR grade = $4) AND ($6::text IS NULL OR coalesce(acknowledged_tier, tier) = $6)
"""
_GROUPS = {
    "none": "NULL::text",
    "grade": "grade",
    "tier": "coalesce(acknowledged_tier, tier, '')",
    "division": "left(division_code, $7::int)",
    "day": "to_char(received_at AT TIME ZONE $7::text, 'YYYY-MM-DD')",
    "month": "to_char(received_at AT TIME ZONE $7::text, 'YYYY-MM')",
}
_STEPS = """
    WITH cases AS ({cases}),
    judged AS (
        SELECT {group} AS grp, step, age_s, extract(epoch FROM done_at - received_at) AS lag_s,
               CASE WHEN done_at IS NOT NULL AND due_at IS NULL THEN 'untimed'
                    WHEN due_at IS NULL AND NOT always THEN NULL
                    WHEN done_at <= due_at THEN 'in_time'
                    WHEN done_at > due_at THEN 'late'
                    WHEN due_at < least(closed_at, $5) THEN 'overdue'
                    WHEN closed_at IS NOT NULL THEN 'skipped'
                    WHEN due_at IS NULL THEN 'waiting'
                    ELSE 'pending' END AS verdict
        FROM cases CROSS JOIN LATERAL (VALUES {values}) AS measured (step, done_at, due_at, always)
    ),
    lags AS (SELECT *, CASE verdict WHEN 'overdue' THEN age_s ELSE lag_s END AS counted_s FROM judged)
    SELECT grouping(grp) AS total, grp, step,
           {counts},
           percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY counted_s) FILTER (WHERE counted_s IS NOT NULL) AS percentiles_s,
           min(age_s) FILTER (WHERE verdict = 'overdue') AS at_least_from_s
    FROM lags GROUP BY GROUPING SETS ((step), (grp, step))
    ORDER BY total DESC, grp LIMIT {limit}
"""
_VERDICTS = ("in_time", "late", "overdue", "pending", "waiting", "skipped", "untimed")
_VALUES = ", ".join(
    f"('{measured}', {measured}_at, {f'{DUE_BY[measured]}_due_at' if measured in DUE_BY else 'NULL::timestamptz'}, {measured in ALWAYS})"
    for measured in Measured
)
_COUNTS = ", ".join(f"count(*) FILTER (WHERE verdict = '{verdict}') AS {verdict}" for verdict in _VERDICTS)


async def response_times(tx: Tx, question: Question, now: datetime) -> tuple[Group, list[Group]]:
    """The figures of all the cases together, and by group; one group more than GROUPS_MAX when there are too many."""
    limit = (GROUPS_MAX + 2) * len(Measured)
    sql = _STEPS.format(cases=_CASES, group=_GROUPS[question.group_by], values=_VALUES, counts=_COUNTS, limit=limit)
    rows = await tx.fetch(sql, *_parameters(question, now), timeout=QUERY_TIMEOUT_S)
    by_group: dict[tuple[bool, str | None], dict[Measured, StepFigures]] = {}
    for row in rows:
        by_group.setdefault((bool(row["total"]), row["grp"]), {})[Measured(row["step"])] = _step_figures(row)
    groups = [_group(key, steps) for (total, key), steps in by_group.items() if not total and question.group_by != "none"]
    return _group(None, by_group.get((True, None), {})), groups


def _parameters(question: Question, now: datetime) -> list[Any]:
    found: list[Any] = [question.since, question.until, question.division_code, question.grade, now, question.tier]
    if question.group_by == "division":
        found.append(question.code_length)
    elif question.group_by in {"day", "month"}:
        found.append(question.zone)
    return found


def _step_figures(row: asyncpg.Record) -> StepFigures:
    return StepFigures(
        step=Measured(row["step"]),
        **{verdict: row[verdict] for verdict in _VERDICTS},
        lags=_percentiles(row),
        at_least_from_s=None if row["at_least_from_s"] is None else float(row["at_least_from_s"]),
    )


def _percentiles(row: asyncpg.Record) -> Percentiles:
    return Percentiles(*(float(value) for value in row["percentiles_s"] or ()))


def _group(key: str | None, steps: dict[Measured, StepFigures]) -> Group:
    if not steps:
        return Group(key, 0, 0, {})
    closing = steps[Measured.CLOSED]
    unfinished = closing.overdue + closing.pending + closing.waiting
    return Group(key, closing.done + unfinished, unfinished, {measured: steps[measured] for measured in Measured})


_RUNGS = """
    WITH cases AS ({cases}),
    judged AS (
        SELECT rung.tier, extract(epoch FROM rung.acknowledged_at - rung.accountable_at) AS lag_s,
               CASE WHEN rung.acknowledged_at <= coalesce(rung.due_at, rung.missed_at, 'infinity') THEN 'in_time'
                    WHEN rung.acknowledged_at IS NOT NULL THEN 'late'
                    WHEN rung.declined_at IS NOT NULL THEN 'declined'
                    WHEN rung.missed_at IS NULL AND least(cases.acknowledged_at, cases.closed_at) <= coalesce(rung.due_at, 'infinity')
                        THEN 'relieved'
                    WHEN rung.missed_at IS NOT NULL OR rung.due_at < $5 THEN 'silent'
                    ELSE 'pending' END AS verdict
        FROM cases JOIN audit.case_rungs AS rung USING (case_id) WHERE rung.accountable_at IS NOT NULL
    )
    SELECT tier, count(*) AS rungs, {counts},
           percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY lag_s) FILTER (WHERE lag_s IS NOT NULL) AS percentiles_s
    FROM judged GROUP BY tier
"""
_RUNG_VERDICTS = ("in_time", "late", "declined", "silent", "relieved", "pending")
_RUNG_COUNTS = ", ".join(f"count(*) FILTER (WHERE verdict = '{verdict}') AS {verdict}" for verdict in _RUNG_VERDICTS)


async def rung_times(tx: Tx, question: Question, now: datetime) -> list[RungFigures]:
    """What the rungs of each tier did with their windows."""
    parameters = [question.since, question.until, question.division_code, question.grade, now, question.tier]
    rows = await tx.fetch(_RUNGS.format(cases=_CASES, counts=_RUNG_COUNTS), *parameters, timeout=QUERY_TIMEOUT_S)
    return [
        RungFigures(tier=row["tier"], rungs=row["rungs"], **{verdict: row[verdict] for verdict in _RUNG_VERDICTS}, lags=_percentiles(row))
        for row in rows
    ]


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
