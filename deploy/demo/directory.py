"""The demo's directory: the real Futian district (440304) with its 11 streets and 93 communities, and people who do not exist.

Names begin with 示例 (“example”), numbers with +8600: no Chinese number begins with two zeros, so nobody can own one.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import argon2

from libs.crypto import BlindIndex, KeyRing, Sealer
from libs.db import Database, Tx
from libs.directory import identity
from libs.directory.model import Rank
from libs.directory.permissions import SCOPES, Role
from libs.directory.read import PHONE_INDEX, contact_aad
from libs.directory.roles import DISPATCH_DESK, STANDARD_POSTS
from libs.events import new_id
from libs.service import Context
from libs.settings import load
from services.directory.handlers import clients
from services.directory.handlers.accounts import Passwords
from services.directory.handlers.changes import Actor, changed
from services.directory.handlers.register import import_register
from services.directory.settings import DirectorySettings
from services.directory.store import accounts as accounts_store
from services.directory.store import people

REGISTER = Path(__file__).with_name("futian-440304.csv")
DISTRICT = "440304"
STREET = "440304001"
COMMUNITY = "440304001020"
ACTOR = Actor("demo")
RANKS: tuple[Rank, ...] = ("primary", "deputy")
SIGNS = "甲乙丙丁戊己庚辛壬癸"
"""Two for each post of a place."""
VOICE_ROLES = ("district_center", "district_office", DISPATCH_DESK)
"""Whose holders can also be called."""
CLIENT = "demo"
OFFICERS_MAX = 10_000
STANDARD = {(role, position) for roles in STANDARD_POSTS.values() for position, role in enumerate(roles, start=1)}
"""The posts that get demo people: not those that somebody adds later."""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the demonstration, with its password."""

    role: str
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How to get into the demonstration: an API key with every scope, and an account of each kind."""

    api_key: str
    accounts: tuple[DemoAccount, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    username: str
    role: Role
    scope: str
    post: tuple[str, str] | None = None
    """Division and role of the post that the account's officer is primary of."""


ACCOUNTS = (
    _Plan("operator", Role.OPERATOR, "", (DISTRICT, DISPATCH_DESK)),
    _Plan("officer-nanyuan-community", Role.OFFICER, COMMUNITY, (COMMUNITY, "community_officer")),
    _Plan("officer-street", Role.OFFICER, STREET, (STREET, "street_officer")),
    _Plan("officer-district", Role.OFFICER, DISTRICT, (DISTRICT, "district_center")),
    _Plan("supervisor", Role.SUPERVISOR, DISTRICT, (DISTRICT, "district_office")),
    _Plan("auditor", Role.AUDITOR, ""),
    _Plan("admin", Role.ADMIN, ""),
)


async def load_demo(context: Context, *, password: str) -> DemoAccess:
    """Puts the demo's directory into the database. Running it again changes nothing, except passwords that differ from `password`.

    What an administrator has changed meanwhile stays: people and posts that exist are left alone.
    """
    settings = load(DirectorySettings, **context.given.get("directory", {}))
    hasher = argon2.PasswordHasher(time_cost=settings.password_rounds, memory_cost=settings.password_memory_kib)
    bearer = demo_key(context.keyring, password)
    database = await context.database("directory", size_max=2)
    try:
        async with Passwords(hasher) as passwords:
            await _load_places(context, database)
            await _load_accounts(context, database, passwords, password)
        async with database.transaction() as tx:
            await clients.ensure_client(
                tx, context.keyring, client_id=CLIENT, name="Demo", scopes=SCOPES, bearer=bearer, now=context.clock.now(), actor=ACTOR
            )
    finally:
        await database.close()
    return DemoAccess(bearer, tuple(DemoAccount(str(plan.role), plan.username, password) for plan in ACCOUNTS))


def demo_key(keyring: KeyRing, password: str) -> str:
    """The demo's API key: always the same for the same master key and password, so that it need not be kept anywhere."""
    digest = hmac.digest(keyring.derive("demo-api-key"), password.encode(), "sha256")
    return f"{CLIENT}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def officer_id(division_code: str, role: str, rank: Rank) -> UUID:
    """The id of a demo officer, from the post and rank."""
    return UUID(hashlib.md5(f"tocsin-demo-officer:{division_code}:{role}:{rank}".encode(), usedforsecurity=False).hexdigest())


