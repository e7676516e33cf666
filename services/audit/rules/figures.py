"""How fast everybody moved, as figures; and which figures are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from libs.directory.model import CODE_LENGTHS, Level
from services.audit.rules.steps import Measured

Grouping = Literal["none", "grade", "tier", "division", "day", "month"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)

PERIOD_DEFAULT = timedelta(days=30)
GROUPS_MAX = 400
"""A year by day; more lines than that nobody reads."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which cases are asked about: received in [since, until), within division prefix `division_code` ("" = everywhere).

    `tier` is that of the officer who took the case or, while nobody has, of the rung that is accountable. `level` is that of the
    divisions to group by. Days and months are those of `zone`.
    """

    since: datetime
    until: datetime
    division_code: str = ""
    grade: str | None = None
    tier: str | None = None
    group_by: Grouping = "none"
    level: Level = "street"
    zone: str = "Asia/Shanghai"

    @property
    def code_length(self) -> int:
        """How many digits of a division code tell the groups apart."""
        return CODE_LENGTHS[self.level]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest-rank percentiles, in seconds: each is a value that was really measured; None while there is none."""

    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One measured step over some cases.

    in_time + late + untimed: it was done (untimed: it had no deadline). overdue: it was not done and its deadline has passed, whether
    the case is still open or not. pending: the case is open and the deadline is yet to come. waiting: the case is open and there is no
    deadline. skipped: the case was closed before the deadline, without it.
    Percentiles (nearest rank, seconds since receipt) are over what was done *and* what is overdue, by its age so far: a case that
    nobody answers must not make the figures look better. Those from `at_least_from_s` on are therefore lower bounds.
    """

    step: Measured
    in_time: int
    late: int
    overdue: int
    pending: int
    waiting: int
    skipped: int
    untimed: int
    lags: Percentiles
    at_least_from_s: float | None

    @property
    def done(self) -> int:
        """How many cases have it behind them."""
        return self.in_time + self.late + self.untimed

    @property
    def judged(self) -> int:
        """How many the share is of: pending and skipped ones are shown beside it."""
        return self.in_time + self.late + self.overdue

    @property
    def share_in_time(self) -> float | None:
        """In time, of all that are judged; None while none is."""
        return self.in_time / self.judged if self.judged else None

    def at_least(self, value_s: float | None) -> bool:
        """Whether a percentile can only grow, since cases that are still waiting lie in it."""
        return value_s is not None and self.at_least_from_s is not None and value_s >= self.at_least_from_s


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of some cases; `key` is the grade, tier, division code, day or month, None for all of them together.

    `sampled`: the cases are so many that the percentiles, and only they, are those of a random part of them.
    """

    key: str | None
    cases: int
    open: int
    steps: Mapping[Measured, StepFigures]
    sampled: bool = False
    handed_over: int = 0
    """Cases that somebody tried to hand over to another area (推诿扯皮: SEED_Z Z15, SEED_X X18)."""
    moves: int = 0
    """How often they were moved: transfers, refusals and returns together."""


@dataclass(frozen=True, slots=True)
class RungFigures:
    """What the rungs of one tier did with their windows to acknowledge; lags run from when the rung became accountable.

    silent: the window ended without an answer of that tier (when it answered afterwards, `late` counts it instead). relieved: somebody
    else took the case, or it was closed, before the window ended. pending: the window is still open.
    """

    tier: str
    rungs: int
    in_time: int
    late: int
    declined: int
    silent: int
    relieved: int
    pending: int
    lags: Percentiles

    @property
    def share_in_time(self) -> float | None:
        """Answered in time, of those that had to answer and whose window is over."""
        judged = self.in_time + self.late + self.declined + self.silent
        return self.in_time / judged if judged else None


def period(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The period asked for; open ends are now, and 30 days before the end."""
    until = until or now
    return since or until - PERIOD_DEFAULT, until


def instant(text: str, zone: str, *, end: bool = False) -> datetime:
    """Reads an RFC 3339 time with offset, or a date in `zone` (as the end of a period: its last instant). ValueError when it is neither."""
    if len(text) == len("2026-01-31"):
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZoneInfo(zone))
        return (day + timedelta(days=1) if end else day).astimezone(UTC)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("the time needs an offset")
    return at.astimezone(UTC)
