"""Sending and following up: what the claiming job takes, and what is done with everything that is seen of an attempt."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from libs import trace
from libs.db import Tx, after_commit
from libs.directory.model import Contact
from libs.events import Event, EventData, new_event, new_id, publish
from libs.log import get_logger
from services.notifier import store
from services.notifier.gateways import STOPS, Gateway, Outgoing
from services.notifier.gateways.twilio import STOPPED
from services.notifier.handlers import faults, telling, troubles
from services.notifier.handlers.bundling import follow as follow_carriers
from services.notifier.handlers.bundling import gather
from services.notifier.handlers.health import Gates
from services.notifier.handlers.links import Links
from services.notifier.handlers.people import People, Recipient
from services.notifier.handlers.shaping import PUT_OFF_MIN, Round, Shaping, begin_round
from services.notifier.rules.calls import ALARMS, VOICE, can_answer, in_order, limits_for, wait_for_line
from services.notifier.rules.links import PLACE
from services.notifier.rules.quiet import QuietHours, waits_until
from services.notifier.rules.routes import Routes
from services.notifier.rules.speech import call_text
from services.notifier.rules.states import (
    CRITICAL,
    FOR_PACE,
    HELD,
    QUIET,
    RANG_OUT,
    Accepted,
    Attempt,
    AttemptState,
    Limits,
    Notification,
    NotificationState,
    Observation,
    Rejected,
    follow,
    put_off,
    waits_since,
)
from services.notifier.rules.texts import About, Registered, Registry, TemplateError, Text, Wording
from services.notifier.rules.turns import is_urgent
from services.notifier.rules.ways import PATIENCE, PATIENCE_OF_ALARMS, Wait, Way, choose, others, valid_s
from services.notifier.store import Beginning, Subject, calls, replies

log = get_logger("notifier")


@dataclass(frozen=True)
class Means:
    """What sending needs. `gateways` in the order to try them."""

    people: People
    registry: Registry
    gateways: Mapping[str, Gateway]
    limits: Limits
    valid_default_s: int
    gates: Gates
    links: Links
    woken: Callable[[], None] = lambda: None
    """Called after a commit that queued something to send at once."""

    routes: Routes | None = None
    """Which gateways take the SMS to which numbers, and in which order; None: all that serve them, in the order of `gateways`."""
    shaping: Shaping = field(default_factory=Shaping.boundless)
    registered: Mapping[str, Registered] = field(default_factory=dict)
    """What is registered with each gateway that takes registered texts only."""

    def carriers(self, contact: Contact, about: About) -> list[str]:
        """The gateways that serve a contact and have a text for that, the preferred one first."""
        if about == "bundle" and contact.channel == VOICE:
            return []  # nobody is called to hear a number
        routed = self.routes.serving(contact.phone) if self.routes is not None and contact.channel == "sms" else self.gateways
        serving = [name for name in routed if self.gateways[name].capabilities.carries(contact.channel, contact.phone)]
        return [name for name in serving if name not in self.registered or about in self._said[name]]

    @functools.cached_property
    def _said(self) -> dict[str, frozenset[About]]:
        return {name: self.registry.said(registered) for name, registered in self.registered.items()}


@dataclass(frozen=True, slots=True)
class Ready:
    """A committed attempt: now the call may be made, and is a part of `subject`'s trace."""

    gateway: Gateway
    message: Outgoing
    subject: Subject
    first: bool
    """Nothing was tried for this notification before."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was taken up, and the calls to make once the transaction has committed.

    `more`: there may be more that can go at once. `hungry`: there may be more that cannot, for want of a place or a token.
    """

    worked: int
    ready: list[Ready]
    more: bool
    hungry: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A notification whose turn it is, and whom it is for."""

    subject: Subject
    notification: Notification
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Paced:
    """There is a way, but no token before `until`."""

    until: datetime
    reason: str | None


async def claim(tx: Tx, means: Means, now: datetime, free: int, reserve: int = 0) -> Claimed:
    """Takes due notifications and writes their attempts; fails those whose officer has no contact left.

    `free` calls may be made, the last `reserve` of them for urgent messages. Those for which no gateway can be tried now are put off.
    While that is every gateway, only those are taken that have waited for one as long as one is waited for.
    """
    room, passes_over = means.gates.room(now, free), means.shaping.begin()
    if room:
        asked, urgent_only = means.shaping.room(now, means.gates.usable(now), room, min(room, free - reserve))
        without = FOR_PACE if passes_over else None
        taken = await store.claim_due(tx, now, asked, urgent_only=urgent_only, without=without) if asked else []
    else:
        asked, urgent_only = free, False
        waited = store.Waited(now - timedelta(seconds=means.limits.retry_give_up_s), means.gates.down_since)
        taken = await store.claim_due(tx, now, free, waited=waited)
    full = len(taken) == asked
    if not taken:
        return Claimed(0, [], more=passes_over, hungry=full or urgent_only)
    await means.people.fresh(tx)
    recipients = {officer_id: await means.people.recipient(tx, officer_id) for officer_id in {one.officer_id for one, _ in taken}}
    round_ = await begin_round(tx, means.shaping, means.people, recipients.values(), now)
    asleep = await _asleep(tx, means, taken, recipients, now)
    awake = [one for one in taken if one[0].notification_id not in asleep]
    gathered = await gather(tx, round_, awake, recipients, lambda contact: bool(means.carriers(contact, "bundle")))
    ready: list[Ready] = []
    beginnings: list[Beginning] = []
    moved = gathered.held | {key: after for key, after in asleep.items() if key not in gathered.bundled}
    events: list[Event[EventData]] = []
    for subject, before in gathered.left:
        notification = replace(before, reason=None) if before.reason in {*HELD, FOR_PACE} else before
        due = Due(subject, notification, recipients[subject.officer_id])
        found = await faults.contained(_find(tx, means, round_, due), subject.notification_id)
        if isinstance(found, Wait):
            moved[subject.notification_id] = put_off(notification, found.contact.contact_id, found.until, now, means.limits, found.since)
        elif isinstance(found, Paced):
            moved[subject.notification_id] = replace(notification, next_at=found.until, reason=notification.reason or found.reason)
        elif not isinstance(found, str) and found[0].contact.channel == VOICE and not await calls.take_line(tx, subject.officer_id, now):
            moved[subject.notification_id] = wait_for_line(notification, found[0].contact.contact_id, now)
        else:
            taking = (
                found if isinstance(found, str) else await faults.contained(_take(tx, means, round_, due, *found), subject.notification_id)
            )
            if isinstance(taking, str):
                moved[subject.notification_id] = replace(notification, state=NotificationState.FAILED, next_at=None, reason=taking)
                events.append(telling.tell(subject, telling.failed(subject, taking), now))
                with trace.within(subject.traceparent):
                    log.warning("notifier.failed", notification_id=str(subject.notification_id), reason=taking, purpose=subject.purpose)
                continue
            beginning, call = taking
            beginnings.append(beginning)
            ready.append(call)
            down_since = means.gates.breakers[beginning.attempt.gateway].since  # it asks whether the gateway is back
            moved[subject.notification_id] = replace(
                notification,
                state=NotificationState.SENDING,
                next_at=None,
                current_attempt=beginning.attempt.attempt_id,
                contact_since=waits_since(notification, now, down_since) if down_since else notification.contact_since,
            )
    await store.begin_attempts(tx, beginnings)
    await store.move_notifications(tx, moved, now)
    await follow_carriers(tx, [key for key, after in moved.items() if after.tasks], now)
    await round_.tell(tx)
    await publish(tx, events)
    return Claimed(len(taken), ready, more=full or passes_over, hungry=full or urgent_only)


async def observe(tx: Tx, means: Means, seen: Sequence[tuple[UUID, Observation]], now: datetime) -> list[bool]:
    """Records what was seen of attempts, in order, and tells what follows; answers for each whether its attempt is known."""
    known = await store.lock_attempts(tx, {attempt_id for attempt_id, _ in seen})
    notifications = {subject.notification_id: notification for subject, notification, _ in known.values()}
    before = dict(notifications)
    attempts = {attempt_id: attempt for attempt_id, (_, _, attempt) in known.items()}
    events: list[Event[EventData]] = []
    stops: list[tuple[UUID, Subject]] = []
    for attempt_id, observation in seen:
        if attempt_id not in known:
            continue
        subject = known[attempt_id][0]
        notification, attempt = notifications[subject.notification_id], attempts[attempt_id]
        serving = await _others(tx, means, subject, notification, attempt, observation, now)
        more = others(attempt.gateway, serving, notification, means.gates.breakers, now)
        followed = follow(notification, attempt, observation, now, limits_for(means.limits, attempt.channel, subject.grade), others=more)
        attempts[attempt_id] = followed.attempt
        notifications[subject.notification_id] = followed.notification
        told = followed.attempt.attempt_id, followed.attempt.gateway, followed.attempt.channel
        if followed.submitted:
            events.append(telling.tell(subject, telling.submitted(subject, *told), now))
        if followed.delivered:
            events.append(telling.tell(subject, telling.delivered(subject, *told), now))
        if _is_stop(followed.attempt) and not _is_stop(attempt):
            log.error("notifier.officer_sent_stop", officer_id=str(subject.officer_id), post_id=str(subject.post_id), pages=True)
            events.append(new_event(telling.stopped(subject, attempt.contact_id, attempt.gateway), key=subject.officer_id, time=now))
            stops.append((attempt.contact_id, subject))
    moved = {key: after for key, after in notifications.items() if after != before[key]}
    await calls.end(tx, [key for key, one in attempts.items() if one.channel == VOICE and one.state in RANG_OUT], now)
    await store.record_attempts(tx, [attempt for key, attempt in attempts.items() if attempt != known[key][2]])
    await store.move_notifications(tx, moved, now)
    await follow_carriers(tx, [key for key, after in moved.items() if after.tasks], now)
    await troubles.stopped(tx, means.people, troubles.of("stopped", stops), now)
    await publish(tx, events)
    if any(after.state is NotificationState.QUEUED for after in moved.values()):
        after_commit(tx, means.woken)
    return [attempt_id in known for attempt_id, _ in seen]


async def _others(  # noqa: PLR0917
    tx: Tx, means: Means, subject: Subject, notification: Notification, attempt: Attempt, seen: Observation, now: datetime
) -> list[str]:
    """The gateways that may take it to the same contact, where it matters: this one has failed."""
    if not isinstance(seen, Rejected) and not (isinstance(seen, Accepted) and seen.busy):
        return []
    await means.people.fresh(tx)
    recipient = await means.people.recipient(tx, subject.officer_id)
    contact = next((one for one in recipient.contacts if one.contact_id == attempt.contact_id), None)
    names = means.carriers(contact, _about(subject, notification)) if contact else []
    if not contact or len(names) == 1:
        return names
    return (await begin_round(tx, means.shaping, means.people, (recipient,), now)).carriers(subject, lambda _: names, paced=False)(contact)


async def _asleep(
    tx: Tx, means: Means, taken: Sequence[tuple[Subject, Notification]], recipients: Mapping[UUID, Recipient], now: datetime
) -> dict[UUID, Notification]:
    """Those that wait for their officer's quiet hours to end, as they are then."""
    held: dict[UUID, Notification] = {}
    for subject, notification in taken:
        quiet = recipients[subject.officer_id].quiet
        if quiet is None or notification.current_attempt is not None:
            continue
        until = await faults.contained(_wakes_at(tx, means, subject, quiet, now), subject.notification_id)
        if isinstance(until, datetime):
            held[subject.notification_id] = replace(notification, next_at=until, reason=QUIET)
    return held


