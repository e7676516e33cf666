"""A new locality is one file: four tiers from the grid on, five grades with its own names, colours, clocks and windows, two shifts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from libs.directory.model import Route
from libs.errors import Invalid
from libs.events.catalogue import CaseOpened, CaseRegraded, ReportReceived
from libs.terms import Grade, Situation, Step, Tier
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.grading import Facts, grade
from services.router.rules.machine import attach_report
from services.router.rules.policy import Policy
from services.router.rules.policy_files import load, load_book, parse
from services.router.rules.simulate import Line, assumed_route, simulate
from tests.unit.router.town import CALENDAR, Story, report

PLACE = """
extends: national
id: new_place
version: 1
title: {zh: 某区四级响应, en: A district with four tiers}
bind: [{division: "330203", since: 2026-01-01, src: decision of the district}]
ladder:
  - {tier: grid, name: {zh: 网格, en: Grid}, roles: [grid_worker]}
  - {tier: community, name: {zh: 社区, en: Community}, roles: [community_officer]}
  - {tier: street, name: {zh: 街道, en: Street}, roles: [street_station, street_officer]}
  - {tier: district, name: {zh: 区, en: District}, roles: [district_center]}
oversight: [city]
recipients:
  - {roles: [police_station], when: mandatory, src: decision of the district}
grades:
  1: {severity: I, rank: 1, name: {zh: 极危, en: Extreme}, ack_windows: {grid: PT5M, community: PT5M, street: PT5M}, ack_src: the district}
  2: {severity: II, rank: 2, name: {zh: 高危, en: High}, ack_windows: {grid: PT20M}, ack_src: the district}
  3: {severity: II, rank: 3, name: {zh: 中高, en: Raised}, colour: amber, fan_out: first}
  4: {severity: III, rank: 4, name: {zh: 中危, en: Medium}, clock: office}
  5: {severity: IV, rank: 5, name: {zh: 低危, en: Low}, colour: green}
situations:
  GC2_NO_GUARDIAN: {grade: 3}
office_hours: [["08:30", "12:00"], ["13:30", "17:00"]]
shifts:
  - {name: {zh: 白班, en: Day}, since: "08:00", until: "20:00", grades: {2: {fan_out: first}}, src: decision of the district}
  - name: {zh: 夜班, en: Night}
    since: "20:00"
    until: "08:00"
    grades: {2: {fan_out: all_tiers, ack_windows: {grid: PT10M, community: PT15M}}}
    src: decision of the district
"""
GRID = "330203001001001"
CLIMB = ("grid_worker", "community_officer", "street_station", "district_center", "district_office")
BY_SHIFT = {
    # By day the grid alone, and its 20 minutes; community and street have the national 30, the district the national 60.
    "10:00": (CLIMB[:1], (20, 50, 80, 140)),
    # By night everybody at once; 10 + 15 minutes of the night, then 30 and 60.
    "22:00": (CLIMB[:4], (10, 25, 55, 115)),
    # A window is as long as the shift says in which it begins: 10 of the night from 07:55, then 30, 30, 60 of the day.
    "07:55": (CLIMB[:4], (10, 40, 70, 130)),
    # 20 of the day from 19:55, then 15 of the night, 30, 60.
    "19:55": (CLIMB[:1], (20, 35, 65, 125)),
}
"""When a report of the second grade comes in: who of the ladder is told at once, and at which minutes the next four are (督办 the last)."""


def night_and_day(policy: Policy) -> Iterator[tuple[str, ReportReceived, Route, list[Line]]]:
    """A report at each of these times, with what the simulator foretells."""
    route = assumed_route(policy, GRID)
    for clock in BY_SHIFT:
        at = datetime.fromisoformat(f"2026-03-04T{clock}+08:00")
        first = report(Situation.MR4_ABUSE_INJURY, division=GRID, at=at)
        yield clock, first, route, simulate(first, route, policy, CALENDAR)


def told_by_shift(told: Iterable[tuple[float, str, str]]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Of (minute, action, role) on the ladder: who is told at once, and when each of the others of the climb is, in its order."""
    lines = list(told)
    at_once = tuple(role for minute, action, role in lines if minute == 0 and action == "notify" and role in CLIMB)
    next_at = (min(minute for minute, action, one in lines if one == role and action in {"escalate", "supervise"}) for role in CLIMB[1:])
    return at_once, tuple(next_at)


