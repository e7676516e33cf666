"""The times of cases, derived from the ledger in the transaction that writes it."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from libs.db import Tx
from libs.terms import Step
from services.audit.rules.cases import CaseChange, RungChange
from services.audit.rules.steps import DUE_BY, Measured

_DUE_NAMES = {step: f"{step}_due_at" for step in Step if step in set(DUE_BY.values())}
_NEWEST = {"division_code": "text", "grade": "text", "tier": "text", "policy_id": "text", "policy_version": "integer"}
_EARLIEST = ("received_at", "supervised_at", *(f"{measured}_at" for measured in Measured))
_CASE_COLUMNS = (
    "case_id",
    *_NEWEST,
    "acknowledged_tier",
    "late_s_max",
    "moves",
    *_EARLIEST,
    *_DUE_NAMES.values(),
)
_CASE_TYPES = {"case_id": "uuid", **_NEWEST, "acknowledged_tier": "text", "late_s_max": "float8", "moves": "integer"}
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
        moves = greatest(known.moves, excluded.moves),
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
        for name in ("case_id", *_NEWEST, "acknowledged_tier", "late_s_max", "moves", "received_at", "supervised_at")
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
