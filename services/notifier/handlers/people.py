"""Whom to tell and in which language: the directory's answers, remembered until the directory changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.crypto import SealError
from libs.db import Tx
from libs.directory.model import Contact, Post
from libs.directory.read import Directory
from libs.log import get_logger
from services.notifier.rules.quiet import QuietHours
from services.notifier.rules.times import Language

REMEMBERED_MAX = 50_000
ZONE = "Asia/Shanghai"

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class Recipient:
    """An officer as far as a message needs them. No contacts: nobody by that id can be told anything."""

    language: Language
    contacts: tuple[Contact, ...]
    quiet: QuietHours | None = None


class People:
    """One per process; `fresh` first, in the same transaction, then ask."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._version = -1
        self._recipients: dict[UUID, Recipient] = {}
        self._zones: dict[str, str] = {}

    async def fresh(self, tx: Tx) -> None:
        """Forgets everything when the directory has changed."""
        version = await self._directory.version(tx)
        if version != self._version or len(self._recipients) + len(self._zones) > REMEMBERED_MAX:
            # New ones, not emptied ones: whoever is still reading what was, puts it where nobody looks any more.
            self._version, self._recipients, self._zones = version, {}, {}

    async def recipient(self, tx: Tx, officer_id: UUID) -> Recipient:
        """How to reach an officer."""
        recipients = self._recipients
        known = recipients.get(officer_id)
        if known is None:
            known = recipients[officer_id] = await self._load(tx, officer_id)
        return known

    async def zone(self, tx: Tx, division_code: str) -> str:
        """The time zone in which the people of a division read times."""
        zones = self._zones
        known = zones.get(division_code)
        if known is None:
            division = await self._directory.nearest(tx, division_code)
            known = zones[division_code] = division.zone if division else ZONE
        return known

    def fingerprint(self, phone: str) -> bytes:
        """What stands for a number where messages to it are counted."""
        return self._directory.fingerprint(phone)

    async def by_phone(self, tx: Tx, phone: str) -> list[tuple[UUID, UUID]]:
        """Officer and contact, of each active officer with that number."""
        return await self._directory.contacts_by_phone(tx, phone)

    async def posts_of(self, tx: Tx, officer_id: UUID) -> list[Post]:
        """The posts that an officer holds now."""
        return await self._directory.posts_of(tx, officer_id)

    async def answering(self, tx: Tx, division_code: str) -> Sequence[Post]:
        """The posts that answer for a place, lowest first, and the dispatch desks; those alone for a place that is not registered."""
        route = await self._directory.route(tx, division_code)
        return route.posts if route is not None else await self._directory.dispatch_desks(tx, division_code)

    async def _load(self, tx: Tx, officer_id: UUID) -> Recipient:
        officer = await self._directory.officer(tx, officer_id)
        language: Language = "en" if officer is not None and officer.language == "en" else "zh_CN"
        try:
            contacts = tuple(await self._directory.contacts(tx, officer_id))
        except SealError:
            # One number that cannot be opened must not stop the others' alarms: this officer counts as unreachable.
            log.exception("notifier.contact_sealed", officer_id=str(officer_id))
            contacts = ()
        return Recipient(language, contacts, QuietHours.of(*officer.quiet) if officer is not None and officer.quiet else None)
