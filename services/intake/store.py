"""Every query of intake. The door owns the transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.db import Tx, announce_after_commit
from libs.directory.sql import PREFIX_END
from libs.events import shard_of
from libs.terms import CloseResult, Tier
from libs.terms.told import Stage
from services.intake.rules.progress import Progress

TIMEOUT_S = 10.0


@dataclass(slots=True)
class NewReport:
    """A checked and sealed report on its way into the database, with the event that tells of it.

    Not frozen, as everything else is: that alone would cost each report 3 µs.
    """

    report_id: UUID
    received_at: datetime
    client_id: str
    channel: str
    division_code: str
    situations: str
    """Codes with commas between them: an array of arrays cannot be handed over with unnest."""
    key_version: int
    idempotency_hash: bytes
    body_hash: bytes
    receipt_hash: bytes
    content_sealed: bytes
    identity_sealed: bytes | None
    child_fingerprints: tuple[bytes, ...]
    event_id: UUID
    event_type: str
    envelope: str


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What the database has under an idempotency key: the answer to give."""

    report_id: UUID
    received_at: datetime
    key_version: int
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class SealedReport:
    """A report as it lies in the database, with the seals still closed."""

    report_id: UUID
    received_at: datetime
    client_id: str
    channel: str
    division_code: str
    situations: tuple[str, ...]
    content_sealed: bytes
    identity_sealed: bytes | None
    case_id: UUID | None
    case_division_code: str | None


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report in a list: nothing personal."""

    report_id: UUID
    received_at: datetime
    channel: str
    division_code: str
    situations: tuple[str, ...]
    case_id: UUID | None
    stage: str | None


# One statement for reports, reporters, fingerprints and the log of events: one round trip and one commit for the whole batch.
# What conflicts on the idempotency key is not written again, and neither are its reporter and its event.
_INSERT = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::bytea[],
                         $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[], $13::smallint[], $14::uuid[], $15::text[], $16::text[])
        AS given (report_id, received_at, client_id, channel, division_code, situations, key_version, idempotency_hash,
                  body_hash, receipt_hash, content_sealed, identity_sealed, shard, event_id, event_type, envelope)
), fresh AS (
    INSERT INTO intake.reports (report_id, received_at, client_id, channel, division_code, situations, key_version, idempotency_hash,
                                body_hash, receipt_hash, content_sealed)
    SELECT report_id, received_at, client_id, channel, division_code, string_to_array(situations, ','), key_version, idempotency_hash,
           body_hash, receipt_hash, content_sealed
    FROM given
    ON CONFLICT (idempotency_hash) DO NOTHING
    RETURNING report_id
), named AS (
    INSERT INTO intake.reporters (report_id, identity_sealed)
    SELECT report_id, identity_sealed FROM given JOIN fresh USING (report_id) WHERE identity_sealed IS NOT NULL
), found_again AS (
    INSERT INTO intake.child_index (fingerprint, report_id)
    SELECT fingerprint, report_id FROM unnest($17::bytea[], $18::uuid[]) AS child (fingerprint, report_id) JOIN fresh USING (report_id)
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO bus.outbox (shard, key, event_id, event_type, envelope, created_at)
    SELECT shard, report_id, event_id, event_type, envelope, received_at FROM given JOIN fresh USING (report_id)
)
SELECT report_id FROM fresh
"""

_BY_IDEMPOTENCY = """
SELECT idempotency_hash, report_id, received_at, key_version, body_hash FROM intake.reports WHERE idempotency_hash = ANY ($1::bytea[])
"""

_BY_RECEIPT = """
SELECT report.report_id, report.received_at, progress.*
FROM intake.reports AS report
LEFT JOIN intake.report_cases USING (report_id)
LEFT JOIN intake.progress USING (case_id)
WHERE report.receipt_hash = ANY ($1::bytea[])
"""

_SEALED = """
SELECT report.report_id, report.received_at, report.client_id, report.channel, report.division_code, report.situations,
       report.content_sealed, reporter.identity_sealed, link.case_id, progress.division_code AS case_division_code
FROM intake.reports AS report
LEFT JOIN intake.reporters AS reporter USING (report_id)
LEFT JOIN intake.report_cases AS link USING (report_id)
LEFT JOIN intake.progress AS progress ON progress.case_id = link.case_id
WHERE report.report_id = $1
"""

_LIST = """
SELECT report.report_id, report.received_at, report.channel, report.division_code, report.situations, link.case_id, progress.stage
FROM intake.reports AS report
LEFT JOIN intake.report_cases AS link USING (report_id)
LEFT JOIN intake.progress AS progress ON progress.case_id = link.case_id
WHERE report.division_code ~>=~ $1 AND report.division_code ~<~ $2 AND ($3::uuid IS NULL OR report.report_id < $3)
  AND ($5::uuid IS NULL OR NOT EXISTS (SELECT FROM intake.barred AS barred WHERE barred.case_id = link.case_id AND barred.officer_id = $5))
ORDER BY report.report_id DESC
LIMIT $4
"""

