"""What the audit hears: everything."""

from collections.abc import Sequence
from typing import Any

from libs.clock import Clock
from libs.db import Tx
from libs.events import Event, Subscription, catalogue
from libs.events.envelope import CATALOGUE
from services.audit import handlers

GROUP = "audit"
BATCH_MAX = 400
LINGER_S = 0.05
"""How far the ledger may be behind: nobody's alarm waits for it, and eight events of a report become one batch."""

assert catalogue.__all__, "importing the catalogue fills CATALOGUE"


def subscriptions(clock: Clock) -> tuple[Subscription, ...]:
    """One subscription to every event there is, in large batches: a ledger line is cheap, a transaction is not."""

    async def record(tx: Tx, events: Sequence[Event[Any]]) -> None:
        await handlers.record(tx, events, clock.now())

    return (Subscription(GROUP, tuple(CATALOGUE.values()), record, batch_max=BATCH_MAX, linger_s=LINGER_S),)
