"""What people do to a case: acknowledge, decline, report steps, close, regrade, place, take over.

Doing the same thing twice changes nothing the second time. What cannot be done raises an error of `services.router.errors`.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from libs.directory.model import Post
from libs.errors import Conflict, FieldError, Invalid
from libs.events.catalogue import CaseAcknowledged, CaseClosed, CaseDeclined, CasePlaced, CaseRegraded, CaseStepDone, ReportReceived
from libs.i18n import gettext as _
from libs.terms import CloseResult, DeclineReason, Purpose, Step
from services.router.errors import AlreadyTaken, CaseIsClosed, NotAcknowledged, NotAssigned, NotReadyToClose, NotYours, TooLateToLower
from services.router.rules.aftercare import begin_visits, visited
from services.router.rules.case import OWED_TO_REPORTERS, Answered, Assignment, CaseState, Kind, Moment, Outcome, State, Status
from services.router.rules.conflict_acts import record_skipped
from services.router.rules.draft import Draft
from services.router.rules.handover import withdraw
from services.router.rules.ladder import Seat, needs_placing
from services.router.rules.lanes import move_lanes
from services.router.rules.machine import change_grade, tell_departments
from services.router.rules.policy import Policy
from services.router.rules.watch import after_acknowledging, quorum_missing, watch_quorum

Via = Literal["sms_reply", "link", "keypad", "workbench", "api"]

REPORTABLE_STEPS = (
    Step.ON_SITE,
    Step.FIRST_WRITTEN_UP,
    Step.ASSESSMENT,
    Step.CASE_CONFERENCE,
    Step.POLICE_LINKED,
    Step.REPORTER_PROCEDURE,
    Step.REPORTER_INFORMED,
)
"""Steps that officers report; the others are acts of their own: acknowledge, close, place."""


PLACED = "placed"
"""Why a case has another grade: its new place has grades of its own."""


class RegradeReason(StrEnum):
    """Why somebody gave a case another grade: a code, since free text might name a child (promise 7)."""

    NEW_FACTS = "new_facts"
    FOUND_ON_SITE = "found_on_site"
    MISJUDGED = "misjudged"
    ORDERED = "ordered"


def acknowledge(state: CaseState, officer_id: UUID, moment: Moment, via: Via) -> Outcome:
    """An assigned officer takes the case and becomes its owner; the climb stops. Also after their window: late, but taken.

    Those who were told and have not answered are told that they need not come, except for grade I.
    """
    assignment = _assigned(state, officer_id)
    if state.status is Status.ACKNOWLEDGED:
        return _join(state, assignment, moment, via)
    if state.status is Status.NEEDS_PLACING and assignment.answer is Answered.ACKNOWLEDGED and state.owner_officer_id == officer_id:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    take(draft, assignment, via)
    return draft.outcome()


def _join(state: CaseState, assignment: Assignment, moment: Moment, via: Via) -> Outcome:
    """A further acknowledgement, where the policy wants more than one: the owner stays. With the last one the asking stops."""
    draft = Draft(state, moment)
    joined = draft.rules.quorum > 1 and assignment.answer is Answered.ACKNOWLEDGED
    if joined or state.owner_officer_id == assignment.officer_id:
        return Outcome(state, state, ())
    if not quorum_missing(state, draft.rules.quorum):
        raise AlreadyTaken
    taken = draft.answer(assignment, Answered.ACKNOWLEDGED)
    wanted = quorum_missing(draft.case, draft.rules.quorum)
    draft.say(CaseAcknowledged, at=taken, via=via, joins=True, wanted=wanted)
    if not wanted:
        watch_quorum(draft)
        draft.case.supervise_left = 0
        _recall_others(draft, taken)
    return draft.outcome()


def decline(state: CaseState, officer_id: UUID, reason: DeclineReason, moment: Moment, via: Via) -> Outcome:
    """An assigned officer cannot take the case. When it rests on them, it climbs at once."""
    assignment = _assigned(state, officer_id)
    if assignment.answer is Answered.DECLINED:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    draft.answer(assignment, Answered.DECLINED)
    draft.say(CaseDeclined, at=assignment, reason=reason, via=via)
    if (state.owner_post_id, state.owner_officer_id) == (assignment.post_id, officer_id):
        draft.climb("declined")
    elif assignment.answer is Answered.ACKNOWLEDGED:
        watch_quorum(draft)
    return draft.outcome()


def step_done(
    state: CaseState,
    officer_id: UUID,
    step: Step,
    moment: Moment,
    via: Via,
    *,
    done_at: datetime | None = None,
    child_sighted: bool | None = None,
) -> Outcome:
    """A step was done, now or at `done_at`. Whoever reports a step of a case that nobody has acknowledged thereby acknowledges it.

    For `on_site`, `child_sighted` tells contact attempted from child seen; it may be reported again when the child is seen later.
    """
    if step is Step.VISIT:
        return visited(state, officer_id, moment, done_at)
    assignment = _assigned(state, officer_id)
    at = done_at or moment.now
    if at > moment.now:
        raise Invalid("in_future", _("A step cannot be done in the future. Leave done_at out to mean now."), field="done_at")
    if at < state.t0:
        raise Invalid("before_report", _("A step cannot be done before the report was received."), field="done_at")
    if step not in REPORTABLE_STEPS:
        raise Invalid("not_reportable", _("This step is done by its own act: acknowledge, place or close the case."), field="step")
    sighted_now = step is Step.ON_SITE and bool(child_sighted) and not state.child_sighted
    if step in state.steps_done and not sighted_now:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    if state.status is Status.OPEN:
        assignment = take(draft, assignment, via)
    record_step(draft, step, at, assignment, child_sighted=bool(child_sighted) if step is Step.ON_SITE else None)
    return draft.outcome()


def close(state: CaseState, officer_id: UUID, result: CloseResult, moment: Moment, *, manages: bool = False) -> Outcome:
    """The owner, or somebody who `manages` cases here, ends the case with a result.

    Refused until the police were told of a mandatory-report situation (OPINION2020 art 2) and the reporter, where reachable, of the
    outcome (UMPL art 11(3); SEED_F 事事有回音).
    """
    if state.status is Status.CLOSED and state.result is result:
        return Outcome(state, state, ())
    assignment = _assigned(state, officer_id)
    if state.status is not Status.ACKNOWLEDGED and not (state.status is Status.NEEDS_PLACING and state.acknowledged_at):
        raise NotAcknowledged
    if state.owner_officer_id != officer_id and not manages:
        raise NotYours
    missing = missing_to_close(state)
    if missing:
        raise NotReadyToClose([FieldError(step, "step_missing", _MISSING[step]()) for step in missing])
    draft = Draft(state, moment)
    case = draft.case
    record_step(draft, Step.CLOSE, moment.now, assignment, told=False)
    case.status, case.result, case.closed_at = Status.CLOSED, result, moment.now
    withdraw(draft)
    draft.disarm(*Kind)
    draft.say(CaseClosed, at=assignment, result=result, reporter_informed=Step.REPORTER_INFORMED in case.steps_done)
    begin_visits(draft)
    return draft.outcome()


def missing_to_close(state: CaseState) -> list[Step]:
    """The steps without which the case may not be closed."""
    missing: list[Step] = []
    if state.mandatory and Step.POLICE_LINKED not in state.steps_done:
        missing.append(Step.POLICE_LINKED)
    if state.reporter_reachable and Step.REPORTER_INFORMED not in state.steps_done:
        missing.append(Step.REPORTER_INFORMED)
    return missing


def regrade(state: CaseState, grade: str, reason: RegradeReason, moment: Moment, *, by: UUID | None = None) -> Outcome:
    """Gives the case another grade: one of its policy's bands, or the band that stands for one of the four.

    Never below what its mandatory-report situations demand (rules.yaml grade_rules).

    Lowering ends with the first contact or when its time has passed: afterwards it would only make lateness look better.
    """
    if not state.open:
        raise CaseIsClosed
    draft, policy = Draft(state, moment), moment.policy
    band = band_named(policy, grade)
    if band == draft.band or (grade == state.grade and grade not in policy.grades):
        return Outcome(state, state, ())
    floor = policy.band(state.floor_band, state.floor) if state.floor_band else None
    if floor is not None and policy.position(band) > policy.position(floor):
        raise Invalid("below_floor", _("Its mandatory-report situations do not allow a grade below %(floor)s.", floor=floor), field="grade")
    if policy.position(band) > policy.position(draft.band) and _contact_or_expiry(state, moment.now):
        raise TooLateToLower
    change_grade(draft, band, reason, by=by)
    return draft.outcome()


def band_named(policy: Policy, name: str) -> str:
    """The band of a policy that somebody names by its own name or by one of the four grades."""
    try:
        return policy.band(name)
    except KeyError:
        known = ", ".join(policy.bands)
        raise Invalid("unknown_grade", _("These rules have no such grade. Choose one of %(known)s.", known=known), field="grade") from None


def lowers(state: CaseState, grade: str, policy: Policy) -> bool:
    """Whether that grade would be less urgent than the case's now."""
    return policy.position(band_named(policy, grade)) > policy.position(policy.band(state.band, state.grade))


