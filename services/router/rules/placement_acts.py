"""What people record of a placement (安置): that a child cannot stay where it is, and how it was placed."""

from dataclasses import replace
from uuid import UUID

from libs.errors import Conflict, Invalid
from libs.events.catalogue import PlacementMade, PlacementRequested
from libs.i18n import gettext as _
from libs.terms import Household, PlacementNeed, TransferReason
from services.router.errors import CaseIsClosed
from services.router.rules import handover_acts
from services.router.rules.case import CaseState, Moment, Outcome
from services.router.rules.draft import Draft
from services.router.rules.lane_values import LaneMode, LaneState
from services.router.rules.placement import ask_department
from services.router.rules.placement_values import BranchRule, Placement

_BUSY = (LaneState.TOLD, LaneState.ACCEPTED)


def need(
    state: CaseState,
    reason: PlacementNeed,
    household: Household,
    moment: Moment,
    there: Moment | None = None,
    *,
    by: UUID | None = None,
) -> Outcome:
    """A child of the case has nobody who cares for it, or its guardian is the danger: whoever the policy names is asked to place it.

    `there`: the place where the household is registered, if it is known here. Nothing of the ladder changes: the owner stays.
    """
    if not state.open:
        raise CaseIsClosed
    branch = moment.policy.placement.branch(household)
    known = state.placement
    if known is not None and known.open and (known.reason, known.household) == (reason, household) and _asked(state, branch, there):
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    draft.case.placement = Placement(reason, household, moment.now)
    draft.say_of_owner(PlacementRequested, reason=reason, household=household, **({"officer_id": by} if by else {}))
    recorded = draft.outcome()
    if branch.origin and there is not None:
        try:
            asked = handover_acts.transfer(
                recorded.after, there.route.division.code, TransferReason.HOUSEHOLD_THERE, replace(moment, there=there.route), there
            )
        except (Conflict, Invalid):
            pass  # nobody there can take the case: the department here is asked
        else:
            return Outcome(state, asked.after, recorded.events + asked.events)
    ask_department(draft, branch)
    return draft.outcome()


def made(state: CaseState, option: str, moment: Moment, *, by: UUID | None = None) -> Outcome:
    """The child lives elsewhere now. What option it was is recorded, again when it changes."""
    if not state.open:
        raise CaseIsClosed
    placement = state.placement
    if placement is None:
        raise Conflict("no_placement", _("Nobody has recorded that a child has to be placed. Record first why."))
    options = moment.policy.placement.options
    if option not in options:
        known = ", ".join(options) or "–"
        raise Invalid("unknown_option", _("The rules have no such option. They have: %(known)s.", known=known), field="option")
    if placement.option == option:
        return Outcome(state, state, ())
    draft = Draft(state, moment)
    draft.case.placement = placement._replace(option=option, made_at=moment.now)
    draft.say_of_owner(PlacementMade, option=option, **({"officer_id": by} if by else {}))
    return draft.outcome()


def _asked(state: CaseState, branch: BranchRule, there: Moment | None) -> bool:
    """Whether somebody who was asked still has it in hand."""
    pending = state.handover.pending
    if pending is not None and pending.reason is TransferReason.HOUSEHOLD_THERE:
        return there is None or there.route.division.code == pending.division_code
    lane = state.lane(branch.department)
    return lane is not None and lane.mode is LaneMode.ACT and lane.state in _BUSY