def test_a_place_with_four_tiers_from_the_grid_on_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    at = datetime(2026, 3, 6, 15, 0, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Friday
    grid = "330203001001001"
    policy = load_book([tmp_path]).in_force(grid, at)
    assert policy.tiers == (Tier.GRID, Tier.COMMUNITY, Tier.STREET, Tier.DISTRICT)
    assert [policy.grades[band].name.zh for band in policy.bands] == ["极危", "高危", "中高", "中危", "低危"]
    assert [policy.severity(band) for band in policy.bands] == [Grade.I, Grade.II, Grade.II, Grade.III, Grade.IV]

    def climb(*situations: Situation) -> list[tuple[float, str, Tier | None]]:
        lines = simulate(report(*situations, division=grid, at=at), assumed_route(policy, grid), policy, CALENDAR)
        steps = [(line.minute, str(line.action), line.tier) for line in lines if line.action in {"escalate", "supervise"}]
        return list(dict.fromkeys(steps))[:4]

    assert climb(Situation.MR1_GENITAL_INJURY) == [
        (5, "escalate", Tier.COMMUNITY),
        (10, "escalate", Tier.STREET),
        (15, "escalate", Tier.DISTRICT),
        (25, "supervise", Tier.DISTRICT),  # the district keeps the national ten minutes
    ]
    assert climb(Situation.MR4_ABUSE_INJURY)[:3] == [
        (20, "escalate", Tier.COMMUNITY),
        (50, "escalate", Tier.STREET),
        (80, "escalate", Tier.DISTRICT),
    ]
    # Medium counts office hours, 7 h a day: Fri 15:00-17:00 2 h + Mon 08:30-10:30 2 h = 4 h (2 d 19 h 30 min = 4050 min later);
    # Mon 10:30-12:00 1.5 h + 13:30-16:00 2.5 h = 4 h (+330 min); Mon 16:00-17:00 1 h + Tue 08:30-11:30 3 h = 4 h (+1170 min).
    assert climb(Situation.GC1_NEGLECT)[:3] == [
        (4050, "escalate", Tier.COMMUNITY),
        (4380, "escalate", Tier.STREET),
        (5550, "escalate", Tier.DISTRICT),
    ]
    # Raised has the national windows of grade II, and tells the grid alone at once.
    assert climb(Situation.GC2_NO_GUARDIAN)[:3] == [
        (30, "escalate", Tier.COMMUNITY),
        (60, "escalate", Tier.STREET),
        (90, "escalate", Tier.DISTRICT),
    ]


def test_its_two_shifts_say_who_is_told_by_day_and_by_night(tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    policy = load_book([tmp_path]).get("new_place")
    assert policy is not None
    for clock, _first, route, lines in night_and_day(policy):
        roles = {post.post_id: post.role for post in route.posts}
        told = (
            (line.minute, str(line.action), roles[line.post_id]) for line in lines if line.post_id and line.channel and not line.department
        )
        assert told_by_shift(told) == BY_SHIFT[clock], clock


def test_a_case_lives_among_the_grades_of_its_place(tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    grid = "330203001001001"
    policy = load_book([tmp_path]).get("new_place")
    assert policy is not None
    story = Story(report(Situation.GC1_NEGLECT, division=grid), assumed_route(policy, grid), policy=policy)
    opened = story.of(CaseOpened)[0]
    assert (opened.grade, opened.band, story.case.band) == (Grade.III, "4", "4")
    story.until(5).take(attach_report(story.case, report(Situation.GC1_NEGLECT, division=grid, at=story.moment.now), story.moment))
    raised = story.of(CaseRegraded)[0]
    assert (raised.band, raised.grade, raised.from_band, raised.from_grade) == ("3", Grade.II, "4", Grade.III)  # one of the place's own up
    story.take(acts.regrade(story.case, "II", RegradeReason.NEW_FACTS, story.moment))
    assert story.case.band == "3"  # that is what grade II means already
    story.take(acts.regrade(story.case, "2", RegradeReason.NEW_FACTS, story.moment))
    assert (story.case.band, story.case.grade) == ("2", Grade.II)
    story.take(acts.regrade(story.case, "I", RegradeReason.NEW_FACTS, story.moment))
    assert (story.case.band, story.case.grade) == ("1", Grade.I)
    with pytest.raises(Invalid, match="Choose one of 1, 2, 3, 4, 5"):
        acts.regrade(story.case, "6", RegradeReason.NEW_FACTS, story.moment)


def test_the_floor_is_a_grade_of_the_place_and_another_place_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    book = load_book([tmp_path])
    policy, national = book.get("new_place"), book.get("national")
    assert policy is not None
    assert national is not None
    grid = "330203001001001"
    story = Story(report(Situation.MR4_ABUSE_INJURY, division=grid), assumed_route(policy, grid), policy=policy)
    assert (story.case.band, story.case.floor_band, story.case.floor) == ("2", "2", Grade.II)
    with pytest.raises(Invalid, match="below 2"):  # 3 is grade II as well, but below what the place gives its mandatory situations
        acts.regrade(story.case, "3", RegradeReason.MISJUDGED, story.moment)
    elsewhere = replace(story.moment, policy=national, route=assumed_route(national, "330204001001"))
    story.take(acts.place(story.case, "330204001001", elsewhere))
    assert (story.case.band, story.case.grade, story.of(CaseRegraded)[0].reason) == ("II", Grade.II, "placed")
    steps = [one for one in story.case.deadlines if one.step is Step.ON_SITE]
    assert [one.due_at for one in steps] == [story.t0 + timedelta(hours=4)]


def test_where_a_place_has_no_grade_of_a_severity_the_next_more_urgent_one_stands_for_it(tmp_path: Path) -> None:
    (tmp_path / "three.yaml").write_text(
        "extends: national\nid: three\nversion: 1\ngrades:\n"
        "  红: {severity: I, rank: 1}\n  橙: {severity: II, rank: 2}\n  黄: {severity: III, rank: 3}\n",
        encoding="utf-8",
    )
    policy = load(tmp_path / "three.yaml")
    assert [policy.band(grade) for grade in Grade] == ["红", "橙", "黄", "黄"]
    assert grade(Facts(categories=("orphan",)), policy).band == "黄"
    assert policy.grades["黄"].steps == load_book().get("national").grades["III"].steps  # type: ignore[union-attr]


def test_an_added_policy_brings_its_own_grades_as_a_file_does() -> None:
    own = PLACE.replace('bind: [{division: "330203", since: 2026-01-01, src: decision of the district}]\n', "")
    policy = parse("new_place.yaml", own.encode(), load_book().get)
    assert policy.bands == ("1", "2", "3", "4", "5")
    assert policy.grades["4"].steps == load_book().get("national").grades["III"].steps  # type: ignore[union-attr]
