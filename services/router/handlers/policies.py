"""What a policy would do with a report: for the operator before sending, and for whoever plans a policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.db import Tx
from libs.directory.model import Route
from libs.events.catalogue import CaseAssigned, ReportReceived
from libs.terms import AgeBand, Answer, Channel, Danger, Situation
from libs.workdays import FIRST_YEAR
from services.router.errors import NoPolicyThen, UnknownDivision, UnknownPolicy
from services.router.handlers.desk import Desk
from services.router.rules.acts import band_named
from services.router.rules.case import Moment, Outcome
from services.router.rules.compare import Change, changes, samples
from services.router.rules.grading import Grading, grade
from services.router.rules.machine import facts_of, open_case
from services.router.rules.policy import Policy
from services.router.rules.simulate import Line, Numbered, Reply, simulate

NOWHERE = UUID(int=0)
REPORTS_MAX = 2_000
EARLIEST = datetime(FIRST_YEAR, 1, 2, tzinfo=UTC)
FARTHEST = timedelta(days=3_660)
"""How far ahead one may ask: nobody knows the rules of then, and calendars end."""


@dataclass(frozen=True, slots=True)
class Question:
    """A hypothetical report. `at` is when it would come in, None now; `policy_id` asks what another policy would do.

    `grade`: pretend this one, a band of the policy or one of the four.
    """

    division_code: str
    situations: Sequence[Situation] = ()
    categories: Sequence[str] = ()
    danger: Mapping[Danger, Answer] | None = None
    age_bands: Sequence[AgeBand] = ()
    any_disability: Answer = Answer.UNKNOWN
    harms: Sequence[str] = ()
    settings: Sequence[str] = ()
    at: datetime | None = None
    grade: str | None = None
    policy_id: str | None = None
    replies: Sequence[Reply] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen at once."""

    policy: Policy
    route: Route
    grading: Grading
    outcome: Outcome

    @property
    def told(self) -> list[CaseAssigned]:
        """Who would be told, the accountable one first."""
        found = [event for event in self.outcome.events if isinstance(event, CaseAssigned)]
        return sorted(found, key=lambda event: not event.accountable)


async def preview(desk: Desk, tx: Tx, question: Question) -> Preview:
    """The grade, who would be told now, and the deadlines."""
    report, route, policy = await _setting(desk, tx, question)
    at_grade = band_asked(question, policy)
    moment = Moment(report.received_at, policy, route, desk.calendar, Numbered())
    return Preview(policy, route, grade(facts_of(report), policy), open_case(report, moment, at_grade=at_grade))


async def simulated(desk: Desk, tx: Tx, question: Question, locale: str) -> tuple[Policy, str, list[Line]]:
    """Everything that would happen if all did what the question says, and were silent otherwise; with the band that it has."""
    report, route, policy = await _setting(desk, tx, question)
    given = band_asked(question, policy) or grade(facts_of(report), policy).band
    lines = simulate(report, route, policy, desk.calendar, at_grade=given, locale=locale, replies=question.replies)
    return policy, given, lines


def band_asked(question: Question, policy: Policy) -> str | None:
    """The band that the question pretends; `Invalid` where the policy has none of that name."""
    return band_named(policy, question.grade) if question.grade else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two policies would do differently: `changes` of each report that is not treated alike."""

    before: Policy
    after: Policy
    reports: int
    changes: tuple[tuple[ReportReceived, tuple[Change, ...]], ...]


async def compared(
    desk: Desk,
    tx: Tx,
    pair: tuple[str, str],
    division_code: str,
    *,
    at: datetime | None,
    locale: str,
    past: Sequence[ReportReceived] = (),
) -> Comparison:
    """Both policies on `past` reports (at most REPORTS_MAX), or on samples of a place around `at`, with the people that are there now.

    A policy is named by its id, or as `id@version`. Raises `UnknownDivision` and `UnknownPolicy`.
    """
    await desk.refresh(tx)
    if await desk.directory.division(tx, division_code) is None:
        raise UnknownDivision
    reports = past or list(samples(division_code, thinkable(at, desk.clock.now())))
    return await compared_on(desk, tx, pair, reports, locale=locale)


async def compared_on(desk: Desk, tx: Tx, pair: tuple[str, str], reports: Sequence[ReportReceived], *, locale: str) -> Comparison:
    """Both policies on these reports (at most REPORTS_MAX). Other requests have their turn in between."""
    before, after = (_named(desk, policy_id) for policy_id in pair)
    found: list[tuple[ReportReceived, tuple[Change, ...]]] = []
    for report in reports[:REPORTS_MAX]:
        route = await desk.route(tx, report.division_code)
        changed = changes(report, (before, route), (after, route), desk.calendar, locale)
        if changed:
            found.append((report, changed))
    return Comparison(before, after, len(reports[:REPORTS_MAX]), tuple(found))


def _named(desk: Desk, policy_id: str) -> Policy:
    policy = desk.book.named(policy_id)
    if policy is None:
        raise UnknownPolicy(desk.book.ids)
    return policy


async def _setting(desk: Desk, tx: Tx, question: Question) -> tuple[ReportReceived, Route, Policy]:
    if await desk.directory.division(tx, question.division_code) is None:
        raise UnknownDivision
    route = await desk.route(tx, question.division_code)
    at = thinkable(question.at, desk.clock.now())
    if question.at is not None:  # who is on duty then, as far as it is planned
        route = await desk.directory.route_at(tx, route.division.code, at, desk.calendar) or route
    try:
        policy = (
            desk.book.named(question.policy_id) if question.policy_id else desk.book.in_force(route.division.code, at, route.division.zone)
        )
    except LookupError as error:
        raise NoPolicyThen from error
    return hypothetical(question, at), route, policy or _named(desk, question.policy_id or "")


def thinkable(at: datetime | None, now: datetime) -> datetime:
    """The time that is asked about; `NoPolicyThen` for one before the calendar, or so far ahead that it may end."""
    if at is not None and not EARLIEST <= at <= now + FARTHEST:
        raise NoPolicyThen
    return at or now


def hypothetical(question: Question, at: datetime) -> ReportReceived:
    """The report that is asked about."""
    return ReportReceived(
        report_id=NOWHERE,
        received_at=at,
        channel=Channel.HOTLINE,
        division_code=question.division_code,
        situations=tuple(question.situations),
        categories=tuple(question.categories),
        danger=dict(question.danger or {}),
        age_bands=tuple(question.age_bands),
        any_disability=question.any_disability,
        harms=tuple(question.harms),
        settings=tuple(question.settings),
    )
