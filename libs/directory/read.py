"""The read model: what the rooms ask the directory, in a handful of indexed lookups, remembered per directory version.

Nothing here depends on the time: who is on duty changes by a change of the directory (its `roster` job), which bumps the version.
Only `route_at`, for simulations of another time, asks the rosters themselves.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Tx
from libs.directory import sql
from libs.directory.desks import Desks
from libs.directory.duty import Held, Leave, Override, Plan, Shift, on_duty
from libs.directory.model import CODE_LENGTHS, Contact, Division, Holder, Officer, Post, Route, ancestor_codes
from libs.directory.phones import normalise_phone
from libs.directory.roles import DISPATCH_DESK
from libs.directory.search import search as search_divisions
from libs.terms import Tier

if TYPE_CHECKING:
    from libs.workdays import WorkCalendar

ROUTES_REMEMBERED_MAX = 20_000
"""Some 2 kB each; the communities of a big city are 3,000, the country's 620,000."""
PLACES_REMEMBERED_MAX = 60_000
"""The streets, districts, cities and provinces that routes share: 45,000 in the country, some 0.5 kB each."""
LOOKUP_TIMEOUT_S = 10.0
PHONE_INDEX = "officer-phone"
"""The purpose of the blind index of officers' phones."""

Place: TypeAlias = tuple[Division, tuple[Post, ...]]
"""A division with the posts there."""