_KNOWN = "SELECT report_id FROM intake.reports WHERE report_id = ANY ($1::uuid[])"

_SAME_CHILD = """
SELECT DISTINCT other.report_id FROM intake.child_index AS mine
JOIN intake.child_index AS other USING (fingerprint)
WHERE mine.report_id = $1 AND other.report_id <> $1
ORDER BY other.report_id DESC LIMIT 20
"""

_LINK = """
INSERT INTO intake.report_cases (report_id, case_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (report_id) DO UPDATE SET case_id = excluded.case_id
"""

_IS_BARRED = "SELECT true FROM intake.barred WHERE case_id = $1 AND officer_id = $2"

_BAR = "INSERT INTO intake.barred (case_id, officer_id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING"

_PROGRESS = "SELECT * FROM intake.progress WHERE case_id = ANY ($1::uuid[]) FOR UPDATE"

_COLUMNS = tuple(column.name for column in fields(Progress))
_TYPES = {"case_id": "uuid", "child_sighted": "boolean", "reporter_informed": "boolean", "division_code": "text", "tier": "text"} | {
    "stage": "text",
    "result": "text",
}
_SAVE = f"""
INSERT INTO intake.progress ({", ".join(_COLUMNS)})
SELECT * FROM unnest({", ".join(f"${n}::{_TYPES.get(name, 'timestamptz')}[]" for n, name in enumerate(_COLUMNS, start=1))})
ON CONFLICT (case_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""

# Nobody follows in most deployments: then no report is looked at.
_FOLLOWED = """
SELECT linked.case_id, linked.report_id, followers.webhook_id
FROM intake.report_cases AS linked JOIN intake.reports AS report USING (report_id) JOIN intake.followers USING (client_id)
WHERE EXISTS (SELECT 1 FROM intake.followers) AND linked.case_id = ANY ($1::uuid[])
ORDER BY linked.case_id, linked.report_id
"""

# Every post lies in the smallest place that has it all: the longest prefix that the first and the last code share.
_EXTREMES = "SELECT min(division_code) AS low, max(division_code) AS high FROM directory.posts"


async def insert_reports(tx: Tx, reports: Sequence[NewReport]) -> list[StoredReport]:
    """Writes a batch and answers, in its order, what now stands under each idempotency key: the report itself or an earlier one.

    Rows are written in the order of their keys, so that two batches never wait for each other crosswise.
    """
    ordered = sorted(reports, key=lambda report: report.idempotency_hash)
    rows = await tx.fetch(
        _INSERT,
        [r.report_id for r in ordered],
        [r.received_at for r in ordered],
        [r.client_id for r in ordered],
        [r.channel for r in ordered],
        [r.division_code for r in ordered],
        [r.situations for r in ordered],
        [r.key_version for r in ordered],
        [r.idempotency_hash for r in ordered],
        [r.body_hash for r in ordered],
        [r.receipt_hash for r in ordered],
        [r.content_sealed for r in ordered],
        [r.identity_sealed for r in ordered],
        [shard_of(r.report_id) for r in ordered],
        [r.event_id for r in ordered],
        [r.event_type for r in ordered],
        [r.envelope for r in ordered],
        [fingerprint for r in ordered for fingerprint in r.child_fingerprints],
        [r.report_id for r in ordered for _fingerprint in r.child_fingerprints],
        timeout=TIMEOUT_S,
    )
    fresh = {row["report_id"] for row in rows}
    if fresh:
        announce_after_commit(tx)
    earlier = await stored_reports(tx, [r.idempotency_hash for r in reports if r.report_id not in fresh])
    return [
        StoredReport(r.report_id, r.received_at, r.key_version, r.body_hash) if r.report_id in fresh else earlier[r.idempotency_hash]
        for r in reports
    ]


async def stored_reports(tx: Tx, idempotency_hashes: Sequence[bytes]) -> dict[bytes, StoredReport]:
    """What stands under each of these idempotency keys."""
    if not idempotency_hashes:
        return {}
    rows = await tx.fetch(_BY_IDEMPOTENCY, idempotency_hashes, timeout=TIMEOUT_S)
    return {
        row["idempotency_hash"]: StoredReport(row["report_id"], row["received_at"], row["key_version"], row["body_hash"]) for row in rows
    }


async def unknown_reports(tx: Tx, report_ids: Sequence[UUID]) -> set[UUID]:
    """Those of `report_ids` that no report has."""
    rows = await tx.fetch(_KNOWN, report_ids, timeout=TIMEOUT_S)
    return set(report_ids) - {row["report_id"] for row in rows}


async def by_receipt(tx: Tx, receipt_hashes: Sequence[bytes]) -> tuple[datetime, Progress | None] | None:
    """When the report of a receipt was received, and how far it has come."""
    row = await tx.fetchrow(_BY_RECEIPT, receipt_hashes, timeout=TIMEOUT_S)
    if row is None:
        return None
    return row["received_at"], _progress(row) if row["case_id"] is not None else None


async def sealed_report(tx: Tx, report_id: UUID) -> SealedReport | None:
    """A report with everything about it; None when there is none of that id."""
    row = await tx.fetchrow(_SEALED, report_id, timeout=TIMEOUT_S)
    return None if row is None else SealedReport(**{**dict(row), "situations": tuple(row["situations"])})


async def reports_on_same_child(tx: Tx, report_id: UUID) -> list[UUID]:
    """The newest other reports that name the same identity document, at most 20."""
    return [row["report_id"] for row in await tx.fetch(_SAME_CHILD, report_id, timeout=TIMEOUT_S)]


async def list_reports(tx: Tx, division_code: str, before: UUID | None, limit: int, reader: UUID | None = None) -> list[ReportLine]:
    """Reports within `division_code`, newest first, those older than `before`; without those that the officer `reader` must not read."""
    rows = await tx.fetch(_LIST, division_code, division_code + PREFIX_END, before, limit, reader, timeout=TIMEOUT_S)
    return [ReportLine(**{**dict(row), "situations": tuple(row["situations"])}) for row in rows]


async def link_cases(tx: Tx, links: Sequence[tuple[UUID, UUID]]) -> None:
    """Remembers which case each report belongs to, as (report_id, case_id)."""
    if links:
        latest = dict(links)
        await tx.execute(_LINK, list(latest), list(latest.values()), timeout=TIMEOUT_S)


async def bar(tx: Tx, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Remembers who must not read the reports of a case, as (case_id, officer_id)."""
    if pairs:
        await tx.execute(_BAR, [case_id for case_id, _officer in pairs], [officer for _case, officer in pairs], timeout=TIMEOUT_S)


