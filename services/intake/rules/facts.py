"""What follows from a report: whether its times make sense, and the facts that its event may carry (promise 7)."""

import itertools
import operator
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from libs.errors import FieldError
from libs.events.catalogue import ReportReceived
from libs.events.catalogue.intake import ConflictOfInterest
from libs.i18n import gettext as _
from libs.terms import AgeBand, Answer, Danger
from services.intake.rules.report import AGE_MAX, Child, DangerFlags, Report, Reporter
from services.intake.rules.terms import MANDATED_CATEGORIES, Category, Confidentiality, HarmType, Setting

TextT = TypeVar("TextT", bound=str)

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
PAST_MAX = timedelta(days=AGE_MAX * 366)
"""Nothing that a report on a child tells of lies further back."""
EVERYWHERE_TODAY = timedelta(hours=14)
"""At UTC+14 the next day has begun: a child may have been born today anywhere."""


def problems(report: Report, now: datetime) -> list[FieldError]:
    """Everything that is impossible in a well-formed report: times that lie ahead or out of order, births, anonymous names."""
    found = list(_time_problems(report, now))
    for index, child in enumerate(report.children):
        found += _child_problems(child, f"children[{index}]", (now + EVERYWHERE_TODAY).date())
    if report.reporter is not None:
        found += _reporter_problems(report.reporter)
    return found


def received_event(report: Report, report_id: UUID, received_at: datetime) -> ReportReceived:
    """The event that tells the other rooms of an accepted report: ids, codes, times and the division's code only."""
    reporter = report.reporter
    today = received_at.date()
    # Built from values that were validated a moment ago: validating them again would cost a tenth of the whole request.
    return ReportReceived.model_construct(
        report_id=report_id,
        received_at=received_at,
        occurred_at=_utc(report.occurred_at),
        learned_at=_utc(report.learned_at),
        channel=report.channel,
        reporter_category=reporter.category.value if reporter else "other",
        mandated=mandated(reporter),
        reporter_reachable=reachable(reporter),
        division_code=report.children[0].current_location.division_code,
        situations=_distinct(report.situations),
        categories=_distinct(_CATEGORY_TOLD.get(category, category).value for category in report.categories),
        danger=danger_answers(report.danger, report.children, today),
        age_bands=tuple(age_band(child, today) for child in report.children),
        any_disability=any_answer(_disability(child) for child in report.children),
        harms=_distinct(harm.type.value for harm in report.harms if harm.type is not HarmType.UNKNOWN),
        settings=_distinct(harm.setting.value for harm in report.harms if harm.setting is not Setting.UNKNOWN),
        police_reported=report.police_report_ref is not None or report.police_reported_at is not None,
        related_report_ids=report.related_report_ids,
        conflicts=tuple(
            ConflictOfInterest.model_construct(reason=one.reason, post_id=one.post_id, division_code=one.division_code, role=one.role)
            for person in report.alleged_persons
            for one in person.posts
        ),
    )


def age_years(child: Child, today: date) -> int | None:
    """The child's age in full years, from the birth date where it is known."""
    if child.birth_date is None:
        return child.age
    before_birthday = (today.month, today.day) < (child.birth_date.month, child.birth_date.day)
    return max(today.year - child.birth_date.year - before_birthday, 0)


def age_band(child: Child, today: date) -> AgeBand:
    """As far as an event may tell an age; who turned 18 counts to the oldest band."""
    age = age_years(child, today)
    if age is None:
        return AgeBand.UNKNOWN
    if age < 8:
        return AgeBand.UNDER_8
    return AgeBand.FROM_8_TO_13 if age < 14 else AgeBand.FROM_14_TO_17


def danger_answers(flags: DangerFlags, children: Iterable[Child], today: date) -> dict[Danger, Answer]:
    """All danger flags. `under_8` follows from the ages where they are known: an age is a better answer than a guess."""
    answers = dict(zip(_FLAGS, _flag_values(flags), strict=True))
    bands = {age_band(child, today) for child in children}
    if AgeBand.UNDER_8 in bands:
        answers[Danger.UNDER_8] = Answer.YES
    elif AgeBand.UNKNOWN not in bands:
        answers[Danger.UNDER_8] = Answer.NO
    return answers


