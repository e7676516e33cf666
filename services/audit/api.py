"""The audit's HTTP interface: response times, the ledger, and a case's timeline."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from libs.clock import Clock
from libs.db import Database
from libs.directory.model import Level
from libs.directory.permissions import Principal
from libs.errors import Forbidden
from libs.terms import Grade, Tier
from libs.web import identity
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page, decode, split
from libs.web.problems import responses
from services.audit import handlers
from services.audit.handlers import Answer, Asked, Moment
from services.audit.rules.figures import Group, Grouping, RungFigures, StepFigures
from services.audit.rules.steps import Measured

Since = Annotated[str | None, Query(alias="from", max_length=40, description="A time with offset, or a date in the deployment's zone.")]
Until = Annotated[str | None, Query(alias="to", max_length=40, description="The end, exclusive; of a date, the end of that day.")]
DivisionPrefix = Annotated[str | None, Query(pattern=r"^[0-9]{2,15}$", description="Code of a division, or the beginning of one.")]
EventType = Annotated[str | None, Query(pattern=r"^[a-z0-9._]{1,80}$", examples=["tocsin.case.acknowledged.v1"])]
AfterSeq = Annotated[int, Query(ge=0, lt=2**63, description="Only lines behind this `seq`.")]

DEFINITIONS: dict[Measured, Literal["lenient", "strict"]] = {Measured.ON_SITE_ATTEMPTED: "lenient", Measured.CHILD_SIGHTED: "strict"}


class StepOut(BaseModel):
    """One measured step. Shares are of in_time + late + overdue; percentiles include overdue cases by their age so far."""

    step: Measured
    definition: Literal["lenient", "strict"] | None = Field(description="lenient: first contact attempted; strict: the child was sighted")
    count: int = Field(description="cases that have done it: in_time + late + untimed (without a deadline)")
    in_time: int
    late: int
    overdue: int = Field(description="not done although the deadline has passed: counts as not in time")
    pending: int = Field(description="open, and the deadline is yet to come: not judged yet")
    waiting: int = Field(description="open, and there is no deadline")
    skipped: int = Field(description="closed before the deadline, without it")
    untimed: int
    share_in_time: float | None
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None
    at_least_from_s: float | None = Field(description="percentiles from here on are lower bounds: cases that are still overdue lie in them")


class GroupOut(BaseModel):
    """The figures of one group of cases."""

    key: str | None = Field(description="grade, tier, division code, day or month; null for all cases together")
    name: str | None = Field(default=None, description="name of the division")
    cases: int
    open: int
    sampled: bool = Field(description="so many cases that the percentiles, and only they, are those of a random part of them")
    handed_over: int = Field(description="cases that somebody tried to hand over to another area")
    moves: int = Field(description="how often those were moved: transfers, refusals and returns together")
    steps: list[StepOut]


class TierOut(BaseModel):
    """How a tier's rungs used their own windows to acknowledge; lags run from when the rung became accountable."""

    tier: str
    rungs: int
    in_time: int
    late: int
    declined: int
    silent: int
    relieved: int
    pending: int
    share_in_time: float | None
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None


class ResponseTimesOut(BaseModel):
    """Response times of the cases received in [from, to), as of now; every lag of a step runs from the receipt of the first report."""

    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    as_of: datetime
    division: str
    group_by: Grouping
    total: GroupOut
    items: list[GroupOut]
    tiers: list[TierOut]
    next: None = None


class LineOut(BaseModel):
    """A line of the ledger; `leaf` is its RFC 6962 leaf hash in hexadecimal digits."""

    seq: int
    event_id: UUID
    event_type: str
    at: datetime
    received_at: datetime
    key: UUID
    correlation_id: UUID
    causation_id: UUID | None
    case_id: UUID | None
    report_id: UUID | None
    grade: str | None
    division_code: str | None
    tier: str | None
    post_id: UUID | None
    officer_id: UUID | None
    data: dict[str, Any]
    leaf: str


class MomentOut(BaseModel):
    """Something that happened on a case; `lag_s` is since the receipt of its first report."""

    at: datetime
    event_type: str
    event_id: UUID
    tier: str | None
    post_id: UUID | None
    post_title: str | None
    officer_id: UUID | None
    report_id: UUID | None
    lag_s: float | None
    detail: dict[str, Any]


