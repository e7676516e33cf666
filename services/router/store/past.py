"""Reports of the past, by codes, on which other rules are tried."""

from collections.abc import Sequence
from uuid import UUID

from libs.db import Tx
from libs.events.catalogue import ReportReceived

TIMEOUT_S = 20.0
PER_CASE_MAX = 50
SEARCHED_MAX = 200_000
"""Among so many of the country's latest reports those of a place are looked for: two weeks of a busy country, years of a quiet one."""


async def reports(tx: Tx, division_code: str, limit: int) -> list[ReportReceived]:
    """The latest reports from a place and what lies within it, the newest first. Ids are in the order of time."""
    rows = await tx.fetch(_LATEST, division_code, limit, SEARCHED_MAX, timeout=TIMEOUT_S)
    return [ReportReceived.model_validate(row["facts"]) for row in rows]


async def of_cases(tx: Tx, case_ids: Sequence[UUID]) -> dict[UUID, list[ReportReceived]]:
    """The reports of each case, as far as they are known by their codes; at most PER_CASE_MAX of each."""
    rows = await tx.fetch(_OF_CASES, case_ids, PER_CASE_MAX, timeout=TIMEOUT_S)
    found: dict[UUID, list[ReportReceived]] = {}
    for row in rows:
        found.setdefault(row["case_id"], []).append(ReportReceived.model_validate(row["facts"]))
    return found


_OF_CASES = """
    SELECT case_id, facts FROM unnest($1::uuid[]) AS wanted (id), LATERAL (
        SELECT case_id, facts FROM router.case_reports WHERE case_id = wanted.id AND facts IS NOT NULL ORDER BY report_id LIMIT $2) AS one
"""
_LATEST = """
    SELECT facts FROM (SELECT report_id, division_code, facts FROM router.case_reports ORDER BY report_id DESC LIMIT $3) AS latest
    WHERE facts IS NOT NULL AND starts_with(division_code, $1) ORDER BY report_id DESC LIMIT $2
"""