def place(
    state: CaseState, division_code: str, moment: Moment, *, by: UUID | None = None, reports: Sequence[ReportReceived] = ()
) -> Outcome:
    """Gives the case its place and starts the ladder there; the step deadlines run on from t0.

    `moment.route` is that of the new place, and `moment.policy` the one in force there; the case is stamped with it from now on, and
    the departments that it names for the `reports` of the case are told.
    """
    if not state.open:
        raise CaseIsClosed
    if division_code == state.division_code:
        return Outcome(state, state, ())
    if needs_placing(moment.policy, moment.route):
        raise Invalid(
            "too_wide", _("This place is too wide to send anybody to. Choose a district or something within one."), field="division_code"
        )
    draft = Draft(state, moment)
    case = draft.case
    desk = draft.owner_assignment
    withdraw(draft)
    from_division = case.division_code
    case.division_code, case.zone = division_code, moment.route.division.zone
    case.policy_id, case.policy_version = moment.policy.id, moment.policy.version
    draft.say_of_owner(CasePlaced, from_division_code=from_division, **({"officer_id": by} if by else {}))
    take_grade_of_place(draft)
    if state.status is Status.NEEDS_PLACING:
        record_step(draft, Step.DISPATCH, moment.now, desk)
    else:
        _recall_others(draft, None)
    case.acknowledged_at, case.supervise_left = None, 0
    record_skipped(draft)
    draft.start_ladder("placed")
    move_lanes(draft)
    tell_departments(draft, reports)
    return draft.outcome()


