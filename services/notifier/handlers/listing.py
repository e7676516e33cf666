"""Showing what became of a case's notifications."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import Principal, may, require
from services.notifier import store
from services.notifier.rules.states import Notification
from services.notifier.store import Subject


@dataclass(frozen=True, slots=True)
class Listed:
    """A notification with its attempts, as rows of `store`."""

    subject: Subject
    notification: Notification
    attempts: list[Any]


async def of_case(tx: Tx, who: Principal, case_id: UUID, after: tuple[Any, ...] | None, limit: int) -> list[Listed]:
    """The notifications of a case that `who` may see; `Forbidden` when there are some, all of them out of reach."""
    require(who, "notification.read")
    position: tuple[datetime, UUID] | None = (after[0], after[1]) if after else None
    found = [Listed(*one) for one in await store.list_notifications(tx, case_id, position, limit)]
    visible = [one for one in found if may(who, "notification.read", one.subject.division_code)]
    if found and not visible:
        require(who, "notification.read", found[0].subject.division_code)
    return visible
