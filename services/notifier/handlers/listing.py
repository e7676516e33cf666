"""Showing what became of notifications: those of a case, and the latest of all."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.model import contains
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from services.notifier import store
from services.notifier.rules.states import Notification
from services.notifier.store import Subject
from services.notifier.store.recent import Wanted, recent


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
    found = [Listed(*one) for one in await store.list_notifications(tx, case_id, who.division_code, position, limit)]
    if not found and position is None:
        for subject, *_ in await store.list_notifications(tx, case_id, "", None, 1):
            require(who, "notification.read", subject.division_code)
    return [one for one in found if may(who, "notification.read", one.subject.division_code)]


async def latest(tx: Tx, who: StaffPrincipal, wanted: Wanted, limit: int) -> list[Listed]:
    """The newest notifications within the reader's divisions that fit `wanted`."""
    require(who, "notification.read")
    division = wanted.division if contains(who.division_code, wanted.division) else who.division_code
    found = await recent(tx, replace(wanted, division=division), limit)
    return [one for one in (Listed(*row) for row in found) if may(who, "notification.read", one.subject.division_code)]
