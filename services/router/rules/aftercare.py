"""What a case owes beside its response: word to the reporter in time, and visits to the child after it was closed."""

from datetime import datetime
from uuid import UUID

from libs.errors import Invalid
from libs.events.catalogue import CaseStepDone, CaseSupervised, DeadlineMissed, NotificationFailed
from libs.i18n import gettext as _
from libs.terms import Purpose, Step
from services.router.errors import CaseIsClosed, NotAssigned
from services.router.rules.calendar import period_end
from services.router.rules.case import OWED_TO_REPORTERS, Assignment, CaseState, Deadline, Kind, Moment, Outcome, Reminder, State
from services.router.rules.draft import Draft
from services.router.rules.ladder import Seat, holder_of, next_seat, post_of, supervisors

_REACHES_OUT = frozenset({Purpose.REMIND, Purpose.OVERDUE})


# The reporter


def owe_feedback(draft: Draft, reported_at: datetime) -> None:
    """A reporter who can be reached hears of the procedure and of the outcome in the policy's time (UMPL art 11(3); JIULONGPO).

    Wall time from their report on, whatever the grade's clock: a promise made to a person outside. An earlier one that is still owed
    stands for both.
    """
    case, terms = draft.case, draft.policy.feedback
    for step, period in zip(OWED_TO_REPORTERS, (terms.procedural, terms.substantive), strict=True):
        if not any(one.armed and one.step is step for one in case.deadlines):
            _arm_until(draft, Kind.STEP, step, reported_at, max(period_end(reported_at, period, case.zone), draft.now))


def feedback_missed(draft: Draft, missed: Deadline) -> None:
    """The reporter has not heard in time: the owner and the supervising posts are told; the case stays where it is."""
    owner = draft.owner_assignment
    draft.supervise(missed.step)
    if owner is not None:
        draft.notify(Purpose.OVERDUE, owner, step=missed.step, deadline_at=missed.due_at)


# Visits


def begin_visits(draft: Draft) -> None:
    """The case was closed: if its result asks for it, the first visit is due (回访; rules.yaml follow_up)."""
    rules = draft.policy.follow_up
    if rules is not None and draft.case.result in rules.results:
        _next_visit(draft)


def fire_visits(state: CaseState, moment: Moment) -> Outcome:
    """A closed case: visits that were missed are told, to the owner's post and to the supervising posts, and reminders are sent.

    It stays closed. Whether it has to be taken up again is for people to say.
    """
    draft, now = Draft(state, moment), moment.now
    for one in sorted((one for one in state.deadlines if one.armed and one.due_at <= now), key=lambda one: one.due_at):
        draft.settle(lambda other, due=one: other is due, state=State.FIRED, fired_at=now, reminders=())  # type: ignore[misc]
        late_s = round((now - one.due_at).total_seconds(), 3)
        draft.say_of_owner(DeadlineMissed, deadline_id=one.deadline_id, step=one.step, due_at=one.due_at, fired_at=now, late_s=late_s)
        _alert(draft, one)
        _next_visit(draft)
    for one in draft.case.deadlines:
        if one.armed and one.reminders and one.reminders[0].at <= now:
            passed = [reminder for reminder in one.reminders if reminder.at <= now]
            draft.settle(lambda other, due=one: other is due, reminders=one.reminders[len(passed) :])  # type: ignore[misc]
            seat = _visitor(draft)
            if seat is not None:
                _tell(draft, seat, Purpose.REMIND, one)
    return draft.outcome()


def visited(state: CaseState, officer_id: UUID, moment: Moment, done_at: datetime | None = None) -> Outcome:
    """Somebody has visited the child of a closed case: anybody who was told of it, or who holds the owner's post now."""
    due = next((one for one in state.deadlines if one.armed and one.kind is Kind.VISIT), None)
    at = done_at or moment.now
    if state.open:
        raise Invalid("not_reportable", _("Visits are recorded after the case was closed; until then record the steps."), field="step")
    if due is None:
        raise CaseIsClosed
    if not (state.closed_at or state.t0) <= at <= moment.now:
        raise Invalid("not_then", _("The visit must lie between the closing of the case and now."), field="done_at")
    draft = Draft(state, moment)
    assignment = state.assignment_of(officer_id) or _of_the_post(draft, officer_id)
    if assignment is None:
        raise NotAssigned
    draft.settle(lambda one: one is due, state=State.MET, done_at=at, reminders=())
    draft.say(CaseStepDone, at=assignment, step=Step.VISIT, done_at=at, late=False)
    _next_visit(draft)
    return draft.outcome()


