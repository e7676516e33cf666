"""What goes in and out where administrators change the rules."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from libs.terms import Step, Tier
from services.router.api.models import PolicyRef
from services.router.api.policy_models import ComparisonOut, comparison_out
from services.router.handlers.bindings import REASON_MAX, Forecast, Plan
from services.router.handlers.moving import Preview
from services.router.rules.compare import tally
from services.router.rules.policy_files import POLICY_FILE_BYTES_MAX

Anywhere = Annotated[str, Field(pattern=r"^([0-9]{2,15})?$", examples=["440304", ""], description='"" is everywhere')]
PolicyName = Annotated[str, Field(max_length=60, examples=["futian_2022@1"], description="an id, or `id@version`")]
Reason = Annotated[str, Field(max_length=REASON_MAX, description="why; it stands in the history, so no names")]


class PolicyFileIn(BaseModel):
    """A policy file."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=POLICY_FILE_BYTES_MAX, description="the YAML text; it may extend any policy that is known here")]
    name: Annotated[str, Field(pattern=r"^[\w.-]{1,100}$", description="what the file is called in messages")] = "policy.yaml"


class PlanIn(BaseModel):
    """A binding that somebody thinks of."""

    model_config = ConfigDict(extra="forbid")

    policy: PolicyName
    division_code: Anywhere
    since: date = Field(description="its first day, in the place's zone; not in the past")
    until: date | None = Field(default=None, description="the day on which it ends, which is not part of it; left out: for good")

    def plan(self) -> Plan:
        """As the use cases take it."""
        return Plan(self.policy, self.division_code, self.since, self.until)


class BindingIn(PlanIn):
    """A binding, and what it was compared with."""

    reason: Reason
    instead_of: PolicyName = Field(description="what /v1/policies/forecast has compared with: the policy in force there without it")


class OwnRulesOut(BaseModel):
    """A place within another that keeps rules of its own."""

    division_code: str
    policy: PolicyRef


class PastOut(BaseModel):
    """What the policy would have done differently with the latest reports from there, with the people of today."""

    reports: int = Field(description="how many were looked at")
    changed: int
    since: datetime | None = Field(description="when the first of them came in")
    until: datetime | None
    counts: dict[str, int] = Field(description="for how many reports each thing would change")


class ForecastOut(BaseModel):
    """What a binding would do."""

    instead_of: str
    example: str = Field(description="the place whose people the comparison was made with")
    keep_their_own: list[OwnRulesOut] = Field(description="places within it whose nearer policy goes on being in force")
    comparison: ComparisonOut
    past: PastOut


class BindingOut(BaseModel):
    """A binding with its history."""

    binding_id: UUID
    division_code: str
    policy: PolicyRef
    since: date
    until: date | None
    reason: str
    instead_of: str
    reports: int = Field(description="on how many reports it was compared with what it replaced")
    changed: int = Field(description="how many of them would be treated differently")
    made_at: datetime
    made_by: str
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None


class MoveIn(BaseModel):
    """Which running cases are to be answered by other rules."""

    model_config = ConfigDict(extra="forbid")

    division_code: Anywhere
    before: PolicyName
    after: PolicyName


class MoveOrderIn(MoveIn):
    """The same, with the reason."""

    reason: Reason


class ShiftOut(BaseModel):
    """A deadline that would change; None: it is not there before, or would not be there any more."""

    step: Step
    tier: Tier | None
    before: datetime | None
    after: datetime | None


class MovedOut(BaseModel):
    """What would change for a case."""

    case_id: UUID
    code: str
    division_code: str
    told: int = Field(description="how many officers would be told who do not know of it")
    deadlines: list[ShiftOut]


class MovePreviewOut(BaseModel):
    """What a move would do. No clock restarts: windows keep their beginning."""

    before: str
    after: str
    cases: int
    looked_at: int
    told: int
    items: list[MovedOut] = Field(description="of the cases looked at, those whose deadlines or people would change")


class MoveOut(BaseModel):
    """A move, and how far it has come. `total`: as many cases as there were when it was ordered."""

    move_id: UUID
    division_code: str
    before: str
    after: str
    reason: str
    made_at: datetime
    made_by: str
    state: Literal["running", "done", "stopped"]
    total: int
    moved: int
    failed: int
    finished_at: datetime | None


def forecast_out(found: Forecast) -> ForecastOut:
    """A forecast as the interface shows it."""
    return ForecastOut(
        instead_of=found.present.stamp,
        example=found.example,
        keep_their_own=[
            OwnRulesOut(division_code=place, policy=PolicyRef(id=one.id, version=one.version)) for place, one in found.inside[:200]
        ],
        comparison=comparison_out(found.comparison),
        past=PastOut(
            reports=found.past.reports,
            changed=found.past.changed,
            since=found.past.since,
            until=found.past.until,
            counts=tally([one for _report, one in found.past.comparison.changes]) if found.past.comparison else {},
        ),
    )


def binding_out(row: asyncpg.Record) -> BindingOut:
    """A binding from its row."""
    values = dict(row)
    made_by, withdrawn_by = values.pop("made_by_name"), values.pop("withdrawn_by_name")
    policy = PolicyRef(id=values["policy_id"], version=values["policy_version"])
    return BindingOut.model_validate({**values, "policy": policy, "made_by": made_by, "withdrawn_by": withdrawn_by})


def preview_out(found: Preview) -> MovePreviewOut:
    """A preview as the interface shows it."""
    meant = found.wanted
    return MovePreviewOut(
        before=f"{meant.from_policy_id}@{meant.from_version}",
        after=f"{meant.to_policy_id}@{meant.to_version}",
        cases=found.cases,
        looked_at=len(found.looked_at),
        told=found.told,
        items=[
            MovedOut(
                case_id=one.case.case_id,
                code=one.case.code,
                division_code=one.case.division_code,
                told=one.told,
                deadlines=[ShiftOut(**shift._asdict()) for shift in one.shifts],
            )
            for one in found.looked_at
            if one.shifts or one.told
        ],
    )


def move_out(row: asyncpg.Record) -> MoveOut:
    """A move from its row."""
    values = dict(row)
    before, after = f"{values['from_policy_id']}@{values['from_version']}", f"{values['to_policy_id']}@{values['to_version']}"
    return MoveOut.model_validate({**values, "before": before, "after": after, "made_by": values["made_by_name"]})
