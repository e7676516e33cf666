"""What the notifier hears."""

from collections.abc import Callable, Sequence
from typing import Any

from libs.clock import Clock
from libs.db import Tx, after_commit
from libs.events import Event, Subscription
from libs.events.catalogue import (
    CaseAcknowledged,
    CaseClosed,
    CaseDeclined,
    CasePostSkipped,
    ContactChallenged,
    DirectoryChanged,
    NotificationRequested,
    ReportProgressed,
)
from services.notifier.handlers import webhooks
from services.notifier.handlers.requests import take
from services.notifier.store import codes
from services.notifier.store.codes import Code

KEYS_CHANGED = {"key.revoked", "key.rotated"}
"""Changes of the directory after which an API client may have no key any more."""


def subscription(clock: Clock, woken: Callable[[], None], code_arrived: Callable[[], None]) -> Subscription:
    """Requests to tell somebody, what ends the waiting for an answer, and codes; the callables are told of something to send."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        now = clock.now()
        if await take(tx, events, now):
            after_commit(tx, woken)
        for event in events:
            if isinstance(asked := event.data, ContactChallenged):
                await codes.add(tx, Code(asked.verification_id, asked.officer_id, asked.contact_id, asked.expires_at, 0), now)
                after_commit(tx, code_arrived)

    heard = (NotificationRequested, CaseAcknowledged, CaseDeclined, CasePostSkipped, CaseClosed, ContactChallenged)
    return Subscription("notifier", heard, handle)


def webhook_subscription(clock: Clock, woken: Callable[[], None]) -> Subscription:
    """What schools and hospitals want to be told of, and that a key was revoked; apart, so that nothing about it can hold up an alarm."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        now = clock.now()
        if any(isinstance(event.data, DirectoryChanged) and event.data.what in KEYS_CHANGED for event in events):
            await webhooks.end_keyless(tx, now)
        if await webhooks.take(tx, events, now):
            after_commit(tx, woken)

    return Subscription("notifier.webhooks", (ReportProgressed, DirectoryChanged), handle)