async def is_barred(tx: Tx, case_id: UUID, officer_id: UUID) -> bool:
    """Whether the officer must not read the reports of the case."""
    return bool(
        await tx.fetchval("SELECT true FROM intake.barred WHERE case_id = $1 AND officer_id = $2", case_id, officer_id, timeout=TIMEOUT_S)
    )


async def progress_of(tx: Tx, case_ids: Iterable[UUID]) -> dict[UUID, Progress]:
    """What is known of these cases; their rows stay locked until the transaction ends."""
    rows = await tx.fetch(_PROGRESS, sorted(set(case_ids)), timeout=TIMEOUT_S)
    return {row["case_id"]: _progress(row) for row in rows}


async def save_progress(tx: Tx, known: Sequence[Progress]) -> None:
    """Stores what is now known of these cases."""
    if known:
        columns = zip(*(astuple(one) for one in known), strict=True)
        await tx.execute(_SAVE, *(list(column) for column in columns), timeout=TIMEOUT_S)


async def follow(tx: Tx, client_id: str, webhook_id: UUID) -> None:
    """From now on this client is told how its reports go on."""
    await tx.execute(
        "INSERT INTO intake.followers (client_id, webhook_id) VALUES ($1, $2) "
        "ON CONFLICT (client_id) DO UPDATE SET webhook_id = excluded.webhook_id",
        client_id,
        webhook_id,
        timeout=TIMEOUT_S,
    )


async def stop_following(tx: Tx, client_id: str, webhook_id: UUID) -> None:
    """This client is not told any more, unless it has registered anew meanwhile."""
    await tx.execute("DELETE FROM intake.followers WHERE client_id = $1 AND webhook_id = $2", client_id, webhook_id, timeout=TIMEOUT_S)


async def followed_reports(tx: Tx, case_ids: Iterable[UUID]) -> dict[UUID, list[tuple[UUID, UUID]]]:
    """The reports of these cases whose clients are told, as (report_id, webhook_id), by case."""
    followed: dict[UUID, list[tuple[UUID, UUID]]] = {}
    for row in await tx.fetch(_FOLLOWED, sorted(set(case_ids)), timeout=TIMEOUT_S):
        followed.setdefault(row["case_id"], []).append((row["report_id"], row["webhook_id"]))
    return followed


async def extreme_places(tx: Tx) -> tuple[str, str] | None:
    """The first and the last division code that has a post; None where there are no posts yet."""
    row = await tx.fetchrow(_EXTREMES, timeout=TIMEOUT_S)
    return None if row is None or row["low"] is None else (row["low"], row["high"])


def _progress(row: asyncpg.Record) -> Progress:
    values = {name: row[name] for name in _COLUMNS}
    values["stage"] = Stage(values["stage"])
    values["tier"] = Tier(values["tier"]) if values["tier"] else None
    values["result"] = CloseResult(values["result"]) if values["result"] else None
    return Progress(**values)
