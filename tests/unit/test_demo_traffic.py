"""The demo's day: its curves, its people, and how it is played, against a Tocsin of paper."""

import itertools
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import orjson
import pytest

from deploy.demo import people
from deploy.demo.client import Answer, NoAnswerError
from deploy.demo.people import NIGHT_HOURS, Officer, arrivals, report
from deploy.demo.traffic import TRIES_MAX, Play, Show
from libs.clock import FakeClock
from services.intake.rules.facts import problems
from services.intake.rules.report import Report

MIDNIGHT = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Shanghai"))
DAY = timedelta(days=1)


def test_reports_come_in_by_the_hours_of_the_day():
    hours = Counter(int(at_s // 3600) for at_s in arrivals(MIDNIGHT, DAY, 20_000, Random(1)))
    for hour, weight in enumerate(people.HOUR_WEIGHTS):
        assert hours[hour] / 200 == pytest.approx(weight, abs=0.6)


def test_sundays_are_quieter():
    days = Counter(int(at_s // 86_400) for at_s in arrivals(MIDNIGHT, 7 * DAY, 20_000, Random(1)))
    assert days[6] / 200 == pytest.approx(11.3, abs=0.7)


def test_a_day_may_begin_at_any_hour_and_be_short():
    found = arrivals(MIDNIGHT + timedelta(hours=23, minutes=30), timedelta(minutes=20), 50, Random(1))
    assert len(found) == 50
    assert found == sorted(found)
    assert max(found) < 20 * 60


def test_every_report_is_one_that_intake_accepts_and_says_that_it_is_invented():
    random = Random(1)
    now = datetime(2026, 11, 23, 4, tzinfo=UTC)
    bodies = [report("440304001020", random) for _ in range(300)]
    for body in bodies:
        parsed = Report.model_validate_json(orjson.dumps(body))
        assert problems(parsed, now) == []
        assert parsed.narrative.startswith("【演示】")
    assert len({body["situations"][0] for body in bodies}) > 8


def test_sleepers_do_not_answer_at_night_and_absent_people_hardly_ever():
    officers = [Officer(f"+8600100{number:05}", 1) for number in range(2000)]
    natures = Counter(officer.nature for officer in officers)
    assert set(natures) == {"prompt", "busy", "sleeper", "refuser", "absent"}
    for officer in officers:
        reaction = officer.reacts(min(NIGHT_HOURS), again=False)
        if officer.nature == "prompt":
            assert reaction is not None
            assert reaction.answer == "acknowledge"
    silent = [officer.reacts(2, again=False) is None for officer in officers if officer.nature == "sleeper"]
    assert sum(silent) > 0.8 * len(silent)
    by_day = [officer.reacts(14, again=False) is None for officer in officers if officer.nature == "sleeper"]
    assert not any(by_day)


class Paper:
    """A Tocsin of paper: each report is a case at once, each case an SMS; a "1" acknowledges it, a "2" declines it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.reports: dict[str, dict[str, Any]] = {}
        self.cases: dict[str, dict[str, Any]] = {}
        self.texts: list[dict[str, Any]] = []
        self.acts: list[tuple[str, str, str]] = []
        self.down_for = 0
        self.spared = ""
        self.numbers = itertools.count(1)

    async def __call__(self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        if self.down_for and (method, path) != ("GET", self.spared):
            self.down_for -= 1
            raise NoAnswerError("down")
        where, _, query = path.partition("?")
        match method, where.split("/")[1:]:
            case "GET", ["v1", "divisions"]:
                inside = {"parent=440304": ["440304001"], "parent=440304001": ["440304001020", "440304001021"]}
                return self.page([{"code": code} for code in inside.get(query.partition("&")[0], [])])
            case "POST", ["v1", "reports"]:
                return self.accept((headers or {})["Idempotency-Key"])
            case "GET", ["v1", "cases"]:
                return self.page([self.cases[query.removeprefix("report_id=")]])
            case "GET", ["sandbox", "messages"]:
                after = int(query.partition("after=")[2] or 0)
                return self.page([text for text in self.texts if int(text["sid"]) > after])
            case "POST", ["sandbox", "messages", sid, "reply"]:
                return self.reply(self.texts[int(sid) - 1], json["body"])
            case "POST", ["v1", "cases", case_id, action]:
                return self.act(case_id, action, json)
            case "GET", ["v1", "response-times"]:
                step = {"step": "acknowledged", "share_in_time": 0.5, "p50_s": 61.0}
                return self.page([{"key": "I", "cases": 3, "steps": [step]}])
        raise AssertionError(f"{method} {path} is no call that the demo may make")

    def page(self, items: list[Any]) -> Answer:
        return Answer(200, {"items": items, "next": None})

    def at(self, seconds: float) -> str:
        return (MIDNIGHT + timedelta(seconds=self.now_s + seconds)).isoformat()

    def accept(self, key: str) -> Answer:
        if key not in self.reports:
            report_id, code = str(uuid4()), "".join(Random(len(self.reports)).choices("23456789CFGHJMPQRVWX", k=6))
            self.reports[key] = {"report_id": report_id, "received_at": self.at(0)}
            deadlines = [{"step": step, "due_at": self.at(hours * 3600)} for step, hours in (("acknowledge", 0.5), ("on_site", 4))]
            self.cases[report_id] = {
                "case_id": str(uuid4()),
                "status": "open",
                "code": code,
                "owner": {"officer_id": str(uuid4())},
                "deadlines": deadlines,
                "missing_to_close": ["police_linked", "reporter_informed"],
            }
            self.text(
                f"+86001000000{len(self.reports) % 7}", f"【警钟】您有1件Ⅱ级待办，编号{code}，请于今日03:10前回复1签收，无法处理回复2。"
            )
        return Answer(202, self.reports[key])

    def text(self, to: str, body: str) -> None:
        self.texts.append({"sid": str(next(self.numbers)), "to": to, "body": body, "direction": "outbound-api"})

    def reply(self, text: dict[str, Any], body: str) -> Answer:
        (case,) = (case for case in self.cases.values() if case["code"] in text["body"])
        self.acts.append((case["case_id"], "reply", body))
        if body.startswith("1"):
            case["status"] = "acknowledged"
        return Answer(201, {"answers": []})

    def act(self, case_id: str, action: str, body: dict[str, Any]) -> Answer:
        (case,) = (case for case in self.cases.values() if case["case_id"] == case_id)
        assert body["on_behalf_of"] == case["owner"]["officer_id"]
        self.acts.append((case_id, action, body.get("step", "")))
        told = ("close", "steps", "reporter_informed")
        if action == "close" and not any(act[0] == case_id and act[2] == told[2] for act in self.acts):
            return Answer(409, {"errors": [{"field": "reporter_informed"}]})
        case["status"] = {"close": "closed", "acknowledge": "acknowledged"}.get(action, case["status"])
        return Answer(200, {})


async def played(paper: Paper, reports: int = 60, hours: int = 24) -> Play:
    """A day, played in steps of a minute."""
    play = Play(
        paper, Show(MIDNIGHT, timedelta(hours=hours), reports, speed=60), FakeClock(datetime(2026, 11, 22, tzinfo=UTC)), lambda _line: None
    )
    await play.prepare()
    for minute in range(hours * 60 + 1):
        paper.now_s = minute * 60.0
        await play.step(minute * 60.0)
    return play


async def test_a_day_is_played_to_its_end():
    paper = Paper()
    tally = (await played(paper)).tally
    assert (tally.planned, tally.accepted, tally.refused, tally.failures) == (60, 60, 0, 0)
    assert tally.messages == 60
    assert tally.answered + tally.declined + tally.unanswered >= 60
    assert 40 <= tally.taken <= 60
    assert tally.steps >= 30
    assert tally.closed >= 5
    assert tally.closed == sum(case["status"] == "closed" for case in paper.cases.values())
    assert {act[2] for act in paper.acts if act[1] == "reply"} >= {"1"}


async def test_the_same_seed_plays_the_same_day():
    first, second = Paper(), Paper()
    one, other = (await played(first)).tally, (await played(second)).tally
    assert one == other
    assert len(first.reports) == 60


async def test_a_report_is_sent_again_with_its_key_until_it_is_accepted():
    paper = Paper()
    play = Play(paper, Show(MIDNIGHT, timedelta(minutes=1), 5, speed=1), FakeClock(MIDNIGHT.astimezone(UTC)), lambda _line: None)
    await play.prepare()
    paper.down_for, paper.spared = 8, "/sandbox/messages?limit=5000"
    for second in range(120):
        await play.step(float(second))
    assert play.tally.accepted == len(paper.reports) == 5
    assert 0 < play.tally.retries < TRIES_MAX


async def test_a_recalled_officer_does_not_answer():
    paper = Paper()
    play = Play(paper, Show(MIDNIGHT, DAY, 0, speed=1), FakeClock(MIDNIGHT.astimezone(UTC)), lambda _line: None)
    phone = next(f"+8600100{n:05}" for n in range(1000) if Officer(f"+8600100{n:05}", 1).nature == "prompt")
    paper.text(phone, "【警钟】您有1件Ⅱ级待办，编号23CFGH，请立即回复1签收，无法处理回复2。")
    await play.step(1.0)
    paper.text(phone, "【警钟】编号23CFGH已由他人签收，您无需处理。")
    await play.step(2.0)
    await play.step(86_400.0)
    assert paper.acts == []
    assert (play.tally.messages, play.tally.answered) == (2, 0)


async def test_who_has_two_tasks_says_which_one():
    paper = Paper()
    play = Play(paper, Show(MIDNIGHT, DAY, 0, speed=1), FakeClock(MIDNIGHT.astimezone(UTC)), lambda _line: None)
    phone = next(f"+8600100{n:05}" for n in range(1000) if Officer(f"+8600100{n:05}", 1).nature == "prompt")
    for code in ("23CFGH", "98XWVR"):
        paper.cases[code] = {
            "case_id": code,
            "status": "open",
            "code": code,
            "owner": {"officer_id": "o"},
            "deadlines": [],
            "missing_to_close": [],
        }
        paper.text(phone, f"Tocsin: You have 1 grade II task, code {code}. Reply 1 at once to accept it, or 2 if you cannot.")
    await play.step(1.0)
    await play.step(86_400.0)
    assert sorted((act[0], act[2]) for act in paper.acts) in (
        [("23CFGH", "1 23CFGH"), ("98XWVR", "1")],
        [("23CFGH", "1"), ("98XWVR", "1 98XWVR")],
    )


async def test_the_end_tells_what_the_server_says_of_itself():
    play = await played(Paper(), reports=1, hours=1)
    (line,) = await play.verdict()
    assert "50.0 %" in line
    assert "1 of 1 reports accepted" in play.summary()
    assert "1 of 1 reports" in play.progress()


async def test_no_server_is_said_at_once():
    paper = Paper()
    paper.down_for = 1
    with pytest.raises(NoAnswerError):
        await played(paper)
