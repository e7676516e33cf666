"""What people do to a case, with the question whether they may."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from libs.directory.model import Post
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from libs.errors import Forbidden, Invalid
from libs.i18n import gettext as _
from libs.terms import CloseResult, DeclineReason, Step, Tier
from services.router.errors import NoSuchCase, OfficerIsGone, UnknownDivision
from services.router.handlers.desk import Batch, Desk, place_asked, places
from services.router.rules import acts
from services.router.rules.acts import Via
from services.router.rules.case import CaseState, Moment, Outcome
from services.router.rules.ladder import post_of
from services.router.store import cases as store
from services.router.store import past


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the officer of the session, or the one whom an API client speaks for. `officer_id` is None for other staff."""

    principal: Principal
    officer_id: UUID | None
    via: Via

    @property
    def officer(self) -> UUID:
        """The officer; `Forbidden` or `Invalid`, with the way out, for whoever is none."""
        if self.officer_id is not None:
            return self.officer_id
        if isinstance(self.principal, StaffPrincipal):
            raise Forbidden("not_an_officer", _("Your account is not an officer’s, so it cannot answer for a case. Log in as the officer."))
        raise Invalid("required", _("Say for which officer: their officer_id in on_behalf_of."), field="on_behalf_of")


def actor_of(principal: Principal, on_behalf_of: UUID | None) -> Actor:
    """The actor of a request. A session acts for its own officer only."""
    if isinstance(principal, StaffPrincipal):
        if on_behalf_of is not None and on_behalf_of != principal.officer_id:
            raise Forbidden("not_on_behalf", _("Whoever is logged in acts for themselves. Leave on_behalf_of out."), field="on_behalf_of")
        return Actor(principal, principal.officer_id, "workbench")
    return Actor(principal, on_behalf_of, "api")


async def acknowledge(desk: Desk, tx: Tx, actor: Actor, case_id: UUID) -> CaseState:
    """The officer takes the case."""
    return await _act(desk, tx, actor, case_id, lambda case, moment: acts.acknowledge(case, actor.officer, moment, actor.via), takes=True)


async def decline(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, reason: DeclineReason) -> CaseState:
    """The officer cannot take the case; it climbs at once when it rests on them."""
    return await _act(desk, tx, actor, case_id, lambda case, moment: acts.decline(case, actor.officer, reason, moment, actor.via))


async def step_done(
    desk: Desk, tx: Tx, actor: Actor, case_id: UUID, step: Step, *, done_at: datetime | None, child_sighted: bool | None
) -> CaseState:
    """The officer reports a step."""

    def act(case: CaseState, moment: Moment) -> Outcome:
        return acts.step_done(case, actor.officer, step, moment, actor.via, done_at=done_at, child_sighted=child_sighted)

    return await _act(desk, tx, actor, case_id, act, takes=True)


async def close(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, result: CloseResult) -> CaseState:
    """The officer ends the case with a result."""

    def act(case: CaseState, moment: Moment) -> Outcome:
        manages = isinstance(actor.principal, StaffPrincipal) and may(actor.principal, "case.manage", case.division_code)
        return acts.close(case, actor.officer, result, moment, manages=manages)

    return await _act(desk, tx, actor, case_id, act)


async def regrade(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, grade: str, *, reason: acts.RegradeReason) -> CaseState:
    """Another grade: a band of the case's policy, or one of the four.

    Raising is open to whoever is assigned; lowering needs somebody who may manage cases there (rules.yaml grade_rules).
    """

    def act(case: CaseState, moment: Moment) -> Outcome:
        lowers = acts.lowers(case, grade, moment.policy)
        assigned = actor.officer_id is not None and case.assignment_of(actor.officer_id) is not None
        if lowers:
            _require_street(actor, case)
        if lowers or not (assigned and may(actor.principal, "case.act")):
            require_manage(actor, case)
        return acts.regrade(case, grade, reason, moment, by=actor.officer_id)

    return await _act(desk, tx, actor, case_id, act)


