"""A child cannot stay at home: whom the policy asks for a placement, by where the household is registered, and what is recorded of it."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from libs.errors import Conflict, Invalid
from libs.events.catalogue import CaseTransferRequested, LaneTold, NotificationRequested, PlacementMade, PlacementRequested
from libs.terms import Department, Household, PlacementNeed, Purpose, Tier, TransferReason
from services.router.rules import acts, handover_acts, lane_acts, placement_acts
from services.router.rules.case import Status
from services.router.rules.lane_values import ACCEPT, LaneState
from services.router.rules.policy import Policy
from services.router.rules.policy_files import parse
from services.router.rules.simulate import Reply, assumed_route, simulate
from services.router.store import columns
from services.router.web.timeline import EVENTS
from tests.unit.router.test_handover import OTHER_PLACE, Moving, away
from tests.unit.router.test_properties import check
from tests.unit.router.town import BOOK, CALENDAR, DISTRICT, GRADE_III, STREET, Story, person, post, report, town

XIANTAO = BOOK.get("xiantao_2021")
OFFICES = (
    post("street_civil_office", STREET, Tier.STREET, "Min", order=5),
    post("district_civil", DISTRICT, Tier.DISTRICT, "Zheng", order=9),
)
DANGER = PlacementNeed.GUARDIAN_IS_DANGER


def owned(policy: Policy | None = XIANTAO) -> Moving:
    assert policy is not None
    story = Moving(report(GRADE_III), town(extra=OFFICES), policy=policy).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    return story


def need(story: Moving, household: Household, there: Any = None) -> Moving:
    if there is not None:
        story.moment = replace(story.moment, there=there)
    where = replace(story.moment, route=there, there=None) if there else None
    story.take(placement_acts.need(story.case, DANGER, household, story.moment, where, by=person("Lan")))
    return story


def test_without_a_registration_the_street_office_asks_the_district_bureau() -> None:
    """SEED_X X12: 无户籍的由街道民社办报请区民政局."""
    story = need(owned(), Household.NONE)
    told = [line for line in story.departments if line.startswith("5 ")]
    assert told == ["5 refer civil district_civil", "5 inform civil street_civil_office"]
    lane = story.case.lane(Department.CIVIL)
    assert lane is not None
    window = lane.clock(ACCEPT)
    assert window is not None
    assert window.due_at is not None  # its own clock: the grade's window of the district, 8 h
    assert (window.due_at - story.moment.now).total_seconds() == 8 * 3600
    assert story.case.owner_officer_id == person("Lan")
    assert [(one.reason, one.household, one.officer_id) for one in story.of(PlacementRequested)] == [(DANGER, "none", person("Lan"))]
    story.until(60).take(lane_acts.accept(story.case, Department.CIVIL, person("Zheng"), story.moment, "workbench"))
    assert (story.case.owner_officer_id, story.case.status) == (person("Lan"), Status.ACKNOWLEDGED)
    check(story.case)


def test_the_bureaus_silence_goes_to_the_usual_posts_and_then_to_the_owner() -> None:
    story = need(owned(), Household.NONE).until(5 + 8 * 60)
    assert [line for line in story.departments if line.startswith("485 ")] == ["485 refer civil street_civil_office"]
    story.until(5 + 8 * 60 + 4 * 60)  # the street's window
    assert [line for line in story.departments if line.startswith("725 lapsed")] == [
        "725 lapsed civil street_civil_office",
        "725 lapsed civil community_officer",
    ]
    check(story.case)


def test_a_household_elsewhere_is_asked_of_the_place_of_origin() -> None:
    """SEED_X X12: 有户籍的联系流出地政府安置. That is a transfer: accepted there, or it comes back."""
    story = need(owned(), Household.ELSEWHERE, away(OTHER_PLACE))
    (asked,) = story.of(CaseTransferRequested)
    assert (asked.to_division_code, asked.reason) == (OTHER_PLACE, TransferReason.HOUSEHOLD_THERE)
    assert not [one for one in story.of(LaneTold) if one.reason == "referred"]
    assert story.case.owner_officer_id == person("Lan")
    story.until(10).accept("Nan")
    assert story.case.owner_officer_id == person("Nan")
    assert story.case.placement is not None
    assert (story.case.placement.household, story.case.placement.open) == (Household.LOCAL, True)
    check(story.case)


@pytest.mark.parametrize("how", ["refused", "silence"])
def test_where_the_place_of_origin_does_not_take_it_civil_affairs_here_are_asked_at_once(how: str) -> None:
    story = need(owned(), Household.ELSEWHERE, away(OTHER_PLACE))
    if how == "refused":
        story.until(30).refuse("Nan")
    else:
        story.until(5 + 4 * 60)
    minute = 30 if how == "refused" else 245
    assert f"{minute} refer civil street_civil_office" in story.departments
    check(story.case)


def test_a_place_of_origin_that_nobody_knows_or_nobody_answers_for_leaves_it_to_civil_affairs_here() -> None:
    for there in (None, away("440304003001", empty=True, district=False)):
        story = need(owned(), Household.ELSEWHERE, there)
        assert "5 refer civil street_civil_office" in story.departments
        assert story.of(CaseTransferRequested) == []
    pending = owned()
    pending.moment = replace(pending.moment, there=away(OTHER_PLACE))
    pending.take(
        handover_acts.transfer(
            pending.case, OTHER_PLACE, TransferReason.OTHER, pending.moment, replace(pending.moment, route=away(OTHER_PLACE), there=None)
        )
    )
    elsewhere = replace(pending.moment, route=away("440305001001"), there=None)
    pending.take(placement_acts.need(pending.case, DANGER, Household.ELSEWHERE, pending.moment, elsewhere))
    assert "5 refer civil street_civil_office" in pending.departments
    assert pending.case.handover.pending is not None
    assert pending.case.handover.pending.division_code == OTHER_PLACE


def test_the_national_rules_ask_civil_affairs_whatever_the_household() -> None:
    for household in Household:
        story = need(owned(BOOK.get("national")), household, away(OTHER_PLACE))
        assert "5 refer civil street_civil_office" in story.departments
        assert story.of(CaseTransferRequested) == []


def test_a_place_without_any_office_is_no_dead_end() -> None:
    assert XIANTAO is not None
    story = Moving(report(GRADE_III), policy=XIANTAO).until(5)
    need(story, Household.NONE)
    lane = story.case.lane(Department.CIVIL)
    assert lane is not None
    assert lane.state is LaneState.UNREACHED
    assert story.case.owner_officer_id == person("Lan")
    check(story.case)


def test_what_was_asked_is_not_asked_again_and_another_branch_is() -> None:
    story = need(owned(), Household.NONE)
    assert not placement_acts.need(story.case, DANGER, Household.NONE, story.moment).changed
    need(story, Household.LOCAL)
    assert story.departments[-1] == "5 refer civil street_civil_office"
    assert [one.household for one in story.of(PlacementRequested)] == ["none", "local"]


def test_the_option_taken_is_one_of_the_policys_and_is_recorded() -> None:
    story = owned()
    with pytest.raises(Conflict, match="Record first why"):
        placement_acts.made(story.case, "foster_family", story.moment)
    need(story, Household.NONE).until(90)
    with pytest.raises(Invalid, match="relatives, foster_family"):
        placement_acts.made(story.case, "moon", story.moment)
    story.take(placement_acts.made(story.case, "foster_family", story.moment, by=person("Lan")))
    assert not placement_acts.made(story.case, "foster_family", story.moment).changed
    story.until(99).take(placement_acts.made(story.case, "relatives", story.moment))
    assert [one.option for one in story.of(PlacementMade)] == ["foster_family", "relatives"]
    placement = story.case.placement
    assert placement is not None
    assert not placement.open
    assert columns.placement(orjson.loads(orjson.dumps(columns.of_placement(placement)))) == placement
    lane = story.case.lane(Department.CIVIL)
    assert lane is not None
    assert columns.lane(orjson.loads(orjson.dumps(columns.of_lane(lane)))) == lane
    assert {one.event_type.removeprefix("tocsin.").removesuffix(".v1") for one in (PlacementRequested, PlacementMade)} <= set(EVENTS)


def test_the_branches_and_options_of_a_place_are_data() -> None:
    text = """
