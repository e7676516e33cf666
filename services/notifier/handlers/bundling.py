"""Several tasks in one message: gathering what waits for an officer, and letting the members follow what became of it (ADR 18)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from prometheus_client import Counter

from libs import trace
from libs.db import Tx
from libs.directory.model import Contact
from libs.events import Event, EventData, publish
from libs.log import get_logger
from services.notifier.handlers import telling
from services.notifier.handlers.people import Recipient
from services.notifier.handlers.shaping import Round
from services.notifier.rules.bundles import BUNDLED, MEMBERS_MAX, Bundling
from services.notifier.rules.states import FOR_BUNDLE, Notification, NotificationState
from services.notifier.store import Subject, storm
from services.notifier.store.storm import Follower

Waiting: TypeAlias = tuple[Subject, Notification]

_NEVER = datetime.max.replace(tzinfo=UTC)

log = get_logger("notifier")

BUNDLES = Counter("tocsin_notifier_bundles_total", "Messages that told of several notifications at once.")
BUNDLED_TOTAL = Counter("tocsin_notifier_bundled_total", "Notifications that went out in such messages.")


@dataclass
class Gathered:
    """What a batch is after bundling: `left` go out, `held` wait for their bundle, `bundled` are in one, carriers too."""

    left: list[Waiting]
    held: dict[UUID, Notification] = field(default_factory=dict)
    bundled: set[UUID] = field(default_factory=set)


async def gather(
    tx: Tx, round_: Round, taken: Sequence[Waiting], recipients: dict[UUID, Recipient], can_say: Callable[[Contact], bool]
) -> Gathered:
    """Puts together what waits for officers in a storm, also what was not taken up yet, and writes who carries whom.

    Only for officers to whose first contact a gateway `can_say` that there are several tasks.
    """
    rule, now = round_.shaping.bundling, round_.now
    fitting = {subject.officer_id for subject, notification in taken if _fits(rule, subject, notification)}
    stormy = {officer_id for officer_id in fitting if any(map(can_say, recipients[officer_id].contacts[:1]))}
    if not stormy:
        return Gathered(list(taken))
    waiting = await storm.waiting_for(tx, sorted(stormy), [str(grade) for grade in rule.grades], [str(one) for one in BUNDLED])
    gathered = Gathered([])
    members: dict[UUID, UUID] = {}
    tasks: dict[UUID, int] = {}
    carriers: list[Waiting] = []
    for officer_id, group in waiting.items():
        recent, last_at = round_.recent(recipients[officer_id].contacts[0])
        if not rule.is_storm(recent, len(group)):
            continue
        until = rule.until(((subject.requested_at, subject.deadline_at) for subject, _ in group), last_at)
        if now < until:
            held = [one for one in group if one[1].next_at is not None and one[1].next_at <= now]
            gathered.held |= {
                subject.notification_id: replace(notification, next_at=until, reason=FOR_BUNDLE) for subject, notification in held
            }
        elif len(group) > 1:
            together = group[: MEMBERS_MAX + 1]
            subject, notification = min(together, key=lambda one: one[0].deadline_at or _NEVER)
            tasks[subject.notification_id] = len({one.case_id for one, _ in together})
            carriers.append((subject, replace(notification, tasks=tasks[subject.notification_id])))
            members |= {one.notification_id: subject.notification_id for one, _ in together if one is not subject}
            gathered.bundled |= {one.notification_id for one, _ in together}
    await storm.bundle(tx, members, tasks, now)
    BUNDLES.inc(len(tasks))
    BUNDLED_TOTAL.inc(len(members) + len(tasks))
    gone = gathered.bundled | gathered.held.keys()
    gathered.left = [one for one in taken if one[0].notification_id not in gone] + carriers
    return gathered


async def follow(tx: Tx, carriers: Collection[UUID] | None, now: datetime) -> int:
    """Moves the members of these bundles to where their carrier is, each with its own events; None: of all that were left behind.

    They are left behind only where a process of an earlier version, which knows no bundles, has moved the carrier.
    """
    if carriers is not None and not carriers:
        return 0
    moved = 0
    while found := await storm.followers(tx, None if carriers is None else sorted(carriers)):
        await _move(tx, found, now)
        moved += len(found)
    return moved


async def _move(tx: Tx, found: Sequence[Follower], now: datetime) -> None:
    events: list[Event[EventData]] = []
    for one in found:
        events += [telling.tell(one.subject, data, now) for data in _told(one)]
        if one.state is NotificationState.FAILED:
            with trace.within(one.subject.traceparent):
                log.warning(
                    "notifier.failed",
                    notification_id=str(one.subject.notification_id),
                    reason=one.reason,
                    purpose=one.subject.purpose,
                )
    await storm.follow(tx, found, now)
    await publish(tx, events)


def _fits(rule: Bundling, subject: Subject, notification: Notification) -> bool:
    never_tried = notification.current_attempt is None and notification.tasks == 0
    return never_tried and subject.channel == "sms" and rule.fits(subject.grade, subject.purpose, subject.priority)


def _told(one: Follower) -> list[EventData]:
    if one.state is NotificationState.FAILED:
        return [telling.failed(one.subject, one.reason or "no_contact")]
    assert one.attempt_id is not None, "what was submitted has an attempt"
    attempt = one.attempt_id, one.gateway, one.channel
    first: list[EventData] = [telling.submitted(one.subject, *attempt)] if one.was is NotificationState.SENDING else []
    return [*first, telling.delivered(one.subject, *attempt)] if one.state is NotificationState.DELIVERED else first
