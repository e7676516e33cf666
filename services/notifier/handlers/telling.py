"""The events that tell what became of notifications."""

from datetime import datetime
from uuid import UUID

from libs.events import Event, EventData, new_id
from libs.events.catalogue import (
    BudgetSpent,
    ContactStopped,
    NotificationDelivered,
    NotificationFailed,
    NotificationResent,
    NotificationSubmitted,
)
from services.notifier.store import Subject


def tell(subject: Subject, data: EventData, now: datetime) -> Event[EventData]:
    """The event, as a consequence of the request."""
    return Event(
        id=new_id(),
        key=subject.case_id,
        time=now,
        data=data,
        correlation_id=subject.correlation_id,
        causation_id=subject.cause_id,
        traceparent=subject.traceparent,
    )


def submitted(subject: Subject, attempt_id: UUID, gateway: str, channel: str) -> NotificationSubmitted:
    """A gateway has it."""
    return NotificationSubmitted(
        **_common(subject), attempt_id=attempt_id, gateway=gateway, channel=channel, requested_at=subject.requested_at
    )


def delivered(subject: Subject, attempt_id: UUID, gateway: str, channel: str) -> NotificationDelivered:
    """It is on the phone."""
    return NotificationDelivered(**_common(subject), attempt_id=attempt_id, gateway=gateway, channel=channel)


def failed(subject: Subject, reason: str) -> NotificationFailed:
    """No way was left."""
    return NotificationFailed(**_common(subject), reason=reason, channel=subject.channel)


def stopped(subject: Subject, contact_id: UUID, gateway: str) -> ContactStopped:
    """The officer has told the provider STOP."""
    return ContactStopped(officer_id=subject.officer_id, contact_id=contact_id, gateway=gateway)


def budget_spent(subject: Subject, gateway: str, budget: int) -> BudgetSpent:
    """The officer has had all the messages of a day."""
    return BudgetSpent(**_common(subject), gateway=gateway, budget=budget)


def resent(subject: Subject, resend_of: UUID, *, by: UUID | None, client_id: str | None) -> NotificationResent:
    """Somebody had a failed one sent again, as this one."""
    return NotificationResent(**_common(subject), resend_of=resend_of, by=by, client_id=client_id)


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