extends: national
id: own
version: 1
title: {zh: 某区, en: Some district}
placement:
  branches:
    local: {name: {zh: 联系妇联, en: "The women's federation"}, department: women, roles: [women_office], src: decision of the district}
  options:
    grandparents: {zh: 祖父母照料, en: Grandparents}
"""
    policy = parse("own.yaml", text.encode(), BOOK.get)
    assert set(policy.placement.options) >= {"grandparents", "foster_family"}
    office = post("women_office", STREET, Tier.STREET, "Hua", order=7)
    story = Moving(report(GRADE_III), town(extra=(office,)), policy=policy).until(5)
    assert "5 refer women women_office" in need(story, Household.LOCAL).departments
    wrong = text.replace("women_office", "queen")
    with pytest.raises(ValueError, match=r"own\.yaml:8: placement\.branches\.local\.roles\.0: is not a role"):
        parse("own.yaml", wrong.encode(), BOOK.get)


def test_the_simulation_tells_the_same_as_the_machine() -> None:
    assert XIANTAO is not None
    place = "500112023001001"
    route = assumed_route(XIANTAO, place)
    first = report(GRADE_III, division=place)
    replies = [Reply.of(5, "acknowledge"), Reply.of(7, "placement-none")]
    lines = [line for line in simulate(first, route, XIANTAO, CALENDAR, replies=replies) if line.channel]
    story = Story(first, route, policy=XIANTAO)
    owner = story.until(5).case.owner_officer_id
    assert owner is not None
    story.take(acts.acknowledge(story.case, owner, story.moment, "workbench"))
    story.until(7).take(placement_acts.need(story.case, PlacementNeed.NO_CARE, Household.NONE, story.moment, by=owner))
    story.until(max(line.minute for line in lines))
    spoken = [(minute, one.post_id, one.department) for minute, one in story.events if isinstance(one, NotificationRequested)]
    assert [(line.minute, line.post_id, line.department) for line in lines] == [(round(at, 4), who, what) for at, who, what in spoken]
    assert (7, Purpose.REFER) in [(minute, one.purpose) for minute, one in story.events if isinstance(one, NotificationRequested)]
