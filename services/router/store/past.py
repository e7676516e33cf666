"""Reports of the past, by codes, on which other rules are tried."""

from libs.db import Tx
from libs.events.catalogue import ReportReceived

TIMEOUT_S = 20.0
SEARCHED_MAX = 200_000
"""Among so many of the country's latest reports those of a place are looked for: two weeks of a busy country, years of a quiet one."""


async def reports(tx: Tx, division_code: str, limit: int) -> list[ReportReceived]:
    """The latest reports from a place and what lies within it, the newest first. Ids are in the order of time."""
    rows = await tx.fetch(_LATEST, division_code, limit, SEARCHED_MAX, timeout=TIMEOUT_S)
    return [ReportReceived.model_validate(row["facts"]) for row in rows]


_LATEST = """
    SELECT facts FROM (SELECT report_id, division_code, facts FROM router.case_reports ORDER BY report_id DESC LIMIT $3) AS latest
    WHERE facts IS NOT NULL AND starts_with(division_code, $1) ORDER BY report_id DESC LIMIT $2
"""
