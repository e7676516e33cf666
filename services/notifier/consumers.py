"""What the notifier hears."""

from collections.abc import Callable, Sequence
from typing import Any

from libs.clock import Clock
from libs.db import Tx, after_commit
from libs.events import Event, Subscription
from libs.events.catalogue import CaseAcknowledged, CaseClosed, CaseDeclined, NotificationRequested, ReportProgressed
from services.notifier.handlers import webhooks
from services.notifier.handlers.requests import take


def subscription(clock: Clock, woken: Callable[[], None]) -> Subscription:
    """Requests to tell somebody, and what ends the waiting for an answer; `woken` after a commit that left something to send."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        if await take(tx, events, clock.now()):
            after_commit(tx, woken)

    return Subscription("notifier", (NotificationRequested, CaseAcknowledged, CaseDeclined, CaseClosed), handle)


def webhook_subscription(clock: Clock, woken: Callable[[], None]) -> Subscription:
    """What schools and hospitals want to be told of; apart, so that nothing about it can hold up an alarm."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        if await webhooks.take(tx, events, clock.now()):
            after_commit(tx, woken)

    return Subscription("notifier.webhooks", (ReportProgressed,), handle)
