"""What happens to department lanes by itself: opened with the case, told to the next post, clocks that pass (属事属管).

A lane runs beside the ladder. Its officers never own the case, its clocks never move the ladder, and a department without a post stops
nothing: that is recorded and shown.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.events.catalogue import LaneClockPassed, LaneTold, LaneUnreached, NotificationFailed
from libs.terms import Department, Purpose, Situation
from services.router.rules.case import Answered, Assignment
from services.router.rules.draft import Draft
from services.router.rules.ladder import Seat, post_of, seat_of
from services.router.rules.lane_values import ACCEPT, ClockRule, ClockStart, Lane, LaneClock, LaneMode, LaneState, LaneWhen

Telling = Literal["by_rule", "referred", "declined", "silence", "unreachable", "placed", "conflict"]
TELLS_A_LANE = frozenset({Purpose.INFORM, Purpose.REFER})


def open_lanes(draft: Draft, named: Collection[Department], situations: Collection[Situation]) -> None:
    """Opens the lanes that the policy wants and that are not open yet, in its order; `named`: departments that the situations name."""
    case = draft.case
    for department, rule in draft.policy.lanes.items():
        special = tuple(code for code, clock in rule.clocks.items() if not set(clock.situations).isdisjoint(situations))
        mode = rule.mode
        if mode is LaneMode.ACT_IF_MANDATORY:
            mode = LaneMode.ACT if case.mandatory else LaneMode.INFORM
        known = case.lane(department)
        if known is not None:
            _widen(draft, known._replace(special=tuple(dict.fromkeys((*known.special, *special)))), mode)
            continue
        if department in named or rule.when is LaneWhen.ALWAYS or (rule.when is LaneWhen.MANDATORY and case.mandatory):
            _open(draft, Lane(department, mode, LaneState.UNREACHED, draft.now, special=special))


def _open(draft: Draft, lane: Lane) -> None:
    lane = tell_next(draft, lane, "by_rule")
    if lane.state is LaneState.TOLD:
        put(draft, start_clocks(draft, lane, ClockStart.TOLD))


def _widen(draft: Draft, lane: Lane, mode: LaneMode) -> None:
    """A further report concerns a department that knows of the case: more of its clocks may run, and a copy may have become a duty."""
    put(draft, lane)
    if mode is LaneMode.ACT and lane.mode is LaneMode.INFORM and lane.state in {LaneState.UNREACHED, LaneState.TOLD}:
        _open(draft, lane._replace(mode=mode))


def refer_to(draft: Draft, department: Department, roles: tuple[str, ...] = ()) -> None:
    """A department has to accept the matter, because of what somebody did; `roles`: posts of it that are asked before the usual ones."""
    lane = draft.case.lane(department) or Lane(department, LaneMode.ACT, LaneState.UNREACHED, draft.now)
    lane = lane._replace(mode=LaneMode.ACT, by_hand=True, passed=(), result=None, roles=roles)
    lane = tell_next(draft, lane, "referred")
    if lane.state is LaneState.TOLD:
        put(draft, start_clocks(draft, lane, ClockStart.TOLD))


def move_lanes(draft: Draft) -> None:
    """The case has another place: departments whose post does not answer for it, or that had none, are told there. No clock restarts."""
    for lane in draft.case.lanes:
        if lane.state in {LaneState.UNREACHED, LaneState.TOLD, LaneState.DECLINED} and post_of(draft.route, lane.post_id) is None:
            tell_next(draft, lane, "placed")


def tell_next(draft: Draft, lane: Lane, reason: Telling) -> Lane:
    """Tells the next post of the department that was not asked yet; where there is none, that is recorded."""
    case = draft.case
    without = frozenset(lane.passed) | {one.officer_id for one in case.assignments if one.answer is Answered.UNREACHABLE}
    seat = next((seat for role in _roles(draft, lane) if (seat := seat_of(draft.route, role, without))), None)
    if seat is None:
        lane = lane._replace(state=LaneState.DECLINED if reason == "declined" else LaneState.UNREACHED)
        put(draft, lane)
        draft.say(LaneUnreached, department=lane.department)
        if reason not in {"by_rule", "placed", "referred"}:
            alert(draft, lane)
        return lane
    lane = lane._replace(
        state=LaneState.TOLD,
        post_id=seat.post.post_id,
        officer_id=seat.officer_id,
        tier=seat.tier,
        division_code=seat.post.division_code,
        told_at=draft.now,
        answered_at=None,
    )
    accept_by = None
    if lane.mode is LaneMode.ACT:
        accept_by = _accept_by(draft, lane, seat)
        lane = lane.with_clock(LaneClock(ACCEPT, draft.now, accept_by))
    put(draft, lane)
    draft.say(LaneTold, at=seat, department=lane.department, mode=lane.mode.value, reason=reason, accept_by=accept_by)
    own = any((one.post_id, one.officer_id) == (seat.post.post_id, seat.officer_id) and not one.beside for one in case.assignments)
    if not own:
        draft.assign(seat, beside=lane.department)
    if not own or lane.mode is LaneMode.ACT:
        draft.notify(
            Purpose.REFER if lane.mode is LaneMode.ACT else Purpose.INFORM, seat, deadline_at=accept_by, department=lane.department
        )
    return lane


def fire_lanes(draft: Draft) -> None:
    """Clocks that have passed: each is told once. A window to accept that ends in silence goes to the next post of the department."""
    for lane in draft.case.lanes:
        due = sorted((one for one in lane.armed if one.due_at and one.due_at <= draft.now), key=lambda one: (one.due_at, one.code))
        if due:
            _pass(draft, lane, due)


def _pass(draft: Draft, lane: Lane, due: list[LaneClock]) -> None:
    seat = _told(draft, lane)
    for clock in due:
        assert clock.due_at is not None, "it is armed"
        lane = lane.with_clock(clock._replace(fired_at=draft.now))
        draft.say(
            LaneClockPassed,
            **_at(lane),
            department=lane.department,
            clock=clock.code,
            due_at=clock.due_at,
            fired_at=draft.now,
            late_s=round((draft.now - clock.due_at).total_seconds(), 3),
        )
    put(draft, lane)
    silent = lane.state is LaneState.TOLD and any(one.code == ACCEPT for one in due)
    if silent and lane.officer_id and has_next(draft, lane, lane.officer_id):
        tell_next(draft, lane._replace(passed=(*lane.passed, lane.officer_id)), "silence")
        if len(due) == 1:
            return
    alert(draft, lane, seat)


def has_next(draft: Draft, lane: Lane, officer_id: UUID) -> bool:
    """Whether the department has another post, or person, to ask."""
    without = {*lane.passed, officer_id, *(one.officer_id for one in draft.case.assignments if one.answer is Answered.UNREACHABLE)}
    return any(seat_of(draft.route, role, without) for role in _roles(draft, lane))


def alert(draft: Draft, lane: Lane, seat: Assignment | None = None) -> None:
    """The department's officer, if one is given, and the owner of the case are told once to look at the lane."""
    if seat is not None and seat.answer is not Answered.UNREACHABLE:
        draft.notify(Purpose.LAPSED, seat, department=lane.department)
    owner = draft.owner_assignment
    if owner is not None and (seat is None or owner.officer_id != seat.officer_id):
        draft.notify(Purpose.LAPSED, owner, department=lane.department)


