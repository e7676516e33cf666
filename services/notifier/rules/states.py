"""The attempt protocol (DESIGN section 8): what an observation does to an attempt and to its notification.

An attempt only moves up in `RANK`, so that callbacks may come twice, late, or in any order. A notification ends as delivered, or as
failed once every contact of the officer was tried: `follow` says when to go on and how, the claiming job finds the next contact.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from libs.terms import Grade


class AttemptState(StrEnum):
    """One try through one gateway."""

    SENDING = "sending"
    """Committed before the call; whoever finds it after its lease knows nothing about the outcome."""
    AMBIGUOUS = "ambiguous"
    """The call ended without an answer: the message may or may not be on its way."""
    SUBMITTED = "submitted"
    SENT = "sent"
    LOST = "lost"
    """Not in the provider's list, or never confirmed: given up. A late callback may still prove otherwise."""
    REJECTED = "rejected"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"


RANK: dict[AttemptState, int] = {
    AttemptState.SENDING: 0,
    AttemptState.AMBIGUOUS: 1,
    AttemptState.SUBMITTED: 2,
    AttemptState.SENT: 3,
    AttemptState.LOST: 4,
    AttemptState.REJECTED: 5,
    AttemptState.UNDELIVERED: 5,
    AttemptState.FAILED: 5,
    AttemptState.DELIVERED: 6,
}
OPEN = frozenset({AttemptState.SENDING, AttemptState.AMBIGUOUS, AttemptState.SUBMITTED, AttemptState.SENT})

RANG_OUT = frozenset({AttemptState.LOST, AttemptState.REJECTED, AttemptState.UNDELIVERED, AttemptState.FAILED})
"""Of a call: nobody is on the phone, or we will never hear of it."""


class NotificationState(StrEnum):
    """An intent to tell an officer."""

    QUEUED = "queued"
    """Needs an attempt, at its `next_at`."""
    SENDING = "sending"
    """An attempt is under way, its outcome not known."""
    SUBMITTED = "submitted"
    """A gateway has it."""
    DELIVERED = "delivered"
    FAILED = "failed"


FINAL = frozenset({NotificationState.DELIVERED, NotificationState.FAILED})


class Refusal(StrEnum):
    """What a gateway's refusal is about, which decides what helps."""

    BUSY = "busy"
    """It was not processed; the same again later (429, queue overflow, no connection)."""
    CONTACT = "contact"
    """This number cannot be reached: the next contact at once."""
    GATEWAY = "gateway"
    """Our account or sender is at fault: somebody must be told; tried again for a while."""
    TEXT = "text"
    """This gateway does not take this text (not approved, a forbidden word): as `ELSEWHERE`, and somebody must be told."""
    ELSEWHERE = "elsewhere"
    """This gateway does not send to this number (its limit for the number, its region): another gateway at once, else the next contact."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the message, as `provider_id`, in `state` (submitted, sent, delivered, undelivered or failed).

    `busy`: it failed for a reason that passes (queue overflow). `polled`: we had to ask, since nobody told us.
    `code`: why it failed, where the provider's codes are texts.
    """

    provider_id: str
    state: AttemptState = AttemptState.SUBMITTED
    error_code: int | None = None
    busy: bool = False
    polled: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider does not take the message; it is certain that it was not sent. 0: it was not even reached.

    `code` instead of `error_code` where the provider's codes are texts.
    """

    refusal: Refusal
    error_code: int | None
    retry_after_s: float = 0.0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """The call ended without an answer."""

    error: str


@dataclass(frozen=True, slots=True)
class Missing:
    """The provider was asked and does not know the message: it was not sent."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The provider was asked and gave no answer."""


