"""A new locality is one file: four tiers from the grid on, grades with its own names, colours, clocks and windows."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from libs.terms import Grade, Situation, Tier
from services.router.rules.policy_files import load_book
from services.router.rules.simulate import assumed_route, simulate
from tests.unit.router.town import CALENDAR, report

PLACE = """
extends: national
id: new_place
version: 1
title: {zh: 某区四级响应, en: A district with four tiers}
bind: [{division: "330203", since: 2026-01-01, src: decision of the district}]
ladder:
  - {tier: grid, name: {zh: 网格, en: Grid}, roles: [grid_worker, grid_leader]}
  - {tier: community, name: {zh: 社区, en: Community}, roles: [community_officer]}
  - {tier: street, name: {zh: 街道, en: Street}, roles: [street_station, street_officer]}
  - {tier: district, name: {zh: 区, en: District}, roles: [district_center]}
oversight: [city]
recipients:
  - {roles: [police_station], when: mandatory, src: decision of the district}
grades:
  I: {name: {zh: 极危, en: Extreme}, colour: red, ack_windows: {grid: PT5M, community: PT5M, street: PT5M}, ack_src: the district}
  II: {name: {zh: 高危, en: High}, colour: orange, ack_windows: {grid: PT20M}, ack_src: the district}
  III: {name: {zh: 中危, en: Medium}, colour: yellow, clock: office}
  IV: {name: {zh: 低危, en: Low}, colour: green}
office_hours: [["08:30", "12:00"], ["13:30", "17:00"]]
"""


def test_a_place_with_four_tiers_from_the_grid_on_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "new_place.yaml").write_text(PLACE, encoding="utf-8")
    at = datetime(2026, 3, 6, 15, 0, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Friday
    grid = "330203001001001"
    policy = load_book([tmp_path]).in_force(grid, at)
    assert policy.tiers == (Tier.GRID, Tier.COMMUNITY, Tier.STREET, Tier.DISTRICT)
    assert [policy.grades[grade].name.zh for grade in Grade] == ["极危", "高危", "中危", "低危"]

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
