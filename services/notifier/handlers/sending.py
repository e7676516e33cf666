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
from libs.events import Event, EventData, new_id, publish
from libs.events.catalogue import NotificationDelivered, NotificationFailed, NotificationSubmitted
from libs.log import get_logger
from libs.terms import Purpose
from services.notifier import store
from services.notifier.gateways import STOPS, Gateway, Outgoing, Sought
from services.notifier.gateways.twilio import STOPPED
from services.notifier.handlers.health import Gates
from services.notifier.handlers.links import Links
from services.notifier.handlers.people import People
from services.notifier.rules.calls import VOICE, can_answer, in_order, numbers_to_call, wait_for_line
from services.notifier.rules.links import PLACE
from services.notifier.rules.routes import Routes
from services.notifier.rules.speech import call_text
from services.notifier.rules.states import (
    CRITICAL,
    RANG_OUT,
    Accepted,
    Attempt,
    AttemptState,
    Limits,
    Missing,
    Notification,
    NotificationState,
    Observation,
    Rejected,
    Unanswered,
    follow,
    put_off,
)
from services.notifier.rules.texts import Language, Registered, Registry, TemplateError, Wording
from services.notifier.rules.ways import Wait, Way, choose, others
from services.notifier.store import Beginning, Subject, calls, replies

VALID_S_MIN = 60
VALID_S_MAX = 36_000
CALL_CONFIRM_S = 40.0
"""A phone rings for less: without word from the provider for so long, it is asked."""
CALL_GIVE_UP_S = 240.0

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
    registered: Mapping[str, Registered] = field(default_factory=dict)
    """What is registered with each gateway that takes registered texts only."""

    def carriers(self, contact: Contact, purpose: Purpose) -> list[str]:
        """The gateways that serve a contact and have a text for that purpose, the preferred one first."""
        routed = self.routes.serving(contact.phone) if self.routes is not None and contact.channel == "sms" else self.gateways
        serving = [name for name in routed if self.gateways[name].capabilities.carries(contact.channel, contact.phone)]
        return [name for name in serving if name not in self.registered or purpose in self._said[name]]

    def limits_of(self, channel: str) -> Limits:
        """How long an attempt on a channel is waited for: a call is over within minutes, or we have not been told."""
        return replace(self.limits, confirm_s=CALL_CONFIRM_S, confirm_give_up_s=CALL_GIVE_UP_S) if channel == VOICE else self.limits

    @functools.cached_property
    def _said(self) -> dict[str, frozenset[Purpose]]:
        return {name: self.registry.said(registered) for name, registered in self.registered.items()}


@dataclass(frozen=True, slots=True)
class Ready:
    """A committed attempt: now the call may be made, and is a part of `subject`'s trace."""

    gateway: Gateway
    message: Outgoing
    subject: Subject
    first: bool
    """Nothing was tried for this notification before."""


async def claim(tx: Tx, means: Means, now: datetime, limit: int) -> tuple[int, list[Ready]]:
    """Takes due notifications and writes their attempts; fails those whose officer has no contact left.

    Those for which no gateway can be tried now are put off. While that is every gateway, only those are taken that have waited for
    one as long as one is waited for. Answers how many were taken, and the calls to make once this transaction has committed.
    """
    room = means.gates.room(now, limit)
    long_ago = now - timedelta(seconds=means.limits.retry_give_up_s)
    taken = await store.claim_due(tx, now, room or limit, since_before=None if room else long_ago)
    if not taken:
        return 0, []
    await means.people.fresh(tx)
    ready: list[Ready] = []
    beginnings: list[Beginning] = []
    moved: dict[UUID, Notification] = {}
    events: list[Event[EventData]] = []
    for subject, notification in taken:
        recipient = await means.people.recipient(tx, subject.officer_id)
        critical = subject.priority == CRITICAL
        carriers = functools.partial(means.carriers, purpose=subject.purpose)
        if subject.channel == VOICE and await _needs_no_call(tx, subject):
            moved[subject.notification_id] = replace(notification, state=NotificationState.FAILED, next_at=None, reason="not_needed")
            events.append(_failed(subject, "not_needed", now))
            continue
        contacts = in_order(recipient.contacts, subject.channel, subject.grade, subject.purpose)
        way = choose(contacts, carriers, notification, means.gates.breakers, now, critical=critical)
        if isinstance(way, Wait):
            moved[subject.notification_id] = put_off(notification, way.contact.contact_id, way.until, now, means.limits)
            continue
        if way is not None and way.contact.channel == VOICE and not await calls.take_line(tx, subject.officer_id, now):
            moved[subject.notification_id] = wait_for_line(notification, way.contact.contact_id, now)
            continue
        beginning = None
        if way is not None:
            language, again = recipient.language, notification.possible_duplicate
            beginning = await _begin(tx, means, subject, way, now, language=language, possible_duplicate=again)
        if way is None or beginning is None:
            reason = (notification.reason or "no_contact") if way is None else "no_text"
            moved[subject.notification_id] = replace(notification, state=NotificationState.FAILED, next_at=None, reason=reason)
            events.append(_failed(subject, reason, now))
            with trace.within(subject.traceparent):
                log.warning("notifier.failed", notification_id=str(subject.notification_id), reason=reason, purpose=subject.purpose)
            continue
        if way.contact.channel == VOICE:
            await calls.begin(tx, beginning.attempt.attempt_id, subject.officer_id, now)
        means.gates.begun(way.gateway, now)
        beginnings.append(beginning)
        moved[subject.notification_id] = replace(
            notification, state=NotificationState.SENDING, next_at=None, current_attempt=beginning.attempt.attempt_id
        )
        text, valid_s = beginning.text, _valid_s(subject.deadline_at, now, means)
        body = means.links.whole(text.body, beginning.attempt.attempt_id)
        message = Outgoing(beginning.attempt.attempt_id, way.contact.phone, body, valid_s, text.template_id, text.variables, text.language)
        ready.append(Ready(means.gateways[way.gateway], message, subject, first=notification.current_attempt is None))
    await store.begin_attempts(tx, beginnings)
    await store.move_notifications(tx, moved, now)
    await publish(tx, events)
    return len(taken), ready