def take_grade_of_place(draft: Draft) -> None:
    """The rules of the new place may have other grades: the case gets the one that counts the same there."""
    case = draft.case
    if (band := draft.band) == case.band:
        return
    from_grade, from_band = case.grade, case.band
    draft.set_band(band)
    if (from_grade, from_band) != (case.grade, case.band):
        draft.say_of_owner(CaseRegraded, from_grade=from_grade, from_band=from_band, reason=PLACED)


def take_over(state: CaseState, officer_id: UUID, post: Post, moment: Moment, via: Via) -> Outcome:
    """An officer takes the case from whoever has it, on one of their own posts: an explicit act."""
    if not state.open:
        raise CaseIsClosed
    if state.status is Status.NEEDS_PLACING:
        raise Conflict("needs_placing", _("This case has no place yet. Place it first."))
    if state.status is Status.ACKNOWLEDGED and state.owner_officer_id == officer_id:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    former = draft.owner_assignment
    held = (one for one in state.assignments if (one.post_id, one.officer_id) == (post.post_id, officer_id) and not one.beside)
    assignment = next(held, None)
    take(draft, assignment or draft.assign(Seat(post, officer_id)), via)
    if former and former.answer is Answered.ACKNOWLEDGED and former.officer_id != officer_id and draft.rules.recall:
        draft.notify(Purpose.RECALL, former, step=Step.ACKNOWLEDGE)
    return draft.outcome()


def _contact_or_expiry(state: CaseState, now: datetime) -> bool:
    on_site = (one for one in state.deadlines if one.kind is Kind.STEP and one.step is Step.ON_SITE and one.state is not State.CANCELLED)
    return Step.ON_SITE in state.steps_done or any(one.due_at <= now for one in on_site)


