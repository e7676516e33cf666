"""The use cases: write down what was heard, and answer who was told what, when, and how fast they moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.model import Level, contains
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from libs.errors import Forbidden, Invalid, NotFound
from libs.events import Event
from libs.i18n import current_locale
from libs.i18n import gettext as _
from services.audit.rules.cases import changes_of
from services.audit.rules.figures import GROUPS_MAX, Group, Grouping, Question, RungFigures, instant, period
from services.audit.rules.lines import line_of
from services.audit.rules.steps import DETAILS
from services.audit.store import cases, times
from services.audit.store import ledger as lines

BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), 0)


async def record(tx: Tx, events: Sequence[Event[Any]], now: datetime) -> None:
    """A ledger line for each event, and what they say about the times of their cases: one statement per table and batch."""
    await lines.append(tx, [line_of(event, now) for event in events])
    changes = changes_of(events)
    await cases.merge_cases(tx, changes.cases.values())
    await cases.merge_rungs(tx, changes.rungs.values())


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about response times as it came in: texts of times are not read yet, and nothing is checked against rights."""

    since: str | None = None
    until: str | None = None
    division: str | None = None
    grade: str | None = None
    tier: str | None = None
    group_by: Grouping = "none"
    level: Level = "street"


def question_of(asked: Asked, principal: Principal, zone: str, now: datetime) -> Question:
    """What is asked, within what `principal` may see: whoever names no division gets their own. Raises Invalid and Forbidden."""
    division = principal.division_code if asked.division is None else asked.division
    require(principal, "audit.read", division)
    since, until = period(_instant(asked.since, "from", zone), _instant(asked.until, "to", zone), now)
    if since >= until:
        raise Invalid("empty_period", _("The period must begin before it ends."), field="from")
    return Question(since, until, division, asked.grade, asked.tier, asked.group_by, asked.level, zone)


@dataclass(frozen=True, slots=True)
class Answer:
    """Response times as of `now`. `names` are those of the divisions among the groups."""

    question: Question
    now: datetime
    total: Group
    groups: Sequence[Group]
    tiers: Sequence[RungFigures]
    names: Mapping[str, str]


async def response_times(tx: Tx, question: Question, now: datetime) -> Answer:
    """Answers `question`. Raises Invalid when there would be more groups than anybody reads."""
    try:
        total, groups = await times.response_times(tx, question, now)
    except times.TooManyGroups:
        detail = _("This makes more than %(n)s groups: ask for a shorter period.", n=GROUPS_MAX)
        raise Invalid("too_many_groups", detail, field="group_by") from None
    tiers = await times.rung_times(tx, question, now)
    names = await lines.division_names(tx, [group.key or "" for group in groups]) if question.group_by == "division" else {}
    return Answer(question, now, total, groups, tiers, names)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a case's timeline. `lag_s` is since receipt; `detail` holds codes, numbers and times of the event, nothing personal."""

    seq: int
    event_id: UUID
    at: datetime
    event_type: str
    tier: str | None
    post_id: UUID | None
    post_title: str | None
    officer_id: UUID | None
    report_id: UUID | None
    lag_s: float | None
    detail: Mapping[str, Any]


async def timeline(tx: Tx, principal: Principal, case_id: UUID, after: tuple[datetime, int] | None, limit: int) -> list[Moment]:
    """What happened on a case, its reports' lines included, in order. Raises NotFound, also for who may not know that it exists."""
    case = await lines.known_case(tx, case_id)
    officer_id = principal.officer_id if isinstance(principal, StaffPrincipal) else None
    if case is not None and officer_id is not None and await lines.is_barred(tx, case_id, officer_id):
        case = None
    if case is None or not (may(principal, "case.read", case.division_code) or may(principal, "audit.read", case.division_code)):
        raise NotFound("unknown_case", _("There is no case with this id."))
    rows = await lines.timeline(tx, case_id, after or BEGINNING, limit)
    titles = await lines.post_titles(tx, {row["post_id"] for row in rows if row["post_id"]}, current_locale())
    return [
        Moment(
            seq=row["seq"],
            event_id=row["event_id"],
            at=row["at"],
            event_type=row["event_type"],
            tier=row["tier"],
            post_id=row["post_id"],
            post_title=titles.get(row["post_id"]),
            officer_id=row["officer_id"],
            report_id=row["report_id"],
            lag_s=(row["at"] - case.received_at).total_seconds() if case.received_at else None,
            detail={name: value for name, value in row["payload"].items() if name in DETAILS and value is not None},
        )
        for row in rows
    ]


async def ledger(
    tx: Tx, principal: Principal, *, case_id: UUID | None, event_type: str | None, after_seq: int, limit: int
) -> list[dict[str, Any]]:
    """Ledger lines behind `after_seq`, within what `principal` may see."""
    require(principal, "audit.read")
    if case_id is not None:
        case = await lines.known_case(tx, case_id)
        if case is not None and not contains(principal.division_code, case.division_code):
            raise Forbidden("not_permitted", _("This case is outside of your area."))
    wanted = lines.LedgerFilter(principal.division_code, case_id, event_type)
    return [dict(row) for row in await lines.ledger(tx, wanted, after_seq, limit)]


def _instant(text: str | None, field: str, zone: str) -> datetime | None:
    if not text:
        return None
    try:
        return instant(text, zone, end=field == "to")
    except (ValueError, OverflowError):
        raise Invalid("bad_time", _("Write a date (2026-01-31) or a time with offset (2026-01-31T08:00:00+08:00)."), field=field) from None
