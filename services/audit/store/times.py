"""How fast everybody moved.

Counts are of every case. They are cheap, because cases with the same verdicts on all steps are counted together: a verdict is three bits of
one number. Percentiles need sorted lags, and sorting is not cheap: beyond SAMPLE_MAX cases they are those of a random part of the cases.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import asyncpg

from libs.db import Tx
from libs.terms import Tier
from services.audit.rules.figures import GROUPS_MAX, Group, Percentiles, Question, RungFigures, StepFigures
from services.audit.rules.steps import ALWAYS, DUE_BY, Measured

QUERY_TIMEOUT_S = 20.0
SAMPLE_MAX = 60_000
PATTERNS_MAX = 200_000
"""Lines of (group, pattern of verdicts); a group has at most some hundred."""

VERDICTS = ("none", "untimed", "skipped", "waiting", "in_time", "late", "overdue", "pending")
"""By their number in the pattern; "none": the step is not asked for."""
_BITS = 3
_PARTS = 65_536

_WANTED = """
    received_at >= $1 AND received_at < $2 AND received_at <= $3 AND starts_with(division_code, $4)
    AND ($5::text IS NULL OR grade = $5) AND ($6::text IS NULL OR coalesce(acknowledged_tier, tier) = $6)
"""
_GROUPS = {
    "none": "NULL::text",
    "grade": "grade",
    "tier": "coalesce(acknowledged_tier, tier, '')",
    "division": "left(division_code, $7::int)",
    "day": "to_char(received_at AT TIME ZONE $7::text, 'YYYY-MM-DD')",
    "month": "to_char(received_at AT TIME ZONE $7::text, 'YYYY-MM')",
}


def _verdict(measured: Measured) -> str:
    done = f"{measured}_at"
    if measured not in DUE_BY:
        return f"CASE WHEN {done} IS NOT NULL THEN 1 WHEN closed_at IS NOT NULL THEN 2 ELSE 3 END"
    due = f"{DUE_BY[measured]}_due_at"
    undone = "CASE WHEN closed_at IS NOT NULL THEN 2 ELSE 3 END" if measured in ALWAYS else "0"
    return f"""
        CASE WHEN {done} IS NOT NULL THEN CASE WHEN {due} IS NULL THEN 1 WHEN {done} <= {due} THEN 4 ELSE 5 END
             WHEN {due} IS NULL THEN {undone}
             WHEN {due} < least(closed_at, $3) THEN 6
             WHEN closed_at IS NOT NULL THEN 2
             ELSE 7 END"""


def _lag_us(measured: Measured) -> str:
    done = f"{measured}_at"
    if measured in DUE_BY:
        done = f"coalesce({done}, CASE WHEN {DUE_BY[measured]}_due_at < least(closed_at, $3) THEN $3 END)"
    return f"(date_part('epoch', {done} - received_at) * 1000000)::bigint"


_PATTERN = " + ".join(f"(({_verdict(measured)})::bigint << {_BITS * place})" for place, measured in enumerate(Measured))
_COUNTS = f"""
    SELECT {{group}} AS grp, {_PATTERN} AS pattern, count(*) AS cases, max(received_at) AS newest_at
    FROM audit.case_times WHERE {_WANTED} GROUP BY 1, 2 LIMIT {PATTERNS_MAX}
"""
# Integers sort several times faster than floats; the last digits of a UUIDv7 are random.
_RANKED = ", ".join(
    f"percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY {_lag_us(measured)}) AS {measured}" for measured in Measured
)
_PERCENTILES = f"""
    SELECT grouping({{group}}) AS total, {{group}} AS grp, {_RANKED}
    FROM audit.case_times
    WHERE {_WANTED} AND get_byte(uuid_send(case_id), 15) * 256 + get_byte(uuid_send(case_id), 14) < {{parts}}
    GROUP BY GROUPING SETS ((), ({{group}}))
"""


@dataclass(slots=True)
class _Counted:
    """The verdicts on the cases of one group; `newest_at` is when the youngest overdue case of each step was received."""

    cases: int = 0
    verdicts: dict[Measured, dict[str, int]] = field(
        default_factory=lambda: {measured: dict.fromkeys(VERDICTS, 0) for measured in Measured}
    )
    newest_at: dict[Measured, datetime] = field(default_factory=dict)

    def add(self, row: asyncpg.Record) -> None:
        """Counts the cases of one pattern."""
        self.cases += row["cases"]
        pattern: int = row["pattern"]
        for measured in Measured:
            verdict = VERDICTS[pattern & ((1 << _BITS) - 1)]
            pattern >>= _BITS
            self.verdicts[measured][verdict] += row["cases"]
            if verdict == "overdue":
                self.newest_at[measured] = max(self.newest_at.get(measured, row["newest_at"]), row["newest_at"])


_MOVES = f"""
    SELECT {{group}} AS grp, count(*) AS handed_over, sum(moves)::bigint AS moves
    FROM audit.case_times WHERE {_WANTED} AND moves > 0 GROUP BY 1 LIMIT {GROUPS_MAX}
