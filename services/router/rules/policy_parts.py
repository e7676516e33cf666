"""The parts of a policy file: grades, rungs, situations, who is told beside, and the terms of each."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from libs.terms import CloseResult, Department, Grade, Situation, Step, Tier
from services.router.rules.calendar import ClockKind, WorkCalendar
from services.router.rules.policy_values import Band, ClockTime, Duration, Fraction, Period, PositiveDuration, Role, Source, Strict, Text

NO_DEADLINE_STEPS = frozenset({Step.ACKNOWLEDGE, Step.POLICE_LINKED, Step.REPORTER_INFORMED, Step.REPORTER_PROCEDURE, Step.VISIT})
"""Steps whose time a grade does not give: acknowledging has a window per rung, `feedback` and `follow_up` have terms of their own."""


class FanOut(StrEnum):
    """Which rungs are told when a case opens. Told is not accountable."""

    ALL_TIERS = "all_tiers"
    FIRST_AND_NEXT = "first_and_next"
    FIRST = "first"


class Flag(StrEnum):
    """Facts of a report that may raise its grade; `grading.flags` says how each is read."""

    UNCONSCIOUS = "unconscious"
    PERPETRATOR_HAS_ACCESS_NOW = "perpetrator_has_access_now"
    AGE_LT_8 = "age_lt_8"
    AGE_LT_14 = "age_lt_14"
    HEAD_OR_ORGAN_INJURY = "head_or_organ_injury"
    INJURY = "injury"
    AGE_LT_8_ALONE_NOW = "age_lt_8_alone_now"
    DISABLED_ALONE_NOW = "disabled_alone_now"
    NO_FOOD_OR_SHELTER = "no_food_or_shelter"
    CONTROLLER_PRESENT = "controller_present"
    DANGER_NOW = "danger_now"


class Window(Strict):
    """A length of time and where it comes from: a source's code, or "default" where no rule gives a number."""

    d: Duration
    src: Source


class GradeRules(Strict):
    """How a case of this grade is answered. `recall`: whether those who need not come any more are told so.

    A grade of a place's own says by `severity` which of the four it counts as wherever places are compared, and by `rank` where it
    stands, 1 the most urgent (local schemes have three to five: rules.yaml grade_basis, colour_schemes).

    What no document gives and a place may want: `deputy_after`, how long the accountable officer may be silent before the next holder
    of the same post is told (the rung's window goes on); `stale_after`, how long an acknowledgement may go without any step before the
    case climbs; `quorum`, how many officers of different posts must acknowledge before the asking stops (the first is the owner).
    """

    severity: Grade | None = None
    rank: Annotated[int, Field(ge=1, le=7)] | None = None
    name: Text
    label: Text
    colour: str
    clock: ClockKind
    fan_out: FanOut
    critical: bool = False
    recall: bool = True
    deputy_after: PositiveDuration | None = None
    stale_after: PositiveDuration | None = None
    quorum: Annotated[int, Field(ge=1, le=5)] = 1
    ack_windows: dict[Tier, Duration]
    ack_src: Source
    steps: dict[Step, Window]

    @model_validator(mode="after")
    def _steps_with_deadlines(self) -> Self:
        for step in self.steps:
            if step in NO_DEADLINE_STEPS:
                msg = f"{step} has no step deadline: ack_windows, feedback and follow_up give the others their time"
                raise ValueError(msg)
        if not self.ack_windows or any(window <= timedelta() for window in self.ack_windows.values()):
            msg = "every acknowledge window must be longer than nothing"
            raise ValueError(msg)
        return self


class Days(StrEnum):
    """On which days a shift is worked."""

    EVERY = "every"
    WORKING = "working"
    OFF = "off"


class ShiftGrade(Strict):
    """What is different for a grade during a shift; what is left out is as at other times."""

    ack_windows: dict[Tier, PositiveDuration] = Field(default_factory=dict)
    fan_out: FanOut | None = None


class Shift(Strict):
    """A part of the day, in the place's zone, in which a place answers otherwise. Who is on duty then, the rosters say.

    `until` may lie on the next morning; `days` are those on which it begins. A window is as long as the shift says in which it begins.
    """

    name: Text
    since: ClockTime
    until: ClockTime
    days: Days = Days.EVERY
    grades: dict[Band, ShiftGrade] = Field(default_factory=dict)
    src: Source

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.since == self.until:
            msg = "a shift cannot end when it begins"
            raise ValueError(msg)
        return self

    def runs(self, local: datetime, calendar: WorkCalendar) -> bool:
        """Whether the shift is on at a local time of the place."""
        clock = local.time()
        over_midnight = self.until < self.since
        if not (self.since <= clock < self.until or (over_midnight and (clock >= self.since or clock < self.until))):
            return False
        began = local.date() - timedelta(days=1) if over_midnight and clock < self.until else local.date()
        return self.days is Days.EVERY or calendar.is_working(began) is (self.days is Days.WORKING)


