"""One decision in the making: a private copy of the case, what is told to whom, and the events in order.

The movements that several decisions share stand here: telling somebody, becoming accountable, climbing, supervising.
"""

import copy
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from libs.directory.model import Post
from libs.events.catalogue import CaseAssigned, CaseEscalated, CaseSupervised, NotificationRequested
from libs.events.envelope import EventData
from libs.terms import Department, Purpose, Step, Tier
from services.router.rules.calendar import ClockKind, Due
from services.router.rules.calling import ByChannel, arm_calls, channels
from services.router.rules.case import (
    OF_ANSWERS,
    OF_PEOPLE,
    OWED_TO_REPORTERS,
    Answered,
    Assignment,
    CaseState,
    Deadline,
    Kind,
    Moment,
    Outcome,
    Reminder,
    State,
    Status,
)
from services.router.rules.conflicts import barred_posts, is_barred, without_barred
from services.router.rules.ladder import Seat, last_resort, next_seat, seat_at, seat_of, supervisors, tiers_at, told_at_opening
from services.router.rules.policy import TIER_ORDER, GradeRules, Shift

Climbing = Literal[
    "silence", "declined", "unreachable", "step_missed", "stale", "raised", "transfer_refused", "transfer_lapsed", "conflict"
]
Assigning = Literal["opened", "fan_out", "escalated", "unreachable", "placed", "regraded", "transferred"]
_STAYS: frozenset[Climbing] = frozenset({"step_missed", "transfer_refused", "transfer_lapsed"})
"""Reasons that take the case from nobody where there is no higher rung: the supervising posts are told, once."""