async def _wakes_at(tx: Tx, means: Means, subject: Subject, quiet: QuietHours, now: datetime) -> datetime | None:
    zone = await means.people.zone(tx, subject.division_code)
    return waits_until(quiet, subject.priority, subject.requested_at, subject.deadline_at, now, zone)


async def _take(  # noqa: PLR0917
    tx: Tx, means: Means, round_: Round, due: Due, way: Way, text: Text
) -> tuple[Beginning, Ready]:
    """Takes a way: the attempt to write, and the call to make for it."""
    subject, notification, now = due.subject, due.notification, round_.now
    number = round_.took(way.contact, way.gateway, text)
    means.gates.begun(way.gateway, now)
    attempt = _attempt(means, way, now)
    if way.contact.channel == VOICE:
        await calls.begin(tx, attempt.attempt_id, subject.officer_id, now)
    if PLACE in text.body:
        await means.links.begin(tx, attempt.attempt_id, subject, due.recipient.language, now)
    until_s = valid_s(subject.deadline_at, now, means.valid_default_s)
    body = means.links.whole(text.body, attempt.attempt_id)
    message = Outgoing(attempt.attempt_id, way.contact.phone, body, until_s, text.template_id, text.variables, text.language)
    first = notification.current_attempt is None
    beginning = Beginning(subject.notification_id, attempt, text, notification.possible_duplicate, number)
    return beginning, Ready(means.gateways[way.gateway], message, subject, first=first)


