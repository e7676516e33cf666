"""Who is asking: API keys and staff sessions, looked up in the tables of `services/directory`.

A key is `id.secret`; the secret has 256 bits and only its HMAC-SHA256 under a pepper is stored. A session token has 256 bits and
only its SHA-256 is stored: with so much entropy nothing slower is needed.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from libs.crypto import KeyRing
from libs.db import Database, Tx
from libs.directory.permissions import ClientPrincipal, Role, StaffPrincipal
from libs.errors import Unauthorised
from libs.i18n import gettext as _

PEPPER_PURPOSE = "api-key"
KEY_MEMORY = timedelta(seconds=5)
"""How long a key that was revoked may still work: the price of not asking the database for each report."""
KEYS_REMEMBERED_MAX = 1024
KEY_LENGTH_MAX = 200
TOUCH_EVERY = timedelta(minutes=5)
"""How exact `last_seen` of a session is; more would be a write for every page."""
LOOKUP_TIMEOUT_S = 10.0


class Identity:
    """Looks up who is asking. One per process, on the directory's own database (`app.state.identity`)."""

    def __init__(self, database: Database, keyring: KeyRing) -> None:
        self._database = database
        self._peppers = keyring.derive_all(PEPPER_PURPOSE)
        self._known: OrderedDict[bytes, tuple[datetime, ClientPrincipal]] = OrderedDict()

    async def authenticate_key(self, bearer: str, now: datetime) -> ClientPrincipal:
        """The client whose key `bearer` is. `Unauthorised` for keys that are unknown, wrong, expired or revoked, all alike."""
        key_id, dot, secret = bearer.partition(".")
        if not dot or not key_id or not secret or len(bearer) > KEY_LENGTH_MAX or not bearer.isascii() or "\x00" in bearer:
            raise _bad_key()
        digests = [key_hash(pepper, secret) for pepper in self._peppers]
        remembered = hashlib.sha256(key_id.encode() + b"." + digests[0]).digest()
        hit = self._known.get(remembered)
        if hit is not None and now < hit[0]:
            return hit[1]
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_KEY, key_id, now, timeout=LOOKUP_TIMEOUT_S)
        stored = row["key_hash"] if row else bytes(len(digests[0]))
        if not any([hmac.compare_digest(digest, stored) for digest in digests]) or row is None:  # noqa: C419 - always all of them
            raise _bad_key()
        client = ClientPrincipal(row["client_id"], row["name"], frozenset(row["scopes"]), row["channel"])
        good_until = min(now + KEY_MEMORY, row["expires_at"] or now + KEY_MEMORY)
        self._known[remembered] = (good_until, client)
        self._known.move_to_end(remembered)
        while len(self._known) > KEYS_REMEMBERED_MAX:
            self._known.popitem(last=False)
        return client

    async def session(self, token: str, now: datetime) -> StaffPrincipal | None:
        """Who logged in with the session `token`; None when it is unknown, over, or its account is no longer active."""
        if not token or len(token) > KEY_LENGTH_MAX:
            return None
        digest = token_hash(token)
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_SESSION, digest, now, timeout=LOOKUP_TIMEOUT_S)
            if row is None:
                return None
            if row["last_seen"] < now - TOUCH_EVERY:
                await connection.execute(_TOUCH, digest, now, timeout=LOOKUP_TIMEOUT_S)
        return StaffPrincipal(
            account_id=row["account_id"],
            username=row["username"],
            role=Role(row["role"]),
            officer_id=row["officer_id"],
            division_code=row["division_code"],
            language=row["language"],
        )

    def forget_keys(self) -> None:
        """Drops what is remembered, so that a revoked key stops at once in this process."""
        self._known.clear()


async def clients_with_key(tx: Tx, client_ids: Iterable[str], now: datetime) -> set[str]:
    """Those of these API clients that have a key that works. The others may ask nothing, and are to be told nothing."""
    rows = await tx.fetch(_WITH_KEY, sorted(set(client_ids)), now, timeout=LOOKUP_TIMEOUT_S)
    return {row["client_id"] for row in rows}


def new_token() -> str:
    """A fresh session token."""
    return secrets.token_urlsafe(32)


def new_key() -> tuple[str, str]:
    """A fresh key's id and secret; the client sends `id.secret`."""
    return f"tk{secrets.token_hex(6)}", secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a session token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def key_hash(pepper: bytes, secret: str) -> bytes:
    """What is stored of a key's secret."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def account_id(username: str) -> UUID:
    """The id of an account, from its name: an account that is made again is the same account in every record."""
    return UUID(bytes=hashlib.sha256(f"tocsin-account:{username}".encode()).digest()[:16], version=5)


def _bad_key() -> Unauthorised:
    return Unauthorised("bad_api_key", _("This API key is not known, or is no longer valid. Send `Authorization: Bearer <id>.<secret>`."))


_KEY = """
SELECT k.key_hash, k.expires_at, c.client_id, c.name, c.scopes, c.channel
FROM directory.api_keys k JOIN directory.api_clients c USING (client_id)
WHERE k.key_id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
"""

_WITH_KEY = """
SELECT DISTINCT client_id FROM directory.api_keys
WHERE client_id = ANY ($1::text[]) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
"""

_SESSION = """
SELECT s.last_seen, a.account_id, a.username, a.role, a.officer_id, a.division_code, a.language
FROM directory.sessions s JOIN directory.accounts a USING (account_id)
WHERE s.token_hash = $1 AND s.expires_at > $2 AND a.active
"""

_TOUCH = "UPDATE directory.sessions SET last_seen = $2 WHERE token_hash = $1"
