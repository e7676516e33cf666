"""Plays one cell of the matrix to its end, and judges it."""

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from libs.crypto import KeyRing
from libs.db import Database
from libs.events import new_event, publish
from libs.events.catalogue import NotificationRequested
from libs.terms import Grade, Purpose, Step, Tier
from tests.faults.matrix.fake import Fakes
from tests.faults.matrix.nursery import Nursery
from tests.faults.matrix.plan import Fault, Provider
from tests.integration.notifier_desk import NOW, PLACE
from tests.support.officers import add_officer

DOWN = timedelta(seconds=20)
"""How long nobody lives after the kill."""
BETWEEN_CELLS = timedelta(hours=3)
TOGETHER = timedelta(hours=2)
"""By then everything has to be at its end."""
MOMENTS_MAX = 60


@dataclass(frozen=True)
class Outcome:
    """How a cell ended. `moment`: after what it was killed; "" when nobody was. `took`: from the request to the end, on the fake clock.

    `doubled`: messages that reached a phone that had one already. `marked`: attempts that said so beforehand.
    """

    provider: str
    fault: str
    kill_at: int | str | None
    moment: str
    steps: int
    took: timedelta
    state: str = "?"
    contact: int = 0
    calls: int = 0
    reached: int = 0
    doubled: int = 0
    marked: int = 0
    wrong: tuple[str, ...] = ()


@dataclass
class Matrix:
    """What all cells share: one database, one clock that only goes on, one nursery."""

    db: Database
    database_url: str
    folder: Path
    fakes: Fakes
    nursery: Nursery
    keys: str
    cells: int = 0

    async def play(self, provider: Provider, fault: Fault, kill_at: int | str | None) -> Outcome:
        """A notification under `fault`; the process that sends it is killed after its `kill_at`-th commit or call, or the
        first one of that name; then comes another.
        """
        self.cells += 1
        began = NOW + BETWEEN_CELLS * self.cells
        self.fakes.clock.set(began)
        phones = (f"+8600{self.cells:07}1", f"+8600{self.cells:07}2")
        items = [{**item, "to": phones[0]} if "to" in item else item for item in fault.items]
        self.fakes.arm(provider.sandbox, [provider.speaks(item) for item in (*items, *provider.always)], deaf=fault.deaf)
        notification_id = await self._request(began, phones, provider.channel)
        task = {
            "database_url": self.database_url,
            "folder": str(self.folder),
            "fakes": self.fakes.url,
            "port": self.fakes.port,
            "keys": self.keys,
            "until": (began + TOGETHER).isoformat(),
            "given": _settings(provider, fault, self.fakes),
        }
        lived = await asyncio.to_thread(self.nursery.bear, {**task, "now": began.isoformat(), "kill_at": kill_at})
        moments: list[str] = lived["told"]
        killed = lived["status"] == -signal.SIGKILL
        wrong = []
        if killed:
            again = {**task, "now": (self.fakes.clock.now() + DOWN).isoformat(), "kill_at": None}
            lived = await asyncio.to_thread(self.nursery.bear, again)
        if lived["status"]:
            wrong.append(f"the notifier ended with {lived['status']}")
        moment = moments[-1] if killed else ""
        played = Outcome(provider.name, fault.name, kill_at if killed else None, moment, len(moments), took=TOGETHER)
        return await self._judge(played, fault, notification_id, phones, wrong)

    async def moments(self, provider: Provider, fault: Fault) -> list[Outcome]:
        """The cell without a kill, then one for each commit and each call that there is, until nobody lives to be killed."""
        outcomes = [await self.play(provider, fault, None)]
        for kill_at in range(1, MOMENTS_MAX):
            outcomes.append(await self.play(provider, fault, kill_at))
            if not outcomes[-1].moment:
                return outcomes[:-1]
        raise AssertionError(f"{provider.name}, {fault.name}: no end of moments")

    async def _request(self, began: Any, phones: tuple[str, str], channel: str) -> UUID:
        case_id, notification_id = uuid4(), uuid4()
        async with self.db.transaction() as tx:
            officer_id = await add_officer(tx, KeyRing.parse(self.keys), phones, PLACE, began)
            request = NotificationRequested(
                case_id=case_id,
                grade=Grade.II,
                division_code=PLACE,
                tier=Tier.COMMUNITY,
                post_id=uuid4(),
                officer_id=officer_id,
                notification_id=notification_id,
                code="C7H2MQ",
                channel=channel,
                purpose=Purpose.ASSIGN,
                step=Step.ACKNOWLEDGE,
                deadline_at=began + timedelta(minutes=10),
            )
            await publish(tx, [new_event(request, key=case_id, time=began)])
        return notification_id

    async def _judge(self, played: Outcome, fault: Fault, notification_id: UUID, phones: tuple[str, str], wrong: list[str]) -> Outcome:
        async with self.db.connection() as connection:
            intent = await connection.fetchrow("SELECT * FROM notifier.notifications WHERE notification_id = $1", notification_id)
            attempts = await connection.fetch(
                "SELECT * FROM notifier.attempts WHERE notification_id = $1 ORDER BY started_at, attempt_id", notification_id
            )
            events = await connection.fetch(_EVENTS, str(notification_id))
        if intent is None:
            return replace(played, wrong=(*wrong, "the intent is lost"))
        told = Counter(row["event_type"] for row in events)
        sent = self.fakes.sent_to(*phones)
        reached = Counter(one.to for one in sent if one.arrived)
        doubled = sum(count - 1 for count in reached.values())
        marked = sum(attempt["possible_duplicate"] for attempt in attempts)
        contact = 0 if not reached else 1 + phones.index(min(reached, key=phones.index))
        outcome = replace(
            played,
            state=intent["state"],
            contact=contact,
            calls=len(attempts),
            reached=sum(reached.values()),
            doubled=doubled,
            marked=marked,
            took=intent["updated_at"] - intent["requested_at"],
        )
        wrong += _wrongs(outcome, fault, told, attempts, [one.attempt_id for one in sent])
        return replace(outcome, wrong=tuple(wrong))


