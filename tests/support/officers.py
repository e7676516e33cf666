"""Officers that are simply there, for tests that are about something else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Tx
from libs.directory.read import PHONE_INDEX, contact_aad


async def add_officer(tx: Tx, keyring: KeyRing, phones: Sequence[str], place: str, now: datetime, *, language: str = "zh_CN") -> UUID:
    """A new officer at `place` with these numbers, tried in this order."""
    officer_id = uuid4()
    blind, sealer = BlindIndex(keyring, PHONE_INDEX), Sealer(keyring)
    await tx.execute(
        "INSERT INTO directory.officers (officer_id, name, language, active, division_code, created_at) VALUES ($1, 'x', $2, true, $3, $4)",
        officer_id,
        language,
        place,
        now,
    )
    for priority, phone in enumerate(phones, start=1):
        contact_id = uuid4()
        await tx.execute(
            "INSERT INTO directory.contacts (contact_id, officer_id, channel, phone_sealed, phone_index, priority, enabled) "
            "VALUES ($1, $2, 'sms', $3, $4, $5, true)",
            contact_id,
            officer_id,
            sealer.seal(phone.encode(), contact_aad(contact_id)),
            blind.of(phone),
            priority,
        )
    await tx.execute("UPDATE directory.version SET version = version + 1")
    return officer_id
