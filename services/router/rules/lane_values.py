"""Department lanes (属事属管) as values: what a policy says of them, and how far those of a case have come."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from libs.terms import Department, LaneResult, Situation, Tier
from services.router.rules.policy_values import Duration, Role, Source, Strict, Text

ACCEPT = "accept"
"""The clock of a lane whose department has to accept: the one that every such lane has, of the policy's or the grade's length."""
ClockCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class LaneMode(StrEnum):
    """What is wanted of a department."""

    INFORM = "inform"
    """It gets a copy (通报)."""
    ACT = "act"
    """It has to accept the matter, as its own task beside the case (转介)."""
    ACT_IF_MANDATORY = "act_if_mandatory"
    """It has to accept where a situation of mandatory reporting was reported, otherwise it gets a copy: for policies, a lane is either."""


class LaneWhen(StrEnum):
    """On which cases a lane is opened by itself, besides those whose situations name the department."""

    SITUATION = "situation"
    """On no others."""
    MANDATORY = "mandatory"
    """Where a situation of mandatory reporting was reported (OPINION2020 art 4)."""
    ALWAYS = "always"


class ClockStart(StrEnum):
    """From when a department's own clock runs."""

    TOLD = "told"
    ACCEPTED = "accepted"
    RECORDED = "recorded"
    """From the moment that somebody records as its beginning."""


class ClockRule(Strict):
    """A clock of another body: recorded, and told once when it passes, never enforced. Without `d` it is only recorded.

    `situations`: it runs on these only; empty means on any. Counted in wall time, as the laws that name these clocks do.
    """

    name: Text
    d: Duration | None = None
    start: ClockStart = ClockStart.RECORDED
    situations: tuple[Situation, ...] = ()
    src: Source


class LaneRule(Strict):
    """One department: its posts, the first ones first (empty: the usual ones), when and how it is told, within what time it accepts.

    `accept`: for mode act; left out, the grade's window to acknowledge of the tier that is told.
    """

    roles: tuple[Role, ...] = ()
    when: LaneWhen = LaneWhen.SITUATION
    mode: LaneMode = LaneMode.INFORM
    accept: Duration | None = None
    clocks: dict[ClockCode, ClockRule] = Field(default_factory=dict, max_length=20)
    src: Source

    @model_validator(mode="after")
    def _own_clocks(self) -> Self:
        if ACCEPT in self.clocks:
            msg = f"clocks: {ACCEPT} is the window to accept; give its length as `accept`"
            raise ValueError(msg)
        return self


class LaneState(StrEnum):
    """How far a department has come."""

    UNREACHED = "unreached"
    """It has no post for the place with somebody reachable."""
    TOLD = "told"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    """Every post of it declined."""
    DONE = "done"


class LaneClock(NamedTuple):
    """A clock of a lane. Armed while it has a due time, and neither fired nor done."""

    code: str
    started_at: datetime
    due_at: datetime | None = None
    fired_at: datetime | None = None
    done_at: datetime | None = None

    @property
    def armed(self) -> bool:
        """Whether it is still going to be told when it passes."""
        return self.due_at is not None and self.fired_at is None and self.done_at is None


class Lane(NamedTuple):
    """One department on one case. `post_id` and `officer_id` are those who were told last; `passed` are officers who were asked in vain.

    `by_hand`: somebody referred the case, no rule did. `special`: clocks that run only on certain situations, and do on this case.
    `roles`: posts that are asked before the usual ones, because of what was referred.
    """

    department: Department
    mode: LaneMode
    state: LaneState
    opened_at: datetime
    by_hand: bool = False
    post_id: UUID | None = None
    officer_id: UUID | None = None
    tier: Tier | None = None
    division_code: str = ""
    told_at: datetime | None = None
    answered_at: datetime | None = None
    result: LaneResult | None = None
    passed: tuple[UUID, ...] = ()
    special: tuple[str, ...] = ()
    clocks: tuple[LaneClock, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def armed(self) -> Iterator[LaneClock]:
        """The clocks that still run; none once the department is done."""
        return (one for one in self.clocks if one.armed and self.state is not LaneState.DONE)

    @property
    def wakes_at(self) -> datetime | None:
        """When the next clock passes."""
        return min((one.due_at for one in self.armed if one.due_at), default=None)

    def clock(self, code: str) -> LaneClock | None:
        """A clock by its code."""
        return next((one for one in self.clocks if one.code == code), None)

    def with_clock(self, changed: LaneClock) -> "Lane":
        """The lane with one clock added or changed."""
        return self._replace(clocks=(*(one for one in self.clocks if one.code != changed.code), changed))
