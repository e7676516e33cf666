"""Messages beside the attempt protocol: codes that verify numbers, answers to replies, and pages to supervisors.

They have no attempts, no budget and no quiet hours, and a try or more if need be. What became of one is whether a gateway took it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from libs.clock import Clock
from libs.db import Database, Tx
from libs.directory.model import Contact
from libs.jobs import Tick
from libs.log import get_logger
from services.notifier.gateways import Outgoing
from services.notifier.handlers.people import Recipient
from services.notifier.handlers.sending import Means
from services.notifier.rules.breaker import Health
from services.notifier.rules.states import Accepted, Ambiguous, Observation, Refusal, Rejected
from services.notifier.rules.texts import About, Registered, Text

AT_ONCE_MAX = 10
AGAIN = timedelta(seconds=15)
"""When a message that somebody waits for is tried again whose end nobody wrote."""
TRIES_MAX = 3
VALID_S_MIN = 60

T = TypeVar("T")

log = get_logger("notifier")


class End(StrEnum):
    """What became of a message."""

    SENT = "sent"
    FAILED = "failed"
    """Another try would end like this one."""
    AGAIN = "again"


class Outcome(NamedTuple):
    """What became of a message, and which gateway took it."""

    end: End
    gateway: str | None = None


class Beside(ABC, Generic[T]):
    """Sends what is queued. A try whose end nobody wrote is made again: it says the same, so that a second SMS harms nobody."""

    def __init__(self, database: Database, clock: Clock, means: Means) -> None:
        self.clock = clock
        self.means = means
        self._database = database

    async def run_once(self) -> Tick:
        """Sends what is due, a few at a time."""
        async with self._database.connection() as connection:
            due_at = await self.next_at(connection)
        if due_at is None or due_at > self.clock.now():
            return Tick(next_at=due_at)
        async with self._database.transaction() as tx:
            await self.means.people.fresh(tx)
            due = await self.claim(tx, self.clock.now())
        if not due:  # another replica has it
            return Tick()
        outcomes = await asyncio.gather(*(self._contained(one, recipient) for one, recipient in due))
        for (one, _), outcome in zip(due, outcomes, strict=True):
            if outcome.end is not End.AGAIN:
                async with self._database.transaction() as tx:
                    await self.end(tx, one, outcome, self.clock.now())
        async with self._database.connection() as connection:
            return Tick(worked=len(due), next_at=await self.next_at(connection))

    async def carry(
        self, contacts: Iterable[Contact], about: About, write: Callable[[Registered | None], Text | None], message_id: UUID, valid_s: int
    ) -> Outcome:  # fmt: skip
        """One try: over the contacts in order, each over its gateways in order; none that is left alone after failures."""
        end = End.FAILED
        for contact in contacts:
            for name in self.means.carriers(contact, about):
                if self.means.gates.breakers[name].health(self.clock.now()) is not Health.CLOSED:
                    end = End.AGAIN
                    continue
                text = write(self.means.registered.get(name))
                if text is None:
                    continue
                message = Outgoing(message_id, contact.phone, text.body, valid_s, text.template_id, text.variables, text.language)
                seen = await self._handed(name, message)
                if isinstance(seen, Accepted):
                    return Outcome(End.SENT, name)
                if not _is_final(seen):
                    end = End.AGAIN
        return Outcome(end)

    async def carry_to_one(
        self,
        recipient: Recipient,
        contact_id: UUID,
        about: About,
        write: Callable[[Registered | None], Text | None],
        message_id: UUID,
        *,
        expires_at: datetime,
        tries: int,
    ) -> Outcome:
        """One try to this number of theirs and no other, for somebody who waits for it: so often and until then."""
        left = expires_at - self.clock.now()
        contacts = [contact for contact in recipient.contacts if contact.contact_id == contact_id]
        if not contacts or left <= timedelta() or tries > TRIES_MAX:
            return Outcome(End.FAILED)
        return await self.carry(contacts, about, write, message_id, max(int(left.total_seconds()), VALID_S_MIN))

    async def _handed(self, name: str, message: Outgoing) -> Observation:
        seen: Observation
        try:
            seen = await self.means.gateways[name].send(message)
        except Exception as error:
            log.exception("notifier.call_failed", gateway=name, error=type(error).__name__)
            seen = Ambiguous(type(error).__name__)
        self.means.gates.heard(name, seen, self.clock.now())
        return seen

    async def _contained(self, one: T, recipient: Recipient) -> Outcome:
        """A fault of ours in one of them does not stop the others."""
        try:
            return await self.send(one, recipient)
        except Exception:
            log.exception("notifier.beside_failed", what=type(one).__name__.lower(), pages=True)
            return Outcome(End.AGAIN)

    @abstractmethod
    async def claim(self, tx: Tx, now: datetime) -> Sequence[tuple[T, Recipient]]:
        """What is due, and to whom it goes; due again some time later, unless its end is written by then."""

    @abstractmethod
    async def send(self, one: T, recipient: Recipient) -> Outcome:
        """Tries to send one."""

    @abstractmethod
    async def end(self, tx: Tx, one: T, outcome: Outcome, now: datetime) -> None:
        """Writes that it was sent, or cannot be."""

    @abstractmethod
    async def next_at(self, tx: Tx) -> datetime | None:
        """When something is due next."""


def _is_final(seen: Observation) -> bool:
    return isinstance(seen, Rejected) and seen.refusal in {Refusal.CONTACT, Refusal.ELSEWHERE}
