"""What every change of the directory does besides the change itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.errors import Conflict
from libs.events import new_event, new_id, publish
from libs.events.catalogue import DirectoryChanged
from libs.i18n import gettext as _
from services.directory.store import changes as store

DIRECTORY_KEY = UUID("d1ec7000-0000-5000-8000-000000000001")
"""The key of the directory's events: they are heard in the order of its versions."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something: an account, or a name for what has none (the command line, the roster)."""

    name: str
    account_id: UUID | None = None


ROSTER = Actor("roster")
OFFICER = Actor("officer")
"""An officer, by phone."""


async def changed(
    tx: Tx,
    actor: Actor,
    what: str,
    now: datetime,
    *,
    division_code: str | None = None,
    subject_id: object = None,
    details: dict[str, Any] | None = None,
) -> int:
    """Bumps the version, records the change and tells everybody; answers the new version. `details` hold no phone numbers."""
    version = await store.bump_version(tx)
    await store.add_change(
        tx,
        change_id=new_id(),
        version=version,
        at=now,
        account_id=actor.account_id,
        actor=actor.name,
        what=what,
        division_code=division_code,
        subject_id=str(subject_id) if subject_id is not None else None,
        details=details or {},
    )
    data = DirectoryChanged(version=version, what=what, division_code=division_code, by=actor.account_id)
    await publish(tx, [new_event(data, key=DIRECTORY_KEY, time=now)])
    return version


async def check_unchanged(tx: Tx, subject_id: object, seen: int | None) -> None:
    """`Conflict` when somebody changed `subject_id` after version `seen` of the directory, which the one who writes now has looked at.

    None writes whatever was there. The transaction must hold what it is about to change.
    """
    row = await store.last_change(tx, str(subject_id), seen) if seen is not None else None
    if row is not None:
        detail = _("%(who)s has changed this meanwhile. Look at it as it is now, then make your change again.", who=row["actor"])
        raise Conflict("changed_meanwhile", detail)