def visit_unreachable(state: CaseState, failed: NotificationFailed, moment: Moment) -> Outcome:
    """A message about a visit did not arrive: the next person is told at once (promise 5)."""
    due = next((one for one in state.deadlines if one.armed and one.kind is Kind.VISIT), None)
    if due is None or failed.purpose not in _REACHES_OUT or failed.officer_id is None:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    tried = frozenset({failed.officer_id}) | {one.officer_id for one in state.assignments if one.told_at >= due.started_at}
    seat = _visitor(draft, tried)
    if seat is not None:
        _tell(draft, seat, failed.purpose, due)
    return draft.outcome()


def _next_visit(draft: Draft) -> None:
    """Arms the next visit, counted from the closing, until the time of following up is over."""
    case, rules = draft.case, draft.policy.follow_up
    if rules is None or case.closed_at is None:
        return
    every = draft.policy.visits_every(draft.band)
    if every is None:
        return
    last = max((one.due_at for one in case.deadlines if one.kind is Kind.VISIT), default=case.closed_at)
    number, started_at = 1, case.closed_at
    due_at = period_end(case.closed_at, every, case.zone)
    while due_at <= max(last, draft.now):  # also after an outage of weeks: what nobody can keep any more is told once
        number, started_at = number + 1, due_at
        due_at = period_end(case.closed_at, every, case.zone, times=number)
    if due_at <= period_end(case.closed_at, rules.during, case.zone):
        _arm_until(draft, Kind.VISIT, Step.VISIT, started_at, due_at)


def _alert(draft: Draft, missed: Deadline) -> None:
    seat = _visitor(draft)
    if seat is not None:
        _tell(draft, seat, Purpose.OVERDUE, missed)
    above = supervisors(draft.policy, draft.route)
    draft.case.supervise_round += 1
    draft.say(CaseSupervised, at=next(iter(above), None), round=draft.case.supervise_round, step=missed.step)
    for one in above:
        _tell(draft, one, Purpose.SUPERVISE, missed)


def _tell(draft: Draft, seat: Seat, purpose: Purpose, due: Deadline) -> None:
    known = any((one.post_id, one.officer_id) == (seat.post.post_id, seat.officer_id) for one in draft.case.assignments)
    if not known:
        draft.assign(seat, supervising=purpose is Purpose.SUPERVISE)
    draft.notify(purpose, seat, step=due.step, deadline_at=due.due_at)


def _visitor(draft: Draft, without: frozenset[UUID] = frozenset()) -> Seat | None:
    """Who visits: the officer who closed the case while they hold the post, else who holds it now, else the next rung."""
    case = draft.case
    post = post_of(draft.route, case.owner_post_id)
    if post is not None:
        still = any(one.officer_id == case.owner_officer_id and one.reachable for one in post.holders)
        officer_id = case.owner_officer_id if still and case.owner_officer_id not in without else holder_of(post, without)
        if officer_id is not None:
            return Seat(post, officer_id)
    above = next_seat(draft.policy, draft.route, draft.tiers_above(case.tier), without)
    return above or next(iter(supervisors(draft.policy, draft.route, without)), None)


def _of_the_post(draft: Draft, officer_id: UUID) -> Assignment | None:
    post = post_of(draft.route, draft.case.owner_post_id)
    holds = post is not None and any(one.officer_id == officer_id for one in post.holders)
    return draft.assign(Seat(post, officer_id)) if post is not None and holds else None


def _arm_until(draft: Draft, kind: Kind, step: Step, start: datetime, due_at: datetime) -> None:
    """Arms a deadline at an instant that is named by the calendar, not by a window of the grade's clock."""
    reminders = tuple(Reminder(start + (due_at - start) * fraction, fraction) for fraction in draft.policy.remind_at)
    armed = Deadline(
        deadline_id=draft.moment.ids.new(),
        kind=kind,
        step=step,
        tier=None,
        started_at=start,
        due_at=due_at,
        policy=draft.policy.stamp,
        reminders=tuple(one for one in reminders if one.at > draft.now),
    )
    draft.case.deadlines = (*draft.case.deadlines, armed)
