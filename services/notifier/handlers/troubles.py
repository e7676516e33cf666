"""Noting whose number cannot be relied on, in the transaction that finds it out; their supervisors are told afterwards (handlers.pages)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from services.notifier.handlers.people import People
from services.notifier.rules.above import PAUSE
from services.notifier.rules.budgets import DAY
from services.notifier.rules.texts import Page
from services.notifier.store import Subject, pages
from services.notifier.store.pages import Trouble


async def stopped(tx: Tx, people: People, troubles: Sequence[Trouble], now: datetime) -> None:
    """These numbers sent STOP. Said again it is no news: neither of a number that is switched off already, nor within minutes."""
    if troubles:
        await people.fresh(tx)
        officers = {one.officer_id for one in troubles}
        used = {contact.contact_id for officer_id in officers for contact in (await people.recipient(tx, officer_id)).contacts}
        await pages.add(tx, [one for one in troubles if one.contact_id in used], now, PAUSE)


async def resumed(tx: Tx, contact_ids: Collection[UUID]) -> None:
    """These numbers sent START."""
    await pages.forget(tx, "stopped", contact_ids)


async def spent(tx: Tx, found: Sequence[tuple[UUID, Subject]], now: datetime) -> None:
    """These contacts had their messages of the day, once a day, over however many gateways."""
    await pages.add(tx, of("budget_spent", found), now, DAY)


def of(what: Page, found: Sequence[tuple[UUID, Subject]]) -> list[Trouble]:
    """What was found out of these contacts when they were to be told of these subjects."""
    return [Trouble(contact_id, what, subject.officer_id, subject.post_id, subject.division_code) for contact_id, subject in found]
