"""What a receipt tells, and how it learns it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from libs.db import Tx
from libs.events import Event
from libs.events.catalogue import CaseOpened, CasePostSkipped, CaseReportAttached
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
        state=known.stage if known else progress.Stage.RECEIVED,
        headline=progress.headline(known),
        office=progress.office_text(known.tier) if known and known.tier else None,
        received_at=received_at,
        updated_at=known.updated_at if known else received_at,
        result=known.result if known else None,
        steps=progress.tell(received_at, known),
    )


async def follow_cases(tx: Tx, events: Sequence[Event[Any]]) -> None:
    """Takes over what cases have become, as heard from the router."""
    known: dict[Any, Progress | None] = dict(await store.progress_of(tx, [event.data.case_id for event in events]))
    links = []
    barred: set[tuple[UUID, UUID]] = set()
    for event in events:
        data = event.data
        if isinstance(data, CasePostSkipped):
            barred |= {(data.case_id, officer_id) for officer_id in data.officers}
            continue
        if isinstance(data, CaseOpened | CaseReportAttached):
            links.append((data.report_id, data.case_id))
        known[data.case_id] = progress.advance(known.get(data.case_id), event)
    await store.bar(tx, sorted(barred))
    await store.link_cases(tx, links)
    await store.save_progress(tx, [one for one in known.values() if one is not None])
