"""Simulation = reality: random policies, people, reports and answers, foretold by the simulator and lived through by the real router.

Replay what failed, or run thousands, with `TOCSIN_SEED=… TOCSIN_RUNS=1000 pytest tests/integration/test_router_random.py`.
"""

import os
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

import orjson

from libs.clock import FakeClock
from libs.db import Database, Tx
from libs.directory.model import Division, Post, Route
from libs.directory.permissions import ClientPrincipal
from libs.directory.roles import DISPATCH_DESK
from libs.errors import Invalid
from libs.events import new_event
from libs.events.catalogue import DeadlineMissed, NotificationRequested, ReportReceived
from libs.terms import Answer, Channel, Danger, DeclineReason, Grade, Household, PlacementNeed, Situation, Step
from services.router.handlers import acting, hearing, placement, sweep
from services.router.handlers.acting import Actor
from services.router.handlers.desk import Desk
from services.router.rules.book import PolicyBook
from services.router.rules.policy import Binding, FanOut, Policy, Recipients, When
from services.router.rules.simulate import PLACEMENT, Line, Reply, assumed_route, simulate
from tests.integration.router_town import desk, people
from tests.support.presets import BOOK
from tests.unit.router.town import CALENDAR, T0

SEED = os.environ.get("TOCSIN_SEED", "警钟")
RUNS = int(os.environ.get("TOCSIN_RUNS", "100"))
NAMES = UUID(int=13)
MINUTES = (5, 10, 15, 30, 60, 120, 240, 480)
HORIZON = timedelta(days=2)
EVERYBODY = ClientPrincipal("test", "test", frozenset({"act"}), None)
BATCH = 500
INSTANTS_MAX = 100_000


OWN = {"I": "1", "II": "2", "III": "3", "IV": "4"}
"""What a place calls its grades when it has names of its own; 2b is a fifth one."""


@dataclass
class Run:
    """One random place with its own policy, and one report there."""

    name: str
    policy: Policy
    route: Route
    report: ReportReceived
    foretold: list[Line]
    replies: list[Reply]
    case_id: UUID | None = None
    lived: list[tuple[datetime, str, UUID | None, str]] = field(default_factory=list)

    @property
    def until(self) -> datetime:
        return self.report.received_at + HORIZON

    def expected(self) -> list[tuple[datetime, str, UUID | None, str]]:
        """What the simulator foretells up to the horizon, apart from the answers themselves."""
        return [
            (line.at, "missed" if line.action == "deadline" else "told", line.post_id, str(line.step))
            for line in self.foretold
            if line.action != "answer" and line.at <= self.until
        ]


async def test_the_router_lives_through_what_the_simulator_foretells(database: Database) -> None:
    runs = [make(number) for number in range(RUNS)]
    clock = FakeClock(min(run.report.received_at for run in runs))
    office = desk(clock)
    office.book = PolicyBook((*BOOK.policies, *(run.policy for run in runs)))
    divisions: dict[str, Division] = {one.code: one for run in runs for one in run.route.ancestors}
    async with database.transaction() as tx:
        await people(tx, divisions.values(), [post for run in runs for post in run.route.posts], clock.now())
    await walk(office, clock, database, runs)
    await read_back(database, runs)
    for run in runs:
        assert sorted(run.lived, key=str) == sorted(run.expected(), key=str), f"TOCSIN_SEED={SEED} {run.name}: {run.policy} {run.replies}"
    assert sum(len(run.replies) for run in runs) > RUNS / 2, "hardly anybody ever answers"


def make(number: int) -> Run:
    """A policy that nobody would write, in a place that is not there, with gaps among its people, and answers that are possible."""
    chance = random.Random(f"{SEED} {number}")
    district = f"{60 + number // 100}{number % 100:02d}01"  # each in a city of its own; none of them is there
    grid = f"{district}001001001"
    policy = random_policy(chance, number, district)
    route = assumed_route(policy, chance.choice([grid, grid[:12], grid[:12], grid[:9], grid[:6]]))
    posts = tuple(_maybe_empty(chance, post) for post in route.posts)
    route = replace(route, posts=posts)
    report = ReportReceived(
        report_id=uuid5(NAMES, f"{SEED} {number}"),
        received_at=T0 + timedelta(minutes=5 * chance.randrange(12 * 24)),
        channel=Channel.HOTLINE,
        division_code=route.division.code,
        situations=tuple(chance.sample(list(Situation), chance.randrange(3))),
        danger={question: chance.choice(list(Answer)) for question in Danger if chance.random() < 0.2},
        age_bands=(),
    )
    replies: list[Reply] = []
    foretold = simulate(report, route, policy, CALENDAR)
    for _ in range(chance.randrange(5)):
        act = chance.choice(["acknowledge", "acknowledge", "decline", "decline", Step.ON_SITE, Step.ASSESSMENT, *Household])
        wanted = [*replies, Reply(5 * chance.randrange(200) + 2.5, act, chance.choice([None, *policy.tiers]))]
        try:
            foretold, replies = simulate(report, route, policy, CALENDAR, replies=wanted), wanted
        except Invalid:
            continue  # nobody could answer so
    return Run(f"run {number}", policy, route, report, foretold, replies)


