"""Officers that are simply there, for tests that are about something else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Tx
from libs.directory.read import PHONE_INDEX, contact_aad
from libs.terms import Tier


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


async def add_post(tx: Tx, place: str, role: str, tier: Tier, officers: Sequence[UUID], now: datetime) -> UUID:
    """A new post at `place` that these officers hold, the first of them as primary."""
    post_id = uuid4()
    await tx.execute(
        "INSERT INTO directory.posts (post_id, division_code, role, tier, title_zh, title_en, position) "
        "VALUES ($1, $2, $3, $4, 'x', 'x', 1)",
        post_id,
        place,
        role,
        tier,
    )
    for number, officer_id in enumerate(officers):
        await tx.execute(
            "INSERT INTO directory.holdings (holding_id, post_id, officer_id, rank, state, valid_from) "
            "VALUES ($1, $2, $3, $4, 'current', $5)",
            uuid4(),
            post_id,
            officer_id,
            "deputy" if number else "primary",
            now,
        )
    await tx.execute("UPDATE directory.version SET version = version + 1")
    return post_id
