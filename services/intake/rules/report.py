"""What a report holds (intake-model.md). Unknown is always a legal answer; grade and routing are never the client's to say.

The model reads the request's own bytes and refuses what it does not know, so that a misspelt field is an error and not a lost fact.
What depends on the present time or on other fields is checked in `facts.problems`.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError, core_schema

from libs.terms import Answer, Channel, ConflictReason, Situation
from services.intake.rules.terms import (
    AllegedRelation,
    CaregiverRelation,
    Category,
    Confidentiality,
    Frequency,
    HarmType,
    LivingSituation,
    PersonAgeBand,
    ReporterCategory,
    ReporterUnit,
    Setting,
    Sex,
)

NARRATIVE_MAX = 20_000
TEXT_MAX = 4_000
LINE_MAX = 200
CHILDREN_MAX = 50
AGE_MAX = 25

# Control characters have no place in what people write; NUL cannot be stored at all. At least one character must be visible.
LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$"
TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
DIVISION_PATTERN = r"^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12}|[0-9]{15})$"
PHONE_PATTERN = r"^\+?[0-9][0-9 ()-]{2,29}$"
ID_NUMBER_PATTERN = r"^[0-9A-Za-z()-]{5,20}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
MEDIA_TYPE_PATTERN = r"^[a-z]+/[a-zA-Z0-9.+-]+$"
LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$"

_LINE = re.compile(LINE_PATTERN)


def _read_yes_no(value: object) -> Answer:
    """Programs say true and false where people say yes and no; both are understood."""
    if isinstance(value, bool):
        return Answer.YES if value else Answer.NO
    if isinstance(value, str) and value in _ANSWERS:
        return _ANSWERS[value]
    raise PydanticCustomError("enum", "yes, no, unknown, true or false", {"expected": "'yes', 'no' or 'unknown'"})


def _read_disability(value: object) -> Answer | str:
    """Whether there is one, or which."""
    if isinstance(value, str) and value not in _ANSWERS and len(value) <= LINE_MAX and _LINE.match(value):
        return value
    return _read_yes_no(value)


_ANSWERS = {answer.value: answer for answer in Answer}


class _ReadBy:
    """Validates by a function of ours, and leaves the rest to Pydantic: a plain value, written as what it is."""

    def __init__(self, read: Callable[[object], object], *schema: dict[str, object]) -> None:
        self._read = read
        self._schema = {"anyOf": list(schema)}

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, object]:
        return dict(self._schema)


_ANSWER_SCHEMA: dict[str, object] = {"type": "string", "enum": list(_ANSWERS)}
_LINE_SCHEMA: dict[str, object] = {"type": "string", "maxLength": LINE_MAX, "pattern": LINE_PATTERN}

YesNo = Annotated[Answer, _ReadBy(_read_yes_no, _ANSWER_SCHEMA, {"type": "boolean"})]
"""Yes, no or unknown, for what may also be said with true or false."""
Disability = Annotated[Answer | str, _ReadBy(_read_disability, _ANSWER_SCHEMA, {"type": "boolean"}, _LINE_SCHEMA)]

Line = Annotated[str, Field(min_length=1, max_length=LINE_MAX, pattern=LINE_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)]
Phone = Annotated[str, Field(pattern=PHONE_PATTERN)]


class Part(BaseModel):
    """Base of all parts: strict types, unknown fields refused, and no value ever quoted in an error's text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class Reporter(Part):
    """Who reports. Kept apart from the report, sealed (PSCRIM art 173; ADVL art 14)."""

    category: ReporterCategory
    unit: ReporterUnit | None = None
    """The kind of unit that the reporter works for, if it is one that must report (OPINION2020 art 3)."""
    mandated: YesNo = Answer.UNKNOWN
    """Whether the law obliges the reporter; left unknown, it follows from the category."""
    organisation: Line | None = None
    name: Line | None = None
    phone: Phone | None = None
    relationship: Line | None = None
    """What the reporter is to the child, in the reporter's words."""
    confidentiality: Confidentiality = Confidentiality.CONFIDENTIAL
    callback_ok: YesNo = Answer.UNKNOWN
    safe_contact_time: Line | None = None
    """When it is safe to call, in the reporter's words."""


