"""What would change for whom if another policy were in force: two simulations of the same report, side by side."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.directory.model import Route
from libs.events.catalogue import ReportReceived
from libs.terms import AgeBand, Answer, Channel, Danger, Situation, Step
from services.router.rules.calendar import WorkCalendar
from services.router.rules.case import Moment
from services.router.rules.grading import grade
from services.router.rules.machine import facts_of, open_case
from services.router.rules.policy import Policy
from services.router.rules.simulate import Line, Numbered, follow

_SAMPLE_AGES = (AgeBand.UNDER_8, AgeBand.FROM_14_TO_17)
_SAMPLE_DANGERS: tuple[dict[Danger, Answer], ...] = ({}, {Danger.DANGER_NOW: Answer.YES}, {Danger.PERPETRATOR_HAS_ACCESS: Answer.YES})
_SAMPLE_NIGHT = timedelta(hours=13)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: `what` is grade, told, called, escalated:<tier>, supervised or due:<step>; "" for nothing.

    A grade is called as its policy calls it; the last four are minutes after the report, of calls several.
    """

    what: str
    before: str
    after: str


def changes(
    report: ReportReceived, before: tuple[Policy, Route], after: tuple[Policy, Route], calendar: WorkCalendar, locale: str = "zh_CN"
) -> tuple[Change, ...]:
    """What differs for this report if everybody is silent; empty when nothing does. Each policy comes with the people of the place."""
    one, other = _summary(report, *before, calendar, locale), _summary(report, *after, calendar, locale)
    names = dict.fromkeys([*one, *other])
    return tuple(Change(name, one.get(name, ""), other.get(name, "")) for name in names if one.get(name) != other.get(name))


def samples(division_code: str, at: datetime) -> Iterator[ReportReceived]:
    """Reports of every situation, of a small and a big child, with and without danger, at `at` and thirteen hours later."""
    for number, (situation, age, danger, later) in enumerate(
        itertools.product(Situation, _SAMPLE_AGES, _SAMPLE_DANGERS, (timedelta(), _SAMPLE_NIGHT))
    ):
        yield ReportReceived(
            report_id=UUID(int=number),
            received_at=at + later,
            channel=Channel.HOTLINE,
            division_code=division_code,
            situations=(situation,),
            age_bands=(age,),
            danger=danger,
        )


def _summary(report: ReportReceived, policy: Policy, route: Route, calendar: WorkCalendar, locale: str) -> dict[str, str]:
    graded = grade(facts_of(report), policy)
    moment = Moment(report.received_at, policy, route, calendar, Numbered())
    opened = open_case(report, moment)
    lines = follow(opened, moment, locale=locale)
    found = {"grade": graded.band, "told": ", ".join(sorted({_who(line) for line in lines if not line.minute and line.channel}))}
    if calls := ", ".join(f"{line.minute:g}" for line in lines if line.channel == "voice"):
        found["called"] = calls
    for line in lines:
        if line.action == "escalate":
            found.setdefault(f"escalated:{line.tier}", f"{line.minute:g}")
        elif line.action == "supervise":
            found.setdefault("supervised", f"{line.minute:g}")
    for one in opened.after.deadlines:
        if one.step is not Step.ACKNOWLEDGE:
            found[f"due:{one.step}"] = f"{(one.due_at - report.received_at).total_seconds() / 60:g}"
    return found


def _who(line: Line) -> str:
    return f"{line.post} ({line.division_code})" if line.division_code else line.post


def tally(found: Sequence[Sequence[Change]]) -> dict[str, int]:
    """For how many reports each thing would change, most frequent first."""
    counts: dict[str, int] = {}
    for one in found:
        for change in one:
            counts[change.what] = counts.get(change.what, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