class CallWhen(StrEnum):
    """When the accountable officer is called beside the SMS."""

    START = "start"
    """At once."""
    SILENCE = "silence"
    """After a part of the acknowledge window without an answer."""


class VoiceRule(Strict):
    """Calls beside the SMS, for cases of these grades; `at` is the part of the window after which silence is called."""

    grades: Annotated[tuple[Band, ...], Field(min_length=1, max_length=7)]
    when: CallWhen
    at: Fraction | None = None
    src: Source = "default"

    @model_validator(mode="after")
    def _at_some_time(self) -> Self:
        if (self.when is CallWhen.SILENCE) is (self.at is None):
            msg = "`at` says after which part of the window silence is called: needed with when: silence, and only there"
            raise ValueError(msg)
        return self


class Calls(NamedTuple):
    """When the accountable officer of a case is called: at once, and after which parts of the window, ascending."""

    at_start: bool = False
    in_silence: tuple[float, ...] = ()


class RungRule(Strict):
    """A rung: its tier, and the roles that answer there, the first ones first."""

    tier: Tier
    name: Text
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]


class When(StrEnum):
    """On which cases recipients are told."""

    ALWAYS = "always"
    MANDATORY = "mandatory"
    """Where a situation of mandatory reporting was reported (OPINION2020 art 4)."""


class Recipients(Strict):
    """Posts that are told at once beside the rungs, whatever the grade's fan-out: those whom a founding document names as receivers.

    They may answer like anybody who was told. They have a duty of their own, so they are never told that they need not come.
    """

    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    when: When = When.ALWAYS
    src: Source


class Alias(Text):
    """What a role is called here."""

    src: Source


class MonthlyReport(Strict):
    """On which day of each month a place reports its work, and to whom."""

    day: Annotated[int, Field(ge=1, le=28)]
    to: Role
    src: Source


class Supervise(Strict):
    """督办, above the top rung: the posts of `roles` are told at once, then `rounds` more times, each a top-rung window later.

    `review`: an open case without any deadline left is supervised again this much later, so that none is ever forgotten.
    """

    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    rounds: Annotated[int, Field(ge=0, le=10)]
    review: Duration
    src: Source


class Raise(Strict):
    """Any of the flags raises the grade."""

    to: Band
    any_of: Annotated[tuple[Flag, ...], Field(min_length=1)]


class SituationRule(Strict):
    """One situation: its grade, what raises it, and the departments to inform. `mandatory`: the police must be told before closing."""

    grade: Band
    mandatory: bool = False
    raised: Raise | None = None
    departments: tuple[Department, ...] = ()
    add_if: dict[str, tuple[Department, ...]] = Field(default_factory=dict)
    src: Source


class CategoryRule(Strict):
    """One category of a child in difficulty; `situation`: it is also that situation."""

    grade: Band
    situation: Situation | None = None
    src: Source


class Implied(Strict):
    """A fact that is a situation by itself, whatever was ticked."""

    situation: Situation
    flag: Flag
    src: Source


class SecondReport(Strict):
    """A further report on the same matter within `within` raises the grade by `raise_by`."""

    within: Duration
    raise_by: Annotated[int, Field(ge=0, le=3)]
    src: Source


class Feedback(Strict):
    """Within what time a reporter hears: of the procedure, and of the outcome."""

    procedural: Period
    substantive: Period
    src: Source


class FollowUp(Strict):
    """Visits after closing (回访): how often by grade, for how long, and after which results.

    `every` names the policy's grades, or I–IV; a grade that is not named is not visited. Nobody counts working days for a child at home.
    """

    every: Annotated[dict[Band, Period], Field(min_length=1)]
    during: Period
    results: Annotated[tuple[CloseResult, ...], Field(min_length=1)]
    src: Source


class Binding(Strict):
    """Where the policy is in force ("" is everywhere), from the beginning of day `since` until before day `until`."""

    division: Annotated[str, StringConstraints(pattern=r"^\d{0,15}$")]
    since: date
    until: date | None = None
    src: Source | None = None