"""


class TooManyGroups(Exception):
    """More groups than anybody reads."""


async def response_times(tx: Tx, question: Question, now: datetime) -> tuple[Group, list[Group]]:
    """The figures of all the cases together, and by group. Raises TooManyGroups beyond GROUPS_MAX."""
    group = _GROUPS[question.group_by]
    rows = await tx.fetch(_COUNTS.format(group=group), *_parameters(question, now), timeout=QUERY_TIMEOUT_S)
    total, by_group = _Counted(), dict[str | None, _Counted]()
    for row in rows:
        total.add(row)
        by_group.setdefault(row["grp"], _Counted()).add(row)
    if len(by_group) > GROUPS_MAX or len(rows) == PATTERNS_MAX:
        raise TooManyGroups
    parts = min(_PARTS, _PARTS * SAMPLE_MAX // max(total.cases, 1))
    lags = await tx.fetch(_PERCENTILES.format(group=group, parts=parts), *_parameters(question, now), timeout=QUERY_TIMEOUT_S)
    known = {(bool(row["total"]), row["grp"]): row for row in lags}
    sampled = parts < _PARTS
    groups = [_group(key, by_group[key], known.get((False, key)), now, sampled) for key in sorted(by_group, key=_order)]
    moved = {row["grp"]: row for row in await tx.fetch(_MOVES.format(group=group), *_parameters(question, now), timeout=QUERY_TIMEOUT_S)}
    groups = [_with_moves(one, moved.get(one.key)) for one in groups]
    whole = replace(
        _group(None, total, known.get((True, None)), now, sampled),
        handed_over=sum(row["handed_over"] for row in moved.values()),
        moves=sum(row["moves"] for row in moved.values()),
    )
    return whole, groups if question.group_by != "none" else []


def _with_moves(group: Group, moved: asyncpg.Record | None) -> Group:
    return group if moved is None else replace(group, handed_over=moved["handed_over"], moves=moved["moves"])


_LOWEST_FIRST = {str(tier): place for place, tier in enumerate(Tier)}


def _order(key: str | None) -> tuple[int, str]:
    return _LOWEST_FIRST.get(key or "", len(Tier)), key or ""


def _parameters(question: Question, now: datetime) -> list[Any]:
    found: list[Any] = [question.since, question.until, now, question.division_code, question.grade, question.tier]
    if question.group_by == "division":
        found.append(question.code_length)
    elif question.group_by in {"day", "month"}:
        found.append(question.zone)
    return found


def _group(key: str | None, counted: _Counted, lags: asyncpg.Record | None, now: datetime, sampled: bool) -> Group:
    if not counted.cases:
        return Group(key, 0, 0, {})
    steps = {
        measured: StepFigures(
            step=measured,
            **{verdict: counted.verdicts[measured][verdict] for verdict in VERDICTS[1:]},
            lags=_percentiles(lags[measured] if lags else None),
            at_least_from_s=(now - counted.newest_at[measured]).total_seconds() if measured in counted.newest_at else None,
        )
        for measured in Measured
    }
    closing = steps[Measured.CLOSED]
    return Group(key, counted.cases, counted.cases - closing.done, steps, sampled)


def _percentiles(lags_us: Iterable[int | None] | None) -> Percentiles:
    return Percentiles(*(None if lag_us is None else lag_us / 1e6 for lag_us in lags_us or ()))


_RUNGS = """
    WITH cases AS (SELECT * FROM audit.case_times WHERE {wanted}),
    judged AS (
        SELECT rung.tier, (date_part('epoch', rung.acknowledged_at - rung.accountable_at) * 1000000)::bigint AS lag_us,
               CASE WHEN rung.acknowledged_at <= coalesce(rung.due_at, rung.missed_at, 'infinity') THEN 'in_time'
                    WHEN rung.acknowledged_at IS NOT NULL THEN 'late'
                    WHEN rung.declined_at IS NOT NULL THEN 'declined'
                    WHEN rung.missed_at IS NULL AND least(cases.acknowledged_at, cases.closed_at) <= coalesce(rung.due_at, 'infinity')
                        THEN 'relieved'
                    WHEN rung.missed_at IS NOT NULL OR rung.due_at < $3 THEN 'silent'
                    ELSE 'pending' END AS verdict
        FROM cases JOIN audit.case_rungs AS rung USING (case_id) WHERE rung.accountable_at IS NOT NULL
    )
    SELECT tier, count(*) AS rungs, {counts},
           percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY lag_us) AS percentiles_us
    FROM judged GROUP BY tier
"""
_RUNG_VERDICTS = ("in_time", "late", "declined", "silent", "relieved", "pending")
_RUNG_COUNTS = ", ".join(f"count(*) FILTER (WHERE verdict = '{verdict}') AS {verdict}" for verdict in _RUNG_VERDICTS)


async def rung_times(tx: Tx, question: Question, now: datetime) -> list[RungFigures]:
    """What the rungs of each tier did with their windows, lowest tier first."""
    parameters = [question.since, question.until, now, question.division_code, question.grade, question.tier]
    rows = await tx.fetch(_RUNGS.format(wanted=_WANTED, counts=_RUNG_COUNTS), *parameters, timeout=QUERY_TIMEOUT_S)
    return [
        RungFigures(
            tier=row["tier"],
            rungs=row["rungs"],
            **{verdict: row[verdict] for verdict in _RUNG_VERDICTS},
            lags=_percentiles(row["percentiles_us"]),
        )
        for row in sorted(rows, key=lambda row: _order(row["tier"]))
    ]
