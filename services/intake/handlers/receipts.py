"""What a receipt tells, and how it learns it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.db import Tx
from libs.events import Event, new_event, publish
from libs.events.catalogue import CaseOpened, CasePostSkipped, CaseReportAttached, ReportProgressed, WebhookRegistered, WebhookRemoved
from libs.terms.told import Stage
from services.intake import store
from services.intake.errors import NoSuchReceipt
from services.intake.handlers.accept import Accepted, Secrets
from services.intake.rules import progress
from services.intake.rules.progress import Progress, Told
from services.intake.rules.receipts import tidy


@dataclass(frozen=True, slots=True)
class ReceiptStatus:
    """What is told to whoever holds the receipt. `office` is a level, never a person."""

    state: str
    headline: str
    office: str | None
    received_at: datetime
    updated_at: datetime
    result: str | None
    steps: Sequence[Told]


def answer(accepted: Accepted, public_base_url: str) -> bytes:
    """The JSON that answers an accepted report: the same bytes each time the same request is sent."""
    code = accepted.receipt
    return orjson.dumps(
        {
            "report_id": str(accepted.report_id),  # asyncpg's own UUID class is not orjson's
            "receipt": code,
            "received_at": accepted.received_at,
            "status_url": f"{public_base_url}/v1/reports/{code}",
            "receipt_url": f"{public_base_url}/receipt/{code}",
        }
    )


async def receipt_status(tx: Tx, typed: str, *, secrets: Secrets) -> ReceiptStatus:
    """What has happened to the report of a receipt, as typed. NoSuchReceipt for all others, whatever is wrong with them."""
    # What cannot be a receipt is looked up all the same, so that the time taken tells nothing either.
    found = await store.by_receipt(tx, secrets.receipt_hashes(tidy(typed) or ""))
    if found is None:
        raise NoSuchReceipt
    received_at, known = found
    return ReceiptStatus(
        state=known.stage if known else Stage.RECEIVED,
        headline=progress.headline(known),
        office=progress.office_text(known.tier) if known and known.tier else None,
        received_at=received_at,
        updated_at=known.updated_at if known else received_at,
        result=known.result if known else None,
        steps=progress.tell(received_at, known),
    )


async def follow_cases(tx: Tx, events: Sequence[Event[Any]]) -> None:
    """Takes over what cases have become, as heard from the router; what a receipt tells from now on is told to who asked for it."""
    known: dict[Any, Progress | None] = dict(await store.progress_of(tx, [event.data.case_id for event in events]))
    links: list[tuple[UUID, UUID]] = []
    news: list[_News] = []
    barred: set[tuple[UUID, UUID]] = set()
    for event in events:
        data = event.data
        if isinstance(data, CasePostSkipped):
            barred |= {(data.case_id, officer_id) for officer_id in data.officers}
            continue
        report_id = data.report_id if isinstance(data, CaseOpened | CaseReportAttached) else None
        if report_id is not None:
            links.append((report_id, data.case_id))
        before = known.get(data.case_id)
        after = known[data.case_id] = progress.advance(before, event)
        if after is not None and (what := after.stage if report_id else progress.news(before, after)):
            news.append(_News(event, after, what, report_id if before is not None else None))
    await store.bar(tx, sorted(barred))
    await store.link_cases(tx, links)
    await store.save_progress(tx, [one for one in known.values() if one is not None])
    await _tell(tx, news)


async def follow_clients(tx: Tx, events: Sequence[Event[Any]]) -> None:
    """Remembers which API clients want to be told how their reports go on."""
    for event in events:
        match event.data:
            case WebhookRegistered() as registered:
                await store.follow(tx, registered.client_id, registered.webhook_id)
            case WebhookRemoved() as removed:
                await store.stop_following(tx, removed.client_id, removed.webhook_id)


@dataclass(frozen=True, slots=True)
class _News:
    """What an event has changed on a receipt. `report_id`: only on that one's, which has joined a case that others had before."""

    event: Event[Any]
    after: Progress
    what: str
    report_id: UUID | None


async def _tell(tx: Tx, news: Sequence[_News]) -> None:
    followed = await store.followed_reports(tx, {one.after.case_id for one in news})
    await publish(
        tx,
        [
            new_event(
                ReportProgressed(
                    report_id=report_id,
                    webhook_id=webhook_id,
                    what=one.what,
                    stage=one.after.stage,
                    tier=one.after.tier,
                    result=one.after.result,
                    changed_at=one.event.time,
                ),
                key=report_id,
                time=one.event.time,
                cause=one.event,
            )
            for one in news
            for report_id, webhook_id in followed.get(one.after.case_id, ())
            if one.report_id in {None, report_id}
        ],
    )
