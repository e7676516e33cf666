"""A case is handed over to another area: asked, accepted, refused, or come back without an answer.

Until the receiving side accepts, whoever has the case keeps it (promise 2); no clock of the case restarts (promise 9).
"""

from typing import Literal

from libs.directory.model import Route
from libs.events.catalogue import CaseHandedToAndFro, CaseTransferReturned, NotificationFailed
from libs.terms import Purpose, Step
from services.router.rules.case import Answered
from services.router.rules.conflicts import without_barred
from services.router.rules.draft import Draft
from services.router.rules.handover_values import BESIDE, Transfer
from services.router.rules.ladder import Seat, holder_of, post_of, supervisors
from services.router.rules.placement import origin_failed

Returning = Literal["refused", "silence", "unreachable", "conflict"]


def withdraw(draft: Draft) -> None:
    """A transfer that nobody has answered is not waited for any more: the case was closed, or given its place by hand."""
    pending = draft.case.handover.pending
    if pending is not None:
        draft.case.handover = draft.case.handover._replace(pending=None)
        _say_returned(draft, pending, "withdrawn")


def fire_transfer(draft: Draft, *, climbed: bool) -> None:
    """The receiving side has been silent for its whole window: the case comes back. `climbed`: it has just climbed anyway."""
    pending = draft.case.handover.pending
    if pending is not None and pending.accept_by <= draft.now:
        come_back(draft, "silence", climbs=not climbed)


def come_back(draft: Draft, why: Returning, *, climbs: bool = True) -> None:
    """The case goes up to the lowest rung that answers for both places; where there is none above, both are supervised.

    Whoever has had it is told that nobody took it.
    """
    case = draft.case
    pending = case.handover.pending
    assert pending is not None, "it is waited for"
    known = case.handover
    case.handover = known._replace(
        pending=None,
        refusals=known.refusals + (why == "refused"),
        returns=known.returns + (why != "refused"),
    )
    _say_returned(draft, pending, why)
    former = draft.owner_assignment
    reason: Literal["transfer_refused", "transfer_lapsed"] = "transfer_refused" if why == "refused" else "transfer_lapsed"
    if not climbs:
        draft.supervise(Step.ACKNOWLEDGE)
        _supervise_there(draft)
    elif not draft.climb(reason, over=pending.division_code):
        _supervise_there(draft)
    if former is not None:
        draft.notify(Purpose.RETURNED, former)
    origin_failed(draft, pending)
    to_and_fro(draft)


def to_and_fro(draft: Draft) -> None:
    """From the policy's bound on, each further movement is told to the supervising posts."""
    moves = draft.case.handover.moves
    if moves < draft.policy.handover.bound:
        return
    seats = supervisors(draft.policy, draft.route, draft.case.ruled_out)
    draft.say(CaseHandedToAndFro, at=next(iter(seats), None), moves=moves)
    for seat in seats:
        _assign(draft, seat, supervising=True)
        draft.notify(Purpose.TO_AND_FRO, seat)


def unreachable_transfer(draft: Draft, failed: NotificationFailed) -> bool:
    """The receiving side could not be told: the next person on its post is, else the case comes back. Answers whether it was waited for."""
    pending = draft.case.handover.pending
    if pending is None or (pending.post_id, pending.officer_id) != (failed.post_id, failed.officer_id):
        return False
    told = next((one for one in draft.case.assignments if one.officer_id == pending.officer_id and one.beside == BESIDE), None)
    if told is not None:
        draft.answer(told, Answered.UNREACHABLE)
    there = _there(draft)
    post = post_of(there, pending.post_id) if there else None
    officer_id = holder_of(post, draft.case.ruled_out) if post else None
    if post is None or officer_id is None:
        come_back(draft, "unreachable")
        return True
    draft.case.handover = draft.case.handover._replace(pending=pending._replace(officer_id=officer_id))
    ask(draft, Seat(post, officer_id), pending)
    return True


def ask(draft: Draft, seat: Seat, pending: Transfer) -> None:
    """Tells the receiving side, within what time it has to answer."""
    _assign(draft, seat, beside=BESIDE)
    draft.notify(Purpose.TRANSFER, seat, deadline_at=pending.accept_by)


def _assign(draft: Draft, seat: Seat, *, supervising: bool = False, beside: str = "") -> None:
    """Puts somebody among those who were told, unless they are it on that post already."""
    known = ((one.post_id, one.officer_id) for one in draft.case.assignments if not one.beside or beside)
    if (seat.post.post_id, seat.officer_id) not in set(known):
        draft.assign(seat, supervising=supervising, beside=beside)


def _supervise_there(draft: Draft) -> None:
    """The supervising posts of the other place, those who were not told already."""
    there = _there(draft)
    if there is None:
        return
    own = {post.post_id for post in draft.route.posts}
    for seat in supervisors(draft.policy, there, draft.case.ruled_out):
        if seat.post.post_id not in own and seat.post.role in draft.policy.supervise.roles:
            _assign(draft, seat, supervising=True)
            draft.notify(Purpose.SUPERVISE, seat, step=Step.ACKNOWLEDGE)


def _there(draft: Draft) -> Route | None:
    there = draft.moment.there
    return without_barred(there, draft.case.conflicts) if there else None


def _say_returned(draft: Draft, pending: Transfer, why: str) -> None:
    draft.say(
        CaseTransferReturned,
        tier=pending.tier,
        post_id=pending.post_id,
        officer_id=pending.officer_id,
        to_division_code=pending.division_code,
        reason=why,
        moves=draft.case.handover.moves,
    )
