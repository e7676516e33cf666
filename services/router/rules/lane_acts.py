"""What people do to department lanes: refer, accept, decline, record what was done and the department's own clocks.

Nothing here moves the ladder: whoever owns the case keeps it.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.directory.model import Route
from libs.errors import Conflict, Forbidden, Invalid, NotFound
from libs.events.catalogue import LaneAccepted, LaneClockRecorded, LaneDeclined, LaneDone
from libs.i18n import gettext as _
from libs.terms import DeclineReason, Department, LaneResult, Step, labels
from services.router.errors import CaseIsClosed, NotAssigned
from services.router.rules.acts import Via, record_step
from services.router.rules.case import Answered, Assignment, CaseState, Moment, Outcome
from services.router.rules.draft import Draft
from services.router.rules.ladder import Seat, post_of
from services.router.rules.lane_values import ACCEPT, ClockStart, Lane, LaneClock, LaneMode, LaneState
from services.router.rules.lanes import alert, clock_due, has_next, put, refer_to, start_clocks, tell_next

Recording = Literal["started", "done"]


def refer(state: CaseState, department: Department, moment: Moment) -> Outcome:
    """Somebody refers the case to a department, which has to accept it (转介). Its own clocks do not restart, whatever went before."""
    if not state.open:
        raise CaseIsClosed
    known = state.lane(department)
    if known is not None and known.mode is LaneMode.ACT and known.state in {LaneState.TOLD, LaneState.ACCEPTED}:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    refer_to(draft, department)
    return draft.outcome()


def accept(state: CaseState, department: Department, officer_id: UUID, moment: Moment, via: Via) -> Outcome:
    """The department takes the matter as its own task, also after its window.

    Of the police this is the handing over that a mandatory case waits for before it may be closed (rules.yaml reporters.rules).
    """
    lane = _of_department(state, department, officer_id, moment)
    if lane.state is LaneState.ACCEPTED:
        return Outcome(state, state, ())
    if lane.state is not LaneState.TOLD:
        raise _over(department)
    draft = Draft(state, moment)
    window = lane.clock(ACCEPT)
    lane = lane._replace(state=LaneState.ACCEPTED, officer_id=officer_id, answered_at=moment.now)
    if window is not None:
        lane = lane.with_clock(window._replace(done_at=moment.now))
    put(draft, start_clocks(draft, lane, ClockStart.ACCEPTED))
    told = _answer(draft, lane, Answered.ACKNOWLEDGED)
    late = window is not None and window.fired_at is not None
    draft.say(LaneAccepted, **_at(lane), department=department, via=via, late=late)
    if department is Department.POLICE and Step.POLICE_LINKED not in state.steps_done:
        record_step(draft, Step.POLICE_LINKED, moment.now, told)
    return draft.outcome()


def decline(state: CaseState, department: Department, officer_id: UUID, moment: Moment, via: Via, *, reason: DeclineReason) -> Outcome:
    """The department's post cannot take it: its next one is told at once; without one, the owner of the case is told."""
    lane = _of_department(state, department, officer_id, moment)
    if lane.state is LaneState.DECLINED:
        return Outcome(state, state, ())
    if lane.state is LaneState.DONE:
        raise _over(department)
    draft = Draft(state, moment)
    window = lane.clock(ACCEPT)
    if window is not None and window.armed:
        lane = lane.with_clock(window._replace(done_at=moment.now))
    asked = lane.officer_id
    lane = lane._replace(state=LaneState.DECLINED, answered_at=moment.now, passed=tuple(dict.fromkeys((*lane.passed, officer_id))))
    if asked is not None and asked != officer_id:
        lane = lane._replace(passed=tuple(dict.fromkeys((*lane.passed, asked))))
    put(draft, lane)
    _answer(draft, lane, Answered.DECLINED)
    draft.say(LaneDeclined, **{**_at(lane), "officer_id": officer_id}, department=department, reason=reason, via=via)
    if has_next(draft, lane, officer_id):
        tell_next(draft, lane, "declined")
    else:
        alert(draft, lane)
    return draft.outcome()


