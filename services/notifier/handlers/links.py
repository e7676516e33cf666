"""Making links, showing them, and acknowledging by them (rules/links.py)."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.crypto import KeyRing
from libs.db import Tx
from services.notifier.handlers.replying import tell
from services.notifier.rules.links import PLACE, TOKEN, LinkState, expires_at, token_of
from services.notifier.rules.times import Language
from services.notifier.store import Subject, links, replies
from services.notifier.store.links import Link

TOKEN_KEY = "notifier.link"  # noqa: S105 - the purpose of a key, not one
HASH_KEY = "notifier.link-hash"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a link is good for, and what it is about; no subject where there is no such link."""

    state: LinkState
    subject: Subject | None = None
    language: str = ""


class Links:
    """The links of a deployment. `base_url` is what stands before the token, without a slash at its end; "": there are none.

    A token is a keyed hash of the attempt's id, so that it need not be kept to be found again in the provider's list; kept is a second
    keyed hash of it, by which it is recognised. Whoever reads the database can make no link of what is there.
    """

    def __init__(self, keyring: KeyRing, base_url: str) -> None:
        self._key = keyring.derive(TOKEN_KEY)
        self._hash_keys = keyring.derive_all(HASH_KEY)
        self._base_url = base_url

    @property
    def on(self) -> bool:
        """Whether links are sent at all."""
        return bool(self._base_url)

    def whole(self, body: str, attempt_id: UUID) -> str:
        """A kept text as it goes out."""
        return body.replace(PLACE, f"{self._base_url}/{self.token(attempt_id)}") if PLACE in body else body

    def token(self, attempt_id: UUID) -> str:
        """The token of an attempt's link."""
        return token_of(hmac.digest(self._key, attempt_id.bytes, "sha256"))

    async def begin(self, tx: Tx, attempt_id: UUID, subject: Subject, language: Language, now: datetime) -> None:
        """A text with a link is about to go out."""
        made = _hash(self._hash_keys[0], self.token(attempt_id))
        await links.add(tx, made, attempt_id, language, expires_at(subject.deadline_at, now))

    async def look(self, tx: Tx, token: str, now: datetime) -> Shown:
        """What a link is good for. Changes nothing, however often it is looked at."""
        link = await self._find(tx, token)
        return Shown(LinkState.WRONG) if link is None else await _shown(tx, link, now)

    async def accept(self, tx: Tx, token: str, now: datetime) -> Shown:
        """The button was pressed: the officer acknowledges, once. The answer is what the link is good for after that."""
        link = await self._find(tx, token, lock=True)
        if link is None:
            return Shown(LinkState.WRONG)
        shown = await _shown(tx, link, now)
        if shown.state is not LinkState.OPEN:
            return shown
        waiting = await replies.waiting_of(tx, link.subject.officer_id, link.subject.case_id)
        if waiting is None or not await links.use(tx, link.token_hash, now):
            return Shown(LinkState.NEEDLESS, link.subject, link.language)
        await tell(tx, waiting, "acknowledge", "link", now)
        return Shown(LinkState.ACCEPTED, link.subject, link.language)

    async def _find(self, tx: Tx, token: str, *, lock: bool = False) -> Link | None:
        if not TOKEN.fullmatch(token):
            return None
        return await links.find(tx, [_hash(key, token) for key in self._hash_keys], lock=lock)


async def _shown(tx: Tx, link: Link, now: datetime) -> Shown:
    if link.used_at is not None:
        state = LinkState.ACCEPTED
    elif not await replies.is_waiting(tx, link.subject.officer_id, link.subject.case_id):
        state = LinkState.NEEDLESS
    elif link.expires_at <= now:
        state = LinkState.EXPIRED
    else:
        state = LinkState.OPEN
    return Shown(state, link.subject, link.language)


def _hash(key: bytes, token: str) -> bytes:
    return hmac.digest(key, token.encode(), "sha256")[:16]