def random_policy(chance: random.Random, number: int, division: str) -> Policy:
    base = chance.choice(BOOK.policies)
    grades = {}
    own = chance.random() < 0.4
    for grade, rules in base.grades.items():
        windows = {tier: timedelta(minutes=chance.choice(MINUTES)) for tier in rules.ack_windows}
        steps = {
            step: window if step is Step.DISPATCH else window.model_copy(update={"d": timedelta(minutes=chance.choice(MINUTES))})
            for step, window in rules.steps.items()
        }
        changed = {"ack_windows": windows, "steps": steps, "fan_out": chance.choice(list(FanOut)), "recall": chance.random() < 0.5}
        changed |= {key: timedelta(minutes=chance.choice(MINUTES)) for key in ("deputy_after", "stale_after") if chance.random() < 0.4}
        changed["quorum"] = chance.choice([1, 1, 1, 2, 3])
        if own:
            changed |= {"severity": Grade(grade), "rank": 2 * Grade(grade).rank - 1}
        made = rules.model_copy(update=changed).model_dump()
        grades[OWN[grade] if own else grade] = made
        if own and Grade(grade) is Grade.II:
            grades["2b"] = {**made, "rank": 4}
    night = {name: {"ack_windows": dict.fromkeys(base.tiers, timedelta(minutes=chance.choice(MINUTES)))} for name in grades}
    shift = {"name": {"zh": "夜班", "en": "night"}, "since": "20:00", "until": "08:00", "grades": night, "src": "default"}
    shifts = [shift] if chance.random() < 0.3 else []
    roles = tuple(chance.sample(["police_station", "street_civil_office", "community_officer"], chance.randrange(3)))
    beside = [Recipients(roles=roles, when=chance.choice(list(When)), src="default").model_dump()] if roles else []
    supervise = {**base.supervise.model_dump(), "rounds": chance.randrange(5)}
    more = {"supervise": supervise, "shifts": shifts}
    bound = [Binding(division=division, since=date(2026, 1, 1)).model_dump()]
    named = {"id": f"random_{number}", "version": 1, "bind": bound}
    return Policy.model_validate({**base.model_dump(), **named, "grades": grades, "recipients": beside, **more})


def _maybe_empty(chance: random.Random, post: Post) -> Post:
    """Who is not there; a dispatch desk always is, for without one the place would borrow a neighbour's."""
    return replace(post, holders=()) if post.role != DISPATCH_DESK and chance.random() < 0.3 else post


async def walk(office: Desk, clock: FakeClock, database: Database, runs: list[Run]) -> None:
    """From instant to instant: what is due fires, then reports come in, then people answer."""
    arrivals: dict[datetime, list[Run]] = defaultdict(list)
    answers: dict[datetime, list[tuple[Run, Line]]] = defaultdict(list)
    for run in runs:
        arrivals[run.report.received_at].append(run)
        for line in run.foretold:
            if line.action == "answer":
                answers[line.at].append((run, line))
    end = max(run.until for run in runs)
    for _ in range(INSTANTS_MAX):
        async with database.connection() as connection:
            due = await connection.fetchval("SELECT min(wakes_at) FROM router.cases")
        now = min((at for at in (due, *arrivals, *answers) if at is not None), default=end)
        if now >= end:
            break
        clock.set(now)
        async with database.transaction() as tx:
            await sweep.fire_due(office, tx, BATCH)
            await receive(office, tx, arrivals.pop(now, []))
            for run, line in answers.pop(now, []):
                await answer(office, tx, run, line)
            over = [run.case_id for run in runs if run.until < now]
            await tx.execute("UPDATE router.cases SET wakes_at = NULL WHERE case_id = ANY($1) AND wakes_at IS NOT NULL", over)


async def receive(office: Desk, tx: Tx, runs: list[Run]) -> None:
    events = [new_event(run.report, key=run.report.report_id, time=run.report.received_at) for run in runs]
    await hearing.reports_received(office, tx, events)
    for run in runs:
        run.case_id = await tx.fetchval("SELECT case_id FROM router.case_reports WHERE report_id = $1", run.report.report_id)


async def answer(office: Desk, tx: Tx, run: Run, line: Line) -> None:
    """The same people do the same as the simulator let them do."""
    assert run.case_id is not None
    post = next(one for one in run.route.posts if one.post_id == line.post_id)
    who = Actor(EVERYBODY, post.holders[0].officer_id, "workbench")
    if line.answer == "acknowledge":
        await acting.acknowledge(office, tx, who, run.case_id)
    elif line.answer == "decline":
        await acting.decline(office, tx, who, run.case_id, DeclineReason.OTHER)
    elif line.answer.startswith(PLACEMENT):
        household = Household(line.answer.removeprefix(PLACEMENT))
        await placement.need(office, tx, who, run.case_id, PlacementNeed.NO_CARE, household=household)
    else:
        await acting.step_done(office, tx, who, run.case_id, Step(line.answer), done_at=None, child_sighted=True)


async def read_back(database: Database, runs: list[Run]) -> None:
    """Everything that was published of each case, in its order."""
    known: dict[str, type[NotificationRequested | DeadlineMissed]] = {
        NotificationRequested.event_type: NotificationRequested,
        DeadlineMissed.event_type: DeadlineMissed,
    }
    by_case = {run.case_id: run for run in runs}
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT key, event_type, envelope FROM bus.outbox WHERE event_type = ANY($1) ORDER BY id", list(known)
        )
    for row in rows:
        envelope = orjson.loads(row["envelope"])
        one = known[row["event_type"]].model_validate(envelope["data"])
        at = datetime.fromisoformat(envelope["time"])
        run = by_case[row["key"]]
        if at <= run.until:
            run.lived.append((at, "missed" if isinstance(one, DeadlineMissed) else "told", one.post_id, str(one.step)))
