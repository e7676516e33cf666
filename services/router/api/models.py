"""What goes in and out. Field names are relied upon by others (DESIGN section 9)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.i18n import current_locale
from libs.terms import (
    CloseResult,
    ConflictReason,
    DeclineReason,
    Department,
    Grade,
    Household,
    LaneResult,
    PlacementNeed,
    Step,
    Tier,
    TransferReason,
    labels,
)
from services.router.handlers import words
from services.router.handlers.views import View
from services.router.rules.acts import RegradeReason, missing_to_close
from services.router.rules.case import Answered, Kind, State, Status
from services.router.rules.lane_acts import Recording
from services.router.rules.lane_values import Lane, LaneMode, LaneState
from services.router.rules.policy import Policy

Code = Annotated[str, Field(pattern=r"^[0-9]{2,15}$", examples=["440304001020"])]
Word = Annotated[str, Field(max_length=60)]


class OwnerOut(BaseModel):
    """Who is accountable: a post, and the officer on it who was told."""

    post_id: UUID | None
    post_title: str
    role: str | None
    tier: Tier | None
    division_code: str | None
    officer_id: UUID | None


class DeadlineOut(BaseModel):
    """A due time. `provisional`: it depends on a year whose holiday notice is not out yet. `late`: done after it was due."""

    step: Step
    tier: Tier | None
    kind: Kind
    due_at: datetime
    state: State
    fired_at: datetime | None
    done_at: datetime | None
    late: bool
    provisional: bool


class AssignmentOut(BaseModel):
    """Somebody who was told; `beside`: by a department's lane, not on the ladder."""

    post_id: UUID
    officer_id: UUID
    tier: Tier
    division_code: str
    answer: Answered
    supervising: bool
    told_at: datetime
    answered_at: datetime | None
    beside: str


class ClockOut(BaseModel):
    """A clock of a department: `accept`, or one of another body, which is recorded and told when it passes, never enforced."""

    clock: str
    name: str = Field(description="in the language of the request")
    started_at: datetime
    due_at: datetime | None
    passed_at: datetime | None
    done_at: datetime | None


class LaneOut(BaseModel):
    """A department that was told beside the ladder (属事属管)."""

    department: Department
    name: str = Field(description="in the language of the request")
    mode: LaneMode
    state: LaneState
    by_hand: bool
    post_id: UUID | None
    officer_id: UUID | None
    tier: Tier | None
    division_code: str
    opened_at: datetime
    told_at: datetime | None
    answered_at: datetime | None
    result: LaneResult | None
    clocks: list[ClockOut]


class TransferOut(BaseModel):
    """A transfer that the receiving side has not answered yet."""

    division_code: str
    reason: TransferReason
    post_id: UUID
    officer_id: UUID
    tier: Tier
    asked_at: datetime
    accept_by: datetime


class HandoverOut(BaseModel):
    """How often the case was sent to another area, refused there, and came back without an answer."""

    transfers: int
    refusals: int
    returns: int
    pending: TransferOut | None


class ConflictOut(BaseModel):
    """A post, or a role at a division ("": every post there), that must not deal with the case (回避)."""

    reason: ConflictReason
    post_id: UUID | None
    division_code: str
    role: str


class PlacementOut(BaseModel):
    """A child of the case cannot stay at home (安置): why, who is asked by the policy, and how it was placed."""

    reason: PlacementNeed
    household: Household
    asked: str = Field(description="whom the policy has asked for it, in the language of the request")
    asked_at: datetime
    option: str | None = Field(description="a code of the policy's options")
    option_name: str | None = Field(description="the same in the language of the request")
    made_at: datetime | None


class PolicyRef(BaseModel):
    """The policy that a case is answered by."""

    id: str
    version: int


class CaseOut(BaseModel):
    """A case: who answers for it, by when, and what has been done. Nothing personal: that is asked of the reports themselves."""

    case_id: UUID
    code: str = Field(description="the opaque code that messages name the case by")
    grade: Grade
    band: str | None = Field(description="what the place calls the grade, where it has grades of its own")
    band_name: str | None = Field(description="the same in the language of the request")
    grade_reason: str = Field(description="the rule that matched, as RULE or RULE+fact")
    floor: Grade | None = Field(description="nobody may lower it below this grade")
    floor_band: str | None = Field(description="the same as the place calls it, where it has grades of its own")
    tier: Tier | None = Field(description="of the accountable rung")
    status: Status
    division_code: str
    division_name: str
    received_at: datetime = Field(description="t0 of every clock: when its first report was received")
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledgements_wanted: int = Field(description="how many more officers have to acknowledge, where the policy wants several")
    owner: OwnerOut
    deadlines: list[DeadlineOut]
    supervision: list[DeadlineOut] = Field(description="rounds of supervising, past and to come")
    supervised: int = Field(description="how many times the supervising posts were told")
    overdue_since: datetime | None
    assignments: list[AssignmentOut]
    lanes: list[LaneOut] = Field(
        description="departments told beside the ladder; one that is unreached has no post here, and stops nothing"
    )
    handover: HandoverOut
    conflicts: list[ConflictOut]
    placement: PlacementOut | None
    steps_done: dict[Step, datetime]
    child_sighted: bool
    missing_to_close: list[Step]
    result: CloseResult | None
    closed_at: datetime | None
    report_ids: list[UUID]
    policy: PolicyRef


