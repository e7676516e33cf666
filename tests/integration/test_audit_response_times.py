"""Response times, calculated by hand: open and overdue cases count as such."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.db import Database
from libs.directory.permissions import ClientPrincipal, Role, StaffPrincipal
from libs.errors import Forbidden, Invalid
from libs.events import Event, new_event, new_id
from libs.events.catalogue import CaseAcknowledged, CaseAssigned, CaseClosed, CaseDeclined, CaseEscalated, CaseOpened, CaseStepDone
from libs.terms import CloseResult, DeclineReason, Grade, Step, Tier
from services.audit import handlers
from services.audit.handlers import Answer, Asked
from services.audit.rules.figures import Question
from services.audit.rules.steps import Measured
from services.audit.store import times

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SOUTH, NORTH = "440304001020", "440304002001"
EVERYTHING = Question(T0 - timedelta(days=1), T0 + timedelta(days=1))
AUDITOR = ClientPrincipal("audit-office", "Audit office", frozenset({"audit"}), None)


class Case:
    """Writes the events of one case, at minutes after its receipt; acknowledge within 30 min, on site within 240, closed within 600."""

    def __init__(self, received: datetime = T0, *, grade: Grade = Grade.II, division_code: str = SOUTH, due_min: float = 30) -> None:
        self.received, self.id = received, new_id()
        self.base: dict[str, Any] = {"case_id": self.id, "grade": grade, "division_code": division_code}
        self.events: list[Event[Any]] = []
        deadlines = {Step.ACKNOWLEDGE: self.at(due_min), Step.ON_SITE: self.at(240), Step.CLOSE: self.at(600)}
        self.add(
            CaseOpened(
                **self.base,
                tier=Tier.COMMUNITY,
                report_id=new_id(),
                code="23CFGH",
                received_at=received,
                policy_id="p",
                policy_version=1,
                grade_reason="MR4",
                deadlines=deadlines,
            ),
            0.1,
        )
        self.add(CaseAssigned(**self.base, tier=Tier.COMMUNITY, accountable=True, reason="opened"), 0.1)

    def at(self, minutes: float) -> datetime:
        return self.received + timedelta(minutes=minutes)

    def add(self, data: Any, minutes: float) -> "Case":
        self.events.append(new_event(data, key=self.id, time=self.at(minutes)))
        return self

    def acknowledged(self, minutes: float, tier: Tier = Tier.COMMUNITY) -> "Case":
        return self.add(CaseAcknowledged(**self.base, tier=tier, via="api"), minutes)

    def on_site(self, minutes: float, *, sighted: bool) -> "Case":
        done_at = self.at(minutes)
        step = CaseStepDone(**self.base, tier=Tier.COMMUNITY, step=Step.ON_SITE, done_at=done_at, late=False, child_sighted=sighted)
        return self.add(step, minutes)

    def climbed(self, minutes: float) -> "Case":
        climb = CaseEscalated(**self.base, tier=Tier.STREET, from_tier=Tier.COMMUNITY, to_tier=Tier.STREET, reason="silence")
        return self.add(climb, minutes)

    def declined(self, minutes: float) -> "Case":
        refusal = CaseDeclined(**self.base, tier=Tier.COMMUNITY, reason=DeclineReason.UNAVAILABLE, via="api")
        return self.add(refusal, minutes)

    def closed(self, minutes: float) -> "Case":
        return self.add(CaseClosed(**self.base, result=CloseResult.CHILD_SAFE, reporter_informed=False), minutes)


@pytest.fixture
async def audit(database_url: str):
    opened = await Database.open(database_url, role="tocsin_audit", size_max=2)
    yield opened
    await opened.close()


async def ask(audit: Database, cases: list[Case], now: datetime, question: Question = EVERYTHING) -> Answer:
    async with audit.transaction() as tx:
        if cases:
            await handlers.record(tx, [event for case in cases for event in case.events], now)
        return await handlers.response_times(tx, question, now)


def verdicts(answer: Answer, measured: Measured) -> dict[str, int]:
    figures = answer.total.steps[measured]
    names = ("in_time", "late", "overdue", "pending", "waiting", "skipped", "untimed")
    return {name: getattr(figures, name) for name in names if getattr(figures, name)}


async def test_an_overdue_open_case_counts_as_not_in_time_and_a_pending_one_is_shown_beside(audit: Database):
    cases = [
        Case().acknowledged(10),
        Case().acknowledged(20),
        Case().acknowledged(30),  # on the very last instant: in time
        Case().acknowledged(31),  # late
        Case(),  # open, overdue: 60 minutes old
        Case(T0 + timedelta(minutes=50)),  # open, 10 minutes old: not yet due
        Case().closed(5),  # closed before anybody had to acknowledge
    ]
    answer = await ask(audit, cases, T0 + timedelta(minutes=60))
    figures = answer.total.steps[Measured.ACKNOWLEDGED]
    assert verdicts(answer, Measured.ACKNOWLEDGED) == {"in_time": 3, "late": 1, "overdue": 1, "pending": 1, "skipped": 1}
    assert (figures.done, figures.judged, figures.share_in_time) == (4, 5, 3 / 5)
    # nearest rank over 10, 20, 30, 31 and the 60 minutes that the silent case is already old
    assert (figures.lags.p50_s, figures.lags.p90_s, figures.lags.p99_s) == (30 * 60, 60 * 60, 60 * 60)
    assert [figures.at_least(value) for value in (figures.lags.p50_s, figures.lags.p90_s)] == [False, True]
    assert (answer.total.cases, answer.total.open) == (7, 6)


async def test_percentiles_are_values_that_were_measured(audit: Database):
    answer = await ask(audit, [Case().acknowledged(minutes / 10) for minutes in range(1, 101)], T0 + timedelta(minutes=60))
    lags = answer.total.steps[Measured.ACKNOWLEDGED].lags
    assert (lags.p50_s, lags.p90_s, lags.p99_s) == (300, 540, 594)


async def test_lenient_is_the_attempt_and_strict_is_the_child_sighted(audit: Database):
    cases = [
        Case().on_site(60, sighted=True),
        Case().on_site(60, sighted=False).on_site(200, sighted=True),
        Case().on_site(200, sighted=False).on_site(300, sighted=True),
        Case().on_site(60, sighted=False),
    ]
    answer = await ask(audit, cases, T0 + timedelta(minutes=360))
    assert answer.total.steps[Measured.ON_SITE_ATTEMPTED].share_in_time == 1.0
    assert verdicts(answer, Measured.CHILD_SIGHTED) == {"in_time": 2, "late": 1, "overdue": 1}
    assert answer.total.steps[Measured.CHILD_SIGHTED].share_in_time == 0.5


async def test_what_no_policy_asks_for_is_not_counted_and_what_has_no_deadline_has_no_share(audit: Database):
    answer = await ask(audit, [Case().closed(300), Case()], T0 + timedelta(minutes=60))
    assert verdicts(answer, Measured.ASSESSMENT) == {}
    assert verdicts(answer, Measured.ROUTED) == {"untimed": 2}
    assert verdicts(answer, Measured.DELIVERED) == {"waiting": 1, "skipped": 1}
    assert answer.total.steps[Measured.ROUTED].share_in_time is None
    assert answer.total.steps[Measured.ROUTED].lags.p99_s == 6


async def test_a_case_that_was_closed_without_a_step_that_was_due_is_not_in_time(audit: Database):
    answer = await ask(audit, [Case().acknowledged(1).closed(300)], T0 + timedelta(minutes=301))
    assert verdicts(answer, Measured.ON_SITE_ATTEMPTED) == {"overdue": 1}
    assert verdicts(answer, Measured.CLOSED) == {"in_time": 1}


async def test_silence_counts_against_the_tier_that_was_silent(audit: Database):
    now = T0 + timedelta(minutes=60)
    cases = [
        Case().acknowledged(10),
        Case().climbed(30).acknowledged(45, Tier.STREET),  # the community was silent, the street answered after 15 minutes
        Case().declined(5).climbed(5).acknowledged(11, Tier.STREET),
        Case().climbed(30).acknowledged(40),  # the community answered after all, before the street had to
        Case().acknowledged(10, Tier.DISTRICT),  # the district, only told, was faster
        Case(T0 + timedelta(minutes=50)),
    ]
    tiers = {figures.tier: figures for figures in (await ask(audit, cases, now)).tiers}
    community, street = tiers["community"], tiers["street"]
    found = (community.in_time, community.late, community.declined, community.silent, community.relieved, community.pending)
    assert found == (1, 1, 1, 1, 1, 1)
    assert community.share_in_time == 1 / 4
    assert (street.rungs, street.in_time, street.relieved) == (3, 2, 1)
    assert (street.lags.p50_s, street.lags.p90_s) == (6 * 60, 15 * 60)
    assert "district" not in tiers, "who was only told has no window"


@pytest.mark.parametrize(
    ("group_by", "level", "expected"),
    [
        ("grade", "street", {"I": 1, "II": 2}),
        ("tier", "street", {"community": 2, "street": 1}),
        ("division", "street", {"440304001": 2, "440304002": 1}),
        ("division", "district", {"440304": 3}),
        ("division", "community", {SOUTH: 2, NORTH: 1}),
        ("day", "street", {"2026-11-22": 2, "2026-11-23": 1}),
        ("month", "street", {"2026-11": 3}),
        ("none", "street", {}),
    ],
)
async def test_groups(audit: Database, group_by: Any, level: Any, expected: dict[str, int]):
    cases = [
        Case(grade=Grade.I).acknowledged(1),
        Case(division_code=NORTH),
        Case(datetime(2026, 11, 22, 16, 0, tzinfo=UTC)).acknowledged(2, Tier.STREET),  # midnight in Shenzhen
    ]
    question = replace(EVERYTHING, group_by=group_by, level=level)
    answer = await ask(audit, cases, T0 + timedelta(hours=20), question)
    assert {group.key: group.cases for group in answer.groups} == expected
    assert answer.total.cases == 3


async def test_filters(audit: Database):
    cases = [Case(grade=Grade.I).acknowledged(1), Case(division_code=NORTH).acknowledged(1, Tier.STREET), Case(T0 + timedelta(hours=2))]
    now = T0 + timedelta(hours=3)
    await ask(audit, cases, now)

    async def count(**narrower: Any) -> int:
        return (await ask(audit, [], now, replace(EVERYTHING, **narrower))).total.cases

    assert await count() == 3
    assert await count(grade="I") == 1
    assert await count(tier="street") == 1
    assert await count(tier="community") == 2
    assert await count(division_code="440304002") == 1
    assert await count(until=T0 + timedelta(hours=1)) == 2
    assert await count(since=T0 + timedelta(hours=1)) == 1
    assert (await ask(audit, [], now, replace(EVERYTHING, grade="IV"))).total.steps == {}


async def test_a_case_told_in_several_batches_is_the_same_as_in_one(audit: Database):
    case = Case().climbed(30).acknowledged(45, Tier.STREET).on_site(60, sighted=True).closed(100)
    for event in case.events:
        async with audit.transaction() as tx:
            await handlers.record(tx, [event], T0)
    async with audit.connection() as connection:
        (row,) = await connection.fetch("SELECT * FROM audit.case_times")
    assert (row["acknowledged_tier"], row["acknowledged_at"], row["acknowledge_due_at"]) == ("street", case.at(45), case.at(30))
    assert (row["tier"], row["grade"], row["closed_at"], row["missed"]) == ("street", "II", case.at(100), [])


def test_who_may_ask_and_for_where():
    def supervisor(role: Role = Role.SUPERVISOR) -> StaffPrincipal:
        return StaffPrincipal(new_id(), "someone", role, None, "440304", "en")

    def question(who: Any, **asked: Any) -> Question:
        return handlers.question_of(Asked(**asked), who, "Asia/Shanghai", T0)

    assert question(AUDITOR).division_code == ""
    assert question(supervisor()).division_code == "440304", "whoever names no place gets their own"
    assert question(supervisor(), division=SOUTH).division_code == SOUTH
    assert question(AUDITOR, since="2026-11-01", until="2026-11-02").until == datetime(2026, 11, 2, 16, tzinfo=UTC)
    for who, asked in (
        (supervisor(), {"division": "4403"}),
        (supervisor(), {"division": ""}),
        (supervisor(Role.OFFICER), {}),
        (ClientPrincipal("x", "x", frozenset({"read"}), None), {}),
    ):
        with pytest.raises(Forbidden):
            question(who, **asked)
    for asked, field in (
        ({"since": "soon"}, "from"),
        ({"until": "2026-02-30"}, "to"),
        ({"since": "2026-11-23", "until": "2026-11-01"}, "from"),
    ):
        with pytest.raises(Invalid) as caught:
            question(AUDITOR, **asked)
        assert caught.value.errors[0].field == field


async def test_more_groups_than_anybody_reads_are_refused(audit: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(times, "GROUPS_MAX", 1)
    with pytest.raises(Invalid):
        await ask(audit, [Case(), Case(grade=Grade.I)], T0 + timedelta(hours=1), replace(EVERYTHING, group_by="grade"))


async def test_of_very_many_cases_a_random_part_gives_the_percentiles_and_all_are_counted(audit: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(times, "SAMPLE_MAX", 300)
    answer = await ask(audit, [Case().acknowledged(minutes / 50) for minutes in range(1, 1501)], T0 + timedelta(minutes=60))
    figures = answer.total.steps[Measured.ACKNOWLEDGED]
    assert answer.total.sampled
    assert (answer.total.cases, figures.in_time) == (1500, 1500)
    assert figures.lags.p50_s == pytest.approx(900, abs=200)
    assert figures.lags.p90_s == pytest.approx(1620, abs=120)