def officer_name(division_name: str, position: int, rank: Rank) -> str:
    """示例·南园社区甲: the place and a sign, never a name that somebody could have."""
    return f"示例·{division_name.removesuffix('居委会')}{SIGNS[((position - 1) * len(RANKS) + RANKS.index(rank)) % len(SIGNS)]}"


def phone(number: int) -> str:
    """The phone of the demo's `number`-th officer (from 1)."""
    return f"+8600{100_000_000 + number}"


async def _load_places(context: Context, database: Database) -> None:
    now = context.clock.now()
    with REGISTER.open("rb") as file:
        await import_register(database, file, now=now, actor=ACTOR, with_posts=True)
    async with database.transaction() as tx:
        existing = {row["officer_id"] for row in await people.officers(tx, DISTRICT, None, OFFICERS_MAX)}
        posts = [post for post in await people.posts_under(tx, DISTRICT, OFFICERS_MAX) if (post.role, post.position) in STANDARD]
        wanted = [_Person(post, rank) for post in posts for rank in RANKS]
        missing = [(number, person) for number, person in enumerate(wanted, start=1) if person.officer_id not in existing]
        for number, person in missing:
            await _add_officer(tx, context, person, phone(number))
        if missing:
            await changed(tx, ACTOR, "demo.loaded", now, division_code=DISTRICT, details={"officers": len(missing)})


@dataclass(frozen=True, slots=True)
class _Person:
    post: people.PostPlace
    rank: Rank

    @property
    def officer_id(self) -> UUID:
        return officer_id(self.post.division_code, self.post.role, self.rank)


async def _add_officer(tx: Tx, context: Context, person: _Person, number: str) -> None:
    now, post = context.clock.now(), person.post
    blind, sealer = BlindIndex(context.keyring, PHONE_INDEX), Sealer(context.keyring)
    name = officer_name(post.division_name, post.position, person.rank)
    await people.add_officer(tx, officer_id=person.officer_id, name=name, language="zh_CN", division_code=post.division_code, now=now)
    for priority, channel in enumerate(("sms", "voice") if post.role in VOICE_ROLES else ("sms",), start=1):
        contact_id = new_id()
        await people.add_contact(
            tx,
            contact_id=contact_id,
            officer_id=person.officer_id,
            channel=channel,
            sealed=sealer.seal(number.encode(), contact_aad(contact_id)),
            index=blind.of(number),
            priority=priority,
            verified_at=now,
        )
    await people.make_room(tx, post.post_id, person.officer_id, person.rank, now)
    await people.add_holding(
        tx,
        holding_id=new_id(),
        post_id=post.post_id,
        officer_id=person.officer_id,
        rank=person.rank,
        state="current",
        valid_from=now,
        valid_to=None,
    )


async def _load_accounts(context: Context, database: Database, passwords: Passwords, password: str) -> None:
    now = context.clock.now()
    async with database.connection() as connection:
        known = {plan.username: await accounts_store.account(connection, plan.username) for plan in ACCOUNTS}
    # All of them have the same password, so that one hash, checked once, will do.
    hashes = {account.password_hash for account in known.values() if account}
    good = {stored for stored in sorted(hashes) if await passwords.matches(stored, password)}
    fresh = next(iter(good)) if good else await passwords.hash(password)
    async with database.transaction() as tx:
        for plan in ACCOUNTS:
            account = known[plan.username]
            if account is None:
                await accounts_store.add_account(
                    tx,
                    account_id=identity.account_id(plan.username),
                    username=plan.username,
                    password_hash=fresh,
                    role=plan.role,
                    officer_id=officer_id(*plan.post, "primary") if plan.post else None,
                    division_code=plan.scope,
                    language="zh_CN",
                    now=now,
                )
                details = {"username": plan.username, "role": plan.role}
                await changed(tx, ACTOR, "account.added", now, division_code=plan.scope, details=details)
            elif account.password_hash not in good:
                await accounts_store.set_password(tx, account.account_id, fresh)
