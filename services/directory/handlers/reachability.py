"""The reachability pre-flight: as a report, and as figures for Prometheus."""

from collections.abc import Sequence

from prometheus_client import Gauge

from libs.db import Database, Tx
from services.directory.rules.reachability import FINDINGS, Finding, PostFindings
from services.directory.store import reachability as store

EVERY_S = 300.0
POSTS = Gauge("tocsin_directory_posts_findings", "Posts on which the reachability pre-flight found something, by what it is.", ["finding"])
FROM_THE_START = ("", 0, "")


async def findings(
    tx: Tx, division_code: str, *, finding: Finding | None = None, after: tuple[str, int, str] = FROM_THE_START, limit: int
) -> list[PostFindings]:
    """The posts at and under a division on which something is missing, by place."""
    return [
        PostFindings(
            post_id=row["post_id"],
            division_code=row["division_code"],
            division_name=row["division_name"],
            role=row["role"],
            position=row["position"],
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            findings=tuple(row["findings"]),
        )
        for row in await store.findings(tx, division_code, finding, after, limit)
    ]


async def counts(tx: Tx, division_code: str) -> dict[Finding, int]:
    """On how many posts each finding was made, the gravest first; 0 for none."""
    found = await store.counts(tx, division_code)
    return {finding: found.get(finding, 0) for finding in FINDINGS}


async def count(database: Database) -> None:
    """Sets the figures as of now."""
    async with database.connection() as connection:
        found = await counts(connection, "")
    for finding, posts in found.items():
        POSTS.labels(finding).set(posts)


def after(last: Sequence[PostFindings]) -> tuple[str, int, str]:
    """Where the next page starts."""
    return (last[-1].division_code, last[-1].position, last[-1].role) if last else FROM_THE_START