def router(database: Database, clock: Clock, zone: str) -> APIRouter:
    """The routes, on the audit's own database; days and months are those of `zone`."""
    routes = APIRouter(tags=["audit"])

    @routes.get("/v1/response-times", responses=responses(401, 403, 422))
    async def response_times(
        *,
        who: Annotated[Principal, identity.staff_or_client("audit")],
        since: Since = None,
        until: Until = None,
        division: DivisionPrefix = None,
        grade: Grade | None = None,
        tier: Tier | None = None,
        group_by: Grouping = "none",
        level: Annotated[Level, Query(description="Of the divisions to group by.")] = "street",
    ) -> ResponseTimesOut:
        """How fast everybody moved: open and overdue cases count as such. Without a period, the last 30 days."""
        now = clock.now()
        question = handlers.question_of(Asked(since, until, division, grade, tier, group_by, level), who, zone, now)
        async with database.connection() as connection:
            return _answer_out(await handlers.response_times(connection, question, now))

    @routes.get("/v1/ledger", responses=responses(401, 403, 422))
    async def ledger(
        *,
        who: Annotated[Principal, identity.staff_or_client("audit")],
        case_id: UUID | None = None,
        event_type: EventType = None,
        after: AfterSeq = 0,
        cursor: Cursor = None,
        limit: Limit = PAGE_SIZE,
    ) -> Page[LineOut]:
        """The ledger's lines in their order: one for every event there ever was, never changed."""
        position = decode(cursor, int)
        after_seq = max(after, position[0]) if position else after
        async with database.connection() as connection:
            rows = await handlers.ledger(connection, who, case_id=case_id, event_type=event_type, after_seq=after_seq, limit=limit + 1)
        shown, following = split(rows, limit, lambda row: (row["seq"],))
        return Page(items=[_line_out(row) for row in shown], next=following)

    @routes.get("/v1/cases/{case_id}/timeline", responses=responses(401, 403, 404, 422), openapi_extra={"security": _EITHER})
    async def timeline(
        who: Annotated[Principal, Depends(_reader)], case_id: UUID, cursor: Cursor = None, limit: Limit = PAGE_SIZE
    ) -> Page[MomentOut]:
        """What happened on a case, from the receipt of its reports on."""
        async with database.connection() as connection:
            moments = await handlers.timeline(connection, who, case_id, decode(cursor, datetime, int), limit + 1)
        shown, following = split(moments, limit, lambda moment: (moment.at, moment.seq))
        return Page(items=[_moment_out(moment) for moment in shown], next=following)

    return routes


async def _reader(request: Request) -> Principal:
    """A session, or a key of scope read or audit: both may see what happened on a case."""
    try:
        principal: Principal = await _READ.dependency(request)
    except Forbidden as error:
        if error.code != "scope_missing":
            raise
        principal = await _AUDIT.dependency(request)
    return principal


_READ, _AUDIT = identity.staff_or_client("read"), identity.staff_or_client("audit")
_EITHER: list[dict[str, list[str]]] = [{"session": []}, {"api_key": []}]


def _answer_out(answer: Answer) -> ResponseTimesOut:
    question = answer.question
    return ResponseTimesOut(
        since=question.since,
        until=question.until,
        as_of=answer.now,
        division=question.division_code,
        group_by=question.group_by,
        total=_group_out(answer.total),
        items=[_group_out(group, answer.names.get(group.key or "")) for group in answer.groups],
        tiers=[_tier_out(figures) for figures in answer.tiers],
    )


def _group_out(group: Group, name: str | None = None) -> GroupOut:
    return GroupOut(
        key=group.key,
        name=name,
        cases=group.cases,
        open=group.open,
        sampled=group.sampled,
        handed_over=group.handed_over,
        moves=group.moves,
        steps=[_step_out(figures) for figures in group.steps.values()],
    )


def _step_out(figures: StepFigures) -> StepOut:
    return StepOut(
        step=figures.step,
        definition=DEFINITIONS.get(figures.step),
        count=figures.done,
        in_time=figures.in_time,
        late=figures.late,
        overdue=figures.overdue,
        pending=figures.pending,
        waiting=figures.waiting,
        skipped=figures.skipped,
        untimed=figures.untimed,
        share_in_time=figures.share_in_time,
        p50_s=figures.lags.p50_s,
        p90_s=figures.lags.p90_s,
        p99_s=figures.lags.p99_s,
        at_least_from_s=figures.at_least_from_s,
    )


def _tier_out(figures: RungFigures) -> TierOut:
    return TierOut(
        tier=figures.tier,
        rungs=figures.rungs,
        in_time=figures.in_time,
        late=figures.late,
        declined=figures.declined,
        silent=figures.silent,
        relieved=figures.relieved,
        pending=figures.pending,
        share_in_time=figures.share_in_time,
        p50_s=figures.lags.p50_s,
        p90_s=figures.lags.p90_s,
        p99_s=figures.lags.p99_s,
    )


def _line_out(row: dict[str, Any]) -> LineOut:
    return LineOut.model_validate({**row, "data": row["payload"], "leaf": row["leaf"].hex()})


def _moment_out(moment: Moment) -> MomentOut:
    return MomentOut.model_validate(moment, from_attributes=True)
