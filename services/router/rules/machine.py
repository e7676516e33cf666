"""What happens to a case by itself: it is opened, its deadlines fire, an officer turns out to be unreachable, a further report joins."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.events.catalogue import (
    CaseAssigned,
    CaseOpened,
    CaseRegraded,
    CaseReportAttached,
    DeadlineMissed,
    DeadlineReminded,
    NotificationFailed,
    ReportReceived,
)
from libs.terms import Purpose, Step
from services.router.rules.aftercare import feedback_missed, fire_visits, owe_feedback, visit_unreachable
from services.router.rules.calling import call_owner
from services.router.rules.case import (
    OF_PEOPLE,
    OWED_TO_REPORTERS,
    ROUNDS,
    Answered,
    Assignment,
    CaseState,
    Deadline,
    Kind,
    Moment,
    Outcome,
    State,
    Status,
)
from services.router.rules.conflict_acts import add_conflicts, pass_over
from services.router.rules.conflicts import Conflict
from services.router.rules.draft import Draft
from services.router.rules.grading import Facts, grade
from services.router.rules.handover import fire_transfer, unreachable_transfer
from services.router.rules.ladder import Seat, holder_of, needs_placing, next_seat, post_of, supervisors
from services.router.rules.lanes import TELLS_A_LANE, fire_lanes, open_lanes, unreachable_lane
from services.router.rules.watch import ask_further, ask_instead, gone_stale, keep_watch, tell_deputy

SECOND_REPORT = "second_report"
_REACHES_OUT = frozenset({Purpose.ASSIGN, Purpose.ESCALATE, Purpose.SUPERVISE, Purpose.REMIND, Purpose.OVERDUE})
"""Messages whose failure lets somebody else be told; a recall that nobody reads harms nobody."""
_OF_THE_OWNER = frozenset({Purpose.REMIND, Purpose.OVERDUE})
"""Messages that an owner still needs after having acknowledged; an assignment that arrives no more is not one."""


def facts_of(report: ReportReceived) -> Facts:
    """What grading needs of a report."""
    return Facts(
        situations=report.situations,
        categories=report.categories,
        danger=report.danger,
        age_bands=report.age_bands,
        any_disability=report.any_disability,
        harms=report.harms,
        settings=report.settings,
    )


def conflicts_of(report: ReportReceived) -> tuple[Conflict, ...]:
    """The posts that the report says must not deal with it (回避)."""
    return tuple(Conflict(one.reason, one.post_id, one.division_code or "", one.role or "") for one in report.conflicts)


def open_case(report: ReportReceived, moment: Moment, *, at_grade: str | None = None, earlier_at: datetime | None = None) -> Outcome:
    """A report becomes a case: graded, its clocks started at t0, told to whom the grade names, accountable at the lowest rung.

    `at_grade`, one of the policy's bands or of the four grades, overrides the grade, for simulation. `earlier_at`: when the latest
    report on the same matter came in, whose case is closed: a second report raises the grade all the same (rules.yaml grade_rules).
    """
    policy, route, ids = moment.policy, moment.route, moment.ids
    graded = grade(facts_of(report), policy)
    band, grade_reason = policy.band(at_grade) if at_grade else graded.band, graded.reason
    second = policy.second_report
    if earlier_at is not None and not at_grade and report.received_at - earlier_at <= second.within:
        raised = policy.bands[max(policy.position(band) - second.raise_by, 1) - 1]
        band, grade_reason = raised, grade_reason if raised == band else SECOND_REPORT
    case = CaseState(
        case_id=ids.new(),
        code=ids.code(),
        grade=policy.severity(band),
        band=band,
        grade_reason=grade_reason,
        floor=policy.severity(graded.floor) if graded.floor else None,
        floor_band=graded.floor,
        mandatory=graded.mandatory,
        division_code=report.division_code,
        zone=route.division.zone,
        policy_id=policy.id,
        policy_version=policy.version,
        t0=report.received_at,
        opened_at=moment.now,
        status=Status.OPEN,
        reporter_reachable=report.reporter_reachable,
        steps_done={Step.POLICE_LINKED: report.received_at} if report.police_reported else {},
    )
    draft = Draft(case, moment, is_new=True)
    add_conflicts(draft, conflicts_of(report))
    for step, window in policy.grades[band].steps.items():
        if step is not Step.DISPATCH:
            draft.arm(Kind.STEP, step, case.t0, window.d)
    if report.reporter_reachable:
        owe_feedback(draft, report.received_at)
    above = needs_placing(policy, route)
    if above:
        draft.to_dispatch_desk()
    else:
        draft.start_ladder("opened")
    open_lanes(draft, graded.departments, report.situations)
    draft.say_of_owner(
        CaseOpened,
        report_id=report.report_id,
        code=case.code,
        received_at=case.t0,
        policy_id=policy.id,
        policy_version=policy.version,
        grade_reason=grade_reason,
        deadlines={one.step: one.due_at for one in case.deadlines if one.armed},
        needs_placing=above,
    )
    draft.tell_last_first()
    return draft.outcome()


def fire(state: CaseState, moment: Moment) -> Outcome:
    """Everything that is due by now: first the missed deadlines, then one climb or round of supervising, then the reminders.

    A case climbs at most one rung at a time, also after an outage in which several deadlines passed: whoever is next must first
    have had their window. Of several reminders of a deadline that have become due, only the last one is sent.
    """
    if not state.open:
        return fire_visits(state, moment)
    draft = Draft(state, moment)
    now = moment.now
    due = sorted((one for one in state.deadlines if one.armed and one.due_at <= now), key=lambda one: (one.due_at, one.step))
    for one in due:
        _pass(draft, one, now)
    owed = [one for one in due if one.step in OWED_TO_REPORTERS]
    of_kind: dict[Kind, Deadline] = {one.kind: one for one in reversed(due) if one not in owed}  # the first one of each
    missed = of_kind.get(Kind.STEP) or of_kind.get(Kind.STALE)
    round_ = next((one for one in due if one.kind in ROUNDS), None)
    climbed = draft.climb("silence") if Kind.ACKNOWLEDGE in of_kind else missed is not None and _climb_over(draft, missed)
    if Kind.DEPUTY in of_kind and not climbed:
        tell_deputy(draft, of_kind[Kind.DEPUTY])
    if Kind.QUORUM in of_kind:
        ask_further(draft, of_kind[Kind.QUORUM])
    for one in owed:
        feedback_missed(draft, one)
    if round_ and not climbed:
        draft.supervise_again(round_)
    for one in draft.case.deadlines:
        if one.armed and one.reminders and one.reminders[0].at <= now:
            _remind(draft, one, now)
    if Kind.CALL in of_kind and not climbed:
        call_owner(draft)
    fire_lanes(draft)
    fire_transfer(draft, climbed=climbed)
    return draft.outcome()


def _climb_over(draft: Draft, missed: Deadline) -> bool:
    """A step was missed, or nothing has followed an acknowledgement: it climbs, and an owner who has the case is told so."""
    former = draft.owner_assignment if draft.case.status is Status.ACKNOWLEDGED else None
    climbed = draft.climb("step_missed" if missed.kind is Kind.STEP else "stale", step=missed.step)
    if former is not None:
        draft.notify(Purpose.OVERDUE, former, step=missed.step, deadline_at=missed.due_at)
    return climbed


def unreachable(state: CaseState, failed: NotificationFailed, moment: Moment) -> Outcome:
    """A message did not reach its officer: the next person on the same post is told, else the case climbs at once (promise 5).

    A call that the policy asked for has an SMS beside it: nobody is unreachable for not having picked up.
    """
    if failed.channel == "voice":
        return Outcome(state, state, ())
    if state.open and failed.purpose in TELLS_A_LANE:
        draft = Draft(state, moment)
        return draft.outcome() if unreachable_lane(draft, failed) else Outcome(state, state, ())
    if state.open and failed.purpose is Purpose.TRANSFER:
        draft = Draft(state, moment)
        return draft.outcome() if unreachable_transfer(draft, failed) else Outcome(state, state, ())
    return _unreached(state, failed, moment) if state.open else visit_unreachable(state, failed, moment)


def _unreached(state: CaseState, failed: NotificationFailed, moment: Moment) -> Outcome:
    told = _told(state, failed)
    if told is None or failed.purpose not in _REACHES_OUT:
        return Outcome(state, state, ())
    return _rung_unreachable(state, told, failed.purpose, moment)


def _rung_unreachable(state: CaseState, told: Assignment, purpose: Purpose, moment: Moment) -> Outcome:
    is_owner = (state.owner_post_id, state.owner_officer_id) == (told.post_id, told.officer_id)
    owns = told.answer is Answered.ACKNOWLEDGED and is_owner
    if (told.answer is not Answered.TOLD and not owns) or (owns and purpose not in _OF_THE_OWNER):
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    if not owns:
        draft.answer(told, Answered.UNREACHABLE)
    if state.status is Status.ACKNOWLEDGED and not told.supervising:
        if purpose in _OF_THE_OWNER:
            _tell_another(draft, told, purpose)
        else:
            ask_instead(draft, told)
        return draft.outcome()
    seat = _next_on_post(draft, told.post_id, draft.case.ruled_out)
    if seat is None:
        if is_owner:
            draft.climb("unreachable")
        return draft.outcome()
    if is_owner:
        draft.own(seat.post.post_id, seat.post.division_code, seat.officer_id, seat.tier, off_ladder=state.off_ladder)
    if not told.supervising:
        draft.say(CaseAssigned, at=seat, accountable=is_owner, reason="unreachable")
    draft.assign(seat, supervising=told.supervising)
    window = next((one for one in state.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    again = Purpose.ESCALATE if purpose is Purpose.REMIND else purpose
    draft.notify(again, seat, step=Step.ACKNOWLEDGE, deadline_at=window.due_at if window else None)
    return draft.outcome()


def _told(state: CaseState, failed: NotificationFailed) -> Assignment | None:
    """How the officer whom a message did not reach is assigned, on the ladder."""
    return next(
        (one for one in state.assignments if (one.post_id, one.officer_id) == (failed.post_id, failed.officer_id) and not one.beside), None
    )


def _tell_another(draft: Draft, told: Assignment, purpose: Purpose) -> None:
    """The owner has the case but does not hear of what is due: somebody else hears it, and nothing changes hands.

    That is whoever shares the post, else the next rung, else a supervising post. The step's deadline still climbs.
    """
    case = draft.case
    without = case.ruled_out | {told.officer_id} | ({case.owner_officer_id} if case.owner_officer_id else set())
    seat = (
        _next_on_post(draft, told.post_id, without)
        or next_seat(draft.policy, draft.route, draft.tiers_above(told.tier), without)
        or next(iter(supervisors(draft.policy, draft.route, without)), None)
    )
    if seat is None:
        return
    if all(one.officer_id != seat.officer_id or one.beside for one in case.assignments):
        draft.say(CaseAssigned, at=seat, accountable=False, reason="unreachable")
        draft.assign(seat)
    due = case.next_due
    draft.notify(purpose, seat, step=due.step if due else Step.ACKNOWLEDGE, deadline_at=due.due_at if due else None)


def _next_on_post(draft: Draft, post_id: UUID, without: frozenset[UUID]) -> Seat | None:
    post = post_of(draft.route, post_id)
    officer_id = holder_of(post, without) if post else None
    return Seat(post, officer_id) if post and officer_id else None


def attach_report(state: CaseState, report: ReportReceived, moment: Moment, *, earlier_at: datetime | None = None) -> Outcome:
    """A further report on the same matter joins an open case. It may raise the grade: by its own facts, or by being a second one.

    `earlier_at`: when the latest report before it came in; left out, the first one of the case counts.
    """
    draft = Draft(state, moment)
    draft.say_of_owner(CaseReportAttached, report_id=report.report_id)
    add_conflicts(draft, conflicts_of(report))
    if draft.case.conflicts != state.conflicts:
        pass_over(draft)
    graded = grade(facts_of(report), moment.policy)
    case = draft.case
    case.mandatory = case.mandatory or graded.mandatory
    policy = moment.policy
    floor = policy.band(case.floor_band, case.floor) if case.floor_band else None
    if graded.floor and (floor is None or policy.position(graded.floor) < policy.position(floor)):
        case.floor, case.floor_band = policy.severity(graded.floor), graded.floor
    second = policy.second_report
    position, before = policy.position(graded.band), policy.position(draft.band)
    reason = graded.reason
    if report.received_at - max(earlier_at or state.t0, state.t0) <= second.within and before - second.raise_by < position:
        position = max(before - second.raise_by, 1)
        reason = SECOND_REPORT
    if report.reporter_reachable:
        case.reporter_reachable = True
        # Whoever was informed before was somebody else: this reporter has to hear the outcome too (promise 10).
        case.steps_done = {step: at for step, at in case.steps_done.items() if step not in OWED_TO_REPORTERS}
        owe_feedback(draft, report.received_at)
    if report.police_reported and Step.POLICE_LINKED not in case.steps_done:
        case.steps_done = {**case.steps_done, Step.POLICE_LINKED: report.received_at}
    if position < before:
        change_grade(draft, policy.bands[position - 1], reason)
    elif case.mandatory and not state.mandatory and case.status is not Status.NEEDS_PLACING:
        draft.tell_recipients("fan_out")
    open_lanes(draft, graded.departments, report.situations)
    return draft.outcome()


def tell_departments(draft: Draft, reports: Sequence[ReportReceived]) -> None:
    """The case has other rules: departments that these name for it and that do not know of it are told.

    `reports`: those of the case, as far as they are known; without them only the departments of every case, and of every mandatory one.
    """
    named = dict.fromkeys(one for report in reports for one in grade(facts_of(report), draft.policy).departments)
    open_lanes(draft, tuple(named), {one for report in reports for one in report.situations})


def change_grade(draft: Draft, new: str, reason: str, *, by: UUID | None = None) -> None:
    """Gives another grade, a band of the policy. Clocks go on: windows keep their beginning and get the new grade's length (promise 9).

    What would already be over is due now. A higher grade tells whom it names, and the owner again.
    """
    case = draft.case
    old, old_band, was = case.grade, case.band, draft.policy.position(draft.band)
    draft.set_band(new)
    case.grade_reason = reason
    from_band = old_band if old_band != old else None
    draft.say_of_owner(CaseRegraded, from_grade=old, from_band=from_band, reason=reason, **({"officer_id": by} if by else {}))
    keep_time(draft)
    if draft.policy.position(new) < was and case.status is not Status.NEEDS_PLACING:
        waiting = next((one for one in case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
        draft.notify_owner(Purpose.ASSIGN, step=Step.ACKNOWLEDGE, deadline_at=waiting.due_at if waiting else None)
        draft.fan_out("regraded")


def keep_time(draft: Draft) -> None:
    """Gives the armed deadlines the lengths of the draft's grade and policy, counted from where they began (promise 9).

    Steps that these do not know are no longer waited for; those that only they know run from t0.
    """
    case = draft.case
    draft.set_band(draft.band)
    steps = draft.rules.steps
    for one in case.deadlines:
        if not one.armed:
            continue
        if one.kind is Kind.ACKNOWLEDGE and one.tier is not None:
            draft.stretch(one, draft.ack_window(one.tier, one.started_at))
        elif one.kind is Kind.STEP and one.step in steps:
            draft.stretch(one, steps[one.step].d)
        elif one.kind is Kind.STEP and one.step not in OWED_TO_REPORTERS:
            draft.settle(lambda other, gone=one: other is gone, state=State.CANCELLED, reminders=())  # type: ignore[misc]
    counted = {one.step for one in case.deadlines if one.kind is Kind.STEP and one.state is not State.CANCELLED}
    known = counted | set(case.steps_done) | {Step.DISPATCH}
    for step, window in steps.items():
        if step not in known:
            draft.stretch(draft.arm(Kind.STEP, step, case.t0, window.d), window.d)
    keep_watch(draft)


def _pass(draft: Draft, one: Deadline, now: datetime) -> None:
    """A deadline is over. Rounds of supervising just take place; what people had to do has been missed, and is said so."""
    misses = one.kind in OF_PEOPLE
    draft.settle(lambda other: other is one, state=State.FIRED, fired_at=now, reminders=())
    if one.kind is Kind.STALE:
        gone_stale(draft, one)
    elif misses:
        draft.say_of_owner(
            DeadlineMissed,
            deadline_id=one.deadline_id,
            step=one.step,
            due_at=one.due_at,
            fired_at=now,
            late_s=round((now - one.due_at).total_seconds(), 3),
        )


def _remind(draft: Draft, one: Deadline, now: datetime) -> None:
    passed = [reminder for reminder in one.reminders if reminder.at <= now]
    draft.settle(lambda other: other is one, reminders=one.reminders[len(passed) :])
    draft.say_of_owner(DeadlineReminded, deadline_id=one.deadline_id, step=one.step, fraction=passed[-1].fraction, due_at=one.due_at)
    draft.notify_owner(Purpose.REMIND, step=one.step, deadline_at=one.due_at)
