"""The simulator gives, for every preset, exactly the tables that were calculated by hand (tests/data/presets)."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from services.router.rules.case import Moment
from services.router.rules.grading import grade
from services.router.rules.machine import facts_of, open_case
from services.router.rules.simulate import Line, Numbered, simulate
from tests.support.presets import BOOK, KINDS, PRESETS, Expected, preset, told_of
from tests.unit.router.town import CALENDAR

ALL = [one for name in PRESETS for one in preset(name).reports]


def test_every_preset_has_its_tables() -> None:
    built_in = {policy.id for policy in BOOK.policies}
    assert {preset(name).policy_id for name in PRESETS} == built_in
    for name, count in Counter(one.preset for one in ALL).items():
        assert count >= 20, name


@pytest.mark.parametrize("expected", ALL, ids=str)
def test_the_simulator_gives_the_table(expected: Expected, tmp_path: Path) -> None:
    here = preset(expected.preset)
    policy, route = here.policy(tmp_path), here.route(expected.report.division_code)
    graded = grade(facts_of(expected.report), policy)
    assert (graded.grade, graded.reason) == (expected.grade, expected.reason)
    roles = {post.post_id: post.role for post in here.everybody()}

    def told(line: Line) -> tuple[datetime, str, str, str]:
        assert line.post_id is not None
        return line.at, line.action, roles[line.post_id], str(line.department or line.step)

    lines = [line for line in simulate(expected.report, route, policy, CALENDAR) if line.action != "deadline" and line.at <= expected.until]
    order = [(line.minute, KINDS.index(line.action)) for line in lines if not line.department]
    assert order == sorted(order)
    rungs, lanes = [line for line in lines if not line.department], [line for line in lines if line.department]
    assert told_of(map(told, rungs), expected.report.received_at) == list(expected.told)
    assert told_of(map(told, lanes), expected.report.received_at) == list(expected.lanes)
    opened = open_case(expected.report, Moment(expected.report.received_at, policy, route, CALENDAR, Numbered())).after
    assert {one.step for one in opened.deadlines if one.provisional} == set(expected.provisional)
