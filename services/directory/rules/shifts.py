"""What a roster may say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from libs.directory.duty import DAY_KINDS, WEEKDAYS, Shift
from libs.i18n import gettext as _

SHIFTS_MAX = 400
SLOTS_MAX = 400
TURN_DAYS_MAX = 366
SKIPS_MAX = 400
ROUND_DAYS_MAX = 400
YEARS = range(2000, 2200)
"""Rosters of other centuries are mistakes, and calendars end."""
NAME_MAX = 40


@dataclass(frozen=True, slots=True)
class ShiftProblem:
    """What is wrong with a shift; `shift` counts from 0, `field` is "" for the roster as a whole."""

    shift: int
    field: str
    code: str
    detail: str


def check_shifts(shifts: Sequence[Shift]) -> list[ShiftProblem]:
    """Everything that is wrong with a roster, as far as it can be told without knowing its officers."""
    if len(shifts) > SHIFTS_MAX:
        return [ShiftProblem(0, "", "too_many", _("A roster has at most %(max)s shifts.", max=SHIFTS_MAX))]
    return [ShiftProblem(number, *problem) for number, shift in enumerate(shifts) for problem in _problems(shift)]


def _problems(shift: Shift) -> Iterator[tuple[str, str, str]]:
    if not shift.name.strip() or len(shift.name) > NAME_MAX or not shift.name.isprintable():
        yield "name", "bad_name", _("The name of a shift has 1 to %(max)s characters.", max=NAME_MAX)
    if not any(shift.officers):
        yield "officers", "nobody", _("Name at least one officer.")
    if shift.days - {*WEEKDAYS, *DAY_KINDS}:
        yield "days", "unknown_day", _("Days are: %(known)s.", known=", ".join((*WEEKDAYS, *DAY_KINDS)))
    if shift.since and shift.until and shift.until < shift.since:
        yield "until", "bad_period", _("The last day must not come before the first.")
    for field, day in (("since", shift.since), ("until", shift.until), *(("skip", day) for day in sorted(shift.skip))):
        if day is not None and day.year not in YEARS:
            yield field, "bad_date", _("A day must lie between %(first)s and %(last)s.", first=YEARS[0], last=YEARS[-1])
            break
    if len(shift.skip) > SKIPS_MAX:
        yield "skip", "too_many", _("At most %(max)s days left out.", max=SKIPS_MAX)
    yield from _problems_of_turns(shift)


def _problems_of_turns(shift: Shift) -> Iterator[tuple[str, str, str]]:
    if len(shift.officers) > SLOTS_MAX:
        yield "officers", "too_many", _("At most %(max)s turns.", max=SLOTS_MAX)
    if not 0 <= shift.turn_days <= TURN_DAYS_MAX:
        yield "turn_days", "bad_turn", _("A turn has 1 to %(max)s days; 0: no turns.", max=TURN_DAYS_MAX)
    if shift.turn_days * len(shift.officers) > ROUND_DAYS_MAX:
        yield "turn_days", "long_round", _("Everybody must have had a turn within %(max)s days.", max=ROUND_DAYS_MAX)
    if shift.turn_days and shift.since is None:
        yield "since", "missing", _("Turns need the day on which the first one begins.")
    if not shift.turn_days and None in shift.officers:
        yield "officers", "empty_turn", _("Only turns may be empty: say how many days a turn has.")
