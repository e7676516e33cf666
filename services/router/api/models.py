"""What goes in and out. Field names are relied upon by others (DESIGN section 9)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.i18n import current_locale
from libs.terms import CloseResult, DeclineReason, Grade, Step, Tier
from services.router.handlers.views import View
from services.router.rules.acts import RegradeReason, missing_to_close
from services.router.rules.case import Answered, Kind, State, Status

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
    """Somebody who was told."""

    post_id: UUID
    officer_id: UUID
    tier: Tier
    division_code: str
    answer: Answered
    supervising: bool
    told_at: datetime
    answered_at: datetime | None


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
    steps_done: dict[Step, datetime]
    child_sighted: bool
    missing_to_close: list[Step]
    result: CloseResult | None
    closed_at: datetime | None
    report_ids: list[UUID]
    policy: PolicyRef


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
        steps_done=case.steps_done,
        child_sighted=case.child_sighted,
        missing_to_close=missing_to_close(case) if case.open else [],
        result=case.result,
        closed_at=case.closed_at,
        report_ids=list(view.report_ids),
        policy=PolicyRef(id=case.policy_id, version=case.policy_version),
    )
