"""What a policy file says: tiers and their posts, grades, situations, windows, reminders and the top of the ladder (DESIGN section 7)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, model_validator

from libs.directory.roles import DEPARTMENT_ROLES
from libs.terms import Department, Grade, Situation, Step, Tier
from services.router.rules.calendar import ClockKind, Due, OfficeHours, WorkCalendar, due
from services.router.rules.handover_values import HandoverRule
from services.router.rules.lane_values import LaneRule
from services.router.rules.placement_values import PlacementRule
from services.router.rules.policy_parts import (
    Alias,
    Binding,
    Calls,
    CallWhen,
    CategoryRule,
    FanOut,
    Feedback,
    Flag,
    FollowUp,
    GradeRules,
    Implied,
    MonthlyReport,
    Raise,
    Recipients,
    RungRule,
    SecondReport,
    Shift,
    ShiftGrade,
    SituationRule,
    Supervise,
    VoiceRule,
    When,
    Window,
)
from services.router.rules.policy_values import Band, ClockTime, Fraction, Role, Strict, Text, format_duration, parse_duration

__all__ = [
    "TIER_ORDER",
    "Binding",
    "FanOut",
    "Flag",
    "GradeRules",
    "Policy",
    "Raise",
    "Recipients",
    "Shift",
    "SituationRule",
    "Text",
    "When",
    "Window",
    "format_duration",
    "parse_duration",
]

TIER_ORDER: dict[Tier, int] = {tier: order for order, tier in enumerate(Tier)}


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
    lanes: dict[Department, LaneRule] = Field(default_factory=dict)
    handover: HandoverRule = HandoverRule()
    placement: PlacementRule = PlacementRule()
    aliases: dict[Role, Alias] = Field(default_factory=dict)
    supervise: Supervise
    shifts: Annotated[tuple[Shift, ...], Field(max_length=8)] = ()
    voice: Annotated[tuple[VoiceRule, ...], Field(max_length=8)] = ()
    grades: Annotated[dict[Band, GradeRules], Field(min_length=2, max_length=7)]
    situations: dict[Situation, SituationRule]
    categories: dict[str, CategoryRule] = Field(default_factory=dict)
    implied: tuple[Implied, ...] = ()
    unclassified: Band
    second_report: SecondReport
    remind_at: Annotated[tuple[Fraction, ...], Field(max_length=4)]
    feedback: Feedback
    follow_up: FollowUp | None = None
    monthly_report: MonthlyReport | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problem = next(self._problems(), None)
        if problem:
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        yield from self._grade_problems()
        yield from self._naming_problems()
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

    def _grade_problems(self) -> Iterator[str]:
        for band, rules in self.grades.items():
            if band not in set(Grade) and (rules.severity is None or rules.rank is None):
                yield f"grades.{band}: a grade of your own needs severity (which of I, II, III, IV it counts as) and rank (1: most urgent)"
                return
            if band in set(Grade) and rules.severity not in {None, band}:
                yield f"grades.{band}: has the severity {band} by its name; give it another name"
        if all(rules.severity is None for rules in self.grades.values()) and (missing := set(Grade) - set(self.grades)):
            yield f"grades: {', '.join(sorted(missing))} missing"
        if len({self._rank_of(band) for band in self.grades}) < len(self.grades):
            yield "grades: each needs a rank of its own"
        severities = [self.severity(band) for band in self.bands]
        if severities != sorted(severities, key=lambda one: one.rank):
            yield "grades: a grade of higher rank cannot have a lower severity"
        if severities[0] is not Grade.I:
            yield f"grades.{self.bands[0]}: the most urgent grade must have severity I, or nothing could ever be that urgent here"

    def _naming_problems(self) -> Iterator[str]:
        named = {"unclassified": self.unclassified}
        named |= {f"situations.{code}.grade": rule.grade for code, rule in self.situations.items()}
        named |= {f"situations.{code}.raised.to": rule.raised.to for code, rule in self.situations.items() if rule.raised}
        named |= {f"categories.{code}.grade": rule.grade for code, rule in self.categories.items()}
        named |= {f"follow_up.every.{band}": band for band in (self.follow_up.every if self.follow_up else {})}
        for number, shift in enumerate(self.shifts):
            named |= {f"shifts.{number}.grades.{band}": band for band in shift.grades}
        for number, rule in enumerate(self.voice):
            named |= {f"voice.{number}.grades.{at}": band for at, band in enumerate(rule.grades)}
        for where, name in named.items():
            if name not in self._bands_by_name:
                yield f"{where}: {name} is not a grade of this policy; those are {', '.join(self.bands)}"

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

    def _rank_of(self, band: str) -> int:
        return self.grades[band].rank or Grade(band).rank

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """What this policy calls its grades, the most urgent first."""
        return tuple(sorted(self.grades, key=self._rank_of))

    @cached_property
    def plain(self) -> bool:
        """Whether it has just the four grades."""
        return self.bands == tuple(Grade)

    def severity(self, band: str) -> Grade:
        """Which of the four grades a band counts as."""
        return self.grades[band].severity or Grade(band)

    @cached_property
    def _bands_by_name(self) -> dict[str, str]:
        """Each band, and for each of the four grades the band that stands for it.

        That is the most urgent band of this severity; where the place has none, the next more urgent one: nothing becomes less urgent
        by being told in the words of another place.
        """
        found: dict[str, str] = {}
        for one in Grade:
            same = next((band for band in self.bands if self.severity(band) is one), None)
            above = [band for band in self.bands if self.severity(band).rank < one.rank]
            found[one] = same or (above or self.bands)[-1 if above else 0]
        return found | {band: band for band in self.bands}

    def band(self, name: str, severity: Grade | None = None) -> str:
        """The band of that name, or the one that stands for a grade; `KeyError` for neither.

        With a `severity`, for a name that may be another policy's: a band of that name counts only if it means the same severity here.
        """
        if severity is not None and (name not in self.grades or self.severity(name) is not severity):
            name = severity
        return self._bands_by_name[name]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {band: number for number, band in enumerate(self.bands, start=1)}

    def position(self, band: str) -> int:
        """Where a band stands among this policy's: 1 is the most urgent."""
        return self._positions[band]

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

    def lane(self, department: Department) -> LaneRule:
        """How a department is told here; one that the policy does not name can still be referred to, with the usual posts."""
        return self.lanes.get(department) or LaneRule(src="default")

    @cached_property
    def lane_roles(self) -> dict[Department, tuple[str, ...]]:
        """The roles of each department's posts, the first ones first, for every department there is."""
        return {one: self.lane(one).roles or DEPARTMENT_ROLES[one] for one in Department}

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

    def shift_at(self, at: datetime, zone: str, calendar: WorkCalendar) -> Shift | None:
        """The shift that is on in a place at an instant: the first that the policy names, if any."""
        if not self.shifts:
            return None
        local = at.astimezone(ZoneInfo(zone))
        return next((shift for shift in self.shifts if shift.runs(local, calendar)), None)

    def ack_window(self, band: str, tier: Tier, shift: Shift | None = None) -> timedelta:
        """How long a rung may be silent in a shift; a tier without a window of its own has the highest rung's."""
        own = _of_shift(self, shift, band)
        if own is not None and tier in own.ack_windows:
            return own.ack_windows[tier]
        windows = self.grades[band].ack_windows
        return windows[tier] if tier in windows else windows[self.tiers[-1]]

    def fan_out(self, band: str, shift: Shift | None = None) -> FanOut:
        """Which rungs are told when a case opens in a shift."""
        own = _of_shift(self, shift, band)
        return self.grades[band].fan_out if own is None or own.fan_out is None else own.fan_out

    @cached_property
    def _calls(self) -> dict[str, Calls]:
        found: dict[str, Calls] = {}
        for band in self.bands:
            rules = [rule for rule in self.voice if any(self.band(name) == band for name in rule.grades)]
            parts = sorted({rule.at for rule in rules if rule.at is not None})
            found[band] = Calls(any(rule.when is CallWhen.START for rule in rules), tuple(parts))
        return found

    def calls(self, band: str) -> Calls:
        """When the accountable officer of a case of this grade is called beside the SMS."""
        return self._calls[band]

    def visits_every(self, band: str) -> str | None:
        """How often the child of a closed case of this grade is visited."""
        every = self.follow_up.every if self.follow_up else {}
        return every.get(band) or every.get(self.severity(band))

    def due(self, start: datetime, duration: timedelta, band: str, zone: str, calendar: WorkCalendar) -> Due:
        """When a window of this grade that starts at `start` is over."""
        return due(start, duration, self.grades[band].clock, zone, calendar, office_hours=self._hours)


def _of_shift(policy: Policy, shift: Shift | None, band: str) -> ShiftGrade | None:
    """What a shift says of a band, by its name or by the severity that it stands for."""
    if shift is None:
        return None
    return next((own for name, own in shift.grades.items() if policy.band(name) == band), None)
