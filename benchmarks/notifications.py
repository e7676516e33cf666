"""What the benchmarks of the notifier alone share: officers, requests, and where the notifier sends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from benchmarks.ground import Ground
from benchmarks.provider import ACCOUNT, NUMBER, TOKEN
from libs.crypto import BlindIndex, Sealer
from libs.db import Database
from libs.directory.read import PHONE_INDEX, contact_aad
from libs.events import Event, publish
from libs.events.bell import CHANNEL
from libs.events.catalogue import NotificationRequested
from libs.terms import Grade, Purpose, Step, Tier

ALPHABET = "23456789CFGHJMPQRVWX"


def sending_to(provider_port: int, port: int, **more: str) -> dict[str, str]:
    """Variables of a notifier on `port` that sends to the provider there."""
    return {
        "PORT": str(port),
        "TOCSIN_PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "TOCSIN_TWILIO_ACCOUNT_SID": ACCOUNT,
        "TOCSIN_TWILIO_AUTH_TOKEN": TOKEN,
        "TOCSIN_TWILIO_FROM_NUMBER": NUMBER,
        "TOCSIN_TWILIO_API_BASE_URL": f"http://127.0.0.1:{provider_port}",
        **more,
    }


async def add_officers(ground: Ground, database: Database, count: int) -> tuple[list[UUID], str]:
    """Officers with a number each, and a place for their cases."""
    keyring = ground.context.keyring
    blind, sealer = BlindIndex(keyring, PHONE_INDEX), Sealer(keyring)
    officers = [uuid4() for _ in range(count)]
    now = datetime.now(UTC)
    async with database.transaction() as tx:
        place = await tx.fetchval("SELECT code FROM directory.divisions WHERE level = 'community' ORDER BY 1 LIMIT 1")
        for number, officer_id in enumerate(officers):
            contact_id, phone = uuid4(), f"+8600101{number:05}"
            await tx.execute(
                "INSERT INTO directory.officers (officer_id, name, language, active, division_code, created_at) "
                "VALUES ($1, 'x', 'zh_CN', true, $2, $3)",
                officer_id,
                place,
                now,
            )
            await tx.execute(
                "INSERT INTO directory.contacts (contact_id, officer_id, channel, phone_sealed, phone_index, priority, enabled) "
                "VALUES ($1, $2, 'sms', $3, $4, 1, true)",
                contact_id,
                officer_id,
                sealer.seal(phone.encode(), contact_aad(contact_id)),
                blind.of(phone),
            )
        await tx.execute("UPDATE directory.version SET version = version + 1")
    return officers, str(place)


async def emit(database: Database, connection: "asyncpg.Connection[Any]", events: Sequence[Event[Any]]) -> None:
    """Writes events into the log and rings the bell after the commit, as a service does."""
    async with database.transaction() as tx:
        await publish(tx, events)
    await connection.execute(f"NOTIFY {CHANNEL}")


def requested(
    random: Random, place: str, officer_id: UUID, grade: Grade, now: datetime, *, critical: bool = False
) -> NotificationRequested:
    """What the router would say of a new case."""
    return NotificationRequested(
        case_id=uuid4(),
        grade=grade,
        division_code=place,
        tier=Tier.COMMUNITY,
        post_id=uuid4(),
        officer_id=officer_id,
        notification_id=uuid4(),
        code="".join(random.choices(ALPHABET, k=6)),
        purpose=Purpose.ASSIGN,
        step=Step.ACKNOWLEDGE,
        deadline_at=now + timedelta(minutes=15 * grade.rank),
        critical=critical,
    )
