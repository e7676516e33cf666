"""Logging in and out.

A wrong name and a wrong password look the same and take the same time; guessing is slowed, and nobody is shut out for good.
"""

import asyncio
import hashlib
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self, TypeVar
from uuid import UUID

import argon2

from libs.clock import Clock
from libs.db import Database, Tx
from libs.directory import identity
from libs.directory.permissions import Role
from libs.errors import Conflict, Unavailable
from libs.i18n import gettext as _
from services.directory import rules
from services.directory.errors import LoginFailed, LoginPaused
from services.directory.handlers.changes import Actor, changed
from services.directory.store import accounts as store

VERIFIERS_MAX = 2
"""Passwords checked at once: each takes 64 MiB and a core for some 50 ms."""
WAITING_MAX = 64
HASH_TIMEOUT_S = 20.0
CLEAN_BATCH_MAX = 1_000

ResultT = TypeVar("ResultT")


class Passwords:
    """argon2id (RFC 9106, second recommended option), off the event loop and a few at a time."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._pool = ThreadPoolExecutor(VERIFIERS_MAX, thread_name_prefix="argon2")
        self._waiting = 0

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; with None as long as for a wrong one, and then False."""
        return await self._run(lambda: self._verify(password_hash or self._nobody, password)) and password_hash is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_args: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("overloaded", _("Too many people are logging in. Try again in a few seconds."))
        self._waiting += 1
        try:
            async with asyncio.timeout(HASH_TIMEOUT_S):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError:
            raise Unavailable("overloaded", _("Too many people are logging in. Try again in a few seconds.")) from None
        finally:
            self._waiting -= 1


@dataclass(frozen=True, slots=True)
class Login:
    """A session that was opened; `token` is for the cookie and is stored nowhere."""

    token: str
    account_id: UUID
    role: Role
    expires_at: datetime


async def log_in(database: Database, passwords: Passwords, clock: Clock, *, username: str, password: str) -> Login:
    """Opens a session of 12 hours. Raises `LoginFailed`, or `LoginPaused` after too many wrong passwords.

    A try is counted before it is checked, so that many at once get no further than one after the other; it holds no connection
    while the password is being checked, which is why this use case opens its transactions itself.
    """
    name = username.strip().lower()[: rules.PASSWORD_LENGTH_MAX]
    tried = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    async with database.transaction() as tx:
        await _count_try(tx, tried, clock.now())
    async with database.connection() as connection:
        account = await store.account(connection, name) if rules.USERNAME.fullmatch(name) else None
    right = await passwords.matches(account.password_hash if account else None, password[: rules.PASSWORD_LENGTH_MAX + 1])
    if not right or account is None or not account.active:
        raise LoginFailed
    now = clock.now()
    token = identity.new_token()
    expires_at = now + rules.SESSION_LENGTH
    async with database.transaction() as tx:
        await store.forget_failures(tx, tried)
        await store.add_session(tx, identity.token_hash(token), account.account_id, now, expires_at)
    return Login(token, account.account_id, Role(account.role), expires_at)


async def log_out(tx: Tx, token: str) -> None:
    """Ends a session; one that is over already is no error."""
    await store.end_session(tx, identity.token_hash(token))


async def add_account(
    tx: Tx,
    passwords: Passwords,
    *,
    username: str,
    password: str,
    role: Role,
    officer_id: UUID | None = None,
    division_code: str = "",
    language: str = "zh_CN",
    now: datetime,
    actor: Actor,
) -> UUID:
    """A new account; `division_code` bounds its rights ("" = everywhere)."""
    name = rules.check_username(username)
    hashed = await passwords.hash(rules.check_password(password))
    made = identity.account_id(name)
    done = await store.add_account(
        tx,
        account_id=made,
        username=name,
        password_hash=hashed,
        role=role,
        officer_id=officer_id,
        division_code=division_code,
        language=language,
        now=now,
    )
    if not done:
        raise Conflict("username_taken", _("There is an account of this name already."))
    await changed(tx, actor, "account.added", now, division_code=division_code, subject_id=made, details={"role": role})
    return made


async def set_password(tx: Tx, passwords: Passwords, *, username: str, password: str, now: datetime, actor: Actor) -> None:
    """A new password; whoever is logged in with the old one is logged out. LoginFailed when there is no such account."""
    account = await store.account(tx, rules.check_username(username))
    if account is None:
        raise LoginFailed
    await store.set_password(tx, account.account_id, await passwords.hash(rules.check_password(password)))
    await store.end_sessions_of(tx, account.account_id)
    await changed(tx, actor, "account.password_set", now, subject_id=account.account_id)


async def clean(tx: Tx, now: datetime) -> int:
    """Forgets sessions that are over and wrong passwords of long ago."""
    return await store.clean(tx, now, now - rules.FAILURES_FORGOTTEN_AFTER, CLEAN_BATCH_MAX)


async def _count_try(tx: Tx, tried: bytes, now: datetime) -> None:
    row = await store.hold_failures(tx, tried, now)
    until: datetime | None = row["locked_until"]
    if until is not None and now < until:
        raise LoginPaused(until, math.ceil((until - now).total_seconds()))
    failures = 1 if row["last_at"] < now - rules.FAILURES_FORGOTTEN_AFTER else row["failures"] + 1
    await store.set_failures(tx, tried, failures, now, rules.locked_until(failures, now))
