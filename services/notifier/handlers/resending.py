"""Sending a failed notification again, because somebody says so.

It is a new notification, not the old one once more: that it failed was told and has already reached the next person (promise 5), and
what was told stands. The new one begins with all contacts afresh, and ends as any other does.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import ClientPrincipal, Principal, require
from libs.errors import Conflict, NotFound
from libs.events import new_id, publish
from libs.i18n import gettext as _
from services.notifier import store
from services.notifier.handlers import telling
from services.notifier.rules.calls import can_answer
from services.notifier.rules.states import NotificationState
from services.notifier.store import replies, resent


async def resend(tx: Tx, who: Principal, notification_id: UUID, now: datetime) -> UUID:
    """Queues a new notification like a failed one; answers its id. Who may manage the case there may do that."""
    require(who, "case.manage")
    found = await resent.locked(tx, notification_id)
    if found is None:
        raise NotFound("unknown_notification", _("There is no such notification."))
    subject, notification = found
    require(who, "case.manage", subject.division_code)
    if notification.state is not NotificationState.FAILED:
        raise Conflict("not_failed", _("Only a failed notification is sent again. This one is still on its way, or has arrived."))
    if can_answer(subject.purpose, subject.step) and not await replies.is_waiting(tx, subject.officer_id, subject.case_id):
        raise Conflict(
            "not_needed",
            _("Nobody waits for this officer's answer any more: the case was accepted, declined or closed. See the case."),
        )
    if await resent.of_notifications(tx, [notification_id]):
        raise Conflict("already_resent", _("This notification was sent again already. Look at what became of that one."))
    client = who.client_id if isinstance(who, ClientPrincipal) else None
    account = None if isinstance(who, ClientPrincipal) else who.account_id
    new = replace(subject, notification_id=new_id(), requested_at=now)
    event = telling.tell(subject, telling.resent(new, notification_id, by=account, client_id=client), now)
    new = replace(new, cause_id=event.id)
    await store.add_notifications(tx, [new], now)
    await resent.mark(tx, new.notification_id, notification_id, client or str(account))
    await publish(tx, [event])
    return new.notification_id
