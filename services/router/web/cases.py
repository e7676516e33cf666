"""The board of open cases, and the page of one case."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from libs.db import Database, Tx
from libs.directory.permissions import StaffPrincipal, may, require
from libs.errors import Forbidden, NotFound, TocsinError
from libs.i18n import N_, current_locale
from libs.i18n import gettext as _
from libs.terms import (
    CloseResult,
    ConflictReason,
    DeclineReason,
    Grade,
    Household,
    LaneResult,
    PlacementNeed,
    Step,
    Tier,
    TransferReason,
    labels,
)
from libs.web import identity, templates
from libs.web.sse import EventStream, Message
from libs.web.visit import wants_html
from services.router.handlers import acting, handover, monthly, placement, views, words
from services.router.handlers.desk import Desk
from services.router.handlers.views import View
from services.router.rules.acts import REPORTABLE_STEPS, RegradeReason, missing_to_close
from services.router.rules.case import Answered, Assignment, CaseState, Kind, Status
from services.router.rules.conflicts import Conflict
from services.router.rules.ladder import post_of
from services.router.store import lists
from services.router.store.lists import BOARD_MAX, Filter
from services.router.web import lanes as lane_pages
from services.router.web import placement as placement_pages
from services.router.web.lanes import Doing
from services.router.web.parts import deadline, told_line
from services.router.web.timeline import timeline_words

Staff = Annotated[StaffPrincipal, Depends(identity.staff)]
Said = Annotated[str, Form(max_length=60)]
Asked = Annotated[str, Query(max_length=40)]

BEHIND = (Kind.SUPERVISE, Kind.DEPUTY, Kind.CALL)
"""What nobody has to keep."""
FIGURES = {
    "open": N_("open"),
    "overdue": N_("overdue"),
    "waiting": N_("waiting for an answer"),
    "unplaced": N_("need a place"),
}
FAR_FUTURE = "9999"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the board's form says."""

    grade: str = ""
    status: str = ""
    division: str = ""
    overdue: bool = False
    mine: bool = False

    @property
    def active(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()

    def wanted(self, who: StaffPrincipal) -> Filter:
        """As the store takes it; what makes no sense is left out."""
        return Filter(
            who.division_code,
            self.division if self.division.isdigit() and len(self.division) <= 15 else None,
            self.status if self.status in set(Status) - {Status.CLOSED} else None,
            self.grade if self.grade in set(Grade) else None,
            True if self.overdue else None,
            who.officer_id if self.mine else None,
            who.officer_id,
        )

    def shows(self, case: CaseState, who: StaffPrincipal) -> bool:
        """Whether a case that has changed belongs on the board."""
        return (
            case.open
            and (not self.status or case.status == self.status)
            and (not self.overdue or case.overdue_since is not None)
            and (not self.mine or who.officer_id is None or case.knows(who.officer_id))
        )


def _filters(grade: Asked = "", status: Asked = "", division: Asked = "", *, overdue: bool = False, mine: bool = False) -> Filters:
    return Filters(grade, status, division.strip(), overdue, mine)


class Pages:
    """The pages, and what they need."""

    def __init__(self, desk: Desk, database: Database) -> None:
        self._desk = desk
        self._database = database

    def router(self) -> APIRouter:
        """All pages."""
        made = APIRouter(include_in_schema=False)
        made.get("/board")(self.board)
        made.get("/board/stream")(self.stream)
        made.get("/cases/{case_id}")(self.case)
        made.post("/cases/{case_id}/lanes/{department}/{act}")(self.lane)
        made.post("/cases/{case_id}/{act}")(self.act)
        return made

    async def board(self, request: Request, who: Staff, filters: Annotated[Filters, Depends(_filters)]) -> Response:
        """Every open case in the reader's divisions: who answers for it, by when; overdue first."""
        require(who, "case.read")
        async with self._database.connection() as connection:
            found = await views.board(self._desk, connection, filters.wanted(who))
            counts = await lists.counts(connection, who.division_code)
            reports_due = await monthly.shown(self._desk, connection, who.division_code)
        return templates.render(
            request,
            "router/board.html",
            views=found,
            counts=counts,
            reports_due=reports_due,
            figures=[(name, _(text)) for name, text in FIGURES.items()],
            filters=filters,
            grades=[("", _("all")), *((grade, labels.label(grade)) for grade in Grade)],
            statuses=[("", _("all")), *((one, words.status(one)) for one in Status if one is not Status.CLOSED)],
            stream_url=f"/board/stream?{request.url.query}",
            most=BOARD_MAX,
            **_ROW,
        )

    async def stream(self, who: Staff, filters: Annotated[Filters, Depends(_filters)]) -> Response:
        """Rows of the board as they change."""
        require(who, "case.read")
        wanted = Filter(who.division_code, filters.wanted(who).division, None, filters.wanted(who).grade, reader=who.officer_id)
        row = templates.environment().get_template("router/row.html")

        async def messages() -> AsyncIterator[Message]:
            async for changed in views.changes(self._desk, self._database, wanted):
                async with self._database.connection() as connection:
                    counts = await lists.counts(connection, who.division_code)
                given = {"now": self._desk.clock.now(), "locale": current_locale(), "principal": who, **_ROW}
                rows = [
                    {"id": str(view.case.case_id), "html": row.render(view=view, **given) if filters.shows(view.case, who) else ""}
                    for view in changed
                ]
                yield Message({"rows": rows, "figures": counts}, event="rows")

        return EventStream(messages())

    async def case(self, request: Request, who: Staff, case_id: UUID) -> Response:
        """The page of a case."""
        return await self._page(request, who, case_id)

    async def act(
        self,
        request: Request,
        who: Staff,
        case_id: UUID,
        act: str,
        *,
        step: Said = "",
        child_sighted: Annotated[bool, Form()] = False,
        reason: Said = "",
        result: Said = "",
        grade: Said = "",
        division_code: Said = "",
        post_id: Said = "",
        household: Said = "",
        option: Said = "",
    ) -> Response:
        """What the forms of the case page ask for. Done, it leads back to the page; what is not possible is said there."""
        said = _Said(step, child_sighted, reason, result, grade, division_code.strip(), post_id, household, option)
        asked = _ACTS.get(act)
        wanted: Doing | None = (lambda desk, tx, actor, case_id: asked(desk, tx, actor, case_id, said)) if asked else None
        return await self._done(request, who, case_id, wanted)

    async def _done(self, request: Request, who: StaffPrincipal, case_id: UUID, asked: Doing | None) -> Response:
        """Does what a form asks for and leads back to the page; what is not possible is said there."""
        actor = acting.actor_of(who, None)
        try:
            if asked is None:
                raise NotFound("not_found", _("There is nothing at this address."))
            async with self._database.transaction() as tx:
                await asked(self._desk, tx, actor, case_id)
        except TocsinError as problem:
            if not wants_html(request.headers):
                raise
            return await self._page(request, who, case_id, problem)
        except ValueError:
            raise Forbidden("unknown_choice", _("This choice does not exist. Reload the page.")) from None
        return RedirectResponse(f"/cases/{case_id}", status_code=303)

    async def lane(
        self,
        request: Request,
        who: Staff,
        case_id: UUID,
        department: str,
        act: str,
        *,
        reason: Said = "",
        result: Said = "",
        clock: Said = "",
        what: Said = "",
    ) -> Response:
        """What the forms of a department ask for."""
        return await self._done(request, who, case_id, lane_pages.act(act, department, lane_pages.Said(reason, result, clock, what)))

    async def _page(self, request: Request, who: StaffPrincipal, case_id: UUID, problem: TocsinError | None = None) -> Response:
        async with self._database.connection() as connection:
            view = await views.with_posts(self._desk, connection, await views.one(self._desk, connection, who, case_id))
            case = view.case
            officer = await self._desk.directory.officer(connection, case.owner_officer_id) if case.owner_officer_id else None
            held = await self._desk.directory.posts_of(connection, who.officer_id) if who.officer_id else []
        assigned = case.assignment_of(who.officer_id) if who.officer_id else None
        manages = may(who, "case.manage", None if assigned else case.division_code)
        on_route = any(post_of(view.route, post.post_id) for post in held)
        missing = missing_to_close(case)
        return templates.render(
            request,
            "router/case.html",
            status_code=problem.status if problem else 200,
            problem=problem,
            view=view,
            officer=officer,
            policy_title=self._desk.policy_of(case).title.of(current_locale()),
            police_missing=Step.POLICE_LINKED in missing,
            missing=missing,
            may_act=assigned is not None or manages,
            may_visit=assigned is not None or any(post.post_id == case.owner_post_id for post in held),
            acts=_possible(view, who, assigned, manages=manages, holds_post=on_route),
            may_read_reports=may(who, "report.read", case.division_code),
            steps=[(step, labels.label(step)) for step in REPORTABLE_STEPS],
            decline_reasons=[(one, labels.label(one)) for one in DeclineReason],
            regrade_reasons=[(one, words.grade_reason(one)) for one in RegradeReason],
            grades=words.grades(view.policy),
            band=view.policy.band(case.band, case.grade),
            results=[(one, labels.label(one)) for one in CloseResult],
            deadlines=[deadline(one) for one in sorted(case.deadlines, key=lambda one: one.due_at) if one.kind not in BEHIND],
            told=[told_line(one, view) for one in sorted(case.assignments, key=lambda one: (one.told_at, list(Tier).index(one.tier)))],
            lanes=lane_pages.shown(view, who),
            transfer=lane_pages.transfer(view, who),
            transfer_reasons=[(one, labels.label(one)) for one in TransferReason],
            conflict_reasons=[(one, labels.label(one)) for one in ConflictReason],
            posts=lane_pages.posts(view),
            skipped=lane_pages.skipped(view),
            lane_results=[(one, labels.label(one)) for one in LaneResult],
            referable=lane_pages.referable(view) if assigned is not None or manages else [],
            placement=placement_pages.shown(view),
            placing=placement_pages.choices(view),
            words=timeline_words(placement_pages.options(view)),
            grade_reason=words.grade_reason,
            **_ROW,
        )


def router(desk: Desk, database: Database) -> APIRouter:
    """All pages."""
    return Pages(desk, database).router()


@dataclass(frozen=True, slots=True)
class _Said:
    step: str
    child_sighted: bool
    reason: str
    result: str
    grade: str
    division_code: str
    post_id: str
    household: str
    option: str


_Act = Callable[[Desk, Tx, acting.Actor, UUID, _Said], Awaitable[CaseState]]
_ACTS: dict[str, _Act] = {
    "acknowledge": lambda desk, tx, actor, case_id, _said: acting.acknowledge(desk, tx, actor, case_id),
    "take-over": lambda desk, tx, actor, case_id, _said: acting.take_over(desk, tx, actor, case_id),
    "decline": lambda desk, tx, actor, case_id, said: acting.decline(desk, tx, actor, case_id, DeclineReason(said.reason)),
    "steps": lambda desk, tx, actor, case_id, said: acting.step_done(
        desk, tx, actor, case_id, Step(said.step), done_at=None, child_sighted=said.child_sighted
    ),
    "close": lambda desk, tx, actor, case_id, said: acting.close(desk, tx, actor, case_id, CloseResult(said.result)),
    "regrade": lambda desk, tx, actor, case_id, said: acting.regrade(
        desk, tx, actor, case_id, said.grade, reason=RegradeReason(said.reason)
    ),
    "transfer": lambda desk, tx, actor, case_id, said: handover.transfer(
        desk, tx, actor, case_id, said.division_code, reason=TransferReason(said.reason)
    ),
    "transfer-accept": lambda desk, tx, actor, case_id, _said: handover.accept(desk, tx, actor, case_id),
    "transfer-refuse": lambda desk, tx, actor, case_id, _said: handover.refuse(desk, tx, actor, case_id),
    "conflict": lambda desk, tx, actor, case_id, said: handover.conflict(
        desk, tx, actor, case_id, Conflict(ConflictReason(said.reason), UUID(said.post_id))
    ),
    "place": lambda desk, tx, actor, case_id, said: acting.place(desk, tx, actor, case_id, said.division_code),
    "placement": lambda desk, tx, actor, case_id, said: placement.need(
        desk,
        tx,
        actor,
        case_id,
        PlacementNeed(said.reason),
        household=Household(said.household),
        origin=said.division_code if said.household == Household.ELSEWHERE else "",
    ),
    "placement-made": lambda desk, tx, actor, case_id, said: placement.made(desk, tx, actor, case_id, said.option),
}


def _possible(view: View, who: StaffPrincipal, assigned: Assignment | None, *, manages: bool, holds_post: bool) -> dict[str, bool]:
    """Which forms the page offers; the handlers decide for good."""
    case = view.case
    owns = case.status is Status.ACKNOWLEDGED and case.owner_officer_id == who.officer_id
    owns_now = who.officer_id is not None and case.owner_officer_id == who.officer_id
    acts_here = assigned is not None and may(who, "case.act")
    return {
        "acknowledge": acts_here and (case.status in {Status.OPEN, Status.NEEDS_PLACING} or _joins(view, assigned)),
        "take_over": case.status is Status.ACKNOWLEDGED and not owns and holds_post and (acts_here or manages),
        "steps": acts_here,
        "decline": assigned is not None and assigned.answer is not Answered.DECLINED and acts_here,
        "regrade": acts_here or manages,
        "place": manages,
        "transfer": case.status is not Status.NEEDS_PLACING and case.handover.pending is None and (manages or (acts_here and owns_now)),
        "placement": acts_here or manages,
        "conflict": acts_here or manages,
        "close": acts_here and (owns or manages) and case.status is not Status.OPEN,
    }


def _joins(view: View, assigned: Assignment | None) -> bool:
    return view.wanted > 0 and assigned is not None and assigned.answer is not Answered.ACKNOWLEDGED


def _order(view: View) -> str:
    """Sorts as the store does: overdue first, the longest overdue at the top, then by what is due next."""
    case = view.case
    due = case.next_due

    def text(at: datetime | None) -> str:
        return at.isoformat() if at else FAR_FUTURE

    return f"{text(case.overdue_since)} {text(due.due_at if due else None)} {case.case_id}"


def _status_kind(case: CaseState) -> str:
    if case.status is Status.ACKNOWLEDGED:
        return "warn" if case.overdue_since else "ok"
    if case.status is Status.CLOSED:
        return "idle"
    return "bad" if case.overdue_since else "busy"


_ROW: dict[str, Any] = {"order": _order, "status_text": words.status, "status_kind": _status_kind}