async def _find(tx: Tx, means: Means, round_: Round, due: Due) -> tuple[Way, Text] | Wait | Paced | str:
    """The next way and what is said on it; or for what it waits; or why there is none."""
    round_.barred.clear()
    if due.subject.channel == VOICE and await _needs_no_call(tx, due.subject):
        return "not_needed"
    urgent, otherwise = is_urgent(due.subject.priority), "no_contact"
    try:
        contacts = in_order(due.recipient.contacts, due.subject.channel, due.subject.grade, due.subject.purpose)
        found = await _find_way(tx, means, round_, due, contacts)
        if _is_call(found) and due.subject.channel != VOICE and await _needs_no_call(tx, due.subject):
            contacts, otherwise = [one for one in contacts if one.channel != VOICE], "not_needed"
            found = await _find_way(tx, means, round_, due, contacts)
        if isinstance(found, tuple) and not means.shaping.may(found[0].gateway, round_.now, urgent=urgent):
            other = await _find_way(tx, means, round_, due, (found[0].contact,), paced=True)
            if not isinstance(other, tuple):
                free_at = means.shaping.free_at(round_.now, urgent=urgent, gateways=(found[0].gateway,))
                if urgent:
                    return Paced(free_at, None)
                means.shaping.keep_waiting(means.carriers(found[0].contact, _about(due.subject, due.notification)))
                return Paced(max(free_at, round_.now + PUT_OFF_MIN), FOR_PACE)
            found = other
    except (TemplateError, ZoneInfoNotFoundError):
        log.exception("notifier.no_text", notification_id=str(due.subject.notification_id), purpose=due.subject.purpose)
        return "no_text"
    return found or round_.reason() or due.notification.reason or otherwise


