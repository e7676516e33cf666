"""Receiving, whichever bus brings the events: each has its effects once, in order, and one that cannot be handled stops its own key.

The inbox row is written in the transaction of the effects. It is what makes a second delivery harmless, and what a second consumer that
believes itself the owner waits for. An event of a type that this version does not know is put aside for the version that does
(state `newer`): it does not stop its key, since what is added later must be something that older versions can do without.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

import libs.events.catalogue  # noqa: F401 - so that what is unknown here is unknown to this version
from libs import trace
from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.events.bus import PARKED_ATTEMPTS_MAX, PARKED_PAUSE_MAX_S, PARKED_PAUSE_S, Subscription
from libs.events.envelope import CATALOGUE, Event
from libs.events.figures import DELAY
from libs.events.tracing import handling, trace_of
from libs.log import get_logger

PARKED_KEYS_PER_ROUND_MAX = 20
PARKED_EVENTS_PER_KEY_MAX = 100

log = get_logger("bus")

_TAKE = """
    INSERT INTO bus.inbox (grp, event_id, handled_at) SELECT $1, id, $3 FROM unnest($2::uuid[]) AS id
    ON CONFLICT DO NOTHING RETURNING event_id
"""
_PARKED_KEYS = "SELECT DISTINCT key FROM bus.parked WHERE grp = $1 AND key = ANY ($2::uuid[]) AND state <> 'newer'"
_PARK = """
    INSERT INTO bus.parked (grp, key, event_id, event_type, envelope, attempts, state, error, parked_at, next_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (grp, event_id) DO NOTHING
"""
_PARKED_DUE = """
    SELECT key FROM (
        SELECT DISTINCT ON (key) key, state, next_at FROM bus.parked WHERE grp = $1 AND state <> 'newer' ORDER BY key, seq
    ) AS head WHERE state = 'waiting' AND next_at <= $2 ORDER BY next_at LIMIT $3
"""
# The first one or none: where another consumer is busy with the first, skipping to the second would overtake it.
_PARKED_HEAD = """
    SELECT seq, event_id, event_type, envelope, attempts, state, next_at FROM bus.parked
    WHERE seq = (SELECT min(seq) FROM bus.parked WHERE grp = $1 AND key = $2 AND state <> 'newer') FOR UPDATE SKIP LOCKED
"""
_KNOWN_BY_NOW = """
    SELECT seq, key, event_id, event_type, envelope FROM bus.parked
    WHERE grp = $1 AND state = 'newer' AND event_type = ANY ($2::text[]) ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED
"""


class Letter(Protocol):
    """An event as a bus delivers it: `key`, `event_id`, `event_type`, `envelope`. A database row is one, and so is a dict."""

    def __getitem__(self, name: str, /) -> Any: ...


class Inbox:
    """Receives for one subscription."""

    def __init__(self, database: Database, subscription: Subscription, clock: Clock) -> None:
        self._database = database
        self._subscription = subscription
        self._clock = clock
        self._group = subscription.group
        self._types = {cls.event_type for cls in subscription.types}

    @property
    def types(self) -> list[str]:
        """The event types that are heard."""
        return sorted(self._types)

    def concerns(self, event_type: str) -> bool:
        """Whether the group has anything to do with an event of this type: it hears it, or does not know it yet."""
        return event_type in self._types or event_type not in CATALOGUE

    async def fresh(self, tx: Tx, letters: Iterable[Letter]) -> list[Letter]:
        """Those to handle now: of our types, not handled before, and of no parked key (they are parked behind it)."""
        mine = [letter for letter in letters if self.concerns(letter["event_type"])]
        if not mine:
            return []
        known = [letter for letter in mine if letter["event_type"] in self._types]
        if len(known) < len(mine):
            await self._put_aside(tx, [letter for letter in mine if letter["event_type"] not in self._types])
        if not known:
            return []
        now = self._clock.now()
        rows = await tx.fetch(_PARKED_KEYS, self._group, list({letter["key"] for letter in known}))
        parked: set[UUID] = {row["key"] for row in rows}
        for letter in (letter for letter in known if letter["key"] in parked):
            if not await tx.fetchval("SELECT 1 FROM bus.inbox WHERE grp = $1 AND event_id = $2", self._group, letter["event_id"]):
                await self._insert_parked(tx, letter, "waiting", "behind another")
        free = [letter for letter in known if letter["key"] not in parked]
        if not free:
            return []
        taken = {row["event_id"] for row in await tx.fetch(_TAKE, self._group, [letter["event_id"] for letter in free], now)}
        fresh: list[Letter] = []
        for letter in free:
            if letter["event_id"] in taken:
                taken.discard(letter["event_id"])  # the same one may stand in a batch twice
                fresh.append(letter)
        return fresh

    async def handle(self, tx: Tx, letters: Sequence[Letter]) -> None:
        """Their effects, within `tx`."""
        if letters:
            with handling(self._group, [Event.from_json(letter["envelope"]) for letter in letters]) as events:
                await self._subscription.handler(tx, events)
            oldest = min(event.time for event in events)
            DELAY.labels(self._group).observe(max((self._clock.now() - oldest).total_seconds(), 0.0))

    async def park(self, tx: Tx, letter: Letter, error: Exception) -> None:
        """Sets one that could not be handled aside: it is tried again, and later ones of its key wait behind it."""
        with trace.within(trace_of(letter["envelope"])):
            log.error(
                "bus.event_parked",
                group=self._group,
                event_id=str(letter["event_id"]),
                event_type=letter["event_type"],
                key=str(letter["key"]),
                error=type(error).__name__,
                exc_info=error,
            )
        await self._insert_parked(tx, letter, "waiting", type(error).__name__, attempts=1, pause_s=PARKED_PAUSE_S)

    async def retry_parked(self) -> int:
        """Tries parked keys whose time has come, and what an earlier version could not read; answers how many events were handled."""
        await self._take_up()
        async with self._database.connection() as connection:
            due = await connection.fetch(_PARKED_DUE, self._group, self._clock.now(), PARKED_KEYS_PER_ROUND_MAX)
        handled = 0
        for row in due:
            for _ in range(PARKED_EVENTS_PER_KEY_MAX):
                if not await self._retry_head(row["key"]):
                    break
                handled += 1
        return handled

    async def _put_aside(self, tx: Tx, letters: Sequence[Letter]) -> None:
        for letter in letters:
            log.warning("bus.newer_event", group=self._group, event_type=letter["event_type"], event_id=str(letter["event_id"]))
            await self._insert_parked(tx, letter, "newer", "a later version knows it")

    async def _take_up(self) -> None:
        """What was unknown and is known now waits its turn like any parked event; what does not concern the group goes."""
        async with self._database.transaction() as tx:
            rows = await tx.fetch(_KNOWN_BY_NOW, self._group, sorted(CATALOGUE), PARKED_EVENTS_PER_KEY_MAX)
            if not rows:
                return
            heard = [row["seq"] for row in rows if row["event_type"] in self._types]
            await tx.execute("DELETE FROM bus.parked WHERE seq = ANY ($1::bigint[])", [r["seq"] for r in rows if r["seq"] not in heard])
            await tx.execute("UPDATE bus.parked SET state = 'waiting', next_at = parked_at WHERE seq = ANY ($1::bigint[])", heard)

    async def _insert_parked(self, tx: Tx, letter: Letter, state: str, error: str, *, attempts: int = 0, pause_s: float = 0.0) -> None:
        now = self._clock.now()
        what = (letter["key"], letter["event_id"], letter["event_type"], letter["envelope"])
        await tx.execute(_PARK, self._group, *what, attempts, state, error, now, now + timedelta(seconds=pause_s))

    async def _retry_head(self, key: UUID) -> bool:
        """Tries the first parked event of `key`; False when nothing of it can go on now."""
        now = self._clock.now()
        head: Any = None
        try:
            async with self._database.transaction() as tx:
                head = await tx.fetchrow(_PARKED_HEAD, self._group, key)
                if head is None or head["state"] != "waiting" or head["next_at"] > now:
                    return False
                if await tx.fetch(_TAKE, self._group, [head["event_id"]], now):
                    await self.handle(tx, [head])
                await tx.execute("DELETE FROM bus.parked WHERE seq = $1", head["seq"])
                return True
        except TRANSIENT:
            raise
        except Exception as error:
            if head is None:
                raise
            await self._fail_again(head, error)
            return False

    async def _fail_again(self, head: Letter, error: Exception) -> None:
        attempts = head["attempts"] + 1
        dead = attempts >= PARKED_ATTEMPTS_MAX
        pause_s = min(PARKED_PAUSE_S * 2**attempts, PARKED_PAUSE_MAX_S)
        async with self._database.transaction() as tx:
            await tx.execute(
                "UPDATE bus.parked SET attempts = $2, state = $3, error = $4, next_at = $5 WHERE seq = $1",
                head["seq"],
                attempts,
                "dead" if dead else "waiting",
                type(error).__name__,
                self._clock.now() + timedelta(seconds=pause_s),
            )
        report = log.error if dead else log.warning
        report("bus.event_dead" if dead else "bus.event_failed_again", group=self._group, event_id=str(head["event_id"]), attempts=attempts)
