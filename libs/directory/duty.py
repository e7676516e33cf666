"""Who is on duty for a post at a time, and why. Pure: the roster job, the pages, exports and simulations of another time share it.

A post is held by officers (primary and deputies). Without a roster they are asked in that order. A roster says which of them is on
duty when; an override or a hand-over says so for one span; whoever is on leave is passed over on every post. Nobody is ever taken
off the list: who is not on duty comes last, so that a post with a holder is never a dead end (promise 4).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.directory.model import Rank

if TYPE_CHECKING:
    from libs.workdays import WorkCalendar  # its library takes a moment to load: only who asks for a time needs it

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""As iCalendar writes them (RFC 5545)."""
DAY_KINDS = ("WORKDAY", "DAYOFF", "HOLIDAY")
"""By the statutory calendar: make-up workdays are WORKDAY; DAYOFF is every other day, HOLIDAY those off for a holiday."""
_DAY = timedelta(days=1)
_LOOK_AHEAD = 8
"""Days that are searched for the next change; when there is none, the post is looked at again after that."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A span of the day, the days that have it, and who works it.

    `start` and `end` are clock times in the division's zone: an end that is not later than the start lies on the next day (equal: 24
    hours). `days` holds weekdays and day kinds; empty: every day. Without `turn_days` all `officers` are on duty, the first asked
    first; with it they take turns of so many days each, counted from `since`; None is a turn of nobody here. `skip` has not got it.
    """

    name: str
    officers: tuple[UUID | None, ...]
    start: time = time()
    end: time = time()
    days: frozenset[str] = frozenset()
    since: date | None = None
    until: date | None = None
    turn_days: int = 0
    skip: frozenset[date] = frozenset()

    def on(self, day: date, calendar: "WorkCalendar") -> tuple[UUID, ...]:
        """Who works it when it begins on `day`; nobody when it does not."""
        if day in self.skip or (self.since and day < self.since) or (self.until and day > self.until) or not self._has(day, calendar):
            return ()
        officers = self.officers
        if self.turn_days and self.since:
            officers = (officers[(day - self.since).days // self.turn_days % len(officers)],)
        return tuple(officer for officer in officers if officer is not None)

    def _has(self, day: date, calendar: "WorkCalendar") -> bool:
        if not self.days or WEEKDAYS[day.weekday()] in self.days:
            return True
        if calendar.is_working(day):
            return "WORKDAY" in self.days
        return "DAYOFF" in self.days or ("HOLIDAY" in self.days and calendar.is_holiday(day))

    def span(self, day: date, zone: str) -> tuple[datetime, datetime]:
        """When the shift of `day` begins and ends, in UTC. Across a change of the clocks it is an hour shorter or longer."""
        last = day if self.end > self.start else day + _DAY
        return _instant(day, self.start, zone), _instant(last, self.end, zone)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "name": self.name,
            "officers": [str(officer) if officer else None for officer in self.officers],
            "start": f"{self.start:%H:%M}",
            "end": f"{self.end:%H:%M}",
            "days": [day for day in (*WEEKDAYS, *DAY_KINDS) if day in self.days],
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "turn_days": self.turn_days,
            "skip": sorted(day.isoformat() for day in self.skip),
        }

    @staticmethod
    def from_json(stored: Any) -> "Shift":
        """The shift that `to_json` wrote."""
        return Shift(
            name=stored["name"],
            officers=tuple(UUID(officer) if officer else None for officer in stored["officers"]),
            start=time.fromisoformat(stored["start"]),
            end=time.fromisoformat(stored["end"]),
            days=frozenset(stored["days"]),
            since=date.fromisoformat(stored["since"]) if stored["since"] else None,
            until=date.fromisoformat(stored["until"]) if stored["until"] else None,
            turn_days=stored["turn_days"],
            skip=frozenset(date.fromisoformat(day) for day in stored["skip"]),
        )


@dataclass(frozen=True, slots=True)
class Held:
    """An officer on a post from `starts_at` until before `ends_at` (None: until further notice)."""

    officer_id: UUID
    rank: Rank
    starts_at: datetime
    ends_at: datetime | None = None
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class Override:
    """An officer who is on duty for a span instead of whom the roster has; `given_by` is who handed over, None: an administrator set it."""

    override_id: UUID
    officer_id: UUID
    starts_at: datetime
    ends_at: datetime
    given_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """A span in which an officer is away from every post."""

    leave_id: UUID
    officer_id: UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides who is on duty for a post. The first of `shifts` that has somebody at an instant counts; later overrides win."""

    zone: str
    holders: tuple[Held, ...]
    shifts: tuple[Shift, ...] = ()
    overrides: tuple[Override, ...] = ()
    leaves: tuple[Leave, ...] = ()


class Reason(StrEnum):
    """Why an officer stands where they stand."""

    OVERRIDE = "override"
    HANDED_OVER = "handed_over"
    """`instead_of` gave the duty to them."""
    SHIFT = "shift"
    REPLACES = "replaces"
    """Stands in for `instead_of`, who is on leave."""
    PRIMARY = "primary"
    DEPUTY = "deputy"
    NOBODY = "nobody"
    """Nobody is on duty by the roster: everybody is asked."""
    OFF_DUTY = "off_duty"
    ON_LEAVE = "on_leave"


@dataclass(frozen=True, slots=True)
class Duty:
    """An officer of a post at an instant. Who is not `on_duty` is asked last."""

    officer_id: UUID
    on_duty: bool
    reason: Reason
    shift: str = ""
    instead_of: UUID | None = None


def on_duty(plan: Plan, at: datetime, calendar: "WorkCalendar") -> tuple[Duty, ...]:
    """Every holder of the post at `at`, in the order to ask them, each with the reason."""
    holders = _holding(plan.holders, at)
    away = {leave.officer_id for leave in plan.leaves if leave.starts_at <= at < leave.ends_at}
    first = _overriding(plan, at, holders, away) or (
        _by_shift(plan, at, calendar, holders, away) if plan.shifts else _by_rank(holders, away)
    )
    seen = {duty.officer_id for duty in first}
    left = [held.officer_id for held in holders if held.officer_id not in seen]
    rest = [
        *(Duty(officer, on_duty=False, reason=Reason.OFF_DUTY) for officer in left if officer not in away),
        *(Duty(officer, on_duty=False, reason=Reason.ON_LEAVE) for officer in left if officer in away),
    ]
    if first:
        return (*first, *rest)
    return tuple(replace(duty, on_duty=duty.reason is Reason.OFF_DUTY or not _any_here(rest), reason=_nobody(duty)) for duty in rest)


def _any_here(rest: Iterable[Duty]) -> bool:
    return any(duty.reason is Reason.OFF_DUTY for duty in rest)


def _nobody(duty: Duty) -> Reason:
    return Reason.NOBODY if duty.reason is Reason.OFF_DUTY else Reason.ON_LEAVE


def staffed(duties: Iterable[Duty]) -> bool:
    """Whether somebody is on duty by the plan, rather than everybody being asked for want of one."""
    return any(duty.on_duty and duty.reason not in {Reason.NOBODY, Reason.ON_LEAVE} for duty in duties)


def next_change(plan: Plan, at: datetime, calendar: "WorkCalendar") -> datetime | None:
    """The first instant after `at` at which anything may change; None: nothing will, unless the plan does."""
    edges = [edge for edge in _edges(plan, at, at + _LOOK_AHEAD * _DAY, calendar) if edge > at]
    if plan.shifts:
        edges.append(at + (_LOOK_AHEAD - 1) * _DAY)
    return min(edges, default=None)


@dataclass(frozen=True, slots=True)
class Period:
    """A span in which the same officers stand in the same order for the same reasons."""

    starts_at: datetime
    ends_at: datetime
    duties: tuple[Duty, ...]


def periods(plan: Plan, start: datetime, end: datetime, calendar: "WorkCalendar") -> list[Period]:
    """Who is on duty from `start` to `end`, without gaps."""
    edges = sorted({start, *(edge for edge in _edges(plan, start, end, calendar) if start < edge < end)})
    found: list[Period] = []
    for edge, following in zip(edges, [*edges[1:], end], strict=True):
        duties = on_duty(plan, edge, calendar)
        if found and found[-1].duties == duties:
            found[-1] = replace(found[-1], ends_at=following)
        else:
            found.append(Period(edge, following, duties))
    return found


def _edges(plan: Plan, start: datetime, end: datetime, calendar: "WorkCalendar") -> Iterator[datetime]:
    """Where spans begin or end, around `start` to `end`."""
    spans: tuple[Override | Leave | Held, ...] = (*plan.overrides, *plan.leaves, *plan.holders)
    for span in spans:
        yield span.starts_at
        if span.ends_at is not None:
            yield span.ends_at
    day, last = (at.astimezone(_zone(plan.zone)).date() for at in (start - _DAY, end + _DAY))
    while plan.shifts and day <= last:
        for shift in plan.shifts:
            if shift.on(day, calendar):
                yield from shift.span(day, plan.zone)
        day += _DAY


def _holding(holders: Iterable[Held], at: datetime) -> list[Held]:
    """Who holds the post at `at`, primary first: a new primary takes the place of the one before, a new rank that of the old one."""
    held: dict[UUID, Held] = {}
    for one in sorted((one for one in holders if one.starts_at <= at), key=lambda one: one.starts_at):
        if one.rank == "primary":
            held = {officer: other for officer, other in held.items() if other.rank != "primary"}
        held[one.officer_id] = one
    here = [one for one in held.values() if one.ends_at is None or at < one.ends_at]
    return sorted(here, key=lambda one: (one.rank == "deputy", one.starts_at, one.officer_id))


def _overriding(plan: Plan, at: datetime, holders: list[Held], away: set[UUID]) -> list[Duty]:
    holding = {held.officer_id for held in holders}
    found: dict[UUID, Duty] = {}
    for one in reversed(plan.overrides):
        if one.starts_at <= at < one.ends_at and one.officer_id in holding - away:
            reason = Reason.HANDED_OVER if one.given_by else Reason.OVERRIDE
            found.setdefault(one.officer_id, Duty(one.officer_id, on_duty=True, reason=reason, instead_of=one.given_by))
    return list(found.values())


def _by_shift(plan: Plan, at: datetime, calendar: "WorkCalendar", holders: list[Held], away: set[UUID]) -> list[Duty]:
    holding = {held.officer_id for held in holders}
    shift, officers = _shift_at(plan, at, calendar)
    named = [officer for officer in dict.fromkeys(officers) if officer in holding]
    here = [officer for officer in named if officer not in away]
    if here or not named or shift is None:
        return [Duty(officer, on_duty=True, reason=Reason.SHIFT, shift=shift.name if shift else "") for officer in here]
    # Everybody of the shift is on leave: a deputy stands in, one who has no shift of their own before the others.
    rostered = {officer for one in plan.shifts for officer in one.officers}
    others = [held for held in holders if held.officer_id not in away]
    others.sort(key=lambda held: (held.officer_id in rostered, held.rank == "primary"))
    return [Duty(held.officer_id, on_duty=True, reason=Reason.REPLACES, shift=shift.name, instead_of=named[0]) for held in others[:1]]


def _shift_at(plan: Plan, at: datetime, calendar: "WorkCalendar") -> tuple[Shift | None, tuple[UUID, ...]]:
    today = at.astimezone(_zone(plan.zone)).date()
    for shift in plan.shifts:
        for day in (today, today - _DAY):
            start, end = shift.span(day, plan.zone)
            if start <= at < end and (officers := shift.on(day, calendar)):
                return shift, officers
    return None, ()


def _by_rank(holders: list[Held], away: set[UUID]) -> list[Duty]:
    here = [held for held in holders if held.officer_id not in away]
    gone = next((held.officer_id for held in holders if held.rank == "primary" and held.officer_id in away), None)
    found = [Duty(held.officer_id, on_duty=True, reason=Reason(held.rank)) for held in here]
    if found and gone:
        found[0] = replace(found[0], reason=Reason.REPLACES, instead_of=gone)
    return found


def _instant(day: date, clock_time: time, zone: str) -> datetime:
    return datetime.combine(day, clock_time, _zone(zone)).astimezone(UTC)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
