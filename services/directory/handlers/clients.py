"""API clients and their keys. A client may have two live keys, so that it can change from one to the next without a gap."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from libs.crypto import KeyRing
from libs.db import Tx
from libs.directory import identity
from libs.directory.permissions import SCOPES
from libs.errors import Conflict, Invalid, NotFound
from libs.i18n import gettext as _
from libs.terms import Channel
from services.directory import rules
from services.directory.handlers.changes import Actor, changed
from services.directory.store import accounts as store


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: `bearer` is `id.secret` and can never be shown again."""

    client_id: str
    key_id: str
    bearer: str
    revoked: tuple[str, ...] = ()


async def create_client(
    tx: Tx,
    keyring: KeyRing,
    *,
    client_id: str,
    name: str,
    scopes: Iterable[str],
    channel: str | None = None,
    expires_at: datetime | None = None,
    now: datetime,
    actor: Actor,
) -> NewKey:
    """A new client with its first key."""
    wanted = sorted(set(scopes))
    _check_scopes(wanted)
    if channel is not None and channel not in list(Channel):
        raise Invalid("unknown_channel", _("There is no channel of this name. Known: %(known)s", known=", ".join(Channel)), field="channel")
    bare = rules.check_client_id(client_id)
    if not await store.add_client(tx, client_id=bare, name=rules.check_title(name), scopes=wanted, channel=channel, now=now):
        raise Conflict("client_exists", _("There is a client of this name already. Use `keys rotate` to give it a new key."))
    made = await _add_key(tx, keyring, bare, now, expires_at)
    await changed(tx, actor, "client.created", now, subject_id=bare, details={"scopes": wanted, "key_id": made.key_id})
    return made


async def rotate_key(
    tx: Tx, keyring: KeyRing, *, client_id: str, expires_at: datetime | None = None, now: datetime, actor: Actor
) -> NewKey:
    """A further key; the one before stays alive until the next rotation or until it is revoked, older ones are revoked now."""
    if not await store.hold_client(tx, client_id):
        raise NotFound("client_not_found", _("There is no client of this name."))
    live = await store.live_keys(tx, client_id, now)
    old = live[: max(len(live) - (rules.KEYS_LIVE_MAX - 1), 0)]
    await store.revoke_keys(tx, old, now)
    made = await _add_key(tx, keyring, client_id, now, expires_at)
    await changed(tx, actor, "key.rotated", now, subject_id=client_id, details={"key_id": made.key_id, "revoked": old})
    return NewKey(client_id, made.key_id, made.bearer, tuple(old))


async def revoke(tx: Tx, *, client_or_key: str, now: datetime, actor: Actor) -> list[str]:
    """Revokes one key, or all keys of a client; answers their ids. It works at once, but for 5 s of memory in other processes."""
    client_id = await store.client_of_key(tx, client_or_key)
    keys = [client_or_key]
    if client_id is None:
        client_id = client_or_key
        if not await store.hold_client(tx, client_id):
            raise NotFound("client_not_found", _("There is no client or key of this name."))
        keys = await store.live_keys(tx, client_id, now)
    if await store.revoke_keys(tx, keys, now):
        await changed(tx, actor, "key.revoked", now, subject_id=client_id, details={"keys": keys})
    return keys


async def ensure_client(
    tx: Tx, keyring: KeyRing, *, client_id: str, name: str, scopes: Iterable[str], bearer: str, now: datetime, actor: Actor
) -> None:
    """A client whose key is given, for the demonstration: running it again changes nothing that matters."""
    key_id, _dot, secret = bearer.partition(".")
    wanted = sorted(set(scopes))
    _check_scopes(wanted)
    if await store.add_client(tx, client_id=client_id, name=name, scopes=wanted, channel=None, now=now):
        await changed(tx, actor, "client.created", now, subject_id=client_id, details={"scopes": wanted, "key_id": key_id})
    await store.add_key(tx, key_id=key_id, client_id=client_id, key_hash=_hash(keyring, secret), now=now, expires_at=None)


async def _add_key(tx: Tx, keyring: KeyRing, client_id: str, now: datetime, expires_at: datetime | None) -> NewKey:
    if expires_at is not None and expires_at <= now:
        raise Invalid("bad_period", _("The end must lie in the future."), field="expires_at")
    key_id, secret = identity.new_key()
    await store.add_key(tx, key_id=key_id, client_id=client_id, key_hash=_hash(keyring, secret), now=now, expires_at=expires_at)
    return NewKey(client_id, key_id, f"{key_id}.{secret}")


def _check_scopes(scopes: list[str]) -> None:
    if not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid("unknown_scope", _("Scopes are one or more of: %(known)s", known=", ".join(SCOPES)), field="scopes")


def _hash(keyring: KeyRing, secret: str) -> bytes:
    return identity.key_hash(keyring.derive(identity.PEPPER_PURPOSE), secret)
