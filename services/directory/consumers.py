"""What the directory hears."""

from collections.abc import Sequence
from typing import Any

from libs.clock import Clock
from libs.db import Tx
from libs.events import Event, Subscription
from libs.events.catalogue import ContactResumed, ContactStopped
from services.directory.handlers import people


def subscription(clock: Clock) -> Subscription:
    """What officers do to their own numbers by telling the provider."""

    async def handle(tx: Tx, events: Sequence[Event[Any]]) -> None:
        for event in events:
            match event.data:
                case ContactStopped(officer_id=officer_id, contact_id=contact_id):
                    await people.stop_contact(tx, officer_id, contact_id, stopped=True, now=clock.now())
                case ContactResumed(officer_id=officer_id, contact_id=contact_id):
                    await people.stop_contact(tx, officer_id, contact_id, stopped=False, now=clock.now())
                case _:
                    pass

    return Subscription("directory", (ContactStopped, ContactResumed), handle)
