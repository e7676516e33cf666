"""What people read: cases with the names of their places and posts."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from libs.clock import pause
from libs.db import Database, Tx
from libs.directory.model import Post, Route
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from services.router.errors import NoSuchCase
from services.router.handlers.desk import Desk
from services.router.rules.case import CaseState, Status
from services.router.rules.ladder import post_of
from services.router.rules.policy import Policy, Text
from services.router.rules.watch import quorum_missing
from services.router.store import cases as store
from services.router.store import lists
from services.router.store.lists import Filter

POLL_S = 1.0
PAUSE_S = 0.2
"""No stream sends more often than this, however much happens."""
ELSEWHERE_MAX = 50
OVERLAP = timedelta(seconds=5)
"""Transactions commit out of order: a stream looks back this far, and leaves out what it has sent already."""


@dataclass(frozen=True, slots=True)
class View:
    """A case as people see it. `owner` is the accountable post, `None` when the directory has lost it."""

    case: CaseState
    route: Route
    owner: Post | None
    report_ids: tuple[UUID, ...]
    policy: Policy
    elsewhere: Mapping[UUID, Post] = field(default_factory=dict)
    """Posts that were told and do not answer for the place, or not any more."""

    def post(self, post_id: UUID | None) -> Post | None:
        """A post that was told."""
        return post_of(self.route, post_id) or (self.elsewhere.get(post_id) if post_id else None)

    @property
    def band_name(self) -> Text | None:
        """What the place calls the grade, where it has grades of its own."""
        policy, case = self.policy, self.case
        return None if policy.plain else policy.grades[policy.band(case.band, case.grade)].name

    @property
    def wanted(self) -> int:
        """How many more officers have to acknowledge, where the policy wants several."""
        if self.case.status is not Status.ACKNOWLEDGED:
            return 0
        return quorum_missing(self.case, self.policy.grades[self.policy.band(self.case.band, self.case.grade)].quorum)

    @property
    def place(self) -> str:
        """The name of the case's place, from the district down."""
        names = [division.name for division in self.route.ancestors if division.level not in {"province", "city"}]
        return " · ".join(reversed(names)) or self.route.division.name


async def one(desk: Desk, tx: Tx, principal: Principal, case_id: UUID) -> View:
    """A case, for those who may read it or are assigned to it."""
    require(principal, "case.read")
    case = (await store.read(tx, (case_id,))).get(case_id)
    barred = case is not None and isinstance(principal, StaffPrincipal) and case.bars(principal.officer_id)
    if case is None or barred or not (may(principal, "case.read", case.division_code) or _assigned(principal, case)):
        raise NoSuchCase
    return (await views(desk, tx, (case,)))[0]


async def views(desk: Desk, tx: Tx, found: Sequence[CaseState]) -> list[View]:
    """Cases with their names, in the same order."""
    routes = await desk.routes(tx, (case.division_code for case in found))
    reports = await store.reports_of_cases(tx, [case.case_id for case in found])
    made: list[View] = []
    for case in found:
        route = routes[case.division_code]
        owner = post_of(route, case.owner_post_id)
        if owner is None and case.owner_post_id is not None:
            owner = await desk.directory.post(tx, case.owner_post_id)
        made.append(View(case, route, owner, tuple(reports.get(case.case_id, ())), desk.policy_of(case)))
    return made


async def with_posts(desk: Desk, tx: Tx, view: View) -> View:
    """The view with the posts elsewhere that were told: for one case, not for lists."""
    wanted = {one.post_id for one in view.case.assignments if post_of(view.route, one.post_id) is None}
    found = [post for post_id in sorted(wanted)[:ELSEWHERE_MAX] if (post := await desk.directory.post(tx, post_id))]
    return replace(view, elsewhere={post.post_id: post for post in found})


async def page(desk: Desk, tx: Tx, wanted: Filter, *, after: UUID | None, limit: int) -> list[View]:
    """Cases, newest first."""
    ids = await lists.find(tx, wanted, after=after, limit=limit)
    return await views(desk, tx, list((await store.read(tx, ids)).values()))


async def of_report(desk: Desk, tx: Tx, wanted: Filter, report_id: UUID) -> list[View]:
    """The case of a report, if the reader may see it."""
    case_id = (await store.cases_of_reports(tx, (report_id,))).get(report_id)
    found = list((await store.read(tx, (case_id,))).values()) if case_id else []
    return await views(desk, tx, [case for case in found if case.division_code.startswith(wanted.scope) and not case.bars(wanted.reader)])


async def board(desk: Desk, tx: Tx, wanted: Filter) -> list[View]:
    """Open cases, those that need somebody first at the top."""
    ids = await lists.board(tx, wanted)
    return await views(desk, tx, list((await store.read(tx, ids)).values()))


async def changes(desk: Desk, database: Database, wanted: Filter) -> AsyncGenerator[list[View], None]:
    """Cases as they change, from now on: at once when they change in this process, within a second when in another.

    Closed cases are among them, so that a board can let them go.
    """
    since = desk.clock.now()
    sent: dict[UUID, datetime] = {}
    news = desk.news.listen()
    try:
        while True:
            news.clear()
            async with database.connection() as connection:
                changed = await lists.changed_since(connection, wanted, since - OVERLAP)
                fresh = {case_id: at for case_id, at in changed if at > since - OVERLAP and sent.get(case_id) != at}
                found = await store.read(connection, list(fresh)) if fresh else {}
                seen = await views(desk, connection, list(found.values())) if found else []
            since = max([since, *fresh.values()])
            sent = {case_id: at for case_id, at in {**sent, **fresh}.items() if at > since - OVERLAP}
            if seen:
                yield seen
            await pause(PAUSE_S)
            try:
                async with asyncio.timeout(POLL_S - PAUSE_S):
                    await news.wait()
            except TimeoutError:
                continue
    finally:
        desk.news.forget(news)


def scoped(principal: Principal, wanted: Filter) -> Filter:
    """The filter within the reader's divisions."""
    require(principal, "case.read")
    reader = principal.officer_id if isinstance(principal, StaffPrincipal) else None
    return replace(wanted, scope=principal.division_code, reader=reader)


def _assigned(principal: Principal, case: CaseState) -> bool:
    officer_id = principal.officer_id if isinstance(principal, StaffPrincipal) else None
    return officer_id is not None and case.knows(officer_id)
