"""Queries about webhooks: who is told, and what is still to be told to whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.terms import CloseResult, Tier
from libs.terms.told import Stage
from services.notifier.rules.webhooks import DeliveryState, Gone

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a client wants to be told. Secrets are sealed; the one before signs as well until `previous_until`.

    `gone_at`: since then nothing is told, for the reason `gone_because` (None, from before reasons were kept: it answered 410).
    """

    webhook_id: UUID
    client_id: str
    url: str
    secret_sealed: bytes
    previous_sealed: bytes | None
    previous_until: datetime | None
    created_at: datetime
    gone_at: datetime | None
    gone_because: Gone | None
    failing_since: datetime | None
    last_taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One status of one report, to be told to one receiver. `sequence` counts what is told of a report, from 1."""

    delivery_id: UUID
    webhook_id: UUID
    report_id: UUID
    sequence: int
    what: str
    stage: Stage
    tier: Tier | None
    result: CloseResult | None
    changed_at: datetime
    created_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    next_at: datetime | None = None
    tried_at: datetime | None = None
    answer: str | None = None


_WEBHOOK = """
webhook_id, client_id, url, secret_sealed, previous_sealed, previous_until, created_at, gone_at, gone_because, failing_since,
last_taken_at
"""
_DELIVERY = """
d.delivery_id, d.webhook_id, d.report_id, d.sequence, d.what, d.stage, d.tier, d.result, d.changed_at, d.created_at, d.state, d.tries,
d.next_at, d.tried_at, d.answer
"""

_SAVE = """
INSERT INTO notifier.webhooks (webhook_id, client_id, url, secret_sealed, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (client_id) DO UPDATE SET url = excluded.url, gone_at = NULL, gone_because = NULL, failing_since = NULL
RETURNING webhook_id
"""

_ADD = """
INSERT INTO notifier.deliveries (
    delivery_id, webhook_id, report_id, sequence, what, stage, tier, result, changed_at, created_at, state, tries, next_at)
SELECT *, 'pending', 0, $11 FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
    $10::timestamptz[])
ON CONFLICT DO NOTHING
"""

# What is there already counts too: a process of the version before counts by it.
_COUNT = """
INSERT INTO notifier.told_reports AS told (report_id, sequence)
SELECT report_id, more + (SELECT coalesce(max(sequence), 0) FROM notifier.deliveries d WHERE d.report_id = news.report_id)
FROM unnest($1::uuid[], $2::integer[]) AS news (report_id, more)
ON CONFLICT (report_id) DO UPDATE
SET sequence = greatest(excluded.sequence, told.sequence + ($2::integer[])[array_position($1::uuid[], told.report_id)])
RETURNING report_id, sequence
"""

# A few of each receiver: however much one of them has waiting, it is not read, and does not stand in the way of another's. Where there are
# not enough places for all, those go first whose receiver has the fewest under way: it has the most places left.
_CLAIM = f"""
WITH due AS (
    SELECT taken.delivery_id
    FROM unnest($2::uuid[], $3::integer[]) AS receiver (webhook_id, places)
    CROSS JOIN LATERAL (
        SELECT delivery_id, next_at FROM notifier.deliveries
        WHERE webhook_id = receiver.webhook_id AND state = 'pending' AND next_at <= $1
        ORDER BY next_at, delivery_id LIMIT receiver.places
        FOR UPDATE SKIP LOCKED
    ) AS taken
    ORDER BY row_number() OVER (PARTITION BY receiver.webhook_id ORDER BY taken.next_at) - receiver.places, taken.next_at
    LIMIT $4
)
UPDATE notifier.deliveries d SET tries = d.tries + 1, tried_at = $1, next_at = $5 FROM due
WHERE d.delivery_id = due.delivery_id
RETURNING {_DELIVERY}
"""

_RECORD = """
UPDATE notifier.deliveries SET state = $2, next_at = $3, answer = $4 WHERE delivery_id = $1 AND state = 'pending' AND tries = $5
RETURNING webhook_id
"""

_AGAIN = """
UPDATE notifier.deliveries d SET state = 'pending', tries = 0, next_at = $1
FROM notifier.webhooks w
WHERE w.webhook_id = d.webhook_id AND w.gone_at IS NULL AND d.state = 'dead'
  AND ($2::uuid IS NULL OR d.delivery_id = $2) AND ($3::uuid IS NULL OR d.webhook_id = $3)
