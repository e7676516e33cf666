"""The notifier and the sandbox over real HTTP and the real SDK, on a real database and a fake clock.

The whole system is `tests.support.world`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from twilio.request_validator import RequestValidator

import services.notifier.app
from deploy.sandbox import Sandbox, SandboxConfig
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.db import Database
from libs.directory.identity import PEPPER_PURPOSE, account_id, key_hash, new_token, token_hash
from libs.directory.model import CODE_LENGTHS
from libs.directory.permissions import Role
from libs.events import EventData, new_event, publish
from libs.events.catalogue import NotificationRequested
from libs.events.postgres import PostgresBus
from libs.service import Context, Job
from libs.service.assembly import Assembly, assemble
from libs.service.serve import listen, serving
from libs.settings import CommonSettings
from libs.terms import Grade, Purpose, Step, Tier
from libs.web.identity import SESSION_COOKIE
from tests.support.china import China
from tests.support.http import client
from tests.support.officers import add_officer, add_post

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PLACE = "440304001020"
SID, TOKEN, OLD_TOKEN, NUMBER = "AC" + "0" * 32, "test-token", "old-token", "+860019999999"
SECOND_SID, SECOND_TOKEN, SECOND_NUMBER = "AC" + "1" * 32, "second-token", "+860019999998"
ROUNDS_MAX = 200


@dataclass(repr=False)
class Desk:
    """Nothing moves before `settle`, which lets consumers and jobs work until they rest, and the sandbox when `callbacks` is on."""

    clock: FakeClock
    http: httpx.AsyncClient
    assembly: Assembly
    sandbox: Sandbox
    second: Sandbox
    db: Database
    keyring: KeyRing
    base_url: str
    codes: list[str] = field(default_factory=lambda: ["C7H2MQ", "23456X", "98765V", "GGGGGG", "HHHHHH", "JJJJJJ"])
    phones: int = 0
    callbacks: bool = True
    known: dict[str, str] = field(default_factory=dict)

    async def officer(self, *phones: str, language: str = "zh_CN") -> UUID:
        """A new officer with these numbers, tried in this order; one number of their own when none is given."""
        if not phones:
            self.phones += 1
            phones = (f"+86001000{self.phones:04}",)
        async with self.db.transaction() as tx:
            return await add_officer(tx, self.keyring, phones, PLACE, NOW, language=language)

    async def post(self, role: str, tier: Tier, *officers: UUID, place: str = PLACE) -> UUID:
        """A new post that these officers hold; its place is registered if it is not yet."""
        async with self.db.transaction() as tx:
            await tx.execute(
                "INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) "
                "VALUES ($1, $1, $2, NULL, 'Asia/Shanghai', '', '') ON CONFLICT DO NOTHING",
                place,
                {length: level for level, length in CODE_LENGTHS.items()}[len(place)],
            )
            return await add_post(tx, place, role, tier, officers, NOW)

    async def request(self, officer_id: UUID | None = None, **changes: Any) -> NotificationRequested:
        """Publishes what the router would; a new case with its own code unless one is given."""
        given: dict[str, Any] = {
            "case_id": uuid4(),
            "grade": Grade.II,
            "division_code": PLACE,
            "tier": Tier.COMMUNITY,
            "post_id": uuid4(),
            "officer_id": officer_id or await self.officer(),
            "notification_id": uuid4(),
            "code": self.codes[0],
            "purpose": Purpose.ASSIGN,
            "step": Step.ACKNOWLEDGE,
            "deadline_at": self.clock.now() + timedelta(minutes=10),
        }
        request = NotificationRequested(**{**given, **changes})
        await self.tell(request, request.case_id)
        return request

    async def tell(self, data: EventData, key: UUID) -> None:
        """Publishes an event as its emitter would."""
        async with self.db.transaction() as tx:
            await publish(tx, [new_event(data, key=key, time=self.clock.now())])

    async def settle(self) -> datetime | None:
        """Lets everything that can happen at this instant happen; answers when something is due next."""
        for _ in range(ROUNDS_MAX):
            worked = 0
            for consumer in self.assembly.consumers:
                worked += (await consumer.drain_once()).events
            ticks = [await self.job(name).run_once() for name in ("notifier-send", "notifier-check", "notifier-answers")]
            if self.callbacks:
                ticks += [await job.run_once() for sandbox in (self.sandbox, self.second) for job in sandbox.jobs]
            if not worked + sum(tick.worked for tick in ticks):
                return min((tick.next_at for tick in ticks if tick.next_at is not None), default=None)
        raise AssertionError("the notifier does not come to rest")

    async def advance(self, seconds: float) -> None:
        """Moves the clock on, stopping and settling at every instant when something is due."""
        goal = self.clock.now() + timedelta(seconds=seconds)
        while (due := await self.settle()) is not None and due <= goal:
            assert due > self.clock.now(), "something due does not go away"
            self.clock.set(due)
        self.clock.set(goal)
        await self.settle()

    def job(self, name: str) -> Job:
        return next(job for job in self.assembly.jobs if job.name == name)

    async def faults(self, *items: dict[str, Any], at: str = "/sandbox") -> None:
        answer = await self.http.put(f"{at}/faults", json={"items": list(items)})
        assert answer.status_code == 200, answer.text

    async def sms(self, to: str | None = None, *, at: str = "/sandbox") -> list[dict[str, Any]]:
        """What is on the virtual phones; `at` "/second" that which the second account brought."""
        items: list[dict[str, Any]] = (await self.http.get(f"{at}/messages", params={"to": to} if to else {})).json()["items"]
        return items

    async def reply(self, sid: str, body: str) -> list[str]:
        """Answers a message as the officer; what is answered back."""
        answer = await self.http.post(f"/sandbox/messages/{sid}/reply", json={"body": body})
        assert answer.status_code == 201, answer.text
        answers: list[str] = answer.json()["answers"]
        return answers

    async def call(self, to: str | None = None) -> dict[str, Any]:
        """The latest call to the virtual phones."""
        calls: list[dict[str, Any]] = (await self.http.get("/sandbox/calls", params={"to": to} if to else {})).json()["items"]
        return calls[-1]

    async def on_phone(self, sid: str, act: str, **body: str) -> dict[str, Any]:
        """Does something with a call: answer, keys, hangup."""
        answer = await self.http.post(f"/sandbox/calls/{sid}/{act}", json=body)
        assert answer.status_code == 200, answer.text
        after: dict[str, Any] = answer.json()
        return after

    async def shown(self, request: NotificationRequested) -> dict[str, Any]:
        """The notification as the API shows it."""
        answer = await self.http.get("/v1/notifications", params={"case_id": str(request.case_id)}, headers=await self.reader())
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return next(item for item in items if item["notification_id"] == str(request.notification_id))

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """The data of the notifier's events of one kind, e.g. "notification.failed"."""
        rows = await self.fetch(
            "SELECT envelope::jsonb -> 'data' AS data FROM bus.outbox WHERE event_type = $1 ORDER BY id", f"tocsin.{kind}.v1"
        )
        return [row["data"] for row in rows]

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        async with self.db.connection() as c:
            return [dict(row) for row in await c.fetch(query, *args)]

    async def callback(self, path: str, form: dict[str, str], *, token: str = TOKEN, signature: str | None = None) -> httpx.Response:
        """Posts a webhook as Twilio would."""
        signed = RequestValidator(token).compute_signature(f"{self.base_url}{path}", form) if signature is None else signature
        return await self.http.post(path, data=form, headers={"X-Twilio-Signature": signed} if signed else {})

    async def key(self, *scopes: str) -> dict[str, str]:
        """Headers of an API client; scope read unless told."""
        client_id, secret = f"c{uuid4().hex[:8]}", new_token()
        async with self.db.connection() as c:
            await c.execute(
                "INSERT INTO directory.api_clients (client_id, name, scopes, created_at) VALUES ($1, $1, $2, $3)",
                client_id,
                list(scopes or ("read",)),
                NOW,
            )
            await c.execute(
                "INSERT INTO directory.api_keys (key_id, client_id, key_hash, created_at) VALUES ($1, $1, $2, $3)",
                client_id,
                key_hash(self.keyring.derive(PEPPER_PURPOSE), secret),
                NOW,
            )
        return {"Authorization": f"Bearer {client_id}.{secret}"}

    async def reader(self) -> dict[str, str]:
        """Headers of the one client that these tests read with."""
        if not self.known:
            self.known = await self.key()
        return self.known

    async def log_in(self, role: Role, division_code: str, language: str = "en") -> dict[str, str]:
        """Headers of somebody of that role who is logged in."""
        name, token = f"{role}-{division_code or 'all'}", new_token()
        async with self.db.connection() as c:
            await c.execute(
                "INSERT INTO directory.accounts (account_id, username, password_hash, role, division_code, language, active, created_at) "
                "VALUES ($1, $2, '', $3, $4, $5, true, $6) ON CONFLICT DO NOTHING",
                account_id(name),
                name,
                role,
                division_code,
                language,
                NOW,
            )
            await c.execute(
                "INSERT INTO directory.sessions (token_hash, account_id, created_at, expires_at, last_seen) VALUES ($1, $2, $3, $4, $3)",
                token_hash(token),
                account_id(name),
                NOW,
                NOW + timedelta(days=30),
            )
        return {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def make_desk(
    database_url: str,
    folder: Path,
    *,
    fallback: bool = False,
    voice: bool = False,
    links: str = "",
    china: bool = False,
    webhooks: dict[str, Any] | None = None,
    storm: dict[str, Any] | None = None,
    **given: Any,
) -> AsyncIterator[Desk]:
    """A desk on a fresh database; `given` are settings of the notifier, `storm` its bounds, `webhooks` those of its webhooks.

    `fallback`: with a second account, whose sandbox is at /second.
    `china`: SMS to +86 go through the fakes of Aliyun and Tencent Cloud (`tests.support.china`).
    """
    keyring = KeyRing.parse(KeyRing.generate())
    clock = FakeClock(NOW)
    listener = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = CommonSettings(database_url=database_url, public_base_url=base_url, var_dir=folder, language="en")
    twilio = {
        "account_sid": SID,
        "auth_token": TOKEN,
        "auth_token_secondary": OLD_TOKEN,
        "from_number": NUMBER,
        "api_base_url": f"{base_url}/sandbox",
    }
    providers = China.at(base_url, folder).given if china else {}
    bus = PostgresBus(database_url)
    account = {"account_sid": SECOND_SID, "auth_token": SECOND_TOKEN, "from_number": SECOND_NUMBER, "api_base_url": f"{base_url}/second"}
    context = Context(
        clock=clock,
        settings=settings,
        keyring=keyring,
        database_url=database_url,
        bus=bus,
        given={
            "notifier": {**twilio, **given},
            "notifier_fallback": account if fallback else {},
            "webhooks": webhooks or {},
            "notifier_voice": {"from_number": NUMBER} if voice else {},
            "notifier_links": {"base_url": links} if links else {},
            "notifier_storm": storm or {},
            **providers,
        },
    )
    db = await Database.open(database_url, role=None, size_max=4)
    async with db.connection() as c:
        await c.execute(
            "INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) "
            "VALUES ($1, '巴登社区', 'community', NULL, 'Asia/Shanghai', 'badengshequ', 'bdsq')",
            PLACE,
        )
    sandbox = Sandbox(SandboxConfig(SID, (TOKEN,), NUMBER, f"{base_url}/v1/twilio/inbound", **providers.get("sandbox", {})), clock)
    second = Sandbox(SandboxConfig(SECOND_SID, (SECOND_TOKEN,), SECOND_NUMBER, f"{base_url}/v1/twilio/inbound"), clock)
    try:
        async with sandbox, second, assemble(context, [services.notifier.app.build]) as assembly:
            assembly.app.include_router(sandbox.router, prefix="/sandbox")
            assembly.app.include_router(second.router, prefix="/second")
            async with serving(assembly.app, listener), client(base_url, timeout=20) as http:
                yield Desk(clock, http, assembly, sandbox, second, db, keyring, base_url)
    finally:
        listener.close()
        await db.close()
