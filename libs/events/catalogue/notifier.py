"""Events of the notifier, keyed by case_id where they are about a case."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.events.envelope import EventData, event
from libs.terms import Grade, Purpose, Tier


class NotificationEvent(EventData):
    """What all of them carry."""

    notification_id: UUID
    case_id: UUID
    grade: Grade
    division_code: str
    tier: Tier | None
    post_id: UUID
    officer_id: UUID
    purpose: Purpose


@event("notifier", "notification.submitted")
class NotificationSubmitted(NotificationEvent):
    """A gateway accepted an attempt."""

    attempt_id: UUID
    gateway: str
    channel: str
    requested_at: datetime


@event("notifier", "notification.delivered")
class NotificationDelivered(NotificationEvent):
    """The provider says that the handset has it."""

    attempt_id: UUID
    gateway: str
    channel: str


@event("notifier", "notification.failed")
class NotificationFailed(NotificationEvent):
    """No channel of this officer worked: the router tells the next person or tier at once (promise 5).

    `channel` "voice": a call that the policy asked for beside an SMS; whether the officer can be reached, the SMS tells.
    """

    reason: str
    channel: Literal["sms", "voice"] = "sms"


@event("notifier", "budget.spent")
class BudgetSpent(NotificationEvent):
    """The officer's number has had the messages of a day over a gateway: this notification is the first that takes another way."""

    gateway: str
    budget: int


class ContactEvent(EventData):
    """What became of a contact of an officer's; keyed by the officer."""

    officer_id: UUID
    contact_id: UUID
    gateway: str


@event("notifier", "contact.stopped")
class ContactStopped(ContactEvent):
    """An officer wants no more messages to this number (STOP): nothing that is sent there arrives, so nothing more is sent there."""


@event("notifier", "contact.resumed")
class ContactResumed(ContactEvent):
    """The officer wants messages to this number again (START)."""


@event("notifier", "officer.replied")
class OfficerReplied(EventData):
    """An officer answered an SMS or a call about a case."""

    case_id: UUID
    officer_id: UUID
    notification_id: UUID | None = None
    action: Literal["acknowledge", "decline"]
    via: Literal["sms_reply", "link", "keypad"]


@event("notifier", "notification.resent")
class NotificationResent(NotificationEvent):
    """Somebody had a failed notification sent again, as a new one: `notification_id` is the new one, `resend_of` the failed one.

    `by` is the account, or `client_id` the API client, that wanted it.
    """

    resend_of: UUID
    by: UUID | None = None
    client_id: str | None = None


@event("notifier", "webhook.registered")
class WebhookRegistered(EventData):
    """An API client wants to be told how its reports go on. Keyed by webhook_id."""

    webhook_id: UUID
    client_id: str


@event("notifier", "webhook.removed")
class WebhookRemoved(EventData):
    """It does not want to be told any more. Keyed by webhook_id."""

    webhook_id: UUID
    client_id: str
