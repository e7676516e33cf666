"""The directory over HTTP. Divisions are public facts; people are for staff and programs that may read the directory."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.clock import Clock
from libs.crypto import BlindIndex, Sealer
from libs.db import Database, Tx
from libs.directory.model import Division, Level, Post, Rank, ancestor_codes
from libs.directory.permissions import Principal, require
from libs.directory.read import Directory
from libs.directory.sql import division as division_of
from libs.errors import NotFound
from libs.i18n import current_locale
from libs.i18n import gettext as _
from libs.terms import Tier
from libs.web import pagination
from libs.web.identity import staff_or_client
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page
from libs.web.problems import responses
from libs.workdays import WorkCalendar
from services.directory.handlers import people
from services.directory.handlers.views import OfficerView, actor_of, officers_shown, require_officer, require_post
from services.directory.rules import TITLE_LENGTH_MAX
from services.directory.store import people as people_store
from services.directory.store import register

Code = Annotated[str, InPath(pattern=r"^[0-9]{2,15}$", description="A division code: 2, 4, 6, 9, 12 or 15 digits.")]
CodeInQuery = Annotated[str | None, Query(pattern=r"^[0-9]{2,15}$")]
Reader = Annotated[Principal, staff_or_client("admin")]


class Body(BaseModel):
    """What a request may say, and nothing else."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class DivisionOut(BaseModel):
    """A place; `full_name` starts with its province."""

    code: str
    name: str
    level: Level
    parent_code: str | None
    zone: str
    full_name: str


class HolderOut(BaseModel):
    """Who is on a post, in the order to ask; who is not `on_duty` by the roster comes last."""

    officer_id: UUID
    rank: Rank
    reachable: bool
    on_duty: bool


class PostOut(BaseModel):
    """A role at a division."""

    post_id: UUID
    division_code: str
    role: str
    tier: Tier
    title: str
    title_zh: str
    title_en: str
    order: int
    reachable: bool
    holders: list[HolderOut]


class ContactOut(BaseModel):
    """A way to reach an officer; of the number only the country and the last two digits are shown."""

    model_config = ConfigDict(from_attributes=True)

    contact_id: UUID
    channel: Literal["sms", "voice"]
    phone: str
    priority: int
    enabled: bool
    verified_at: datetime | None
    stopped_at: datetime | None = Field(description="The officer sent STOP from this number; it is used again once it is switched on.")


class OfficerOut(BaseModel):
    """An officer with contacts and the posts they hold."""

    officer_id: UUID
    name: str
    language: str
    active: bool
    division_code: str
    contacts: tuple[ContactOut, ...]
    posts: tuple[UUID, ...]
    quiet_from: str | None
    quiet_to: str | None


class OfficerIn(Body):
    name: str = Field(max_length=200)
    division_code: str = Field(pattern=r"^[0-9]{0,15}$", description="Where they work; whose administrators see them.")
    language: Literal["zh_CN", "en"] = "zh_CN"


class OfficerChange(Body):
    name: str | None = Field(default=None, max_length=200)
    language: Literal["zh_CN", "en"] | None = None
    active: bool | None = None


class QuietHours(Body):
    """Times of the day; both empty for none."""

    quiet_from: str = Field(max_length=5, examples=["22:00"])
    quiet_to: str = Field(max_length=5, examples=["07:00"])


class ContactIn(Body):
    channel: Literal["sms", "voice"] = "sms"
    phone: str = Field(max_length=40)


class ContactChange(Body):
    enabled: bool


class PostIn(Body):
    division_code: str = Field(pattern=r"^[0-9]{2,15}$")
    role: str = Field(max_length=40)
    title_zh: str | None = Field(default=None, max_length=TITLE_LENGTH_MAX)
    title_en: str | None = Field(default=None, max_length=TITLE_LENGTH_MAX)


class HolderIn(Body):
    rank: Rank = "primary"
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class Made(BaseModel):
    """The id of what was made."""

    id: UUID


