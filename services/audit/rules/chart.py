"""Bars for the dashboard: for each measured step what share of the cases was in time, late, overdue, or is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from services.audit.rules.figures import Group, StepFigures
from services.audit.rules.steps import Measured

Kind = Literal["in_time", "late", "overdue", "pending"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: `x` and `width` are per cent of the bar's whole length."""

    kind: Kind
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One step; `figures` are what the bar is made of."""

    measured: Measured
    figures: StepFigures
    segments: Sequence[Segment]

    def count(self, kind: Kind) -> int:
        """How many cases are of that kind."""
        return int(getattr(self.figures, kind))


def bars(group: Group) -> list[Bar]:
    """A bar for every step of `group` that has a deadline in any of its cases."""
    found = []
    for measured, figures in group.steps.items():
        counts: dict[Kind, int] = {kind: getattr(figures, kind) for kind in KINDS}
        whole = sum(counts.values())
        if not whole:
            continue
        segments, x = [], 0.0
        for kind, count in counts.items():
            width = 100 * count / whole
            if count:
                segments.append(Segment(kind, count, round(x, 3), round(width, 3)))
            x += width
        found.append(Bar(measured, figures, tuple(segments)))
    return found