def _wrongs(outcome: Outcome, fault: Fault, told: Counter[str], attempts: list[Any], made_by: list[str]) -> list[str]:
    delivered, failed = told["tocsin.notification.delivered.v1"], told["tocsin.notification.failed.v1"]
    unknown = fault.ambiguous or outcome.moment != ""
    by_attempt = Counter(made_by)
    rules = {
        f"ended as {outcome.state}, not as {fault.ends}": outcome.state != fault.ends,
        f"{delivered} times told as delivered, {failed} times as failed": (delivered, failed)
        != ((1, 0) if outcome.state == "delivered" else (0, 1)),
        "delivered, but on no phone": outcome.state == "delivered" and not outcome.reached,
        f"reached contact {outcome.contact}, not {fault.contact}": outcome.state == "delivered" and outcome.contact != fault.contact,
        "a message that no committed attempt has made": not set(by_attempt) <= {str(attempt["attempt_id"]) for attempt in attempts},
        "an attempt made two calls": max(by_attempt.values(), default=0) > 1,
        "doubled without having said so": outcome.doubled > outcome.marked,
        "sent again although the outcome was known": outcome.marked > 0 and not unknown,
        "an attempt is still waited for": any(attempt["check_at"] is not None for attempt in attempts),
    }
    return [rule for rule, broken in rules.items() if broken]


def _settings(provider: Provider, fault: Fault, fakes: Fakes) -> dict[str, dict[str, Any]]:
    given = {
        room: {name: value.replace("{fakes}", fakes.url) if isinstance(value, str) else value for name, value in settings.items()}
        for room, settings in provider.given.items()
    }
    if provider.routes:
        given |= {room: dict(settings) for room, settings in fakes.china.given.items() if room.startswith("notifier_")}
        given["notifier_sms"] = {"routes": provider.routes, "templates": str(given["notifier_sms"]["templates"])}
        for name in ("aliyun", "tencent"):
            given[f"notifier_{name}"]["api_base_url"] = f"{fakes.url}/sandbox/{name}"
    given["notifier"] = {"request_timeout_s": fault.timeout_s, **given["notifier"]}
    return given


_EVENTS = """
SELECT event_type FROM bus.outbox
WHERE event_type IN ('tocsin.notification.delivered.v1', 'tocsin.notification.failed.v1')
  AND envelope::jsonb -> 'data' ->> 'notification_id' = $1
"""


async def open_matrix(database_url: str, folder: Path, fakes: Fakes, nursery: Nursery) -> Matrix:
    """A matrix on a migrated, empty database."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO directory.divisions (code, name, level, parent_code, zone, pinyin, initials) "
            "VALUES ($1, '巴登社区', 'community', NULL, 'Asia/Shanghai', 'badengshequ', 'bdsq')",
            PLACE,
        )
    finally:
        await connection.close()
    db = await Database.open(database_url, role=None, size_max=2)
    return Matrix(db, database_url, folder, fakes, nursery, KeyRing.generate())
