"""A post as its page shows it: who is on duty and why, the coming week, its roster, and what was changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.duty import Period, periods
from libs.directory.model import Division, Post
from libs.directory.read import Directory
from libs.errors import NotFound
from libs.i18n import gettext as _
from libs.workdays import WorkCalendar
from services.directory.handlers.order import OUTLOOK
from services.directory.handlers.rosters import RosterView, roster
from services.directory.store import changes, duty

CHANGES_SHOWN = 20
PERIODS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class PostView:
    """See the module's docstring. `names`: of everybody who holds or will hold the post."""

    post: Post
    division: Division
    roster: RosterView
    names: Mapping[UUID, str]
    week: tuple[Period, ...]
    """The first one is now."""
    changes: tuple[Any, ...]


async def post_view(tx: Tx, directory: Directory, calendar: WorkCalendar, post_id: UUID, now: datetime) -> PostView:
    """Everything about one post."""
    post = await directory.post(tx, post_id)
    division = await directory.division(tx, post.division_code) if post else None
    if post is None or division is None:
        raise NotFound("post_not_found", _("There is no such post."))
    found = await roster(tx, post_id, now)
    names = {row["officer_id"]: row["name"] for row in await duty.holders(tx, [post_id])}
    subjects = [str(post_id), *(str(officer) for officer in names)]
    return PostView(
        post=post,
        division=division,
        roster=found,
        names=names,
        week=tuple(periods(found.plan, now, now + OUTLOOK, calendar)[:PERIODS_SHOWN]),
        changes=tuple(await changes.changes_of(tx, subjects, CHANGES_SHOWN)),
    )