def done(state: CaseState, department: Department, officer_id: UUID, result: LaneResult, moment: Moment) -> Outcome:
    """The department has done its part: told by itself, or recorded by somebody of the case. Its clocks end."""
    lane = _concerned(state, department, officer_id, moment)
    if lane.state is LaneState.DONE and lane.result is result:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    lane = lane._replace(state=LaneState.DONE, result=result, answered_at=moment.now)
    put(draft, lane)
    draft.say(LaneDone, **{**_at(lane), "officer_id": officer_id}, department=department, result=result)
    return draft.outcome()


def record_clock(
    state: CaseState, department: Department, officer_id: UUID, moment: Moment, *, code: str, what: Recording, at: datetime | None = None
) -> Outcome:
    """A clock of another body began, or what it waits for was done, now or at `at`. What is recorded once stands."""
    lane = _concerned(state, department, officer_id, moment)
    when = at or moment.now
    if when > moment.now:
        raise Invalid("in_future", _("This cannot be recorded for the future. Leave it out to mean now."), field="at")
    if when < state.t0:
        raise Invalid("before_report", _("This cannot lie before the report was received."), field="at")
    rules = moment.policy.lane(department).clocks
    rule = rules.get(code)
    if rule is None:
        known = ", ".join(rules) or "–"
        raise Invalid(
            "unknown_clock", _("The policy knows no such clock of this department. It knows: %(known)s.", known=known), field="clock"
        )
    clock = lane.clock(code)
    if clock is not None and (what == "started" or clock.done_at is not None):
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    clock = clock or LaneClock(code, when, clock_due(rule, when))
    if what == "done":
        clock = clock._replace(done_at=when)
    put(draft, lane.with_clock(clock))
    late = clock.due_at is not None and clock.done_at is not None and clock.done_at > clock.due_at
    draft.say(
        LaneClockRecorded,
        **{**_at(lane), "officer_id": officer_id},
        department=department,
        clock=code,
        what=what,
        happened_at=when,
        due_at=clock.due_at,
        late=late,
    )
    return draft.outcome()


def answers_for(lane: Lane, officer_id: UUID | None, route: Route) -> bool:
    """Whether the officer speaks for the department: was told by its lane, or holds the post that was."""
    if officer_id is None:
        return False
    post = post_of(route, lane.post_id)
    return lane.officer_id == officer_id or (post is not None and any(one.officer_id == officer_id for one in post.holders))


def _lane(state: CaseState, department: Department) -> Lane:
    lane = state.lane(department)
    if lane is None:
        name = labels.label(department)
        raise NotFound("no_such_lane", _("This case has not been told to this department: %(name)s. Refer it first.", name=name))
    return lane


def _of_department(state: CaseState, department: Department, officer_id: UUID, moment: Moment) -> Lane:
    lane = _lane(state, department)
    if not answers_for(lane, officer_id, moment.route):
        raise Forbidden("not_of_department", _("Only the officer of the department who was told can answer for it."), field="on_behalf_of")
    if not state.open:
        raise CaseIsClosed
    return lane


def _concerned(state: CaseState, department: Department, officer_id: UUID, moment: Moment) -> Lane:
    lane = _lane(state, department)
    assigned = state.assignment_of(officer_id) is not None
    if not assigned and not answers_for(lane, officer_id, moment.route):
        raise NotAssigned
    if not state.open:
        raise CaseIsClosed
    return lane


def _answer(draft: Draft, lane: Lane, answer: Answered) -> Assignment | None:
    told = next(
        (one for one in draft.case.assignments if (one.post_id, one.officer_id) == (lane.post_id, lane.officer_id) and one.beside), None
    )
    if told is None:  # somebody else on the post than who was told
        post = post_of(draft.route, lane.post_id)
        own = any(one.officer_id == lane.officer_id and not one.beside for one in draft.case.assignments)
        if post is None or lane.officer_id is None or own:
            return None
        told = draft.assign(Seat(post, lane.officer_id), beside=lane.department)
    return draft.answer(told, answer)


def _over(department: Department) -> Conflict:
    name = labels.label(department)
    return Conflict("lane_over", _("%(name)s has answered already. Refer the case again if it has to act.", name=name))


def _at(lane: Lane) -> dict[str, object]:
    return {"tier": lane.tier, "post_id": lane.post_id, "officer_id": lane.officer_id}
