"""Proving that a number is the officer's: a code goes there by SMS, and whoever reads it out or types it has the phone."""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from libs.crypto import KeyRing
from libs.db import Tx
from libs.directory.verification import VALID, code_of
from libs.errors import Conflict, Invalid, NotFound, TocsinError, TooMany
from libs.events import new_event, new_id, publish
from libs.events.catalogue import ContactChallenged
from libs.i18n import gettext as _
from services.directory.handlers.changes import Actor, changed
from services.directory.store import people
from services.directory.store import verifications as store
from services.directory.store.changes import hold_version

CODES_MAX = 3
CODES_WITHIN = timedelta(hours=1)
"""So many codes go to a number in that time: an SMS costs money, and a phone that rings for nothing is not answered."""
TRIES_MAX = 5
"""So many wrong codes end a verification: a million codes cannot be tried out."""


async def challenge(tx: Tx, officer_id: UUID, contact_id: UUID, *, now: datetime, actor: Actor) -> None:
    """Sends a code to a contact; raises TooMany when several went there lately."""
    await hold_version(tx)
    row = await people.officer(tx, officer_id)
    if row is None or not await store.may_be_verified(tx, officer_id, contact_id):
        raise NotFound("contact_not_found", _("The officer has no such contact that is switched on and takes SMS."))
    if await store.sent_since(tx, contact_id, now - CODES_WITHIN) >= CODES_MAX:
        raise TooMany("too_many_codes", _("Several codes went to this number within the hour. Wait, then ask for another."))
    verification_id = new_id()
    await store.add(tx, verification_id, contact_id, now, now + VALID)
    data = ContactChallenged(officer_id=officer_id, contact_id=contact_id, verification_id=verification_id, expires_at=now + VALID)
    await publish(tx, [new_event(data, key=officer_id, time=now)])
    details = {"contact_id": str(contact_id)}
    await changed(tx, actor, "contact.challenged", now, division_code=row["division_code"], subject_id=officer_id, details=details)


async def confirm(
    tx: Tx, keyring: KeyRing, officer_id: UUID, contact_id: UUID, code: str, *, now: datetime, actor: Actor
) -> TocsinError | None:
    """Whether `code` is the one that was sent last: the contact is verified then. What is wrong is answered, not raised: the try counts."""
    await hold_version(tx)
    row = await people.officer(tx, officer_id)
    if row is None or not await store.may_be_verified(tx, officer_id, contact_id):
        return NotFound("contact_not_found", _("The officer has no such contact that is switched on and takes SMS."))
    open_one = await store.try_latest(tx, contact_id, now)
    if open_one is None:
        return Conflict("no_code", _("No code waits for this number: it was used, or is too old. Send another."))
    verification_id, tries = open_one
    if tries > TRIES_MAX:
        return Conflict("too_many_tries", _("Too many wrong codes. Send another."))
    if not hmac.compare_digest(code_of(keyring, verification_id.bytes).encode(), code.strip().encode()):
        return Invalid("wrong_code", _("This is not the code that was sent last."), field="pin")
    await store.use(tx, verification_id, contact_id, now)
    details = {"contact_id": str(contact_id)}
    await changed(tx, actor, "contact.verified", now, division_code=row["division_code"], subject_id=officer_id, details=details)
    return None