class Draft:
    """Changes its own copy of a case and remembers what is to be told."""

    def __init__(self, state: CaseState, moment: Moment, *, is_new: bool = False) -> None:
        self._before = None if is_new else state
        self.case = state if is_new else copy.copy(state)
        self.moment = moment
        self.now = moment.now
        self.policy = moment.policy
        self.route = without_barred(moment.route, state.conflicts)
        self.tiers = tiers_at(moment.policy, moment.route)
        self._events: list[EventData] = []

    def outcome(self) -> Outcome:
        """What it came to. An open case never ends up without an armed deadline (promise 2); word to the reporter is none for the child."""
        case = self.case
        if case.open and not any(deadline.armed and deadline.step not in OWED_TO_REPORTERS for deadline in case.deadlines):
            self.arm(Kind.REVIEW, Step.CLOSE, self.now, self.policy.supervise.review)
        return Outcome(self._before, case, tuple(self._events))

    @property
    def band(self) -> str:
        """What the policy calls the case's grade; a policy that has lost that band has another one of the same severity."""
        return self.policy.band(self.case.band, self.case.grade)

    @property
    def rules(self) -> GradeRules:
        """How a case of its grade is answered."""
        return self.policy.grades[self.band]

    def ack_window(self, tier: Tier, start: datetime) -> timedelta:
        """How long a rung may be silent about this case, in a window that begins at `start`."""
        return self.policy.ack_window(self.band, tier, self._shift(start))

    def _shift(self, at: datetime) -> Shift | None:
        return self.policy.shift_at(at, self.case.zone, self.moment.calendar)

    def set_band(self, band: str) -> None:
        """Gives the case a band of the policy, with the severity that it has there."""
        self.case.band, self.case.grade = band, self.policy.severity(band)

    def tiers_above(self, tier: Tier | None) -> tuple[Tier, ...]:
        """The rungs above a tier; above None is the whole ladder."""
        return self.tiers if tier is None else tuple(one for one in self.tiers if TIER_ORDER[one] > TIER_ORDER[tier])

    # What is told

    def say(self, event: type[EventData], **fields: Any) -> None:
        """Adds an event about this case. `at` is an assignment or seat: it fills in tier, post and officer."""
        at: Assignment | Seat | None = fields.pop("at", None)
        if isinstance(at, Seat):
            fields |= {"tier": at.tier, "post_id": at.post.post_id, "officer_id": at.officer_id}
        elif at is not None:
            fields |= {"tier": at.tier, "post_id": at.post_id, "officer_id": at.officer_id}
        case = self.case
        if case.band != case.grade:
            fields["band"] = case.band
        self._events.append(event(case_id=case.case_id, grade=case.grade, division_code=case.division_code, **fields))

    def tell_last_first(self) -> None:
        """Moves the last event to the front: opening is only known in full when everything else has been decided."""
        self._events.insert(0, self._events.pop())

    def say_of_owner(self, event: type[EventData], **fields: Any) -> None:
        """Adds an event that concerns whoever is accountable now."""
        case = self.case
        self.say(event, **{"tier": case.tier, "post_id": case.owner_post_id, "officer_id": case.owner_officer_id, **fields})

    def notify(
        self,
        purpose: Purpose,
        at: Assignment | Seat,
        *,
        step: Step | None = None,
        deadline_at: datetime | None = None,
        department: Department | None = None,
        by: tuple[ByChannel, ...] = (),
    ) -> None:
        """Asks for a message to an officer; `department`: about its lane. Nobody with a conflict of interest is ever told anything."""
        if is_barred(self.moment.route, self.case.conflicts, None, at.officer_id):
            return
        for channel in by or channels(self, at, purpose, step):
            self.say(
                NotificationRequested,
                at=at,
                notification_id=self.moment.ids.new(),
                code=self.case.code,
                purpose=purpose,
                step=step,
                deadline_at=deadline_at,
                critical=self.rules.critical and purpose is not Purpose.INFORM,
                department=department,
                channel=channel,
            )

    def notify_owner(self, purpose: Purpose, *, step: Step, deadline_at: datetime | None) -> None:
        """Asks for a message to whoever is accountable, if there is a person."""
        owner = self.owner_assignment
        if owner is not None:
            self.notify(purpose, owner, step=step, deadline_at=deadline_at)

    @property
    def owner_assignment(self) -> Assignment | None:
        """How the accountable officer is assigned."""
        case = self.case
        return next(
            (one for one in case.assignments if one.post_id == case.owner_post_id and one.officer_id == case.owner_officer_id), None
        )

    # Who is told, and who is accountable

    def assign(self, seat: Seat, *, supervising: bool = False, beside: str = "") -> Assignment:
        """Puts an officer among those who were told; somebody told before is told anew. `beside`: by a lane, which gives no duty."""
        post = seat.post
        told = Assignment(post.post_id, seat.officer_id, post.tier, post.division_code, self.now, supervising, beside=beside)
        others = tuple(one for one in self.case.assignments if one.post_id != told.post_id or one.officer_id != told.officer_id)
        self.case.assignments = (*others, told)
        return told

    def answer(self, assignment: Assignment, answer: Answered) -> Assignment:
        """Records what an assigned officer answered."""
        answered = assignment._replace(answer=answer, answered_at=self.now)
        self.case.assignments = tuple(answered if one is assignment else one for one in self.case.assignments)
        return answered

    def own(self, post_id: UUID, division_code: str, officer_id: UUID, tier: Tier, *, off_ladder: bool = False) -> None:
        """Makes one post, with one officer on it, accountable."""
        case = self.case
        case.owner_post_id, case.owner_division_code, case.owner_officer_id = post_id, division_code, officer_id
        case.tier, case.off_ladder = tier, off_ladder

    def start_ladder(self, assigning: Assigning, *, purpose: Purpose = Purpose.ASSIGN) -> None:
        """Makes the lowest reachable rung accountable and tells those whom the fan-out names. Nobody on any rung: the last resort."""
        case = self.case
        tiers = self.tiers
        ruled_out = case.ruled_out
        seat = next_seat(self.policy, self.route, self.tiers, ruled_out)
        off_ladder = seat is None
        seat = seat or last_resort(self.policy, self.route, ruled_out) or last_resort(self.policy, self.route)
        case.status = Status.OPEN
        self.disarm(*OF_ANSWERS, Kind.SUPERVISE)
        if seat is None:
            self._rest_on_first_post()
            self.arm_acknowledge(case.tier or self.policy.tiers[-1])
            return
        self.own(seat.post.post_id, seat.post.division_code, seat.officer_id, seat.tier, off_ladder=off_ladder)
        window = self.arm_acknowledge(seat.tier)
        if tiers and seat.tier is not tiers[0]:
            self.say(CaseEscalated, at=seat, from_tier=tiers[0], to_tier=seat.tier, reason="unreachable")
        self.say(CaseAssigned, at=seat, accountable=True, reason=assigning)
        self.assign(seat)
        self.notify(purpose, seat, step=Step.ACKNOWLEDGE, deadline_at=window.due_at)
        self.fan_out("fan_out" if assigning == "opened" else assigning)

    def fan_out(self, assigning: Assigning) -> None:
        """Tells the rungs that the grade names and the policy's recipients."""
        tiers = told_at_opening(self.policy.fan_out(self.band, self._shift(self.now)), self.tiers)
        self._tell((seat_at(self.policy, self.route, tier, self.case.ruled_out) for tier in tiers), assigning)
        self.tell_recipients(assigning)

    def tell_recipients(self, assigning: Assigning) -> None:
        """Tells those whom the policy names beside the rungs."""
        if self.policy.recipients:
            roles = self.policy.told_beside(mandatory=self.case.mandatory)
            self._tell((seat_of(self.route, role, self.case.ruled_out) for role in roles), assigning)

    def _tell(self, seats: Iterable[Seat | None], assigning: Assigning) -> None:
        """Tells those who do not know already; who was told not to come does not."""
        knowing = {one.officer_id for one in self.case.assignments if one.answer is not Answered.RECALLED and not one.beside}
        window = next((one for one in self.case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
        for seat in seats:
            if seat is None or seat.officer_id in knowing:
                continue
            knowing.add(seat.officer_id)
            self.say(CaseAssigned, at=seat, accountable=False, reason=assigning)
            self.assign(seat)
            self.notify(Purpose.ASSIGN, seat, step=Step.ACKNOWLEDGE, deadline_at=window.due_at if window else None)

    def to_dispatch_desk(self) -> None:
        """Gives the case to a dispatch desk until it has a place."""
        case = self.case
        case.status = Status.NEEDS_PLACING
        seat = last_resort(self.policy, self.route, case.ruled_out) or last_resort(self.policy, self.route)
        dispatch = self.arm(Kind.STEP, Step.DISPATCH, case.t0, self.rules.steps[Step.DISPATCH].d)
        if seat is not None:
            self.own(seat.post.post_id, seat.post.division_code, seat.officer_id, seat.tier, off_ladder=True)
            self.say(CaseAssigned, at=seat, accountable=True, reason="opened")
            self.assign(seat)
            self.notify(Purpose.ASSIGN, seat, step=Step.DISPATCH, deadline_at=dispatch.due_at)
        else:
            self._rest_on_first_post()

    def climb(self, reason: Climbing, *, step: Step = Step.ACKNOWLEDGE, over: str = "") -> bool:
        """The next reachable rung becomes accountable, at once; above the top one, supervise (DESIGN section 7, "Exact meaning").

        `over`: only a rung will do whose post also answers for that division. Tells whether there was a higher rung.
        """
        case = self.case
        above = None if case.off_ladder else case.tier
        seat = None
        if case.status is not Status.NEEDS_PLACING and self.tiers:
            seats = (seat_at(self.policy, self.route, tier, case.ruled_out) for tier in self.tiers_above(above))
            seat = next((one for one in seats if one and (not over or over.startswith(one.post.division_code))), None)
        if seat is None:
            self._stay_and_supervise(reason, step)
            return False
        from_tier = case.tier
        self.disarm(*OF_ANSWERS, Kind.SUPERVISE)
        case.supervise_left = 0
        case.status, case.acknowledged_at = Status.OPEN, None
        self.own(seat.post.post_id, seat.post.division_code, seat.officer_id, seat.tier)
        window = self.arm_acknowledge(seat.tier)
        self.say(CaseEscalated, at=seat, from_tier=from_tier, to_tier=seat.tier, reason=reason, step=step)
        self.say(CaseAssigned, at=seat, accountable=True, reason="unreachable" if reason == "unreachable" else "escalated")
        self.assign(seat)
        self.notify(Purpose.ESCALATE, seat, step=Step.ACKNOWLEDGE, deadline_at=window.due_at)
        return True

    def supervise(self, step: Step, *, begin: bool = False, goes_on: bool = False) -> None:
        """Tells the supervising posts. `begin` starts the rounds while nobody answers; a round that `goes_on` arms the next, if any."""
        case = self.case
        case.supervise_round += 1
        if case.status is not Status.ACKNOWLEDGED:
            self._replace_lost_owner()
        if begin:
            self.disarm(Kind.SUPERVISE)
            case.supervise_left = self.policy.supervise.rounds
        if (begin or goes_on) and case.supervise_left > 0 and case.status is not Status.ACKNOWLEDGED:
            case.supervise_left -= 1
            waiting_for = Step.DISPATCH if case.status is Status.NEEDS_PLACING else Step.ACKNOWLEDGE
            self.arm(Kind.SUPERVISE, waiting_for, self.now, self.ack_window(case.tier or self.policy.tiers[-1], self.now))
        seats = supervisors(self.policy, self.route, case.ruled_out) or supervisors(self.policy, self.route)
        self.say(CaseSupervised, at=next(iter(seats), None), round=case.supervise_round, step=step)
        for seat in seats:
            if (case.owner_post_id, case.owner_officer_id) != (seat.post.post_id, seat.officer_id):
                self.assign(seat, supervising=True)
            self.notify(Purpose.SUPERVISE, seat, step=step)

    def supervise_again(self, due: Deadline) -> None:
        """A round is due. Where a last resort has the case, a rung that somebody has come to meanwhile takes it instead."""
        case = self.case
        if case.off_ladder and case.status is Status.OPEN and next_seat(self.policy, self.route, self.tiers, case.ruled_out):
            self.climb("unreachable", step=due.step)
        else:
            self.supervise(due.step, goes_on=due.kind is Kind.SUPERVISE)

    # Deadlines

    def arm(self, kind: Kind, step: Step, start: datetime, window: timedelta, *, tier: Tier | None = None) -> Deadline:
        """Arms a deadline `window` of counted time after `start`, with its reminders."""
        due = self._due(start, window)
        armed = Deadline(
            deadline_id=self.moment.ids.new(),
            kind=kind,
            step=step,
            tier=tier,
            started_at=start,
            due_at=due.at,
            policy=self.policy.stamp,
            reminders=self._reminders(start, window) if kind in OF_PEOPLE else (),
            provisional=due.provisional,
        )
        self.case.deadlines = (*self.case.deadlines, armed)
        return armed

    def stretch(self, deadline: Deadline, window: timedelta) -> None:
        """Gives an armed deadline another length, counted from where it began: never before now, without reminders that have passed."""
        due = self._due(deadline.started_at, window)
        reminders = tuple(one for one in self._reminders(deadline.started_at, window) if one.at > self.now)
        changed = {"due_at": max(due.at, self.now), "reminders": reminders, "provisional": due.provisional, "policy": self.policy.stamp}
        self.settle(lambda one: one.deadline_id == deadline.deadline_id, **changed)

    def due_at(self, start: datetime, window: timedelta) -> datetime:
        """When a window of the case's grade is over."""
        return self._due(start, window).at

    def _due(self, start: datetime, window: timedelta) -> Due:
        return self.policy.due(start, window, self.band, self.case.zone, self.moment.calendar)

    def _reminders(self, start: datetime, window: timedelta) -> tuple[Reminder, ...]:
        if not window:
            return ()
        parts = self.policy.parts(window)
        if self.rules.clock is ClockKind.WALL:
            return tuple(Reminder(start + part, fraction) for part, fraction in parts)
        return tuple(Reminder(self._due(start, part).at, fraction) for part, fraction in parts)

    def arm_acknowledge(self, tier: Tier) -> Deadline:
        """Starts the acknowledge window of a rung that becomes accountable."""
        window = self.arm(Kind.ACKNOWLEDGE, Step.ACKNOWLEDGE, self.now, self.ack_window(tier, self.now), tier=tier)
        self.arm_deputy(tier, window)
        arm_calls(self, window)
        return window

    def arm_deputy(self, tier: Tier | None, window: Deadline) -> None:
        """Starts the part of a rung's window that belongs to the officer who is accountable now, if the grade gives them only a part."""
        after = self.rules.deputy_after
        if after is not None and self._due(self.now, after).at < window.due_at:
            self.arm(Kind.DEPUTY, Step.ACKNOWLEDGE, self.now, after, tier=tier)

    def settle(self, which: Callable[[Deadline], bool], **change: Any) -> None:
        """Replaces every deadline that `which` picks by a changed one."""
        self.case.deadlines = tuple(one._replace(**change) if which(one) else one for one in self.case.deadlines)

    def disarm(self, *kinds: Kind) -> None:
        """Cancels the armed deadlines of these kinds: they are not waited for any more."""
        if any(one.armed and one.kind in kinds for one in self.case.deadlines):
            self.settle(lambda one: one.armed and one.kind in kinds, state=State.CANCELLED, reminders=())

    def _stay_and_supervise(self, reason: Climbing, step: Step) -> None:
        """There is no higher rung: the case stays where it is, and the supervising posts are told, now and in rounds while unanswered."""
        case = self.case
        if reason in _STAYS and step is not Step.DISPATCH:
            self.supervise(step)
            return
        if case.status is Status.ACKNOWLEDGED:
            case.status, case.acknowledged_at = Status.OPEN, None
        self.disarm(*OF_ANSWERS)
        self.supervise(step, begin=True)

    def _replace_lost_owner(self) -> None:
        """Where the case cannot climb, another person takes the place of one who declined, cannot be reached, or never was there.

        On the top rung that is somebody of that rung; without a rung, or without anybody on it, whoever is the last resort.
        """
        case, ruled_out = self.case, self.case.ruled_out
        if self.owner_assignment is not None and case.owner_officer_id not in ruled_out:
            return
        off_ladder = case.off_ladder or case.tier is None or case.status is Status.NEEDS_PLACING
        if off_ladder or case.tier is None:
            seat = last_resort(self.policy, self.route, ruled_out)
        else:
            seat = seat_at(self.policy, self.route, case.tier, ruled_out) if case.tier in self.policy.tiers else None
        if seat is None and is_barred(self.moment.route, case.conflicts, case.owner_post_id, case.owner_officer_id):
            off_ladder = True  # it must not stay with them, whoever else there is
            seat = last_resort(self.policy, self.route, ruled_out) or last_resort(self.policy, self.route)
            if seat is None:
                self._rest_on_first_post()
        if seat is not None:
            self.own(seat.post.post_id, seat.post.division_code, seat.officer_id, seat.tier, off_ladder=off_ladder)
            self.say(CaseAssigned, at=seat, accountable=True, reason="unreachable")
            self.assign(seat)
            waits_for = Step.DISPATCH if case.status is Status.NEEDS_PLACING else Step.ACKNOWLEDGE
            self.notify(Purpose.ESCALATE, seat, step=waits_for)

    def _rest_on_first_post(self) -> None:
        """Nobody at all can be reached for the place: the case rests on the first post there is, until somebody can."""
        case = self.case
        barred = {post.post_id for post, _why in barred_posts(self.moment.route, case.conflicts)}
        post: Post | None = next((one for one in self.route.posts if one.post_id not in barred), None)
        case.off_ladder = True
        if post is not None:
            case.owner_post_id, case.owner_division_code, case.tier = post.post_id, post.division_code, post.tier
            case.owner_officer_id = post.holders[0].officer_id if post.holders else None