async def observe(tx: Tx, means: Means, seen: Sequence[tuple[UUID, Observation]], now: datetime) -> list[bool]:
    """Records what was seen of attempts, in order, and tells what follows; answers for each whether its attempt is known."""
    known = await store.lock_attempts(tx, {attempt_id for attempt_id, _ in seen})
    notifications = {subject.notification_id: notification for subject, notification, _ in known.values()}
    before = dict(notifications)
    attempts = {attempt_id: attempt for attempt_id, (_, _, attempt) in known.items()}
    events: list[Event[EventData]] = []
    for attempt_id, observation in seen:
        if attempt_id not in known:
            continue
        subject = known[attempt_id][0]
        notification, attempt = notifications[subject.notification_id], attempts[attempt_id]
        serving = await _others(tx, means, subject, attempt, observation)
        more = others(attempt.gateway, serving, notification, means.gates.breakers, now)
        followed = follow(notification, attempt, observation, now, means.limits_of(attempt.channel), others=more)
        attempts[attempt_id] = followed.attempt
        notifications[subject.notification_id] = followed.notification
        if followed.submitted:
            events.append(_tell(subject, _submitted(subject, followed.attempt), now))
        if followed.delivered:
            events.append(_tell(subject, _delivered(subject, followed.attempt), now))
        _page_if_stopped(subject, known[attempt_id][2], followed.attempt)
    moved = {key: after for key, after in notifications.items() if after != before[key]}
    await calls.end(tx, [key for key, one in attempts.items() if one.channel == VOICE and one.state in RANG_OUT], now)
    await store.record_attempts(tx, [attempt for key, attempt in attempts.items() if attempt != known[key][2]])
    await store.move_notifications(tx, moved, now)
    await publish(tx, events)
    if any(after.state is NotificationState.QUEUED for after in moved.values()):
        after_commit(tx, means.woken)
    return [attempt_id in known for attempt_id, _ in seen]


async def _others(tx: Tx, means: Means, subject: Subject, attempt: Attempt, seen: Observation) -> list[str]:
    """The gateways that serve the same contact, where it matters: this one has failed."""
    if not isinstance(seen, Rejected) and not (isinstance(seen, Accepted) and seen.busy):
        return []
    await means.people.fresh(tx)
    recipient = await means.people.recipient(tx, subject.officer_id)
    contact = next((contact for contact in recipient.contacts if contact.contact_id == attempt.contact_id), None)
    return means.carriers(contact, subject.purpose) if contact is not None else []


async def number_of(tx: Tx, means: Means, officer_id: UUID, contact_id: UUID) -> str | None:
    """The number of a contact, unless it is gone."""
    await means.people.fresh(tx)
    recipient = await means.people.recipient(tx, officer_id)
    known = (*recipient.contacts, *numbers_to_call(recipient.contacts))
    return next((contact.phone for contact in known if contact.contact_id == contact_id), None)