def any_answer(answers: Iterable[Answer]) -> Answer:
    """Yes when any is yes, no when all are no, otherwise unknown."""
    given = set(answers)
    if Answer.YES in given:
        return Answer.YES
    return Answer.NO if given == {Answer.NO} else Answer.UNKNOWN


def mandated(reporter: Reporter | None) -> Answer:
    """Whether the law obliges the reporter: as answered, else by unit and category (OPINION2020 art 3; UMPL art 130)."""
    if reporter is None:
        return Answer.UNKNOWN
    if reporter.mandated is not Answer.UNKNOWN:
        return reporter.mandated
    return Answer.YES if reporter.unit is not None or reporter.category in MANDATED_CATEGORIES else Answer.UNKNOWN


def reachable(reporter: Reporter | None) -> bool:
    """Whether a reply can be given by phone: there is a number, and nobody said not to call it."""
    return reporter is not None and reporter.phone is not None and reporter.callback_ok is not Answer.NO


_FLAGS = tuple(Danger)
_flag_values = operator.attrgetter(*(flag.value for flag in Danger))

_CATEGORY_TOLD = {Category.HIV_AFFECTED: Category.SERIOUS_ILLNESS}
"""What events say instead: HIV is for those who open the report itself (rules.yaml: restricted_medical), and the grade is the same."""


def _time_problems(report: Report, now: datetime) -> Iterator[FieldError]:
    known: list[tuple[str, datetime]] = []
    for field, at in zip(_TIMES, _time_values(report), strict=True):
        if at is None:
            continue
        if at > now + CLOCK_SKEW:
            yield FieldError(field, "in_the_future", _("This lies in the future. Check the date, the time and the offset from UTC."))
        elif at < now - PAST_MAX:
            yield FieldError(
                field,
                "too_long_ago",
                _("This lies more than %(years)s years back. Check the year, or leave it out and tell it in the narrative.", years=AGE_MAX),
            )
        elif field in _ORDERED:
            known.append((field, at))
    for (earlier, first), (later, second) in itertools.pairwise(known):
        if second < first:
            yield FieldError(
                later,
                "out_of_order",
                _("This lies before %(earlier)s. It happens first, then somebody learns of it, then it is reported.", earlier=earlier),
            )


_TIMES = ("occurred_at", "learned_at", "reported_at", "internal_report_at", "police_reported_at")
_time_values = operator.attrgetter(*_TIMES)
_ORDERED = ("occurred_at", "learned_at", "reported_at")


def _child_problems(child: Child, path: str, today: date) -> Iterator[FieldError]:
    if child.birth_date is None:
        return
    if child.birth_date > today:
        yield FieldError(
            f"{path}.birth_date", "in_the_future", _("A child cannot be born in the future. Check the year, or give an estimated age.")
        )
    elif child.birth_date.year < today.year - AGE_MAX:
        yield FieldError(
            f"{path}.birth_date",
            "too_long_ago",
            _("Born more than %(years)s years ago: this is no child. Check the year, or give an estimated age.", years=AGE_MAX),
        )


def _reporter_problems(reporter: Reporter) -> Iterator[FieldError]:
    if reporter.confidentiality is not Confidentiality.ANONYMOUS:
        return
    for field in ("name", "phone"):
        if getattr(reporter, field) is not None:
            yield FieldError(
                f"reporter.{field}",
                "not_anonymous",
                _("An anonymous report carries no name and no phone. Leave this out, or choose “confidential”."),
            )


def _distinct(values: Iterable[TextT]) -> tuple[TextT, ...]:
    return tuple(dict.fromkeys(values))


def _disability(child: Child) -> Answer:
    return child.disability if isinstance(child.disability, Answer) else Answer.YES


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
