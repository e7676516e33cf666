"""Sending an answer to a reply as an SMS of its own, where the provider takes none back with its request."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import orjson

from libs.clock import Clock
from libs.db import Database, Tx
from libs.log import get_logger
from services.notifier.handlers.beside import AGAIN, AT_ONCE_MAX, Beside, Outcome
from services.notifier.handlers.people import Recipient
from services.notifier.handlers.sending import Means
from services.notifier.store import replies
from services.notifier.store.replies import Answering

VALID = timedelta(minutes=10)
"""Nobody waits longer for an answer (default)."""
_NAMES = UUID("5f0c7d0e-3b52-4c4e-9a6e-2f6f1d3c8a11")

log = get_logger("notifier")


class Answerer(Beside[Answering]):
    """Sends answers."""

    def __init__(self, database: Database, clock: Clock, means: Means) -> None:
        super().__init__(database, clock, means)
        self.wake = asyncio.Event()

    async def claim(self, tx: Tx, now: datetime) -> Sequence[tuple[Answering, Recipient]]:
        """Answers that are due."""
        due = await replies.claim_answers(tx, now, now + AGAIN, AT_ONCE_MAX)
        return [(one, await self.means.people.recipient(tx, one.officer_id)) for one in due]

    async def send(self, one: Answering, recipient: Recipient) -> Outcome:
        """To the number that the reply came from, and no other."""
        about, values = orjson.loads(one.said)
        registry = self.means.registry
        return await self.carry_to_one(
            recipient,
            one.contact_id,
            about,
            lambda registered: registry.answer(about, recipient.language, values, registered),
            uuid5(_NAMES, one.provider_id),
            expires_at=one.received_at + VALID,
            tries=one.tries,
        )

    async def end(self, tx: Tx, one: Answering, outcome: Outcome, now: datetime) -> None:  # noqa: ARG002
        """Nothing is left to do."""
        log.info("notifier.answered", provider_id=one.provider_id, state=outcome.end, gateway=outcome.gateway)
        await replies.end_answer(tx, one.provider_id)

    async def next_at(self, tx: Tx) -> datetime | None:
        """When the next answer is due."""
        return await replies.next_answer_at(tx)