class Location(Part):
    """A place: the lowest division that is known for certain, and what else helps to find it."""

    division_code: Annotated[str, Field(pattern=DIVISION_PATTERN, examples=["440304001020"])]
    """Code in the national register, 2 to 12 digits (15 for a grid); a district's or a city's code when nothing nearer is known."""
    address: Line | None = None


class Child(Part):
    """A child the report is about; nothing but the place is needed."""

    name: Line | None = None
    alias: Line | None = None
    sex: Sex = Sex.UNKNOWN
    birth_date: date | None = None
    age: Annotated[int, Field(ge=0, le=AGE_MAX)] | None = None
    """Years; may be given instead of the birth date."""
    age_estimated: bool = False
    id_number: Annotated[str, Field(pattern=ID_NUMBER_PATTERN)] | None = None
    """Number of an identity document; kept sealed, found again only through a keyed fingerprint."""
    phone: Phone | None = None
    school: Line | None = None
    school_grade: Line | None = None
    disability: Disability = Answer.UNKNOWN
    """Yes, no or unknown, or in words which one."""
    living_situation: LivingSituation = LivingSituation.UNKNOWN
    current_location: Location
    home_location: Location | None = None
    knows_of_report: YesNo = Answer.UNKNOWN
    prior_reports: YesNo = Answer.UNKNOWN


class Harm(Part):
    """What is said to have happened."""

    type: HarmType = HarmType.UNKNOWN
    frequency: Frequency = Frequency.UNKNOWN
    duration: Line | None = None
    injuries: Text | None = None
    setting: Setting = Setting.UNKNOWN


class DangerFlags(Part):
    """The danger questions; what is left out is unknown."""

    danger_now: Answer = Answer.UNKNOWN
    needs_medical_now: Answer = Answer.UNKNOWN
    unconscious: Answer = Answer.UNKNOWN
    perpetrator_has_access: Answer = Answer.UNKNOWN
    child_alone: Answer = Answer.UNKNOWN
    under_8: Answer = Answer.UNKNOWN
    suicide_risk: Answer = Answer.UNKNOWN
    weapon: Answer = Answer.UNKNOWN
    evidence_perishable: Answer = Answer.UNKNOWN


class Caregiver(Part):
    """Somebody who looks after the child."""

    relation: CaregiverRelation = CaregiverRelation.UNKNOWN
    name: Line | None = None
    protective: YesNo = Answer.UNKNOWN
    aware: YesNo = Answer.UNKNOWN
    substance_use: YesNo = Answer.UNKNOWN
    mental_health: YesNo = Answer.UNKNOWN
    violence: YesNo = Answer.UNKNOWN


class ConflictedPost(Part):
    """A post that would have a conflict of interest: the post itself, or a role at a division (left out: every post of that division)."""

    reason: ConflictReason
    post_id: UUID | None = None
    division_code: Annotated[str, Field(pattern=DIVISION_PATTERN)] | None = None
    role: Annotated[str, Field(pattern=r"^[a-z_]{2,40}$", examples=["community_officer"])] | None = None

    @model_validator(mode="after")
    def _names_a_post(self) -> Self:
        if self.post_id is None and self.division_code is None:
            msg = "needs a post_id or a division_code"
            raise ValueError(msg)
        return self


class AllegedPerson(Part):
    """Somebody who is said to have done harm."""

    known: YesNo = Answer.UNKNOWN
    relation: AllegedRelation = AllegedRelation.UNKNOWN
    name: Line | None = None
    age_band: PersonAgeBand = PersonAgeBand.UNKNOWN
    organisation: Line | None = None
    """For leaving out officers who would have a conflict of interest (回避)."""
    posts: Annotated[tuple[ConflictedPost, ...], Field(max_length=10)] = ()
    """Posts that must not deal with this report, by codes: the person's own, those of their unit, those that manage them."""