async def ask(means: Means, attempt: Attempt, body: str, to: str | None, taken: frozenset[str]) -> Observation:
    """Asks the provider what became of an attempt that nobody told us about."""
    gateway = means.gateways.get(attempt.gateway)
    if gateway is None:
        return Unanswered()
    sought = Sought(attempt.attempt_id, to, means.links.whole(body, attempt.attempt_id), attempt.started_at, attempt.provider_id, taken)
    answer: Observation
    if attempt.provider_id is not None:
        answer = await gateway.fetch(sought)
    elif to is not None:
        answer = await gateway.find(sought)
    else:
        return Unanswered()
    if isinstance(answer, Accepted):
        return replace(answer, polled=True)
    return answer if isinstance(answer, Missing) else Unanswered()


async def _begin(
    tx: Tx, means: Means, subject: Subject, way: Way, now: datetime, *, language: Language, possible_duplicate: bool
) -> Beginning | None:
    gateway, contact = means.gateways[way.gateway], way.contact
    try:
        wording = Wording(
            purpose=subject.purpose,
            step=subject.step,
            grade=subject.grade,
            code=subject.code,
            deadline_at=subject.deadline_at,
            now=now,
            zone=await means.people.zone(tx, subject.division_code),
            language=language,
            can_reply=gateway.capabilities.hears(contact.phone),
            has_link=means.links.on and gateway.capabilities.links_to(contact.phone),
        )
        registered = means.registered.get(way.gateway)
        text = call_text(wording) if contact.channel == VOICE else means.registry.render(wording, registered)
    except (TemplateError, ZoneInfoNotFoundError):
        log.exception("notifier.no_text", notification_id=str(subject.notification_id), purpose=subject.purpose)
        return None
    attempt = Attempt(
        attempt_id=new_id(),
        contact_id=contact.contact_id,
        gateway=gateway.name,
        channel=contact.channel,
        state=AttemptState.SENDING,
        started_at=now,
        check_at=now + timedelta(seconds=means.limits.lease_s),
    )
    if PLACE in text.body:
        await means.links.begin(tx, attempt.attempt_id, subject, language, now)
    return Beginning(subject.notification_id, attempt, text, possible_duplicate)


def _valid_s(deadline_at: datetime | None, now: datetime, means: Means) -> int:
    """Until the deadline: a message that comes later would only confuse, and its failure is told at once instead."""
    if deadline_at is None:
        return means.valid_default_s
    return max(VALID_S_MIN, min(int((deadline_at - now).total_seconds()), VALID_S_MAX))


def _page_if_stopped(subject: Subject, before: Attempt, after: Attempt) -> None:
    if _is_stop(after) and not _is_stop(before):
        log.error("notifier.officer_sent_stop", officer_id=str(subject.officer_id), post_id=str(subject.post_id), pages=True)


def _is_stop(attempt: Attempt) -> bool:
    return attempt.error_code == STOPPED or attempt.provider_code in STOPS


def _tell(subject: Subject, data: EventData, now: datetime) -> Event[EventData]:
    return Event(
        id=new_id(),
        key=subject.case_id,
        time=now,
        data=data,
        correlation_id=subject.correlation_id,
        causation_id=subject.cause_id,
        traceparent=subject.traceparent,
    )


def _failed(subject: Subject, reason: str, now: datetime) -> Event[EventData]:
    return _tell(subject, NotificationFailed(**_common(subject), reason=reason, channel=subject.channel), now)


async def _needs_no_call(tx: Tx, subject: Subject) -> bool:
    """Whether the officer has answered meanwhile, or somebody else: then nobody's phone rings for it."""
    return can_answer(subject.purpose, subject.step) and not await replies.is_waiting(tx, subject.officer_id, subject.case_id)


def _submitted(subject: Subject, attempt: Attempt) -> NotificationSubmitted:
    return NotificationSubmitted(
        **_common(subject),
        attempt_id=attempt.attempt_id,
        gateway=attempt.gateway,
        channel=attempt.channel,
        requested_at=subject.requested_at,
    )


def _delivered(subject: Subject, attempt: Attempt) -> NotificationDelivered:
    return NotificationDelivered(**_common(subject), attempt_id=attempt.attempt_id, gateway=attempt.gateway, channel=attempt.channel)


def _common(subject: Subject) -> dict[str, object]:
    return {
        "notification_id": subject.notification_id,
        "case_id": subject.case_id,
        "grade": subject.grade,
        "division_code": subject.division_code,
        "tier": subject.tier,
        "post_id": subject.post_id,
        "officer_id": subject.officer_id,
        "purpose": subject.purpose,
    }