Observation: TypeAlias = Accepted | Rejected | Ambiguous | Missing | Unanswered


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the protocol, in seconds and tries (settings)."""

    lease_s: float = 8.0
    ambiguous_wait_s: float = 2.0
    ambiguous_give_up_s: float = 30.0
    confirm_s: float = 120.0
    confirm_give_up_s: float = 600.0
    retry_s: float = 1.0
    retry_max_s: float = 15.0
    retry_give_up_s: float = 90.0
    throttled_tries_max: int = 0
    """So often one is tried whose gateway has too much to do, however long that takes; 0: as long as a failing one."""
    duplicates_max: int = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as far as decisions need it."""

    attempt_id: UUID
    contact_id: UUID
    gateway: str
    channel: str
    state: AttemptState
    started_at: datetime
    provider_id: str | None = None
    error_code: int | None = None
    provider_code: str | None = None
    """Why it failed, where the provider's codes are texts."""
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as far as decisions need it. `tries` counts refusals, `duplicates` second sendings, both of the present contact.

    `refused`: the gateways that have refused it since the last pause, while others had not. `carrier`: the notification whose
    attempts tell of this one too; `tasks`: of how many tasks this one's attempts tell, when it carries others (ADR 18).
    """

    state: NotificationState
    current_attempt: UUID | None
    next_at: datetime | None = None
    tries: int = 0
    duplicates: int = 0
    contact_since: datetime | None = None
    tried: tuple[UUID, ...] = ()
    possible_duplicate: bool = False
    reason: str | None = None
    refused: tuple[str, ...] = ()
    carrier: UUID | None = None
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class Followed:
    """What follows from an observation. `submitted` and `delivered`: the events to tell."""

    attempt: Attempt
    notification: Notification
    submitted: bool = False
    delivered: bool = False


QUIET, FOR_BUNDLE = "quiet_hours", "bundle"
HELD = (QUIET, FOR_BUNDLE)
"""Why a notification waits that nothing is wrong with: for its officer's quiet hours to end, or for the next bundle."""
GATEWAY_DOWN = "gateway_down"
"""Why a notification waits for which no gateway can be tried now."""
FOR_PACE = "pace"
"""Why a notification waits whose gateway has had as many messages as it takes now."""
CRITICAL = 0
"""The priority of what goes before all else."""


def priority_of(grade: Grade, *, critical: bool) -> int:
    """The smaller, the sooner: critical ones before all else, then by grade (alarms of grade I never queue behind a storm)."""
    return CRITICAL if critical else grade.rank


def follow(
    notification: Notification, attempt: Attempt, seen: Observation, now: datetime, limits: Limits, *, others: bool = False
) -> Followed:
    """What `seen` does to `attempt` and its `notification`. `others`: another gateway is worth a try at once."""
    after = _observe(attempt, seen, now, limits)
    submitted = attempt.submitted_at is None and after.submitted_at is not None
    if notification.state in FINAL:
        return Followed(after, notification, submitted=submitted)
    if after.state is AttemptState.DELIVERED:
        done = replace(notification, state=NotificationState.DELIVERED, next_at=None, reason=None)
        return Followed(after, done, submitted=submitted, delivered=True)
    if notification.current_attempt != attempt.attempt_id or notification.state is NotificationState.QUEUED:
        return Followed(after, notification, submitted=submitted)
    return Followed(after, _go_on(notification, after, seen, now, limits, others=others), submitted=submitted)


def next_contact(notification: Notification, contact_id: UUID, reason: str, now: datetime) -> Notification:
    """Gives up on a contact: the claiming job takes the next one at once, or fails the notification when there is none."""
    return replace(
        notification,
        state=NotificationState.QUEUED,
        next_at=now,
        tries=0,
        duplicates=0,
        contact_since=None,
        refused=(),
        tried=(*notification.tried, contact_id),
        possible_duplicate=False,
        reason=reason,
    )


def _observe(attempt: Attempt, seen: Observation, now: datetime, limits: Limits) -> Attempt:
    match seen:
        case Accepted(provider_id=provider_id, state=state, error_code=error_code, polled=polled, code=code):
            known = replace(attempt, provider_id=attempt.provider_id or provider_id, submitted_at=attempt.submitted_at or now)
            if polled and state in OPEN and _age_s(known, now) >= limits.confirm_give_up_s:
                state = AttemptState.LOST
            return _raise_to(known, state, now, error_code=error_code, code=code, check_at=now + timedelta(seconds=limits.confirm_s))
        case Rejected(error_code=error_code, code=code):
            return _raise_to(attempt, AttemptState.REJECTED, now, error_code=error_code, code=code)
        case Ambiguous():
            return _raise_to(attempt, AttemptState.AMBIGUOUS, now, check_at=now + timedelta(seconds=limits.ambiguous_wait_s))
        case Missing():
            return _raise_to(attempt, AttemptState.LOST, now)
        case Unanswered():
            there = attempt.submitted_at is not None
            if _age_s(attempt, now) >= (limits.confirm_give_up_s if there else limits.ambiguous_give_up_s):
                return _raise_to(attempt, AttemptState.LOST, now)
            pause_s = limits.confirm_s if there else limits.ambiguous_wait_s
            return replace(attempt, check_at=now + timedelta(seconds=pause_s)) if attempt.state in OPEN else attempt