def lane_out(lane: Lane, policy: Policy) -> LaneOut:
    """A lane as the interface shows it; clocks have the names that the policy gives them."""
    clocks = [
        ClockOut(
            clock=one.code,
            name=words.clock(one.code, policy.lane(lane.department)),
            started_at=one.started_at,
            due_at=one.due_at,
            passed_at=one.fired_at,
            done_at=one.done_at,
        )
        for one in lane.clocks
    ]
    said = {name: getattr(lane, name) for name in LaneOut.model_fields if name not in {"name", "clocks"}}
    return LaneOut(name=labels.label(lane.department), clocks=clocks, **said)


def _placement_out(view: View) -> PlacementOut | None:
    known = view.case.placement
    if known is None:
        return None
    rule, locale = view.policy.placement, current_locale()
    option = rule.options.get(known.option)
    return PlacementOut(
        reason=known.reason,
        household=known.household,
        asked=rule.branch(known.household).name.of(locale),
        asked_at=known.asked_at,
        option=known.option or None,
        option_name=option.of(locale) if option else None,
        made_at=known.made_at,
    )


class _Act(BaseModel):
    model_config = ConfigDict(extra="forbid")

    on_behalf_of: UUID | None = Field(default=None, description="for API keys: the officer_id of the officer who acts")


class AcknowledgeIn(_Act):
    """Take the case."""


class DeclineIn(_Act):
    """Say that one cannot take the case."""

    reason: DeclineReason


class StepIn(_Act):
    """Report a step; `close` needs a `result`."""

    step: Step
    done_at: AwareDatetime | None = Field(default=None, description="left out: now")
    child_sighted: bool | None = Field(default=None, description="for on_site: the child was seen, not only contact attempted")
    result: CloseResult | None = Field(default=None, description="for close")


class CloseIn(_Act):
    """End the case with a result."""

    result: CloseResult


class RegradeIn(_Act):
    """Give the case another grade; clocks do not restart."""

    grade: Word = Field(description="I, II, III or IV; or what the case's policy calls one of its own grades", examples=["II"])
    reason: RegradeReason


class PlaceIn(_Act):
    """Say where the child is, so that the ladder starts there; clocks do not restart."""

    division_code: Code


class TakeOverIn(_Act):
    """Take the case from whoever has it."""


class TransferIn(_Act):
    """Ask another area to take the case."""

    division_code: Code
    reason: TransferReason


class PlacementIn(_Act):
    """A child of the case cannot stay at home: whoever the policy names is asked to place it."""

    reason: PlacementNeed
    household: Household
    division_code: Code | None = Field(
        default=None, description="where the household is registered, if elsewhere: where the policy wants it, that place is asked"
    )


class PlacementMadeIn(_Act):
    """The child was placed."""

    option: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$", examples=["foster_family"])]


class ConflictIn(_Act):
    """Say that a post has a conflict of interest: by its id, or a division and a role (left out: every post there)."""

    reason: ConflictReason
    post_id: UUID | None = None
    division_code: Code | None = None
    role: Annotated[str, Field(pattern=r"^[a-z_]{2,40}$")] | None = None


class LaneIn(_Act):
    """An act on a department's lane that says nothing else."""


class LaneDoneIn(_Act):
    """What the department has done."""

    result: LaneResult


class LaneClockIn(_Act):
    """A clock of the department began, or what it waits for was done."""

    clock: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$", examples=["police_receipt"])]
    what: Recording
    at: AwareDatetime | None = Field(default=None, description="left out: now")


def case_out(view: View) -> CaseOut:
    """A case as the interface shows it."""
    case, owner = view.case, view.owner
    deadlines = [
        DeadlineOut(
            step=one.step,
            tier=one.tier,
            kind=one.kind,
            due_at=one.due_at,
            state=one.state,
            fired_at=one.fired_at,
            done_at=one.done_at,
            late=one.done_at is not None and one.done_at > one.due_at,
            provisional=one.provisional,
        )
        for one in sorted(case.deadlines, key=lambda one: (one.due_at, one.step))
    ]
    return CaseOut(
        case_id=case.case_id,
        code=case.code,
        grade=case.grade,
        band=None if view.policy.plain else case.band,
        band_name=view.band_name.of(current_locale()) if view.band_name else None,
        grade_reason=case.grade_reason,
        floor=case.floor,
        floor_band=None if view.policy.plain else case.floor_band,
        tier=case.tier,
        status=case.status,
        division_code=case.division_code,
        division_name=view.place,
        received_at=case.t0,
        opened_at=case.opened_at,
        acknowledged_at=case.acknowledged_at,
        acknowledgements_wanted=view.wanted,
        owner=OwnerOut(
            post_id=case.owner_post_id,
            post_title=owner.title(current_locale()) if owner else "",
            role=owner.role if owner else None,
            tier=case.tier,
            division_code=case.owner_division_code,
            officer_id=case.owner_officer_id,
        ),
        deadlines=[one for one in deadlines if one.kind is not Kind.SUPERVISE],
        supervision=[one for one in deadlines if one.kind is Kind.SUPERVISE],
        supervised=case.supervise_round,
        overdue_since=case.overdue_since,
        assignments=[AssignmentOut.model_validate(one, from_attributes=True) for one in case.assignments],
        lanes=[lane_out(lane, view.policy) for lane in case.lanes],
        handover=HandoverOut.model_validate(case.handover, from_attributes=True),
        conflicts=[ConflictOut.model_validate(one, from_attributes=True) for one in case.conflicts],
        placement=_placement_out(view),
        steps_done=case.steps_done,
        child_sighted=case.child_sighted,
        missing_to_close=missing_to_close(case) if case.open else [],
        result=case.result,
        closed_at=case.closed_at,
        report_ids=list(view.report_ids),
        policy=PolicyRef(id=case.policy_id, version=case.policy_version),
    )
