"""Sending the code that proves whose a number is. It alarms nobody, and who gets none asks for another."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from libs.clock import Clock
from libs.crypto import KeyRing
from libs.db import Database, Tx
from libs.directory.verification import code_of
from libs.log import get_logger
from services.notifier.handlers.beside import AGAIN, AT_ONCE_MAX, Beside, Outcome
from services.notifier.handlers.people import Recipient
from services.notifier.handlers.sending import Means
from services.notifier.store import codes
from services.notifier.store.codes import Code

log = get_logger("notifier")


class CodeSender(Beside[Code]):
    """Sends codes."""

    def __init__(self, database: Database, clock: Clock, means: Means, keyring: KeyRing) -> None:
        super().__init__(database, clock, means)
        self.wake = asyncio.Event()
        self._keyring = keyring

    @property
    def arrived(self) -> Callable[[], None]:
        """To be called when a code was queued."""
        return self.wake.set

    async def claim(self, tx: Tx, now: datetime) -> Sequence[tuple[Code, Recipient]]:
        """Codes that are due."""
        due = await codes.claim(tx, now, now + AGAIN, AT_ONCE_MAX)
        return [(one, await self.means.people.recipient(tx, one.officer_id)) for one in due]

    async def send(self, one: Code, recipient: Recipient) -> Outcome:
        """To the number that it is about, and no other."""
        pin, registry = code_of(self._keyring, one.verification_id.bytes), self.means.registry
        return await self.carry_to_one(
            recipient,
            one.contact_id,
            "verify",
            lambda registered: registry.verification(recipient.language, pin, registered),
            one.verification_id,
            expires_at=one.expires_at,
            tries=one.tries,
        )

    async def end(self, tx: Tx, one: Code, outcome: Outcome, now: datetime) -> None:  # noqa: ARG002
        """Writes whether it was sent."""
        log.info("notifier.code", verification_id=str(one.verification_id), state=outcome.end, gateway=outcome.gateway)
        await codes.end(tx, one.verification_id, outcome.end, outcome.gateway)

    async def next_at(self, tx: Tx) -> datetime | None:
        """When the next code is due."""
        return await codes.next_at(tx)