def _raise_to(
    attempt: Attempt,
    state: AttemptState,
    now: datetime,
    *,
    error_code: int | None = None,
    code: str = "",
    check_at: datetime | None = None,
) -> Attempt:
    if state is attempt.state and state in OPEN:
        return replace(attempt, check_at=check_at)
    if RANK[state] <= RANK[attempt.state]:
        return attempt  # late or repeated; of rejected, undelivered and failed the first word stands
    if state in OPEN:
        return replace(attempt, state=state, check_at=check_at)
    return replace(attempt, state=state, error_code=error_code, provider_code=code or None, ended_at=now, check_at=None)


def _age_s(attempt: Attempt, now: datetime) -> float:
    return (now - (attempt.submitted_at or attempt.started_at)).total_seconds()


def _go_on(notification: Notification, attempt: Attempt, seen: Observation, now: datetime, limits: Limits, *, others: bool) -> Notification:
    match attempt.state:
        case AttemptState.SENDING | AttemptState.AMBIGUOUS:
            return notification
        case AttemptState.SUBMITTED | AttemptState.SENT:
            return replace(notification, state=NotificationState.SUBMITTED)
        case AttemptState.LOST if _never_there(attempt, seen) and notification.duplicates < limits.duplicates_max:
            return replace(
                notification,
                state=NotificationState.QUEUED,
                next_at=now,
                duplicates=notification.duplicates + 1,
                possible_duplicate=True,
            )
        case AttemptState.LOST:
            return next_contact(notification, attempt.contact_id, "unconfirmed", now)
    reason = f"{attempt.state}:{attempt.provider_code or attempt.error_code or 0}"
    if not _may_help_again(seen, others=others):
        return next_contact(notification, attempt.contact_id, reason, now)
    since: datetime | None = notification.contact_since or attempt.started_at
    if limits.throttled_tries_max and is_throttled(seen):
        since, given_up = notification.contact_since, notification.tries >= limits.throttled_tries_max
    else:
        given_up = since is not None and (now - since).total_seconds() >= limits.retry_give_up_s
    if given_up:
        return next_contact(notification, attempt.contact_id, reason, now)
    if others:
        refused = (*notification.refused, attempt.gateway)
        return replace(notification, state=NotificationState.QUEUED, next_at=now, contact_since=since, reason=reason, refused=refused)
    pause_s = min(limits.retry_s * 2 ** min(notification.tries, 10), limits.retry_max_s)
    if isinstance(seen, Rejected):
        pause_s = max(pause_s, min(seen.retry_after_s, limits.retry_max_s))
    return replace(
        notification,
        state=NotificationState.QUEUED,
        next_at=now + timedelta(seconds=pause_s),
        tries=notification.tries + 1,
        contact_since=since,
        reason=reason,
        refused=(),
    )


def waits_since(notification: Notification, now: datetime, down_since: datetime | None) -> datetime:
    """Since when its present contact is waited for: since it was due and no gateway worked (`down_since`), however late it is taken up."""
    if notification.contact_since is not None or down_since is None:
        return notification.contact_since or now
    return max(min(notification.next_at or now, now), down_since)


def put_off(  # noqa: PLR0917 - what it depends on
    notification: Notification, contact_id: UUID, until: datetime, now: datetime, limits: Limits, down_since: datetime | None = None
) -> Notification:
    """Waits until a gateway may be tried again, as long as a failing gateway is waited for at all; then the next contact."""
    since = waits_since(notification, now, down_since)
    gives_up_at = since + timedelta(seconds=limits.retry_give_up_s)
    if now >= gives_up_at:
        return next_contact(notification, contact_id, GATEWAY_DOWN, now)
    return replace(notification, next_at=min(until, gives_up_at), contact_since=since, reason=GATEWAY_DOWN, refused=())


def is_throttled(seen: Observation) -> bool:
    """Whether a gateway has said that it has too much to do: it works, and whoever is next is reached over it no sooner."""
    return isinstance(seen, Rejected) and seen.refusal is Refusal.BUSY and seen.error_code != 0


def _never_there(attempt: Attempt, seen: Observation) -> bool:
    """Whether the provider does not have the message, or never said that it has: then the same number is tried again."""
    return attempt.submitted_at is None or isinstance(seen, Missing)


def _may_help_again(seen: Observation, *, others: bool) -> bool:
    """Whether the same number may work later, or through another gateway: this one was busy or at fault, not the contact."""
    if isinstance(seen, Rejected) and seen.refusal in {Refusal.ELSEWHERE, Refusal.TEXT}:
        return others
    if isinstance(seen, Rejected):
        return seen.refusal is not Refusal.CONTACT
    return isinstance(seen, Accepted) and seen.busy
