"""What a policy file says: tiers and their posts, grades, situations, windows, reminders and the top of the ladder (DESIGN section 7)."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from libs.directory.roles import POST_ROLES
from libs.terms import Grade, Situation, Step, Tier
from services.router.rules.calendar import ClockKind, Due, OfficeHours, WorkCalendar, due

_ISO_DURATION = re.compile(r"P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
TIER_ORDER: dict[Tier, int] = {tier: order for order, tier in enumerate(Tier)}
NO_DEADLINE_STEPS = frozenset({Step.ACKNOWLEDGE, Step.POLICE_LINKED, Step.REPORTER_INFORMED})
"""Steps whose time is not a step deadline: acknowledging has a window per rung, the others are conditions of closing."""


def parse_duration(value: object) -> timedelta:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds; months and years have no fixed length, so they are refused."""
    if isinstance(value, timedelta):
        return value
    match = _ISO_DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = "must be an ISO 8601 duration such as PT10M, PT24H or P15D"
        raise ValueError(msg)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The shortest ISO 8601 form in hours, minutes and seconds, or in whole days from three days on."""
    seconds = int(value.total_seconds())
    if seconds and seconds % 86_400 == 0 and seconds > 3 * 86_400:
        return f"P{seconds // 86_400}D"
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{rest}S" if rest or not seconds else "")


_DurationText = WithJsonSchema({"type": "string", "pattern": f"^{_ISO_DURATION.pattern}$", "examples": ["PT10M", "P15D"]})
Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), _DurationText]
Period = Annotated[str, StringConstraints(pattern=r"^P\d+[DWMY]$|^PT\d+[HM]$")]
"""A span named by law in months or years, shown and recorded but not counted."""
Source = Annotated[str, StringConstraints(min_length=2, max_length=200)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _known_role(value: str) -> str:
    if value not in POST_ROLES:
        msg = f"is not a role that a post can have; those are {', '.join(POST_ROLES)}"
        raise ValueError(msg)
    return value


Role = Annotated[str, AfterValidator(_known_role), WithJsonSchema({"type": "string", "enum": list(POST_ROLES)})]
ClockTime = Annotated[time, BeforeValidator(lambda value: time.fromisoformat(value) if isinstance(value, str) else value)]


class Strict(BaseModel):
    """Unknown keys are mistakes, and nothing changes after loading: a policy in use is read by every case that it started."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Strict):
    """A text in both languages."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]

    def of(self, locale: str) -> str:
        """The text in the language of `locale`."""
        return self.zh if locale.startswith("zh") else self.en


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
    """How a case of this grade is answered. `recall`: whether those who need not come any more are told so."""

    name: Text
    label: Text
    colour: str
    clock: ClockKind
    fan_out: FanOut
    critical: bool = False
    recall: bool = True
    ack_windows: dict[Tier, Duration]
    ack_src: Source
    steps: dict[Step, Window]

    @model_validator(mode="after")
    def _steps_with_deadlines(self) -> Self:
        for step in self.steps:
            if step in NO_DEADLINE_STEPS:
                msg = f"{step} has no step deadline: give ack_windows for acknowledging; the others are conditions of closing"
                raise ValueError(msg)
        if not self.ack_windows or any(window <= timedelta() for window in self.ack_windows.values()):
            msg = "every acknowledge window must be longer than nothing"
            raise ValueError(msg)
        return self


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

    to: Grade
    any_of: Annotated[tuple[Flag, ...], Field(min_length=1)]


class SituationRule(Strict):
    """One situation: its grade, what raises it, and the departments to inform. `mandatory`: the police must be told before closing."""

    grade: Grade
    mandatory: bool = False
    raised: Raise | None = None
    departments: tuple[str, ...] = ()
    add_if: dict[str, tuple[str, ...]] = {}
    src: Source


class CategoryRule(Strict):
    """One category of a child in difficulty; `situation`: it is also that situation."""

    grade: Grade
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


class Binding(Strict):
    """Where the policy is in force ("" is everywhere), from the beginning of day `since` until before day `until`."""

    division: Annotated[str, StringConstraints(pattern=r"^\d{0,15}$")]
    since: date
    until: date | None = None
    src: Source | None = None


class Policy(Strict):
    """A versioned set of response rules. A case keeps the policy and version that it was opened under.

    `oversight`: tiers above the ladder that watch over it and are never climbed to. `aliases`: what a role is called here.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
    version: Annotated[int, Field(ge=1)]
    title: Text
    basis: tuple[str, ...]
    bind: tuple[Binding, ...] = ()
    office_hours: tuple[tuple[ClockTime, ClockTime], ...] = ()
    ladder: Annotated[tuple[RungRule, ...], Field(min_length=1)]
    oversight: tuple[Tier, ...] = ()
    recipients: tuple[Recipients, ...] = ()
    aliases: dict[Role, Alias] = {}
    supervise: Supervise
    grades: dict[Grade, GradeRules]
    situations: dict[Situation, SituationRule]
    categories: dict[str, CategoryRule] = {}
    implied: tuple[Implied, ...] = ()
    unclassified: Grade
    second_report: SecondReport
    remind_at: Annotated[tuple[Fraction, ...], Field(max_length=4)]
    feedback: Feedback
    monthly_report: MonthlyReport | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problem = next(self._problems(), None)
        if problem:
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if missing := set(Grade) - set(self.grades):
            yield f"grades: {', '.join(sorted(missing))} missing"
        if missing_situations := set(Situation) - set(self.situations):
            yield f"situations: {', '.join(sorted(missing_situations))} missing"
        if any(TIER_ORDER[higher] <= TIER_ORDER[lower] for lower, higher in pairwise(self.tiers)):
            yield "ladder: rungs must stand from the lowest tier to the highest, each once"
        if below := [tier for tier in self.oversight if TIER_ORDER[tier] <= TIER_ORDER[self.tiers[-1]]]:
            yield f"oversight: {', '.join(below)} does not lie above the ladder, whose top is {self.tiers[-1]}"
        for grade, rules in self.grades.items():
            if unbounded := [tier for tier in self.tiers if tier not in rules.ack_windows]:
                yield f"grades.{grade}.ack_windows: {', '.join(unbounded)} missing"
            if Step.DISPATCH not in rules.steps:
                yield f"grades.{grade}.steps: dispatch missing, which is how soon a case without a place is given one"
        yield from self._time_problems()

    def _time_problems(self) -> Iterator[str]:
        if any(rules.clock is ClockKind.OFFICE for rules in self.grades.values()) and not self.office_hours:
            yield "office_hours: needed, since a grade has the clock `office`"
        if self.office_hours:
            try:
                OfficeHours.of(*self.office_hours)
            except ValueError as error:
                yield f"office_hours: {error}"
        if any(later <= earlier for earlier, later in pairwise(self.remind_at)):
            yield "remind_at: fractions must ascend"

    @cached_property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers of the ladder, lowest first."""
        return tuple(rung.tier for rung in self.ladder)

    @cached_property
    def stamp(self) -> str:
        """What decisions are stamped with."""
        return f"{self.id}@{self.version}"

    @cached_property
    def roles(self) -> dict[Tier, tuple[str, ...]]:
        """The roles that answer on each rung, the first ones first."""
        return {rung.tier: rung.roles for rung in self.ladder}

    @cached_property
    def recipient_roles(self) -> tuple[str, ...]:
        """Every role that is told of some cases beside the rungs."""
        return tuple(dict.fromkeys(role for one in self.recipients for role in one.roles))

    def told_beside(self, *, mandatory: bool) -> Iterator[str]:
        """The roles to tell beside the rungs, in the policy's order."""
        for one in self.recipients:
            if one.when is When.ALWAYS or mandatory:
                yield from one.roles

    @cached_property
    def _hours(self) -> OfficeHours | None:
        return OfficeHours.of(*self.office_hours) if self.office_hours else None

    @cached_property
    def _parts(self) -> dict[timedelta, tuple[tuple[timedelta, float], ...]]:
        return {}

    def parts(self, window: timedelta) -> tuple[tuple[timedelta, float], ...]:
        """The parts of a window after which to remind, with their fractions. There are as many different windows as the file names."""
        known = self._parts.get(window)
        if known is None:
            known = self._parts[window] = tuple((window * fraction, fraction) for fraction in self.remind_at)
        return known

    def ack_window(self, grade: Grade, tier: Tier) -> timedelta:
        """How long a rung may be silent; a tier without a window of its own has the highest rung's."""
        windows = self.grades[grade].ack_windows
        return windows[tier] if tier in windows else windows[self.tiers[-1]]

    def due(self, start: datetime, duration: timedelta, grade: Grade, zone: str, calendar: WorkCalendar) -> Due:
        """When a window of this grade that starts at `start` is over."""
        return due(start, duration, self.grades[grade].clock, zone, calendar, office_hours=self._hours)