class ResponderSafety(Part):
    """What those who go there must know."""

    dogs: YesNo = Answer.UNKNOWN
    weapons: YesNo = Answer.UNKNOWN
    hostile_persons: YesNo = Answer.UNKNOWN
    note: Text | None = None


class Attachment(Part):
    """A picture or paper that the sender keeps: its fingerprint and where to ask for it."""

    sha256: Annotated[str, Field(pattern=SHA256_PATTERN)]
    media_type: Annotated[str, Field(max_length=100, pattern=MEDIA_TYPE_PATTERN)]
    size_bytes: Annotated[int, Field(ge=0, le=10_000_000_000)] | None = None
    name: Line | None = None
    reference: Annotated[str, Field(min_length=1, max_length=2_000, pattern=LINE_PATTERN)] | None = None


class Report(Part):
    """A report that a child may be in danger."""

    channel: Channel
    source_ref: Line | None = None
    """The sender's own number for this report."""
    occurred_at: AwareDatetime | None = None
    learned_at: AwareDatetime | None = None
    """When the reporter came to know of it."""
    reported_at: AwareDatetime | None = None
    """When the reporter told, if that was before it was sent here (a call that is typed in later)."""
    situations: Annotated[tuple[Situation, ...], Field(max_length=len(Situation))] = ()
    categories: Annotated[tuple[Category, ...], Field(max_length=len(Category))] = ()
    narrative: Annotated[str, Field(min_length=1, max_length=NARRATIVE_MAX, pattern=TEXT_PATTERN)]
    """What was seen and heard, in the reporter's words."""
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN, examples=["zh-CN"])] | None = None
    reporter: Reporter | None = None
    children: Annotated[tuple[Child, ...], Field(min_length=1, max_length=CHILDREN_MAX)]
    harms: Annotated[tuple[Harm, ...], Field(max_length=20)] = ()
    danger: DangerFlags
    caregivers: Annotated[tuple[Caregiver, ...], Field(max_length=20)] = ()
    alleged_persons: Annotated[tuple[AllegedPerson, ...], Field(max_length=20)] = ()
    responder_safety: ResponderSafety | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=20)] = ()
    related_report_ids: Annotated[tuple[UUID, ...], Field(max_length=20)] = ()
    """Earlier reports on the same matter; this one joins their case."""
    is_update: bool = False
    internal_report_at: AwareDatetime | None = None
    """When the reporter told their own unit; that alone does not discharge the duty (rules.yaml reporters.rules)."""
    police_report_ref: Line | None = None
    police_reported_at: AwareDatetime | None = None


EXAMPLES: dict[str, dict[str, object]] = {
    "smallest": {
        "channel": "school_api",
        "situations": ["MR4_ABUSE_INJURY"],
        "narrative": "（虚构示例）学生手臂有多处新旧淤青，说不敢回家。",
        "children": [{"current_location": {"division_code": "440304001020"}}],
        "danger": {"danger_now": "unknown"},
    },
    "fuller": {
        "channel": "hospital_api",
        "source_ref": "HIS-2026-000123",
        "occurred_at": "2026-03-01T08:30:00+08:00",
        "situations": ["MR4_ABUSE_INJURY"],
        "narrative": "（虚构示例）急诊接诊，伤情与所述经过不符。",
        "reporter": {"category": "doctor", "unit": "medical", "organisation": "示例医院", "phone": "+860010009999", "callback_ok": "yes"},
        "children": [
            {
                "age": 6,
                "age_estimated": True,
                "sex": "male",
                "current_location": {"division_code": "440304001020", "address": "示例路 1 号"},
            }
        ],
        "harms": [{"type": "physical", "frequency": "repeated", "setting": "home"}],
        "danger": {"danger_now": "yes", "needs_medical_now": "yes", "perpetrator_has_access": "unknown"},
        "alleged_persons": [{"known": "yes", "relation": "step_parent"}],
    },
}
"""For the API's documentation; everything in them is invented."""
