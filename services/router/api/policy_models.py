"""What goes in and out where policies are asked. Field names are relied upon by others (DESIGN section 9)."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from libs.i18n import current_locale
from libs.terms import AgeBand, Answer, Danger, Department, Grade, Situation, Step, Tier
from services.router.api.models import Code, PolicyRef, Word
from services.router.handlers import words
from services.router.handlers.policies import Comparison, Preview, Question
from services.router.rules.case import Status
from services.router.rules.compare import tally
from services.router.rules.ladder import post_of
from services.router.rules.policy import Policy
from services.router.rules.simulate import Reply


class ReplyIn(BaseModel):
    """What somebody would do: acknowledge, decline, a step that they would report, or that a child has to be placed."""

    model_config = ConfigDict(extra="forbid")

    minute: Annotated[float, Field(ge=0, le=1_000_000, description="minutes after the report")]
    act: Literal[
        "acknowledge",
        "decline",
        "on_site",
        "first_written_up",
        "assessment",
        "case_conference",
        "police_linked",
        "placement-local",
        "placement-elsewhere",
        "placement-none",
        "placement-unknown",
    ]
    tier: Tier | None = Field(default=None, description="who was told on this tier; left out: who is responsible then")

    def reply(self) -> Reply:
        """As the simulator takes it."""
        return Reply.of(self.minute, self.act, self.tier)


class QuestionIn(BaseModel):
    """A hypothetical report."""

    model_config = ConfigDict(extra="forbid")

    division_code: Code
    situations: Annotated[list[Situation], Field(max_length=16)] = []
    categories: Annotated[list[Word], Field(max_length=30)] = []
    danger: dict[Danger, Answer] = {}
    age_bands: Annotated[list[AgeBand], Field(max_length=50)] = []
    any_disability: Answer = Answer.UNKNOWN
    harms: Annotated[list[Word], Field(max_length=30)] = []
    settings: Annotated[list[Word], Field(max_length=30)] = []
    at: AwareDatetime | None = Field(default=None, description="when it would come in; left out: now")
    grade: Word | None = Field(default=None, description="pretend this grade: I, II, III or IV, or one of the policy's own")
    policy: Annotated[str, Field(max_length=60)] | None = Field(default=None, description="pretend this policy")
    answers: Annotated[list[ReplyIn], Field(max_length=50, description="left out: everybody stays silent")] = []

    def question(self) -> Question:
        """As the use cases take it."""
        return Question(
            self.division_code,
            self.situations,
            self.categories,
            self.danger,
            self.age_bands,
            self.any_disability,
            self.harms,
            self.settings,
            self.at,
            self.grade,
            self.policy,
            [one.reply() for one in self.answers],
        )


class ToldOut(BaseModel):
    """Somebody who would be told at once."""

    tier: Tier | None
    post_id: UUID | None
    post_title: str
    division_name: str
    channel: str
    accountable: bool


class DueOut(BaseModel):
    """A deadline that would be armed."""

    step: Step
    due_at: datetime
    provisional: bool


class PreviewOut(BaseModel):
    """What would happen at once."""

    grade: Grade
    band: str = Field(description="what the policy calls the grade")
    band_name: str = Field(description="the same in the language of the request")
    grade_reason: str = Field(description="in the language of the request")
    rule: str
    mandatory: bool
    departments: list[Department]
    needs_placing: bool
    told: list[ToldOut]
    accountable: ToldOut | None
    deadlines: list[DueOut]
    policy: PolicyRef


class LineOut(BaseModel):
    """One thing that would happen."""

    at: datetime
    minute: float
    action: str = Field(examples=["notify", "remind", "escalate", "deadline", "supervise", "answer"])
    tier: Tier | None
    post: str
    post_id: UUID | None
    division_code: str
    channel: str | None
    step: Step | None
    answer: str = Field(description="what somebody did, where the action is `answer`")
    department: Department | None = Field(description="the department that is told beside the ladder; null: the ladder")


class SimulationOut(BaseModel):
    """The whole timeline of a hypothetical report."""

    grade: Grade
    band: str = Field(description="what the policy calls the grade")
    band_name: str = Field(description="the same in the language of the request")
    policy: PolicyRef
    timeline: list[LineOut]


class ComparisonIn(BaseModel):
    """Two policies, to be compared on sample reports of a place."""

    model_config = ConfigDict(extra="forbid")

    before: Annotated[str, Field(max_length=60, description="an id, or `id@version`")]
    after: Annotated[str, Field(max_length=60)]
    division_code: Code
    at: AwareDatetime | None = Field(default=None, description="when the reports would come in; left out: now")


class ChangeOut(BaseModel):
    """Something that one policy does differently."""

    what: str = Field(examples=["grade", "told", "escalated:street", "supervised", "due:on_site"])
    before: str
    after: str


class ChangedReportOut(BaseModel):
    """A report that is not treated alike."""

    at: datetime
    situations: list[Situation]
    age_bands: list[AgeBand]
    danger: list[Danger]
    changes: list[ChangeOut]


class ComparisonOut(BaseModel):
    """What would change, for whom."""

    before: PolicyRef
    after: PolicyRef
    reports: int
    changed: int
    counts: dict[str, int]
    items: list[ChangedReportOut] = Field(description="at most 200 of them")


def comparison_out(found: Comparison) -> ComparisonOut:
    """A comparison as the interface shows it."""
    items = [
        ChangedReportOut(
            at=report.received_at,
            situations=list(report.situations),
            age_bands=list(report.age_bands),
            danger=[Danger(question) for question, answer in report.danger.items() if answer == Answer.YES],
            changes=[ChangeOut.model_validate(change, from_attributes=True) for change in changes],
        )
        for report, changes in found.changes[:200]
    ]
    return ComparisonOut(
        before=PolicyRef(id=found.before.id, version=found.before.version),
        after=PolicyRef(id=found.after.id, version=found.after.version),
        reports=found.reports,
        changed=len(found.changes),
        counts=tally([changes for _report, changes in found.changes]),
        items=items,
    )


class PolicyOut(BaseModel):
    """A policy that is known here, with where and when it is in force."""

    id: str
    version: int
    title: str
    bind: list[dict[str, Any]]
    policy: dict[str, Any] = Field(description="the whole policy, as its JSON Schema says")


def preview_out(found: Preview) -> PreviewOut:
    case = found.outcome.after
    told: list[ToldOut] = []
    for event in found.told:
        post = post_of(found.route, event.post_id)
        told.append(
            ToldOut(
                tier=event.tier,
                post_id=event.post_id,
                post_title=post.title(current_locale()) if post else "",
                division_name=found.route.name_of(post.division_code) if post else "",
                channel="sms",
                accountable=event.accountable,
            )
        )
    return PreviewOut(
        grade=case.grade,
        band=case.band,
        band_name=found.policy.grades[case.band].name.of(current_locale()),
        grade_reason=words.grade_reason(case.grade_reason),
        rule=case.grade_reason,
        mandatory=case.mandatory,
        departments=list(found.grading.departments),
        needs_placing=case.status is Status.NEEDS_PLACING,
        told=told,
        accountable=next((one for one in told if one.accountable), None),
        deadlines=[
            DueOut(step=one.step, due_at=one.due_at, provisional=one.provisional)
            for one in sorted(case.deadlines, key=lambda one: one.due_at)
        ],
        policy=PolicyRef(id=found.policy.id, version=found.policy.version),
    )


def policy_out(policy: Policy, locale: str) -> PolicyOut:
    return PolicyOut(
        id=policy.id,
        version=policy.version,
        title=policy.title.of(locale),
        bind=[binding.model_dump(mode="json") for binding in policy.bind],
        policy=policy.model_dump(mode="json"),
    )