async def take_over(desk: Desk, tx: Tx, actor: Actor, case_id: UUID) -> CaseState:
    """An officer who may manage cases there, or is assigned, takes the case from whoever has it, on their own post."""
    officer_id = actor.officer
    held = await desk.directory.posts_of(tx, officer_id)

    def act(case: CaseState, moment: Moment) -> Outcome:
        assignment = case.assignment_of(officer_id)
        if assignment is None:
            require_manage(actor, case)
        post = _own_post(held, moment, assignment.post_id if assignment else None)
        return acts.take_over(case, officer_id, post, moment, actor.via)

    return await _act(desk, tx, actor, case_id, act, takes=True)


async def place(desk: Desk, tx: Tx, actor: Actor, case_id: UUID, division_code: str) -> CaseState:
    """Somebody who may manage cases, or the dispatch desk that has it, gives the case its place."""
    case = await locked(tx, actor, case_id)
    require_manage(actor, case)
    if await desk.directory.division(tx, division_code) is None:
        raise UnknownDivision
    now = desk.clock.now()
    route = await desk.route(tx, division_code)
    policy = desk.book.in_force(division_code, now, route.division.zone)
    reports = (await past.of_cases(tx, [case_id])).get(case_id, ())
    outcome = acts.place(case, division_code, desk.moment(route, policy, now), by=actor.officer_id, reports=reports)
    return await commit(desk, tx, outcome, now)


async def _act(
    desk: Desk, tx: Tx, actor: Actor, case_id: UUID, act: Callable[[CaseState, Moment], Outcome], *, takes: bool = False
) -> CaseState:
    """`takes`: the case may rest on the officer afterwards, so they must still be there (promise 2)."""
    case = await locked(tx, actor, case_id)
    if not is_assigned(actor, case):
        require(actor.principal, "case.act" if may(actor.principal, "case.act") else "case.manage", case.division_code)
    if takes and actor.officer_id is not None:
        officer = await desk.directory.officer(tx, actor.officer_id)
        if officer is not None and not officer.active:
            raise OfficerIsGone
    now = desk.clock.now()
    return await commit(desk, tx, act(case, await moment_of(desk, tx, case, now)), now)


async def moment_of(desk: Desk, tx: Tx, case: CaseState, now: datetime) -> Moment:
    """What a decision on the case may look at."""
    routes = await desk.routes(tx, places((case,)))
    return desk.moment(routes[case.division_code], desk.policy_of(case), now, place_asked(case, routes))


async def locked(tx: Tx, actor: Actor, case_id: UUID) -> CaseState:
    """The case, locked; whoever may neither read it nor was told of it hears that there is none."""
    case = (await store.lock(tx, (case_id,))).get(case_id)
    if (
        case is None
        or case.bars(actor.officer_id)
        or not (case.knows(actor.officer_id) or may(actor.principal, "case.read", case.division_code))
    ):
        raise NoSuchCase
    return case


def is_assigned(actor: Actor, case: CaseState) -> bool:
    """Whether the actor was told of the case on its ladder."""
    return actor.officer_id is not None and case.assignment_of(actor.officer_id) is not None


def require_manage(actor: Actor, case: CaseState) -> None:
    """Lets only those go on who may manage cases there, or are assigned to this one."""
    # A dispatch desk is assigned to cases that lie above its own division.
    require(actor.principal, "case.manage", None if is_assigned(actor, case) else case.division_code)


def _require_street(actor: Actor, case: CaseState) -> None:
    """A program that speaks for an officer below the street lowers nothing: that needs the street or above (rules.yaml grade_rules)."""
    speaks_for = case.assignment_of(actor.officer_id) if actor.officer_id and not isinstance(actor.principal, StaffPrincipal) else None
    if speaks_for is not None and speaks_for.tier in {Tier.GRID, Tier.COMMUNITY}:
        raise Forbidden("below_street", _("Lowering a grade needs the street or above. Ask there."), field="on_behalf_of")


def _own_post(held: list[Post], moment: Moment, assigned: UUID | None) -> Post:
    on_route = [post for post in held if post_of(moment.route, post.post_id)]
    post = next((post for post in on_route if post.post_id == assigned), None) or next(iter(on_route), None)
    if post is None:
        raise Forbidden("no_post_here", _("You hold no post that answers for this place. Ask your administrator for one."))
    return post


async def commit(desk: Desk, tx: Tx, outcome: Outcome, now: datetime) -> CaseState:
    """Saves and publishes what an act came to."""
    batch = Batch(desk, now)
    batch.add(outcome)
    await batch.commit(tx)
    return outcome.after