def _assigned(state: CaseState, officer_id: UUID) -> Assignment:
    """The officer's assignment, on an open case."""
    assignment = state.assignment_of(officer_id)
    if assignment is None:
        raise NotAssigned
    if not state.open:
        raise CaseIsClosed
    return assignment


def take(draft: Draft, assignment: Assignment, via: Via) -> Assignment:
    """Makes the officer the owner: windows and rounds end, the others are recalled."""
    case, now = draft.case, draft.now
    late = any(one.kind is Kind.ACKNOWLEDGE and one.tier is assignment.tier and one.state is State.FIRED for one in case.deadlines)
    asked = next((one for one in case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    taken = draft.answer(assignment, Answered.ACKNOWLEDGED)
    off_ladder = case.off_ladder and case.owner_post_id == taken.post_id
    draft.own(taken.post_id, taken.division_code, taken.officer_id, taken.tier, off_ladder=off_ladder)
    if case.status is not Status.NEEDS_PLACING:
        case.status = Status.ACKNOWLEDGED
    case.acknowledged_at = now
    draft.settle(lambda one: one.armed and one.kind is Kind.ACKNOWLEDGE, state=State.MET, done_at=now, reminders=())
    draft.disarm(Kind.DEPUTY, Kind.CALL, Kind.SUPERVISE, Kind.REVIEW)
    case.supervise_left = 0
    wanted = quorum_missing(case, draft.rules.quorum) if case.status is Status.ACKNOWLEDGED else 0
    draft.say(CaseAcknowledged, at=taken, via=via, late=late, wanted=wanted)
    after_acknowledging(draft, asked)
    if not wanted:
        _recall_others(draft, taken)
    return taken


def _recall_others(draft: Draft, taken: Assignment | None) -> None:
    """Tells those who have not answered that they need not come; for grade I everybody keeps coming, and so does who has a duty beside."""
    if not draft.rules.recall:
        return
    keep = {post.post_id for post in draft.route.posts if post.role in draft.policy.recipient_roles}
    recalled: set[UUID] = {taken.officer_id} if taken else set()
    for one in draft.case.assignments:
        if one.answer is Answered.TOLD and one is not taken and one.post_id not in keep and not one.beside:
            draft.answer(one, Answered.RECALLED)
            if one.officer_id not in recalled:
                recalled.add(one.officer_id)
                draft.notify(Purpose.RECALL, one, step=Step.ACKNOWLEDGE)


def record_step(
    draft: Draft, step: Step, at: datetime, by: Assignment | None, *, child_sighted: bool | None = None, told: bool = True
) -> None:
    """Marks a step and its deadline as done; a deadline that was missed stays missed, and tells when it was done after all."""
    case = draft.case
    rows = [one for one in case.deadlines if one.kind is Kind.STEP and one.step is step and one.state is not State.CANCELLED]
    undone = [one for one in rows if one.done_at is None]  # what a second reporter is owed is a row of its own
    late = any(at > one.due_at for one in undone or rows)
    if step not in case.steps_done:
        case.steps_done = {**case.steps_done, step: at}
    if child_sighted:
        case.child_sighted = True
    draft.settle(lambda one: one in undone and one.armed, state=State.MET, done_at=at, reminders=())
    draft.settle(lambda one: one in undone, done_at=at, reminders=())
    if step is Step.REPORTER_INFORMED:  # who has heard the outcome need not hear how it goes on
        draft.settle(lambda one: one.armed and one.step is Step.REPORTER_PROCEDURE, state=State.MET, done_at=at, reminders=())
    if step not in OWED_TO_REPORTERS:
        draft.settle(lambda one: one.armed and one.kind is Kind.STALE, state=State.MET, done_at=at, reminders=())
    if told and by is not None:
        draft.say(CaseStepDone, at=by, step=step, done_at=at, late=late, child_sighted=child_sighted)
    elif told:
        draft.say_of_owner(CaseStepDone, step=step, done_at=at, late=late, child_sighted=child_sighted)


def _police_missing() -> str:
    return _("The police have not been told: record the step police_linked first. In danger call 110 at once.")


def _reporter_missing() -> str:
    return _("The reporter can be reached and has not been told the outcome: record the step reporter_informed first.")


_MISSING = {Step.POLICE_LINKED: _police_missing, Step.REPORTER_INFORMED: _reporter_missing}
