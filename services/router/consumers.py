"""What the router hears."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from libs.db import Tx
from libs.events import Event, Subscription
from libs.events.catalogue import NotificationFailed, OfficerReplied, ReportReceived
from services.router.handlers import hearing
from services.router.handlers.desk import Desk

GROUP = "router"
BATCH_MAX = 128


def subscriptions(desk: Desk) -> tuple[Subscription, ...]:
    """Reports, replies, and messages that reached nobody."""
    return (Subscription(GROUP, (ReportReceived, NotificationFailed, OfficerReplied), partial(_heard, desk), BATCH_MAX),)


async def _heard(desk: Desk, tx: Tx, events: Sequence[Event[Any]]) -> None:
    reports = [event for event in events if isinstance(event.data, ReportReceived)]
    rest = [event for event in events if not isinstance(event.data, ReportReceived)]
    if reports:
        await hearing.reports_received(desk, tx, reports)
    if rest:
        await hearing.answers(desk, tx, rest)