def unreachable_lane(draft: Draft, failed: NotificationFailed) -> bool:
    """A message to a department did not arrive: its next post is told; without one, that is recorded, and the owner is told.

    Answers whether anything came of it.
    """
    waiting = [
        lane
        for lane in draft.case.lanes
        if lane.state is LaneState.TOLD and (lane.post_id, lane.officer_id) == (failed.post_id, failed.officer_id)
    ]
    told = next(
        (one for one in draft.case.assignments if (one.post_id, one.officer_id) == (failed.post_id, failed.officer_id) and one.beside), None
    )
    if told is not None and told.answer is Answered.TOLD:
        draft.answer(told, Answered.UNREACHABLE)
    for lane in waiting:
        assert lane.officer_id is not None, "they were told"
        tell_next(draft, lane._replace(passed=(*lane.passed, lane.officer_id)), "unreachable")
    return bool(waiting)


def start_clocks(draft: Draft, lane: Lane, start: ClockStart) -> Lane:
    """The lane with the clocks that run from here; one that has been started before never starts again."""
    for code, rule in draft.policy.lane(lane.department).clocks.items():
        if rule.start is start and lane.clock(code) is None and (not rule.situations or code in lane.special):
            lane = lane.with_clock(LaneClock(code, draft.now, clock_due(rule, draft.now)))
    return lane


def clock_due(rule: ClockRule, started_at: datetime) -> datetime | None:
    """When a clock that started then passes; None for one that is only recorded."""
    return started_at + rule.d if rule.d else None


def put(draft: Draft, lane: Lane) -> None:
    """Puts a lane into the case, in the place of the one of its department."""
    case = draft.case
    if case.lane(lane.department) is None:
        case.lanes = (*case.lanes, lane)
    else:
        case.lanes = tuple(lane if one.department is lane.department else one for one in case.lanes)


def _roles(draft: Draft, lane: Lane) -> tuple[str, ...]:
    return (*lane.roles, *draft.policy.lane_roles[lane.department])


def _accept_by(draft: Draft, lane: Lane, seat: Seat) -> datetime:
    window = draft.policy.lane(lane.department).accept or draft.ack_window(seat.tier, draft.now)
    return draft.due_at(draft.now, window)


def _told(draft: Draft, lane: Lane) -> Assignment | None:
    """How the department's officer is assigned."""
    return next(
        (one for one in draft.case.assignments if (one.post_id, one.officer_id) == (lane.post_id, lane.officer_id)),
        None,
    )


def _at(lane: Lane) -> dict[str, object]:
    return {"tier": lane.tier, "post_id": lane.post_id, "officer_id": lane.officer_id}