"""

# Ids are UUIDv7: the newest first.
_LIST = f"""
SELECT {_DELIVERY} FROM notifier.deliveries d
WHERE d.webhook_id = $1 AND ($2 = '' OR d.state = $2) AND ($3::uuid IS NULL OR d.delivery_id < $3)
ORDER BY d.delivery_id DESC LIMIT $4
"""


async def of_client(tx: Tx, client_id: str) -> Webhook | None:
    """The webhook of a client."""
    row = await tx.fetchrow(f"SELECT {_WEBHOOK} FROM notifier.webhooks WHERE client_id = $1", client_id, timeout=TIMEOUT_S)
    return None if row is None else _webhook(row)


async def every(tx: Tx) -> list[Webhook]:
    """All webhooks, in the order of their clients' names."""
    rows = await tx.fetch(f"SELECT {_WEBHOOK} FROM notifier.webhooks ORDER BY client_id", timeout=TIMEOUT_S)
    return [_webhook(row) for row in rows]


async def save(tx: Tx, client_id: str, url: str, now: datetime, *, webhook_id: UUID, secret_sealed: bytes) -> UUID:
    """A new webhook; one that the client has already gets the URL, keeps its id and secret, and is open again. Answers the id."""
    found: UUID = await tx.fetchval(_SAVE, webhook_id, client_id, url, secret_sealed, now, timeout=TIMEOUT_S)
    return found


async def renew_secret(tx: Tx, webhook_id: UUID, secret_sealed: bytes, previous_until: datetime) -> None:
    """A new secret; the present one becomes the one before."""
    await tx.execute(
        "UPDATE notifier.webhooks SET previous_sealed = secret_sealed, secret_sealed = $2, previous_until = $3 WHERE webhook_id = $1",
        webhook_id,
        secret_sealed,
        previous_until,
        timeout=TIMEOUT_S,
    )


async def remove(tx: Tx, webhook_id: UUID) -> None:
    """Forgets a webhook and what it still had to tell."""
    await tx.execute("DELETE FROM notifier.deliveries WHERE webhook_id = $1", webhook_id, timeout=TIMEOUT_S)
    await tx.execute("DELETE FROM notifier.webhooks WHERE webhook_id = $1", webhook_id, timeout=TIMEOUT_S)


