"""What is watched beside the rung's window: the deputy's turn inside a post, an acknowledgement that nothing follows, a quorum.

Each is a key of a grade and off where the policy does not name it: no founding document gives a number, a place sets its own.
"""

from libs.events.catalogue import AcknowledgementStale, CaseAssigned
from libs.terms import Purpose, Step
from services.router.rules.calling import keep_calls
from services.router.rules.case import Answered, Assignment, CaseState, Deadline, Kind, State, Status
from services.router.rules.draft import Draft
from services.router.rules.ladder import Seat, holder_of, next_seat, post_of

RESPONSE = (Step.ON_SITE, Step.FIRST_WRITTEN_UP, Step.ASSESSMENT, Step.CASE_CONFERENCE)
"""What follows an acknowledgement, in the usual order."""


def quorum_missing(case: CaseState, quorum: int) -> int:
    """How many acknowledgements, of different officers on different posts, are still wanted; 0 when none is."""
    taken = [one for one in case.assignments if one.answer is Answered.ACKNOWLEDGED and not one.beside]
    return max(quorum - min(len({one.post_id for one in taken}), len({one.officer_id for one in taken})), 0)


def after_acknowledging(draft: Draft, asked: Deadline | None) -> None:
    """The owner has acknowledged: from now on the next step is waited for, and where the policy wants more officers, those.

    `asked`: the window that was running. A quorum is waited for until its end: that clock goes on.
    """
    case, rules = draft.case, draft.rules
    if case.status is not Status.ACKNOWLEDGED:
        return
    draft.disarm(Kind.STALE)
    if rules.stale_after and not _begun(case):
        draft.arm(Kind.STALE, _next_step(draft), draft.now, rules.stale_after)
    if asked is not None and asked.tier is not None and quorum_missing(case, rules.quorum):
        draft.arm(Kind.QUORUM, Step.ACKNOWLEDGE, asked.started_at, draft.ack_window(asked.tier, asked.started_at), tier=asked.tier)
    watch_quorum(draft)


def watch_quorum(draft: Draft) -> None:
    """After somebody has stepped back or the grade has changed: a quorum that is missing is waited for, one that is there no more."""
    case = draft.case
    waiting = any(one.armed and one.kind is Kind.QUORUM for one in case.deadlines)
    if not quorum_missing(case, draft.rules.quorum):
        draft.settle(lambda one: one.armed and one.kind is Kind.QUORUM, state=State.MET, done_at=draft.now, reminders=())
    elif case.status is Status.ACKNOWLEDGED and not waiting:
        _wait_for_quorum(draft)