class Directory:
    """One per service process. Reads schema `directory` with the service's own role, in the caller's transaction."""

    def __init__(self, blind: BlindIndex, sealer: Sealer) -> None:
        self._blind = blind
        self._sealer = sealer
        self._routes: OrderedDict[tuple[int, str], Route] = OrderedDict()
        self._places: dict[str, Place] = {}
        self._places_version = -1
        self._desks: tuple[int, Desks] = -1, Desks(())

    @classmethod
    def under(cls, keyring: KeyRing) -> "Directory":
        """A directory that reads what was sealed under `keyring`."""
        return cls(BlindIndex(keyring, PHONE_INDEX), Sealer(keyring))

    async def version(self, tx: Tx) -> int:
        """The directory's version: bumped by each change, in the same transaction."""
        found: int | None = await tx.fetchval(sql.VERSION, timeout=LOOKUP_TIMEOUT_S)
        return found or 0

    async def route(self, tx: Tx, division_code: str, version: int | None = None) -> Route | None:
        """Everybody who could answer for a place; None for a code that is not in the register.

        `version` is the directory's, where the caller has just asked for it.
        """
        version = await self.version(tx) if version is None else version
        key = (version, division_code)
        known = self._routes.get(key)
        if known is not None:
            self._routes.move_to_end(key)
            return known
        route = await self._load_route(tx, version, division_code)
        if route is not None:
            self._routes[key] = route
            while len(self._routes) > ROUTES_REMEMBERED_MAX:
                self._routes.popitem(last=False)
        return route

    async def route_at(self, tx: Tx, division_code: str, at: datetime, calendar: "WorkCalendar") -> Route | None:
        """Who could answer for a place at another time: holders, rosters and leave as they are planned now. Not remembered."""
        route = await self.route(tx, division_code)
        if route is None:
            return None
        plans = await plans_of(tx, [post.post_id for post in route.posts], at)
        return replace(route, posts=tuple(_at(post, plans[post.post_id], at, calendar) for post in route.posts))

    async def division(self, tx: Tx, code: str) -> Division | None:
        """The place of that code."""
        row = await tx.fetchrow(sql.DIVISION, code, timeout=LOOKUP_TIMEOUT_S)
        return sql.division(row) if row else None

    async def nearest(self, tx: Tx, code: str) -> Division | None:
        """The smallest registered place that a code lies in: what is left of a code that is newer than the register."""
        rows = await tx.fetch(sql.DIVISIONS, list(ancestor_codes(code)), timeout=LOOKUP_TIMEOUT_S)
        return sql.division(rows[0]) if rows else None

    async def example(self, tx: Tx, within: str) -> str | None:
        """A place as small as possible within another ("" is everywhere) that has a post: for trying out what a report there would do."""
        found: str | None = await tx.fetchval(sql.EXAMPLE, within, f"{within}z", timeout=LOOKUP_TIMEOUT_S)
        return found

    async def search(self, tx: Tx, text: str, limit: int = 20) -> list[Division]:
        """Places by name, pinyin, initials or code prefix, best first; several words narrow it down from the outside in."""
        return await search_divisions(tx, text, limit)

    async def dispatch_desks(self, tx: Tx, division_code: str, version: int | None = None) -> tuple[Post, ...]:
        """The desks that place what has no place: of the nearest ancestor, else within `division_code`, else any; reachable ones first.

        Works for "" and for codes that are not registered, so that no report is without somebody (promise 4).
        """
        version = await self.version(tx) if version is None else version
        known, desks = self._desks
        if known != version:
            desks = Desks(with_holders(await tx.fetch(sql.POSTS_BY_ROLE, DISPATCH_DESK, timeout=LOOKUP_TIMEOUT_S)))
            self._desks = version, desks
        return desks.nearest(division_code)

    async def post(self, tx: Tx, post_id: UUID) -> Post | None:
        """The post of that id."""
        found = await self._posts(tx, [post_id])
        return found[0] if found else None

    async def officer(self, tx: Tx, officer_id: UUID) -> Officer | None:
        """The person of that id."""
        row = await tx.fetchrow(sql.OFFICER, officer_id, timeout=LOOKUP_TIMEOUT_S)
        if row is None:
            return None
        quiet = (row["quiet_from"], row["quiet_to"]) if row["quiet_from"] and row["quiet_to"] else None
        return Officer(row["officer_id"], row["name"], row["language"], row["active"], quiet)

    async def posts_of(self, tx: Tx, officer_id: UUID) -> list[Post]:
        """The posts that an officer holds now."""
        rows = await tx.fetch(sql.POSTS_OF, officer_id, timeout=LOOKUP_TIMEOUT_S)
        return await self._posts(tx, [row["post_id"] for row in rows])

    async def contacts(self, tx: Tx, officer_id: UUID) -> list[Contact]:
        """The enabled contacts of an officer in the order to try them; none for an officer who is not active."""
        rows = await tx.fetch(sql.CONTACTS, officer_id, timeout=LOOKUP_TIMEOUT_S)
        return [
            Contact(
                row["contact_id"],
                row["channel"],
                self._sealer.open(row["phone_sealed"], contact_aad(row["contact_id"])).decode(),
                row["priority"],
            )
            for row in rows
        ]

    async def officers_by_phone(self, tx: Tx, phone: str) -> list[UUID]:
        """The active officers whose number `phone` is; several people may share one."""
        return list(dict.fromkeys(officer_id for officer_id, _ in await self.contacts_by_phone(tx, phone)))

    async def contacts_by_phone(self, tx: Tx, phone: str) -> list[tuple[UUID, UUID]]:
        """Officer and contact, of each active officer whose number `phone` is, also when they have sent STOP from it."""
        rows = await tx.fetch(sql.CONTACTS_BY_PHONE, self._blind.candidates(normalise_phone(phone)), timeout=LOOKUP_TIMEOUT_S)
        return [(row["officer_id"], row["contact_id"]) for row in rows]

    def fingerprint(self, phone: str) -> bytes:
        """A keyed fingerprint of a number, for those who have to count what goes there and must not keep the number."""
        return self._blind.of(phone)

    async def _load_route(self, tx: Tx, version: int, code: str) -> Route | None:
        """One question for what is not known of the place and what it lies in; one more where no dispatch desk is on the way."""
        codes = ancestor_codes(code)
        places = await self._load_places(tx, version, codes)
        if not codes or codes[0] not in places:
            return None
        found = [places[one] for one in codes if one in places]
        posts = [post for _division, posts in found for post in posts]
        if not any(post.role == DISPATCH_DESK and post.reachable for post in posts):
            here = {post.post_id for post in posts}
            posts += [desk for desk in await self.dispatch_desks(tx, _district(codes), version) if desk.post_id not in here]
        return Route(found[0][0], tuple(division for division, _posts in found), tuple(posts), version)

    async def _load_places(self, tx: Tx, version: int, codes: Sequence[str]) -> dict[str, Place]:
        """These places with their posts, as far as they are registered. What routes share is remembered, the place itself is not."""
        if version != self._places_version or len(self._places) > PLACES_REMEMBERED_MAX:
            self._places, self._places_version = {}, version
        known = self._places  # ours for this version: whoever sees a newer one meanwhile begins another
        found = {code: known[code] for code in codes if code in known}
        missing = [code for code in codes if code not in found]
        rows = await tx.fetch(sql.PLACES, missing, timeout=LOOKUP_TIMEOUT_S) if missing else []
        for code, together in itertools.groupby(rows, key=itemgetter("code")):
            own = list(together)
            found[code] = sql.division(own[0]), tuple(with_holders(row for row in own if row["post_id"] is not None))
            if code != codes[0]:
                known[code] = found[code]
        return found

    async def _posts(self, tx: Tx, post_ids: Sequence[UUID]) -> list[Post]:
        return with_holders(await tx.fetch(sql.POSTS_BY_ID, list(post_ids), timeout=LOOKUP_TIMEOUT_S)) if post_ids else []


