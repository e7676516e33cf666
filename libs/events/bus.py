"""The port: what a bus promises, whichever one it is. tests/contracts/test_bus.py proves it on each.

- Nothing published in a committed transaction is skipped, however late the transaction commits.
- Events of one key are handled in the order of the log, over all emitters; different keys share the work.
- Effects, inbox row and cursor commit together: each event has its effects exactly once.
- An event that cannot be handled parks its key (and only its key) for the group; it is tried again with growing pauses and
  after `PARKED_ATTEMPTS_MAX` tries it is dead: it waits for `tocsin bus dead-letters retry`, an error is logged, a metric rises.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from libs import trace
from libs.clock import Clock
from libs.db import Database, Tx
from libs.events.envelope import Event, EventData
from libs.jobs import Job

Handler: TypeAlias = Callable[[Tx, Sequence[Event[Any]]], Awaitable[None]]
"""Handles a batch of events, in order, inside one transaction."""

PARKED_ATTEMPTS_MAX = 8
PARKED_PAUSE_S = 2.0
PARKED_PAUSE_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """`handler` hears the events of `types` in the name of `group`; `batch_max` bounds how many are read in one transaction.

    A transaction that writes holds back what others may read until it ends, so a large batch is everybody's delay. `linger_s` is for
    those in no hurry: after a batch that was not full they let so much time pass, and have fewer, larger ones.
    """

    group: str
    types: tuple[type[EventData], ...]
    handler: Handler
    batch_max: int = 200
    linger_s: float = 0.0


def each(handle: Callable[[Tx, Event[Any]], Awaitable[None]]) -> Handler:
    """A handler that takes the events of a batch one by one."""

    async def handler(tx: Tx, events: Sequence[Event[Any]]) -> None:
        for one in events:
            with trace.within(one.traceparent):
                await handle(tx, one)

    return handler


@dataclass(frozen=True, slots=True)
class Drained:
    """What one round did: `events` seen, and whether `more` may wait that cannot be read just yet."""

    events: int
    more: bool = False


class BusAway(ConnectionError):
    """What carries the events cannot be reached. Transient, like any connection that fails; what is parked needs only the database."""


class BusMisconfigured(Exception):
    """What the bus finds is not what was declared; the message says what, and the way out."""


class Consumer(Protocol):
    """Reads for one subscription. Any number of consumers of a group share its work."""

    subscription: Subscription
    wake: asyncio.Event

    async def drain_once(self) -> Drained:
        """Handles at most one batch, of the shards it can own; answers what it did."""
        ...

    async def retry_parked(self) -> int:
        """Tries parked keys whose time has come; answers how many events were handled."""
        ...

    async def close(self) -> None:
        """Gives back at once what others could go on with."""
        ...


class Bus(Protocol):
    """Carries what was published to those who subscribed."""

    def announce(self) -> None:
        """Something was published: wakes consumers here at once and elsewhere soon."""
        ...

    async def prepare(self, own: Database) -> None:
        """Before anybody subscribes: `BusMisconfigured` when what was declared and what is there differ."""
        ...

    async def subscribe(self, database: Database, subscription: Subscription, clock: Clock) -> Consumer:
        """A consumer for `subscription`; its group hears everything from the beginning of the log."""
        ...

    def jobs(self, own: Database, clock: Clock) -> tuple[Job, ...]:
        """What the bus itself does as time goes by, in every process; to be asked for after the last `subscribe`."""
        ...

    def missing(self) -> list[str]:
        """What the bus needs and does not have at the moment, for readiness; empty when it works."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """While inside, wake-ups from other processes are heard."""
        ...
