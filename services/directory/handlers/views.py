"""The directory as people look at it: officers with masked numbers, a place with its posts, who may change what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.crypto import Sealer
from libs.db import Tx
from libs.directory.model import Division, Post, Rank, ancestor_codes, contains
from libs.directory.permissions import Principal, StaffPrincipal, require
from libs.directory.phones import masked_phone
from libs.directory.read import Directory, contact_aad
from libs.directory.sql import division as division_of
from libs.errors import NotFound
from libs.i18n import gettext as _
from services.directory.handlers.changes import Actor
from services.directory.store import people, register

CHILDREN_MAX = 500
OFFICERS_MAX = 200


@dataclass(frozen=True, slots=True)
class ContactView:
    """A way to reach an officer; of the number only the country and the last two digits."""

    contact_id: UUID
    channel: str
    phone: str
    priority: int
    enabled: bool
    verified_at: datetime | None
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfficerView:
    """An officer with all contacts, and the posts held now."""

    officer_id: UUID
    name: str
    language: str
    active: bool
    division_code: str
    contacts: tuple[ContactView, ...]
    posts: tuple[UUID, ...]
    quiet_from: str | None = None
    quiet_to: str | None = None

    @property
    def reachable(self) -> bool:
        """Whether the officer can be told anything."""
        return self.active and any(contact.enabled for contact in self.contacts)


@dataclass(frozen=True, slots=True)
class HolderView:
    """An officer on a post of the place."""

    officer: OfficerView
    rank: Rank
    on_duty: bool


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A place: the way to it, its posts with their people, what lies directly in it, and who could be put on a post."""

    division: Division
    path: tuple[Division, ...]
    posts: tuple[tuple[Post, tuple[HolderView, ...]], ...]
    above: tuple[Post, ...]
    children: tuple[tuple[Division, bool | None], ...]
    """Each with whether its own posts have somebody reachable; None where it has no posts."""
    officers: tuple[OfficerView, ...]
    version: int
    """Of the directory: a form that changes something sends it back."""

    @property
    def reached(self) -> bool:
        """Whether anybody here or above would be reached."""
        return any(post.reachable for post, _holders in self.posts) or any(post.reachable for post in self.above)


async def place(tx: Tx, directory: Directory, sealer: Sealer, code: str, scope: str) -> PlaceView:
    """Everything about one place for somebody whose rights end at `scope`."""
    route = await directory.route(tx, code)
    if route is None:
        raise NotFound("division_not_found", _("This division code is not in the register."))
    own = [post for post in route.posts if post.division_code == code]
    above = [post for post in route.posts if post.division_code != code]
    rows = await people.officers_at(tx, ancestor_codes(code), OFFICERS_MAX)
    holding = [holder.officer_id for post in own for holder in post.holders]
    elsewhere = set(holding) - {row["officer_id"] for row in rows}
    rows += await people.officers_by_id(tx, sorted(elsewhere)) if elsewhere else []
    # Who holds a post here comes first, in the order of the posts.
    rank = {officer_id: place for place, officer_id in enumerate(holding)}
    rows.sort(key=lambda row: rank.get(row["officer_id"], len(rank)))
    officers = {officer.officer_id: officer for officer in await officers_shown(tx, sealer, rows)}
    below = [division_of(row) for row in await register.children(tx, code, "", CHILDREN_MAX)]
    reached = await people.reached_at(tx, [division.code for division in below])
    return PlaceView(
        division=route.division,
        path=tuple(division for division in reversed(route.ancestors) if contains(scope, division.code)),
        posts=tuple(
            (
                post,
                tuple(
                    HolderView(officers[holder.officer_id], holder.rank, holder.on_duty)
                    for holder in post.holders
                    if holder.officer_id in officers
                ),
            )
            for post in own
        ),
        above=tuple(above),
        children=tuple((division, reached.get(division.code)) for division in below),
        officers=tuple(officer for officer in officers.values() if contains(scope, officer.division_code)),
        version=route.version,
    )


async def officers_shown(tx: Tx, sealer: Sealer, rows: Sequence[Any]) -> list[OfficerView]:
    """Officers from their rows, in the same order."""
    ids = [row["officer_id"] for row in rows]
    contacts: dict[UUID, list[ContactView]] = {officer_id: [] for officer_id in ids}
    for row in await people.contacts_of(tx, ids):
        phone = masked_phone(sealer.open(row["phone_sealed"], contact_aad(row["contact_id"])).decode())
        view = ContactView(row["contact_id"], row["channel"], phone, row["priority"], row["enabled"], row["verified_at"], row["stopped_at"])
        contacts[row["officer_id"]].append(view)
    posts: dict[UUID, list[UUID]] = {officer_id: [] for officer_id in ids}
    for row in await people.holdings_of(tx, ids):
        if row["state"] == "current":
            posts[row["officer_id"]].append(row["post_id"])
    return [
        OfficerView(
            row["officer_id"],
            row["name"],
            row["language"],
            row["active"],
            row["division_code"],
            tuple(contacts[row["officer_id"]]),
            tuple(posts[row["officer_id"]]),
            row["quiet_from"],
            row["quiet_to"],
        )
        for row in rows
    ]


async def require_post(tx: Tx, who: Principal, post_id: UUID) -> str:
    """The division of a post that `who` may change. Forbidden comes before NotFound, so that ids cannot be tried."""
    require(who, "directory.manage")
    found = await people.place_of_post(tx, post_id)
    if found is None:
        raise NotFound("post_not_found", _("There is no such post."))
    require(who, "directory.manage", found)
    return found


async def require_officer(tx: Tx, who: Principal, officer_id: UUID) -> None:
    """That `who` may change an officer."""
    require(who, "directory.manage")
    rows = await people.officers_by_id(tx, [officer_id])
    if not rows:
        raise NotFound("officer_not_found", _("There is no such officer."))
    require(who, "directory.manage", rows[0]["division_code"])


async def require_numbers_of(tx: Tx, who: Principal, officer_id: UUID) -> None:
    """That `who` may prove whose an officer's numbers are: the officer, or whoever may change the officer."""
    if not isinstance(who, StaffPrincipal) or who.officer_id != officer_id:
        await require_officer(tx, who, officer_id)


async def own(tx: Tx, sealer: Sealer, who: StaffPrincipal) -> OfficerView | None:
    """The officer whose account this is; None when it is no officer's."""
    rows = await people.officers_by_id(tx, [who.officer_id]) if who.officer_id else []
    return (await officers_shown(tx, sealer, rows))[0] if rows else None


def actor_of(who: Principal) -> Actor:
    """Whom the record of changes names."""
    return Actor(who.username, who.account_id) if isinstance(who, StaffPrincipal) else Actor(f"api:{who.client_id}")
