"""Telling supervisors of officers' numbers that cannot be relied on, by SMS: an alarm that would not arrive is told before it is needed.

Quiet hours do not hold it back, and no budget is asked: it is one SMS in ten minutes at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from libs.db import TRANSIENT, Tx
from libs.directory.model import Post
from libs.events import new_id
from libs.log import get_logger
from services.notifier.handlers.beside import AT_ONCE_MAX, Beside, End, Outcome
from services.notifier.handlers.people import Recipient
from services.notifier.rules.above import PAUSE, above
from services.notifier.store import pages
from services.notifier.store.pages import Due, Placed, Trouble

TRIES_MAX = 15
"""As many minutes: longer than a provider is usually away. Then somebody else is told."""
AGAIN = timedelta(minutes=1)
VALID_S = 3600

log = get_logger("notifier")

PAGES = Counter(
    "tocsin_notifier_supervisor_pages_total",
    "SMS to supervisors of numbers that sent STOP or had their messages of the day, and numbers of which nobody could be told.",
    ["finding", "outcome"],
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a supervisor is told, and the zone in which they read times."""

    due: Due
    zone: str
    now: datetime


class Pager(Beside[Told]):
    """Finds out whom to tell, and tells them."""

    async def claim(self, tx: Tx, now: datetime) -> Sequence[tuple[Told, Recipient]]:
        """What supervisors are to be told now."""
        if found := await pages.found(tx):
            await pages.place(tx, [await self._placed(tx, one) for one in found], now, PAUSE)
        due = await pages.claim(tx, now, now + AGAIN, AT_ONCE_MAX)
        people = self.means.people
        return [(Told(one, await people.zone(tx, one.division_code), now), await people.recipient(tx, one.supervisor_id)) for one in due]

    async def send(self, one: Told, recipient: Recipient) -> Outcome:
        """To the supervisor's numbers in their order."""
        due, numbers, registry = one.due, len(one.due.contact_ids), self.means.registry
        if not numbers or due.tries > TRIES_MAX:
            return Outcome(End.FAILED)
        contacts = [contact for contact in recipient.contacts if contact.channel == "sms"]
        return await self.carry(
            contacts,
            due.what,
            lambda registered: registry.page(due.what, recipient.language, numbers, one.now, one.zone, registered),
            new_id(),
            VALID_S,
        )

    async def end(self, tx: Tx, one: Told, outcome: Outcome, now: datetime) -> None:
        """Writes who was told; who could not be is passed over, and the next one above is told."""
        due, told = one.due, outcome.end is End.SENT
        if due.contact_ids:  # they may all have sent START meanwhile
            PAGES.labels(due.what, outcome.end).inc()
            say = log.info if told else log.warning
            supervisor, numbers = str(due.supervisor_id), len(due.contact_ids)
            say("notifier.supervisor_paged", what=due.what, supervisor_id=supervisor, numbers=numbers, state=outcome.end)
        await pages.end(tx, due, told=told, now=now, pause=PAUSE)

    async def next_at(self, tx: Tx) -> datetime | None:
        """When somebody is to be looked up, or told."""
        return await pages.next_at(tx)

    async def _placed(self, tx: Tx, trouble: Trouble) -> Placed:
        """The post that it concerns, and whom to tell; where there is nobody, the line in the log is the only page."""
        posts: list[Post] = []
        try:
            posts = sorted(await self.means.people.posts_of(tx, trouble.officer_id), key=lambda post: post.post_id != trouble.post_id)
            for post in posts:
                supervisor = await self._above(tx, trouble, post)
                if supervisor is not None:
                    return Placed(trouble, post.post_id, post.division_code, supervisor)
        except (*TRANSIENT, asyncpg.PostgresError):
            raise
        except Exception:
            log.exception("notifier.page_failed", officer_id=str(trouble.officer_id))
        post_id, division_code = (posts[0].post_id, posts[0].division_code) if posts else (trouble.post_id, trouble.division_code)
        PAGES.labels(trouble.what, "nobody").inc()
        officer, concerned, passed = str(trouble.officer_id), str(post_id), len(trouble.passed)
        log.error("notifier.nobody_to_page", what=trouble.what, officer_id=officer, post_id=concerned, passed=passed, pages=True)
        return Placed(trouble, post_id, division_code, None)

    async def _above(self, tx: Tx, trouble: Trouble, post: Post) -> UUID | None:
        people = self.means.people
        for officer_id in above(post, await people.answering(tx, post.division_code), trouble.officer_id):
            if officer_id not in trouble.passed:
                contacts = (await people.recipient(tx, officer_id)).contacts
                if any(contact.channel == "sms" and self.means.carriers(contact, trouble.what) for contact in contacts):
                    return officer_id
        return None