async def open_ones(tx: Tx, webhook_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these webhooks that are to be told."""
    rows = await tx.fetch(
        "SELECT webhook_id FROM notifier.webhooks WHERE webhook_id = ANY ($1::uuid[]) AND gone_at IS NULL",
        sorted(set(webhook_ids)),
        timeout=TIMEOUT_S,
    )
    return {row["webhook_id"] for row in rows}


async def count(tx: Tx, news: Mapping[UUID, int]) -> dict[UUID, int]:
    """Counts that so many more things are told of each of these reports; answers the number that the last one of them gets."""
    report_ids = sorted(news)
    rows = await tx.fetch(_COUNT, report_ids, [news[report_id] for report_id in report_ids], timeout=TIMEOUT_S)
    return {row["report_id"]: row["sequence"] for row in rows}


async def add(tx: Tx, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Queues deliveries; those that are known stay as they are."""
    if not deliveries:
        return
    columns = ("delivery_id", "webhook_id", "report_id", "sequence", "what", "stage", "tier", "result", "changed_at", "created_at")
    await tx.execute(_ADD, *([getattr(one, column) for one in deliveries] for column in columns), now, timeout=TIMEOUT_S)


async def claim(tx: Tx, now: datetime, places: dict[UUID, int], limit: int, lease_until: datetime) -> list[Delivery]:
    """Takes due deliveries, at most `places` of each receiver; each counts as tried, and nobody else takes it before `lease_until`."""
    rows = await tx.fetch(_CLAIM, now, list(places), list(places.values()), limit, lease_until, timeout=TIMEOUT_S)
    return sorted((_delivery(row) for row in rows), key=lambda one: one.delivery_id)


async def record(tx: Tx, delivery: Delivery, state: DeliveryState, next_at: datetime | None, answer: str) -> bool:
    """Writes what came of a try; False when it is not this try's to say any more."""
    return bool(await tx.fetchval(_RECORD, delivery.delivery_id, state, next_at, answer, delivery.tries, timeout=TIMEOUT_S))


async def is_at(tx: Tx, webhook_id: UUID, url: str) -> bool:
    """Whether a receiver is still there."""
    query = "SELECT url = $2 FROM notifier.webhooks WHERE webhook_id = $1"
    return bool(await tx.fetchval(query, webhook_id, url, timeout=TIMEOUT_S))


async def note(tx: Tx, webhook_id: UUID, now: datetime, *, taken: bool, gone: bool) -> None:
    """Writes how a receiver is, as its last answer showed."""
    await tx.execute(
        "UPDATE notifier.webhooks SET last_taken_at = CASE WHEN $3 THEN $2 ELSE last_taken_at END, "
        "failing_since = CASE WHEN $3 THEN NULL ELSE coalesce(failing_since, $2) END, "
        "gone_at = CASE WHEN $4 THEN coalesce(gone_at, $2) ELSE gone_at END, "
        "gone_because = CASE WHEN $4 AND gone_at IS NULL THEN $5 ELSE gone_because END WHERE webhook_id = $1",
        webhook_id,
        now,
        taken,
        gone,
        Gone.ANSWERED,
        timeout=TIMEOUT_S,
    )


async def end(tx: Tx, webhook_ids: Sequence[UUID], because: Gone, now: datetime) -> None:
    """These receivers are told nothing any more, until they register again."""
    await tx.execute(
        "UPDATE notifier.webhooks SET gone_at = $2, gone_because = $3 WHERE webhook_id = ANY ($1::uuid[]) AND gone_at IS NULL",
        webhook_ids,
        now,
        because,
        timeout=TIMEOUT_S,
    )


async def bury(tx: Tx, webhook_ids: Sequence[UUID], answer: str) -> None:
    """Gives up all that waits for these receivers."""
    await tx.execute(
        "UPDATE notifier.deliveries SET state = 'dead', next_at = NULL, answer = $2 "
        "WHERE webhook_id = ANY ($1::uuid[]) AND state = 'pending'",
        webhook_ids,
        answer,
        timeout=TIMEOUT_S,
    )


async def next_at(tx: Tx) -> datetime | None:
    """When the next delivery is due; what came in for a receiver just as it ended is never."""
    found: datetime | None = await tx.fetchval(
        "SELECT d.next_at FROM notifier.deliveries d JOIN notifier.webhooks w USING (webhook_id) "
        "WHERE d.state = 'pending' AND w.gone_at IS NULL ORDER BY d.next_at LIMIT 1",
        timeout=TIMEOUT_S,
    )
    return found


async def again(tx: Tx, now: datetime, *, delivery_id: UUID | None = None, webhook_id: UUID | None = None) -> int:
    """Lets dead deliveries be tried again from the beginning: one, those of a receiver, or all; answers how many."""
    done: str = await tx.execute(_AGAIN, now, delivery_id, webhook_id, timeout=TIMEOUT_S)
    return int(done.rpartition(" ")[2])


async def listed(tx: Tx, webhook_id: UUID, state: str, before: UUID | None, limit: int) -> list[Delivery]:
    """What was told, and is to be told, to a receiver, the newest first; `state` "" is every state."""
    return [_delivery(row) for row in await tx.fetch(_LIST, webhook_id, state, before, limit, timeout=TIMEOUT_S)]


async def counts(tx: Tx, most: int) -> dict[UUID, dict[str, int]]:
    """How many deliveries wait and how many are dead, by receiver; of each at most `most` are counted."""
    rows = await tx.fetch(
        "SELECT w.webhook_id, s.state, (SELECT count(*) FROM (SELECT 1 FROM notifier.deliveries d "
        "WHERE d.webhook_id = w.webhook_id AND d.state = s.state LIMIT $1) AS found) AS count "
        "FROM notifier.webhooks w CROSS JOIN unnest('{pending,dead}'::text[]) AS s (state)",
        most,
        timeout=TIMEOUT_S,
    )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["webhook_id"], {})[row["state"]] = row["count"]
    return found


async def forget(tx: Tx, before: datetime, limit: int) -> int:
    """Deletes deliveries that were made before then, whatever became of them; answers how many."""
    done: str = await tx.execute(
        "DELETE FROM notifier.deliveries WHERE delivery_id IN (SELECT delivery_id FROM notifier.deliveries "
        "WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        before,
        limit,
        timeout=TIMEOUT_S,
    )
    return int(done.rpartition(" ")[2])


def _webhook(row: Any) -> Webhook:
    values = dict(row)
    values["gone_because"] = Gone(values["gone_because"]) if values["gone_because"] else None
    return Webhook(**values)


def _delivery(row: Any) -> Delivery:
    values = dict(row)
    values["stage"] = Stage(values["stage"])
    values["tier"] = Tier(values["tier"]) if values["tier"] else None
    values["result"] = CloseResult(values["result"]) if values["result"] else None
    values["state"] = DeliveryState(values["state"])
    return Delivery(**values)
