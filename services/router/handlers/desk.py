"""What every use case needs, and a batch of cases that change together."""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from libs.clock import Clock
from libs.db import Tx, after_commit
from libs.directory.model import Division, Route
from libs.directory.read import Directory
from libs.events import Event, new_event, publish
from libs.events.envelope import new_id
from services.router.rules.book import PolicyBook
from services.router.rules.calendar import WorkCalendar
from services.router.rules.case import CaseState, Ids, Moment, Outcome
from services.router.rules.policy import Policy
from services.router.store import bindings
from services.router.store import cases as store

CODE_ALPHABET = "23456789CFGHJMPQRVWX"
"""Letters and digits that are not mistaken for one another when said aloud, and spell no words (rules.yaml sms.opaque_code)."""
CODE_LENGTH = 6
ROUTES_REMEMBERED_MAX = 50_000


class RandomIds:
    """Real identities: time-ordered ids, and codes that tell nothing."""

    def new(self) -> UUID:
        """A UUIDv7."""
        return new_id()

    def code(self) -> str:
        """Six characters out of twenty: 64 million codes."""
        number = secrets.randbelow(len(CODE_ALPHABET) ** CODE_LENGTH)
        letters = []
        for _ in range(CODE_LENGTH):
            number, letter = divmod(number, len(CODE_ALPHABET))
            letters.append(CODE_ALPHABET[letter])
        return "".join(letters)


def places(cases: Iterable[CaseState]) -> Iterator[str]:
    """The places that decisions on these cases look at: their own, and those that were asked to take them."""
    for case in cases:
        yield case.division_code
        if case.handover.pending is not None:
            yield case.handover.pending.division_code


def place_asked(case: CaseState, routes: Mapping[str, Route]) -> Route | None:
    """Who could answer where the case was asked to go to."""
    return routes.get(case.handover.pending.division_code) if case.handover.pending is not None else None


class Alarm:
    """Wakes the sweeper when something becomes due earlier than it expects."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.next_at: datetime | None = None
        """When the sweeper is going to look again; None: at its next idle round."""

    def at(self, due: datetime) -> None:
        """Something is due at `due`."""
        if self.next_at is None or due < self.next_at:
            self.wake.set()


class News:
    """Tells open boards in this process that cases have changed; those of other replicas find out by polling."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    def tell(self) -> None:
        """Cases have changed."""
        for listener in self._listeners:
            listener.set()

    def listen(self) -> asyncio.Event:
        """An event that is set at each change, until `forget`."""
        listener = asyncio.Event()
        self._listeners.add(listener)
        return listener

    def forget(self, listener: asyncio.Event) -> None:
        """Stops telling."""
        self._listeners.discard(listener)


@dataclass
class Desk:
    """What the use cases need: who could answer, the rules, the time."""

    directory: Directory
    book: PolicyBook
    calendar: WorkCalendar
    clock: Clock
    ids: Ids = field(default_factory=RandomIds)
    alarm: Alarm = field(default_factory=Alarm)
    news: News = field(default_factory=News)
    files: PolicyBook = field(init=False)
    """The rules as the policy files have them, without what administrators have added."""
    _routes: dict[str, Route] = field(default_factory=dict)
    _routes_version: int = -1

    def __post_init__(self) -> None:
        self.files = self.book

    async def refresh(self, tx: Tx) -> PolicyBook:
        """The rules as they are now: takes up what administrators have added and bound since the last look."""
        rules, _people = await bindings.versions(tx)
        return await self._rules(tx, rules)

    async def _rules(self, tx: Tx, version: int) -> PolicyBook:
        if version > self.book.version:
            added, bound = await bindings.policies(tx, (policy.stamp for policy in self.book.policies)), await bindings.bound(tx)
            self.book = self.book.with_added(added, bound, version)
        return self.book

    async def routes(self, tx: Tx, codes: Iterable[str]) -> dict[str, Route]:
        """Who could answer for each place, as of now: one look at the versions of directory and rules for all of them."""
        rules, version = await bindings.versions(tx)
        await self._rules(tx, rules)
        if version != self._routes_version or len(self._routes) > ROUTES_REMEMBERED_MAX:
            self._routes, self._routes_version = {}, version
        known = self._routes  # ours for this version: whoever sees a newer one meanwhile begins another
        found: dict[str, Route] = {}
        for code in codes:
            if code not in known:
                known[code] = await self._load_route(tx, code, version)
            found[code] = known[code]
        return found

    async def route(self, tx: Tx, code: str) -> Route:
        """Who could answer for a place."""
        return (await self.routes(tx, (code,)))[code]

    async def _load_route(self, tx: Tx, code: str, version: int) -> Route:
        """A code that is not registered is answered for by the smallest registered place that it lies in, else by a dispatch desk."""
        route = await self.directory.route(tx, code, version)
        if route is None:
            nearest = await self.directory.nearest(tx, code)
            route = await self.directory.route(tx, nearest.code, version) if nearest else None
        if route is None:
            nowhere = Division(code=code, name=code, level="province", parent_code=None)
            route = Route(nowhere, (nowhere,), await self.directory.dispatch_desks(tx, code, version), version)
        return route

    def policy_of(self, case: CaseState) -> Policy:
        """The policy that the case is stamped with."""
        policy = self.book.get(case.policy_id, case.policy_version)
        return policy or self.book.in_force(case.division_code, case.t0, case.zone)

    def moment(self, route: Route, policy: Policy, now: datetime, there: Route | None = None) -> Moment:
        """Everything that a decision may look at; `there`: the place that was asked to take the case."""
        return Moment(now, policy, route, self.calendar, self.ids, there)


class Batch:
    """Cases that change together: each as it was, as it is now, and what is to be told; saved and published at once."""

    def __init__(self, desk: Desk, now: datetime) -> None:
        self._desk = desk
        self._now = now
        self._outcomes: dict[UUID, Outcome] = {}
        self._events: list[Event[Any]] = []

    def case(self, state: CaseState) -> CaseState:
        """The case as it is by now in this batch."""
        known = self._outcomes.get(state.case_id)
        return known.after if known else state

    def add(self, outcome: Outcome, cause: Event[Any] | None = None) -> None:
        """Takes up what a decision came to; nothing, when nothing happened."""
        if not outcome.changed:
            return
        case_id = outcome.after.case_id
        known = self._outcomes.get(case_id)
        before = known.before if known else outcome.before
        self._outcomes[case_id] = Outcome(before, outcome.after, ())
        self._events += [new_event(data, key=case_id, time=self._now, cause=cause) for data in outcome.events]

    async def commit(self, tx: Tx) -> int:
        """Saves the cases and publishes the events in `tx`; answers how many cases changed."""
        outcomes = list(self._outcomes.values())
        if not outcomes:
            return 0
        await store.save(tx, outcomes, self._now)
        await publish(tx, self._events)
        earliest = min((at for one in outcomes if (at := one.after.wakes_at) is not None), default=None)
        if earliest is not None:
            after_commit(tx, partial(self._desk.alarm.at, earliest))
        after_commit(tx, self._desk.news.tell)
        return len(outcomes)