async def _find_way(
    tx: Tx, means: Means, round_: Round, due: Due, contacts: Sequence[Contact], *, paced: bool = False
) -> tuple[Way, Text] | Wait | None:
    urgent, critical = is_urgent(due.subject.priority), due.subject.priority == CRITICAL
    patience = PATIENCE_OF_ALARMS if due.subject.grade in ALARMS else PATIENCE
    about = _about(due.subject, due.notification)
    allowed = round_.carriers(due.subject, lambda contact: means.carriers(contact, about), paced=paced)
    repeated: set[tuple[UUID, str]] = set()
    heard_before: tuple[Way, Text] | None = None
    while True:  # each turn leaves out one more pair of contact and gateway
        way = choose(
            contacts,
            lambda contact: [name for name in allowed(contact) if (contact.contact_id, name) not in repeated],
            due.notification,
            means.gates.breakers,
            round_.now,
            critical=critical,
            patience=patience,
        )
        if heard_before and not (isinstance(way, Way) and way.contact == heard_before[0].contact):
            return heard_before  # an urgent message repeats words rather than leave a number out
        if not isinstance(way, Way):
            return way
        texts = await _texts(tx, means, due, about, way, round_.now)
        text = round_.pick(way.contact, way.gateway, texts)
        if text is not None:
            return way, text
        if urgent and heard_before is None:
            heard_before = way, texts[0]
        repeated.add((way.contact.contact_id, way.gateway))


async def _texts(tx: Tx, means: Means, due: Due, about: About, way: Way, now: datetime) -> Sequence[Text]:  # noqa: PLR0917
    subject, gateway = due.subject, means.gateways[way.gateway]
    wording = Wording(
        purpose=about,
        step=None if about == "bundle" else subject.step,
        grade=subject.grade,
        code=subject.code,
        deadline_at=subject.deadline_at,
        now=now,
        zone=await means.people.zone(tx, subject.division_code),
        language=due.recipient.language,
        can_reply=gateway.capabilities.hears(way.contact.phone),
        count=due.notification.tasks,
        has_link=means.links.on and gateway.capabilities.links_to(way.contact.phone),
    )
    return [call_text(wording)] if way.contact.channel == VOICE else means.registry.variants(wording, means.registered.get(way.gateway))


def _attempt(means: Means, way: Way, now: datetime) -> Attempt:
    return Attempt(
        attempt_id=new_id(),
        contact_id=way.contact.contact_id,
        gateway=way.gateway,
        channel=way.contact.channel,
        state=AttemptState.SENDING,
        started_at=now,
        check_at=now + timedelta(seconds=means.limits.lease_s),
    )


async def _needs_no_call(tx: Tx, subject: Subject) -> bool:
    """Whether the officer has answered meanwhile, or somebody else: then nobody's phone rings for it."""
    return can_answer(subject.purpose, subject.step) and not await replies.is_waiting(tx, subject.officer_id, subject.case_id)


def _about(subject: Subject, notification: Notification) -> About:
    return "bundle" if notification.tasks > 1 else subject.purpose


def _is_call(found: tuple[Way, Text] | Wait | None) -> bool:
    return isinstance(found, tuple) and found[0].contact.channel == VOICE


def _is_stop(attempt: Attempt) -> bool:
    return attempt.error_code == STOPPED or attempt.provider_code in STOPS