def _district(codes: Sequence[str]) -> str:
    """The widest place that still knows the streets: desks for a place that has none on its way are looked for from there."""
    return next((code for code in codes if len(code) <= CODE_LENGTHS["district"]), codes[0])


def with_holders(rows: Iterable[Any]) -> list[Post]:
    """Posts from rows of post × holder that are sorted by post, then rank."""
    gathered: OrderedDict[UUID, tuple[Any, list[Holder]]] = OrderedDict()
    for row in rows:
        _, holders = gathered.setdefault(row["post_id"], (row, []))
        if row["officer_id"] is not None:
            holders.append(Holder(row["officer_id"], row["rank"], row["reachable"], row["on_duty"]))
    return [
        Post(
            post_id=row["post_id"],
            division_code=row["division_code"],
            role=row["role"],
            tier=Tier(row["tier"]),
            title_zh=row["title_zh"],
            title_en=row["title_en"],
            order=row["position"],
            holders=tuple(holders),
        )
        for row, holders in gathered.values()
    ]


async def plans_of(tx: Tx, post_ids: Sequence[UUID], since: datetime) -> dict[UUID, Plan]:
    """What decides who is on duty for each of the posts, as of now; spans that ended before `since` are left out."""
    ids = list(post_ids)
    zones = {row["post_id"]: row["zone"] for row in await tx.fetch(sql.DUTY_ZONES, ids, timeout=LOOKUP_TIMEOUT_S)}
    holders: dict[UUID, list[Held]] = {}
    for row in await tx.fetch(sql.DUTY_HOLDERS, ids, timeout=LOOKUP_TIMEOUT_S):
        held = Held(row["officer_id"], row["rank"], row["valid_from"], row["valid_to"], row["reachable"])
        holders.setdefault(row["post_id"], []).append(held)
    shifts = {
        row["post_id"]: tuple(Shift.from_json(shift) for shift in row["shifts"])
        for row in await tx.fetch(sql.DUTY_ROSTERS, ids, timeout=LOOKUP_TIMEOUT_S)
    }
    overrides: dict[UUID, list[Override]] = {}
    for row in await tx.fetch(sql.DUTY_OVERRIDES, ids, since, timeout=LOOKUP_TIMEOUT_S):
        one = Override(row["override_id"], row["officer_id"], row["starts_at"], row["ends_at"], row["given_by"])
        overrides.setdefault(row["post_id"], []).append(one)
    officers = list({held.officer_id for several in holders.values() for held in several})
    rows = await tx.fetch(sql.DUTY_LEAVES, officers, since, timeout=LOOKUP_TIMEOUT_S)
    leaves = [Leave(row["leave_id"], row["officer_id"], row["starts_at"], row["ends_at"]) for row in rows]
    return {
        post_id: Plan(
            zone,
            tuple(holders.get(post_id, ())),
            shifts.get(post_id, ()),
            tuple(overrides.get(post_id, ())),
            tuple(leave for leave in leaves if any(held.officer_id == leave.officer_id for held in holders.get(post_id, ()))),
        )
        for post_id, zone in zones.items()
    }


def _at(post: Post, plan: Plan, at: datetime, calendar: "WorkCalendar") -> Post:
    """The post with those who would hold it at `at`, in the order to ask them."""
    ranks = {(held.officer_id): held for held in sorted(plan.holders, key=lambda held: held.starts_at) if held.starts_at <= at}
    return replace(
        post,
        holders=tuple(
            Holder(duty.officer_id, ranks[duty.officer_id].rank, ranks[duty.officer_id].reachable, duty.on_duty)
            for duty in on_duty(plan, at, calendar)
        ),
    )


def contact_aad(contact_id: UUID) -> str:
    """What a sealed phone is bound to, so that it opens on its own row only."""
    return f"contacts|phone|{contact_id}"