class Api:
    """The routes and what they need."""

    def __init__(
        self, database: Database, directory: Directory, *, blind: BlindIndex, sealer: Sealer, clock: Clock, calendar: WorkCalendar
    ) -> None:
        self._database = database
        self._directory = directory
        self._blind = blind
        self._sealer = sealer
        self._clock = clock
        self._calendar = calendar

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1", tags=["directory"])
        wrong = responses(401, 403, 404, 422)
        router.get("/divisions", responses=responses(422))(self.list_divisions)
        router.get("/divisions/{code}", responses=responses(404, 422))(self.get_division)
        router.get("/posts", responses=wrong)(self.list_posts)
        router.post("/posts", status_code=201, responses={**wrong, **responses(409)})(self.add_post)
        router.get("/posts/{post_id}", responses=wrong)(self.get_post)
        router.put("/posts/{post_id}/holders/{officer_id}", status_code=204, responses=wrong)(self.set_holder)
        router.delete("/posts/{post_id}/holders/{officer_id}", status_code=204, responses=wrong)(self.end_holding)
        router.get("/officers", responses=wrong)(self.list_officers)
        router.post("/officers", status_code=201, responses=wrong)(self.add_officer)
        router.get("/officers/{officer_id}", responses=wrong)(self.get_officer)
        router.patch("/officers/{officer_id}", status_code=204, responses=wrong)(self.change_officer)
        router.put("/officers/{officer_id}/quiet-hours", status_code=204, responses=wrong)(self.set_quiet)
        router.post("/officers/{officer_id}/contacts", status_code=201, responses=wrong)(self.add_contact)
        router.patch("/officers/{officer_id}/contacts/{contact_id}", status_code=204, responses=wrong)(self.change_contact)
        return router

    async def list_divisions(
        self,
        q: Annotated[str | None, Query(max_length=100, description="Name, pinyin, initials or the start of a code; best first.")] = None,
        parent: CodeInQuery = None,
        limit: Limit = PAGE_SIZE,
        cursor: Cursor = None,
    ) -> Page[DivisionOut]:
        """Places by what people type (`q`), or those directly under `parent`, or the provinces. What `q` finds is one page."""
        async with self._database.connection() as connection:
            if q is not None:
                found = await self._directory.search(connection, q, limit)
                return Page(items=await self._full(connection, found))
            after = pagination.decode(cursor, str) or ("",)
            rows = await register.children(connection, parent, after[0], limit + 1)
            shown, following = pagination.split(rows, limit, lambda row: (row["code"],))
            return Page(items=await self._full(connection, [division_of(row) for row in shown]), next=following)

    async def get_division(self, code: Code) -> DivisionOut:
        """The place of that code."""
        async with self._database.connection() as connection:
            found = await self._directory.division(connection, code)
            if found is None:
                raise NotFound("division_not_found", _("This division code is not in the register."))
            return (await self._full(connection, [found]))[0]

    async def list_posts(self, who: Reader, division_code: Annotated[str, Query(pattern=r"^[0-9]{2,15}$")]) -> Page[PostOut]:
        """Everybody who could answer for a place: its posts and those of what it lies in, lowest first."""
        require(who, "directory.read", division_code)
        async with self._database.connection() as connection:
            route = await self._directory.route(connection, division_code)
        if route is None:
            raise NotFound("division_not_found", _("This division code is not in the register."))
        return Page(items=[_post_out(post) for post in route.posts])

    async def get_post(self, who: Reader, post_id: UUID) -> PostOut:
        """One post."""
        require(who, "directory.read")
        async with self._database.connection() as connection:
            post = await self._directory.post(connection, post_id)
        if post is None:
            raise NotFound("post_not_found", _("There is no such post."))
        require(who, "directory.read", post.division_code)
        return _post_out(post)

    async def add_post(self, who: Reader, body: PostIn) -> Made:
        """A new post behind the others of its division."""
        require(who, "directory.manage", body.division_code)
        async with self._database.transaction() as tx:
            made = await people.add_post(
                tx,
                self._directory,
                division_code=body.division_code,
                role=body.role,
                title_zh=body.title_zh,
                title_en=body.title_en,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def set_holder(self, who: Reader, post_id: UUID, officer_id: UUID, body: HolderIn) -> None:
        """Puts an officer on a post, now or from `valid_from`; a new primary takes the place of the one before."""
        async with self._database.transaction() as tx:
            await require_post(tx, who, post_id)
            await people.set_holder(
                tx,
                post_id=post_id,
                officer_id=officer_id,
                rank=body.rank,
                valid_from=body.valid_from,
                valid_to=body.valid_to,
                calendar=self._calendar,
                now=self._clock.now(),
                actor=actor_of(who),
            )

    async def end_holding(self, who: Reader, post_id: UUID, officer_id: UUID) -> None:
        """Takes an officer off a post."""
        async with self._database.transaction() as tx:
            await require_post(tx, who, post_id)
            await people.end_holding(
                tx, post_id=post_id, officer_id=officer_id, calendar=self._calendar, now=self._clock.now(), actor=actor_of(who)
            )

    async def list_officers(
        self, who: Reader, division_code: CodeInQuery = None, limit: Limit = PAGE_SIZE, cursor: Cursor = None
    ) -> Page[OfficerOut]:
        """Officers who work at or under a division (by default: wherever the caller has rights)."""
        scope = division_code or who.division_code
        require(who, "directory.read", scope)
        after = pagination.decode(cursor, UUID)
        async with self._database.connection() as connection:
            rows = await people_store.officers(connection, scope, after[0] if after else None, limit + 1)
            shown, following = pagination.split(rows, limit, lambda row: (row["officer_id"],))
            return Page(items=[_officer_out(view) for view in await officers_shown(connection, self._sealer, shown)], next=following)

    async def get_officer(self, who: Reader, officer_id: UUID) -> OfficerOut:
        """One officer."""
        require(who, "directory.read")
        async with self._database.connection() as connection:
            rows = await people_store.officers_by_id(connection, [officer_id])
            if not rows:
                raise NotFound("officer_not_found", _("There is no such officer."))
            require(who, "directory.read", rows[0]["division_code"])
            return _officer_out((await officers_shown(connection, self._sealer, rows))[0])

    async def add_officer(self, who: Reader, body: OfficerIn) -> Made:
        """A new officer, active, without contacts and posts yet."""
        require(who, "directory.manage", body.division_code)
        async with self._database.transaction() as tx:
            made = await people.add_officer(
                tx,
                self._directory,
                name=body.name,
                language=body.language,
                division_code=body.division_code,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def change_officer(self, who: Reader, officer_id: UUID, body: OfficerChange) -> None:
        """Renames an officer, or takes them out of service or back into it."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            await people.change_officer(
                tx, officer_id, name=body.name, language=body.language, active=body.active, now=self._clock.now(), actor=actor_of(who)
            )

    async def set_quiet(self, who: Reader, officer_id: UUID, body: QuietHours) -> None:
        """When messages of grades III and IV wait, so that they wake nobody; grades I and II never do."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            await people.set_quiet(tx, officer_id, body.quiet_from, body.quiet_to, now=self._clock.now(), actor=actor_of(who))

    async def add_contact(self, who: Reader, officer_id: UUID, body: ContactIn) -> Made:
        """A further way to reach an officer."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            made = await people.add_contact(
                tx,
                self._blind,
                self._sealer,
                officer_id=officer_id,
                channel=body.channel,
                phone=body.phone,
                now=self._clock.now(),
                actor=actor_of(who),
            )
        return Made(id=made)

    async def change_contact(self, who: Reader, officer_id: UUID, contact_id: UUID, body: ContactChange) -> None:
        """Uses or stops using a contact."""
        async with self._database.transaction() as tx:
            await require_officer(tx, who, officer_id)
            await people.enable_contact(tx, officer_id, contact_id, enabled=body.enabled, now=self._clock.now(), actor=actor_of(who))

    async def _full(self, connection: Tx, divisions: Sequence[Division]) -> list[DivisionOut]:
        codes = {code for division in divisions for code in ancestor_codes(division.code)}
        names = await register.names(connection, sorted(codes))
        return [
            DivisionOut(
                code=division.code,
                name=division.name,
                level=division.level,
                parent_code=division.parent_code,
                zone=division.zone,
                full_name=" ".join(names[code] for code in reversed(ancestor_codes(division.code)) if code in names),
            )
            for division in divisions
        ]


def _officer_out(view: OfficerView) -> OfficerOut:
    return OfficerOut.model_validate(view, from_attributes=True)


def _post_out(post: Post) -> PostOut:
    return PostOut(
        post_id=post.post_id,
        division_code=post.division_code,
        role=post.role,
        tier=post.tier,
        title=post.title(current_locale()),
        title_zh=post.title_zh,
        title_en=post.title_en,
        order=post.order,
        reachable=post.reachable,
        holders=[
            HolderOut(officer_id=holder.officer_id, rank=holder.rank, reachable=holder.reachable, on_duty=holder.on_duty)
            for holder in post.holders
        ],
    )
