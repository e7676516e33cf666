"""What is missing on posts, so that an alarm would not reach anybody, or not whom it should."""

from typing import Any

from libs.db import Tx
from libs.directory.sql import PREFIX_END
from services.directory.store.register import BULK_TIMEOUT_S

_CHANNEL = "EXISTS (SELECT 1 FROM directory.contacts c WHERE c.officer_id = o.officer_id AND c.enabled)"
_VERIFIED = f"{_CHANNEL[:-1]} AND c.verified_at IS NOT NULL)"

_POSTS = f"""
SELECT p.post_id, p.division_code, p.role, p.position, p.title_zh, p.title_en, p.unstaffed_at,
       coalesce(h.held, 0) AS held, coalesce(h.reached, 0) AS reached, coalesce(h.reached_on_duty, 0) AS reached_on_duty,
       coalesce(h.verified, 0) AS verified
FROM directory.posts p
LEFT JOIN (
    SELECT h.post_id, count(*) AS held, count(*) FILTER (WHERE o.active AND {_CHANNEL}) AS reached,
           count(*) FILTER (WHERE h.on_duty AND o.active AND {_CHANNEL}) AS reached_on_duty,
           count(*) FILTER (WHERE o.active AND {_VERIFIED}) AS verified
    FROM directory.holdings h JOIN directory.officers o USING (officer_id)
    WHERE h.state = 'current' GROUP BY h.post_id
) h USING (post_id)
"""

_FINDINGS = f"""
SELECT f.post_id, f.division_code, f.role, f.position, f.title_zh, f.title_en, array_remove(ARRAY[
    CASE WHEN f.held = 0 THEN 'no_holder' END,
    CASE WHEN f.held > 0 AND f.reached = 0 THEN 'no_channel' END,
    CASE WHEN f.reached > 0 AND f.reached_on_duty = 0 THEN 'duty_unreachable' END,
    CASE WHEN f.held > 0 AND f.unstaffed_at IS NOT NULL THEN 'unstaffed' END,
    CASE WHEN f.reached > 0 AND f.reached < f.held THEN 'person_no_channel' END,
    CASE WHEN f.verified < f.reached THEN 'unverified' END,
    CASE WHEN f.reached = 1 THEN 'no_deputy' END
], NULL) AS findings
FROM ({_POSTS}) AS f
"""


async def findings(tx: Tx, prefix: str, finding: str | None, after: tuple[str, int, str], limit: int) -> list[Any]:
    """Posts at and under a division on which something (or `finding`) is missing, by place, position and role, behind `after`."""
    return await tx.fetch(
        f"""
        SELECT f.*, d.name AS division_name FROM ({_FINDINGS}) AS f JOIN directory.divisions d ON d.code = f.division_code
        WHERE f.division_code ~>=~ $1 AND f.division_code ~<~ $2 AND cardinality(f.findings) > 0
          AND ($3::text IS NULL OR $3 = ANY (f.findings)) AND (f.division_code, f.position, f.role) > ($4, $5::bigint, $6)
        ORDER BY f.division_code, f.position, f.role LIMIT $7
        """,
        prefix, prefix + PREFIX_END, finding, *after, limit,
        timeout=BULK_TIMEOUT_S,
    )  # fmt: skip


async def counts(tx: Tx, prefix: str) -> dict[str, int]:
    """On how many posts at and under a division each finding was made."""
    rows = await tx.fetch(
        f"""
        SELECT finding, count(*) AS posts FROM ({_FINDINGS}) AS f, unnest(f.findings) AS finding
        WHERE f.division_code ~>=~ $1 AND f.division_code ~<~ $2 GROUP BY finding
        """,
        prefix, prefix + PREFIX_END,
        timeout=BULK_TIMEOUT_S,
    )  # fmt: skip
    return {row["finding"]: row["posts"] for row in rows}
