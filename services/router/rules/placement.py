"""Who is asked to place a child (安置): the department of the policy's branch, on its lane beside the ladder."""

from libs.terms import Household, Purpose, TransferReason
from services.router.rules.draft import Draft
from services.router.rules.handover_values import Transfer
from services.router.rules.ladder import seat_of
from services.router.rules.lanes import refer_to
from services.router.rules.placement_values import BranchRule


def branch_of(draft: Draft) -> BranchRule | None:
    """The branch of the child who still has to be placed, if there is one."""
    placement = draft.case.placement
    return draft.policy.placement.branch(placement.household) if placement is not None and placement.open else None


def ask_department(draft: Draft, branch: BranchRule) -> None:
    """The department has to accept the placement; the posts that make the request are told of it."""
    refer_to(draft, branch.department, branch.roles)
    lane = draft.case.lane(branch.department)
    told = {lane.officer_id} if lane else set()
    for role in branch.through:
        seat = seat_of(draft.route, role, draft.case.ruled_out)
        if seat is None or seat.officer_id in told:
            continue
        told.add(seat.officer_id)
        if not any(
            (one.post_id, one.officer_id) == (seat.post.post_id, seat.officer_id) and not one.beside for one in draft.case.assignments
        ):
            draft.assign(seat, beside=branch.department)
        draft.notify(Purpose.INFORM, seat, department=branch.department)


def arrived(draft: Draft, accepted: Transfer) -> None:
    """The place of registration has taken the case: from now on the child's household is the one of that place."""
    placement = draft.case.placement
    if placement is not None and placement.open and accepted.reason is TransferReason.HOUSEHOLD_THERE:
        draft.case.placement = placement._replace(household=Household.LOCAL)


def origin_failed(draft: Draft, pending: Transfer) -> None:
    """The place of registration did not take the case: its child is still to be placed, so the department here is asked at once."""
    branch = branch_of(draft)
    if branch is not None and pending.reason is TransferReason.HOUSEHOLD_THERE:
        ask_department(draft, branch)