def keep_watch(draft: Draft) -> None:
    """The grade or the policy has changed: what is watched keeps its beginning and gets the new length (promise 9)."""
    case, rules = draft.case, draft.rules
    keep_calls(draft)
    for kind, window in ((Kind.DEPUTY, rules.deputy_after), (Kind.STALE, rules.stale_after)):
        if window is None:
            draft.disarm(kind)
            continue
        for one in case.deadlines:
            if one.armed and one.kind is kind:
                draft.stretch(one, window)
    asked = next((one for one in case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    if rules.deputy_after and asked and not any(one.kind is Kind.DEPUTY and one.tier is asked.tier for one in case.deadlines):
        draft.stretch(draft.arm(Kind.DEPUTY, Step.ACKNOWLEDGE, asked.started_at, rules.deputy_after, tier=asked.tier), rules.deputy_after)
    watched = any(one.kind is Kind.STALE and one.state is not State.CANCELLED for one in case.deadlines)
    since = case.acknowledged_at if case.status is Status.ACKNOWLEDGED and not watched and not _begun(case) else None
    if rules.stale_after and since:
        draft.stretch(draft.arm(Kind.STALE, _next_step(draft), since, rules.stale_after), rules.stale_after)
    for one in case.deadlines:
        if one.armed and one.kind is Kind.QUORUM and one.tier is not None:
            draft.stretch(one, draft.ack_window(one.tier, one.started_at))
    watch_quorum(draft)


def tell_deputy(draft: Draft, due: Deadline) -> None:
    """The accountable officer has been silent for their part of the window: the next holder of the same post has the case now.

    The rung's window goes on: a deputy never makes the climb later. Where the post has nobody else, its window just runs out.
    """
    case = draft.case
    post = post_of(draft.route, case.owner_post_id)
    asked = next((one for one in case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    if post is None or asked is None or case.status is not Status.OPEN:
        return
    told = {one.officer_id for one in case.assignments if one.post_id == post.post_id}
    officer_id = holder_of(post, case.ruled_out | told)
    if officer_id is None:
        return
    seat = Seat(post, officer_id)
    draft.own(post.post_id, post.division_code, officer_id, post.tier, off_ladder=case.off_ladder)
    draft.say(CaseAssigned, at=seat, accountable=True, reason="deputy")
    draft.assign(seat)
    draft.notify(Purpose.ASSIGN, seat, step=Step.ACKNOWLEDGE, deadline_at=asked.due_at)
    draft.arm_deputy(due.tier, asked)


def gone_stale(draft: Draft, due: Deadline) -> None:
    """Says that nothing has followed the acknowledgement in time; the case climbs because of it."""
    late_s = round((draft.now - due.due_at).total_seconds(), 3)
    draft.say_of_owner(AcknowledgementStale, step=due.step, acknowledged_at=due.started_at, due_at=due.due_at, late_s=late_s)


def ask_further(draft: Draft, due: Deadline) -> None:
    """Too few have acknowledged: the next rung is asked as well, above the top one the supervising posts are told. The owner stays."""
    case = draft.case
    if case.status is not Status.ACKNOWLEDGED or not quorum_missing(case, draft.rules.quorum):
        return
    taken = {one.officer_id for one in case.assignments if one.answer is Answered.ACKNOWLEDGED}
    seat = next_seat(draft.policy, draft.route, draft.tiers_above(due.tier), case.ruled_out | taken) if due.tier else None
    if seat is not None:
        waiting = draft.arm(Kind.QUORUM, Step.ACKNOWLEDGE, draft.now, draft.ack_window(seat.tier, draft.now), tier=seat.tier)
        draft.say(CaseAssigned, at=seat, accountable=False, reason="quorum")
        draft.assign(seat)
        draft.notify(Purpose.ESCALATE, seat, step=Step.ACKNOWLEDGE, deadline_at=waiting.due_at)
        return
    if due.tier is not None:
        case.supervise_left = draft.policy.supervise.rounds
    draft.supervise(Step.ACKNOWLEDGE)
    if case.supervise_left > 0:
        case.supervise_left -= 1
        draft.arm(Kind.QUORUM, Step.ACKNOWLEDGE, draft.now, draft.ack_window(draft.policy.tiers[-1], draft.now))


def ask_instead(draft: Draft, told: Assignment) -> None:
    """Somebody who was asked for a further acknowledgement cannot be reached: whoever is next is asked at once (promise 5)."""
    waiting = next((one for one in draft.case.deadlines if one.armed and one.kind is Kind.QUORUM and one.tier is told.tier), None)
    if waiting is None:
        return
    post = post_of(draft.route, told.post_id)
    taken = {one.officer_id for one in draft.case.assignments}
    officer_id = holder_of(post, draft.case.ruled_out | taken) if post else None
    if post is None or officer_id is None:
        draft.settle(lambda one: one is waiting, state=State.FIRED, fired_at=draft.now, reminders=())
        ask_further(draft, waiting)
        return
    seat = Seat(post, officer_id)
    draft.say(CaseAssigned, at=seat, accountable=False, reason="unreachable")
    draft.assign(seat)
    draft.notify(Purpose.ESCALATE, seat, step=Step.ACKNOWLEDGE, deadline_at=waiting.due_at)


def _wait_for_quorum(draft: Draft) -> None:
    tier = draft.case.tier or draft.policy.tiers[-1]
    draft.arm(Kind.QUORUM, Step.ACKNOWLEDGE, draft.now, draft.ack_window(tier, draft.now), tier=tier)


def _begun(case: CaseState) -> bool:
    return any(step in case.steps_done for step in RESPONSE)


def _next_step(draft: Draft) -> Step:
    steps = draft.rules.steps
    return next((step for step in RESPONSE if step in steps and step not in draft.case.steps_done), Step.CLOSE)
