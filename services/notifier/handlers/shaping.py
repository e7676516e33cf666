"""What a storm is held back by: the pace of each gateway, and each number's messages of the day. Urgent messages pass."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Counter

from libs.db import Tx
from libs.directory.model import Contact
from libs.events import Event, EventData, publish
from libs.log import get_logger
from services.notifier.handlers import telling, troubles
from services.notifier.handlers.people import People, Recipient
from services.notifier.rules.budgets import DAY, UNBOUND, Bounds, Number
from services.notifier.rules.bundles import WINDOW, Bundling
from services.notifier.rules.pacing import Bucket
from services.notifier.rules.states import Observation, Rejected, is_throttled
from services.notifier.rules.texts import Text
from services.notifier.rules.turns import is_urgent
from services.notifier.store import Subject, storm
from services.notifier.store.storm import Sent, Spent

BUDGETED = "sms"
"""The channel whose messages are counted: that of the providers' rules."""
PUT_OFF_MIN = timedelta(seconds=0.5)
"""For how long at least a message that is not urgent waits for a token: it is not written anew for each one that is taken."""

THROTTLED_S, THROTTLED_MAX_S = 1.0, 15.0
"""For how long a gateway that has too much to do is left to what is urgent: as long as it asks for, within these bounds."""
HEAD_START_S = 0.25
"""And so much longer, so that an alarm that it has refused comes again before all the others."""

log = get_logger("notifier")

SPENT = Counter(
    "tocsin_notifier_budget_spent_total", "Times that the messages of a day to one number over a gateway were used up.", ["gateway"]
)
BARRED = Counter("tocsin_notifier_barred_total", "Messages that could not take a gateway since its number had had enough.", ["gateway"])


class Shaping:
    """The bounds of this process. Each process paces itself: where several send, each is given its share (ADR 18)."""

    def __init__(self, bounds: Mapping[str, Bounds], bundling: Bundling) -> None:
        self.bundling = bundling
        self._bounds = dict(bounds)
        self._buckets = {name: Bucket(one.per_s) for name, one in bounds.items()}
        self._throttled_until: dict[str, datetime] = {}
        self._kept_waiting: set[str] = set()
        self._left_out: frozenset[str] = frozenset()

    @classmethod
    def boundless(cls) -> "Shaping":
        """One that holds back nothing and bundles nothing."""
        return cls({}, Bundling(after=0))

    def bounds(self, gateway: str) -> Bounds:
        """What a gateway allows."""
        return self._bounds.get(gateway, UNBOUND)

    @property
    def counts(self) -> bool:
        """Whether anything depends on what went to a number before."""
        return self.bundling.after > 0 or any(one.per_number_per_day or one.identical_per_day for one in self._bounds.values())

    def room(self, now: datetime, gateways: Collection[str], most: int, ordinary: int) -> tuple[int, bool]:
        """How many messages may be taken up, and whether only urgent ones; of others at most `ordinary`, of all at most `most`."""
        if all(now < self._throttled_until.get(name, now) for name in gateways):
            ordinary = 0
        buckets = [self._buckets.get(name, _FREE) for name in gateways]
        if any(bucket.per_s == 0 for bucket in buckets):
            return (ordinary, False) if ordinary > 0 else (most, True)
        others = min(ordinary, sum(bucket.room(now, urgent=False) for bucket in buckets))
        return (others, False) if others > 0 else (min(most, sum(bucket.room(now, urgent=True) for bucket in buckets)), True)

    def may(self, gateway: str, now: datetime, *, urgent: bool) -> bool:
        """Whether a message may go to a gateway now."""
        if not urgent and (gateway in self._left_out or now < self._throttled_until.get(gateway, now)):
            return False
        return self._buckets.get(gateway, _FREE).may(now, urgent=urgent)

    def heard(self, gateway: str, seen: Observation, now: datetime) -> None:
        """What a call came to: a gateway that has too much to do gets nothing but what is urgent for a while."""
        if isinstance(seen, Rejected) and is_throttled(seen):
            pause_s = min(max(seen.retry_after_s, THROTTLED_S), THROTTLED_MAX_S)
            self._throttled_until[gateway] = now + timedelta(seconds=pause_s + HEAD_START_S)

    def begin(self) -> bool:
        """A batch begins; whether it is one without those that wait for a token, and without the gateways that they wait for.

        They come round again and again, and before all that came later: what could go through another gateway gets every second batch.
        """
        self._left_out, self._kept_waiting = frozenset(self._kept_waiting), set()
        return bool(self._left_out)

    def keep_waiting(self, gateways: Collection[str]) -> None:
        """A message that is not urgent finds no token of these gateways'."""
        if not self._left_out:
            self._kept_waiting.update(gateways)

    def took(self, gateway: str, now: datetime) -> None:
        """A message goes to a gateway."""
        self._buckets[gateway] = self._buckets.get(gateway, _FREE).taken(now)

    def free_at(self, now: datetime, *, urgent: bool, gateways: Collection[str] = ()) -> datetime:
        """When the next message of that kind may go to one of `gateways`, or of all."""
        known = [name for name in gateways or self._buckets if name in self._buckets]
        return min((self._free_at(name, now, urgent=urgent) for name in known), default=now)

    def next_at(self, now: datetime) -> datetime:
        """When there is something to look for again: room for urgent messages, and once there is, room for the others."""
        urgent = self.free_at(now, urgent=True)
        return urgent if urgent > now else self.free_at(now, urgent=False)

    def _free_at(self, gateway: str, now: datetime, *, urgent: bool) -> datetime:
        free_at = self._buckets[gateway].free_at(now, urgent=urgent)
        return free_at if urgent else max(free_at, self._throttled_until.get(gateway, now))


