"""Sending the code that proves whose a number is. It alarms nobody: it has no attempts, no budget, and a try or two more if need be."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from libs.clock import Clock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.verification import code_of
from libs.jobs import Tick
from libs.log import get_logger
from services.notifier.gateways import Outgoing
from services.notifier.handlers.people import Recipient
from services.notifier.handlers.sending import Means
from services.notifier.rules.breaker import Health
from services.notifier.rules.states import Accepted
from services.notifier.store import codes
from services.notifier.store.codes import Code

TRIES_MAX = 3
AGAIN = timedelta(seconds=15)
"""When a code whose end nobody wrote is sent again: the same code, so that a second SMS harms nobody."""
AT_ONCE_MAX = 10

log = get_logger("notifier")


class CodeSender:
    """Sends what is queued; what became of it is only whether a gateway took it."""

    def __init__(self, database: Database, clock: Clock, means: Means, keyring: KeyRing) -> None:
        self.wake = asyncio.Event()
        self._database = database
        self._clock = clock
        self._means = means
        self._keyring = keyring

    @property
    def arrived(self) -> Callable[[], None]:
        """To be called when something was queued."""
        return self.wake.set

    async def run_once(self) -> Tick:
        """Sends what is due, a few at a time."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await codes.claim(tx, now, now + AGAIN, AT_ONCE_MAX)
            await self._means.people.fresh(tx)
            recipients = [await self._means.people.recipient(tx, one.officer_id) for one in due]
        for code, recipient in zip(due, recipients, strict=True):
            state, gateway = await self._send(code, recipient)
            if state:
                log.info("notifier.code", verification_id=str(code.verification_id), state=state, gateway=gateway)
                async with self._database.transaction() as tx:
                    await codes.end(tx, code.verification_id, state, gateway)
        async with self._database.connection() as connection:
            return Tick(worked=len(due), next_at=await codes.next_at(connection))

    async def _send(self, code: Code, recipient: Recipient) -> tuple[str, str | None]:
        """What became of it: "sent", "failed", or "" for another try."""
        now = self._clock.now()
        contact = next((one for one in recipient.contacts if one.contact_id == code.contact_id), None)
        if contact is None or now >= code.expires_at or code.tries > TRIES_MAX:
            return "failed", None
        pin = code_of(self._keyring, code.verification_id.bytes)
        valid_s = max(int((code.expires_at - now).total_seconds()), 60)
        for name in self._means.carriers(contact, "verify"):
            if self._means.gates.breakers[name].health(now) is not Health.CLOSED:
                continue
            text = self._means.registry.verification(recipient.language, pin, self._means.registered.get(name))
            if text is None:
                continue
            message = Outgoing(code.verification_id, contact.phone, text.body, valid_s, text.template_id, text.variables, text.language)
            seen = await self._means.gateways[name].send(message)
            self._means.gates.heard(name, seen, self._clock.now())
            if isinstance(seen, Accepted):
                return "sent", name
        return "", None
