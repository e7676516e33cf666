"""What people do to hand a case over: ask another area, accept, refuse; and say that a post has a conflict of interest (回避)."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from libs.errors import Conflict as Refused
from libs.errors import Forbidden, Invalid
from libs.events.catalogue import CaseAssigned, CaseTransferred, CaseTransferRequested, ReportReceived
from libs.i18n import gettext as _
from libs.terms import Purpose, TransferReason
from services.router.errors import CaseIsClosed
from services.router.rules.acts import Via, take, take_grade_of_place
from services.router.rules.case import OF_ANSWERS, Answered, CaseState, Kind, Moment, Outcome, Status
from services.router.rules.conflict_acts import record_skipped
from services.router.rules.conflicts import without_barred
from services.router.rules.draft import Draft
from services.router.rules.handover import ask, come_back, to_and_fro
from services.router.rules.handover_values import Transfer
from services.router.rules.ladder import Seat, needs_placing, next_seat, post_of, tiers_at
from services.router.rules.lanes import move_lanes
from services.router.rules.machine import tell_departments
from services.router.rules.placement import arrived


def transfer(state: CaseState, division_code: str, reason: TransferReason, moment: Moment, there: Moment) -> Outcome:
    """Asks another area to take the case. `there` has its route, and the policy in force there.

    The accountable rung of that place is asked: the lowest one with somebody reachable. Nothing else changes until it accepts.
    """
    if not state.open:
        raise CaseIsClosed
    if state.status is Status.NEEDS_PLACING:
        raise Refused("needs_placing", _("This case has no place yet. Place it first."))
    pending = state.handover.pending
    if pending is not None:
        if pending.division_code == division_code:
            return Outcome(state, state, ())
        raise Refused("transfer_pending", _("Another area has been asked already and has not answered yet."))
    if division_code == state.division_code:
        raise Invalid("same_place", _("The case is there already."), field="division_code")
    if needs_placing(there.policy, there.route):
        raise Invalid(
            "too_wide", _("This place is too wide to send anybody to. Choose a district or something within one."), field="division_code"
        )
    draft = Draft(state, moment)
    route = without_barred(there.route, state.conflicts)
    seat = next_seat(there.policy, route, tiers_at(there.policy, route), state.ruled_out)
    if seat is None:
        raise Refused("nobody_there", _("Nobody in that area can be reached who could accept the case."))
    if seat.post.post_id == state.owner_post_id:
        raise Invalid(
            "same_post", _("The post that has the case answers for that place too. Correct the place instead."), field="division_code"
        )
    window = moment.policy.handover.accept or draft.ack_window(seat.tier, moment.now)
    accept_by = draft.due_at(moment.now, window)
    asked = Transfer(division_code, reason, seat.post.post_id, seat.officer_id, seat.tier, moment.now, accept_by)
    known = state.handover
    draft.case.handover = known._replace(transfers=known.transfers + 1, pending=asked)
    moves = draft.case.handover.moves
    draft.say(CaseTransferRequested, at=seat, to_division_code=division_code, reason=reason, accept_by=accept_by, moves=moves)
    ask(draft, seat, asked)
    to_and_fro(draft)
    return draft.outcome()


def accept(state: CaseState, officer_id: UUID, moment: Moment, via: Via, *, reports: Sequence[ReportReceived] = ()) -> Outcome:
    """The receiving side takes the case: it is placed there, and the officer who accepts owns it. The step deadlines run on from t0.

    `moment` has the route of the receiving place, and the policy in force there; the case is stamped with it from now on, and the
    departments that it names for the `reports` of the case are told.
    """
    asked = _asked(state, officer_id, moment)
    draft = Draft(state, moment)
    case = draft.case
    former = draft.owner_assignment
    post = post_of(moment.route, asked.post_id)
    if post is None:
        raise Refused("post_gone", _("The post that was asked does not answer for that place any more. Ask for the transfer again."))
    seat = Seat(post, officer_id)
    case.handover = case.handover._replace(pending=None)
    from_division = case.division_code
    case.division_code, case.zone = asked.division_code, moment.route.division.zone
    case.policy_id, case.policy_version = moment.policy.id, moment.policy.version
    arrived(draft, asked)
    draft.say(CaseTransferred, at=seat, from_division_code=from_division, moves=case.handover.moves)
    take_grade_of_place(draft)
    record_skipped(draft)
    draft.disarm(*OF_ANSWERS, Kind.SUPERVISE)
    case.status, case.acknowledged_at, case.supervise_left = Status.OPEN, None, 0
    draft.own(post.post_id, post.division_code, officer_id, post.tier)
    draft.say(CaseAssigned, at=seat, accountable=True, reason="transferred")
    take(draft, draft.assign(seat), via)
    if not draft.rules.recall:
        draft.fan_out("transferred")
    else:
        draft.tell_recipients("transferred")
    if former is not None and former.officer_id != officer_id and (former.answer is Answered.ACKNOWLEDGED or not draft.rules.recall):
        draft.notify(Purpose.RECALL, former)
    move_lanes(draft)
    tell_departments(draft, reports)
    return draft.outcome()


def refuse(state: CaseState, officer_id: UUID, moment: Moment) -> Outcome:
    """The receiving side does not take it: the case goes up to whoever answers for both places."""
    _asked(state, officer_id, moment if moment.there is None else replace(moment, route=moment.there))
    draft = Draft(state, moment)
    come_back(draft, "refused")
    return draft.outcome()


def _asked(state: CaseState, officer_id: UUID, there: Moment) -> Transfer:
    """What is waited for, if the officer is of the post that was asked."""
    if not state.open:
        raise CaseIsClosed
    pending = state.handover.pending
    if pending is None:
        raise Refused("no_transfer", _("No transfer of this case is waiting for an answer."))
    post = post_of(there.route, pending.post_id)
    on_post = post is not None and any(holder.officer_id == officer_id for holder in post.holders)
    if state.bars(officer_id) or not (pending.officer_id == officer_id or on_post):
        raise Forbidden("not_asked", _("Only the post that was asked can accept or refuse the transfer."), field="on_behalf_of")
    return pending