_FREE = Bucket(0.0)


@dataclass
class Round:
    """What one batch knows of the numbers that it writes to, and adds to it."""

    shaping: Shaping
    people: People
    sent: Sent
    now: datetime
    barred: set[str] = field(default_factory=set)
    """Why the present notification could not take a gateway; emptied by the caller for each."""
    _spent: dict[tuple[UUID, str], tuple[Subject, set[UUID]]] = field(default_factory=dict)
    """The first notification that met it, and all that were held back."""

    def recent(self, contact: Contact) -> tuple[int, datetime | None]:
        """How many messages went to a contact lately, and when the last of a day did."""
        number = self.people.fingerprint(contact.phone)
        return self.sent.recent.get(number, 0), self.sent.last_at.get(number)

    def carriers(self, subject: Subject, carries: Callable[[Contact], Sequence[str]], *, paced: bool) -> Callable[[Contact], list[str]]:
        """Of the gateways that serve a contact those that may take this message; `paced`: and may do so now."""
        urgent = is_urgent(subject.priority)

        def of(contact: Contact) -> list[str]:
            names = list(carries(contact))
            left = [name for name in names if not self._is_spent(subject, contact, name, urgent=urgent)]
            # An urgent message prefers a gateway that has messages left for the number, and takes a spent one rather than wait.
            wanted = [*left, *(name for name in names if name not in left)] if urgent else left
            return [name for name in wanted if self.shaping.may(name, self.now, urgent=urgent)] if paced else wanted

        return of

    def pick(self, contact: Contact, gateway: str, texts: Sequence[Text]) -> Text | None:
        """The first of several texts that the number has not had too often over this gateway."""
        bounds = self.shaping.bounds(gateway)
        if contact.channel != BUDGETED or not bounds.identical_per_day:
            return texts[0]
        number = self.people.fingerprint(contact.phone)
        for text in texts:
            if not self.sent.tally.is_repeated(number, contact.phone, gateway, _words(text.body), bounds):
                return text
        self.barred.add("identical_text")
        BARRED.labels(gateway).inc()
        return None

    def took(self, contact: Contact, gateway: str, text: Text) -> Number | None:
        """A message goes out; answers what stands for its number."""
        self.shaping.took(gateway, self.now)
        number = self.people.fingerprint(contact.phone)
        if contact.channel == BUDGETED:
            self.sent.tally.add(number, gateway, _words(text.body))
        return number

    def reason(self) -> str | None:
        """Why the present notification found no way, as far as that is our own doing."""
        return next((one for one in ("budget_spent", "identical_text") if one in self.barred), None)

    async def tell(self, tx: Tx) -> None:
        """Keeps whose budget is spent; what is new pages the supervisor, and is told."""
        if not self._spent:
            return
        spent = [self._record(*key) for key in sorted(self._spent)]
        new = await storm.spend(tx, spent, self.now, DAY)
        events: list[Event[EventData]] = []
        await troubles.spent(tx, [(contact_id, self._spent[contact_id, gateway][0]) for contact_id, gateway in new], self.now)
        for one in spent:
            if (one.contact_id, one.gateway) not in new:
                continue
            SPENT.labels(one.gateway).inc()
            log.error("notifier.budget_spent", gateway=one.gateway, officer_id=str(one.officer_id), post_id=str(one.post_id), pages=True)
            subject, _ = self._spent[one.contact_id, one.gateway]
            events.append(telling.tell(subject, telling.budget_spent(subject, one.gateway, one.budget), self.now))
        await publish(tx, events)

    def _is_spent(self, subject: Subject, contact: Contact, gateway: str, *, urgent: bool) -> bool:
        bounds = self.shaping.bounds(gateway)
        if contact.channel != BUDGETED or not bounds.per_number_per_day:
            return False
        if not self.sent.tally.is_spent(self.people.fingerprint(contact.phone), gateway, bounds):
            return False
        _, held = self._spent.setdefault((contact.contact_id, gateway), (subject, set()))
        if not urgent:
            self.barred.add("budget_spent")
            if subject.notification_id not in held:
                held.add(subject.notification_id)
                BARRED.labels(gateway).inc()
        return True

    def _record(self, contact_id: UUID, gateway: str) -> Spent:
        subject, held = self._spent[contact_id, gateway]
        budget = self.shaping.bounds(gateway).per_number_per_day
        return Spent(contact_id, gateway, subject.officer_id, subject.post_id, subject.division_code, budget, len(held), self.now, self.now)


async def begin_round(tx: Tx, shaping: Shaping, people: People, recipients: Collection[Recipient], now: datetime) -> Round:
    """A round for these recipients: one query, whatever their number; none where nothing is bound."""
    if not shaping.counts:
        return Round(shaping, people, await storm.sent_to(tx, (), now, now), now)
    numbers = {people.fingerprint(contact.phone) for one in recipients for contact in one.contacts if contact.channel == BUDGETED}
    return Round(shaping, people, await storm.sent_to(tx, numbers, now - DAY, now - WINDOW), now)


def _words(body: str) -> bytes:
    return hashlib.sha256(body.encode()).digest()
