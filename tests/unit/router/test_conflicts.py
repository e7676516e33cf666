"""Conflicts of interest (回避): a conflicted post is passed over, that is recorded, and nobody on it hears anything."""

import pytest

from libs.errors import Invalid
from libs.events.catalogue import CasePostSkipped, NotificationRequested
from libs.events.catalogue.intake import ConflictOfInterest
from libs.terms import ConflictReason, Department, Tier
from services.router.rules import acts, conflict_acts
from services.router.rules.case import Answered, Status
from services.router.rules.conflicts import Conflict
from services.router.rules.lane_values import LaneState
from services.router.rules.machine import attach_report
from tests.unit.router.test_properties import check
from tests.unit.router.town import COMMUNITY, DISTRICT, GRADE_I, GRADE_II, STREET, Story, person, post, post_id, report, town

UNIT = ConflictReason.SUSPECT_UNIT


def named(role: str, place: str, reason: ConflictReason = UNIT) -> ConflictOfInterest:
    return ConflictOfInterest(reason=reason, division_code=place, role=role)


def heard(story: Story) -> set[object]:
    return {one.officer_id for one in story.of(NotificationRequested)}


def test_the_suspects_unit_is_passed_over_and_that_is_recorded() -> None:
    story = Story(report(GRADE_I, conflicts=(named("community_officer", COMMUNITY),))).until(60 * 24 * 20)
    assert not heard(story) & {person("Lan"), person("Bo")}
    assert story.climbs[0] == "0 community>street unreachable"
    assert [(one.post_id, one.tier, one.reason) for one in story.of(CasePostSkipped)] == [
        (post_id("community_officer"), Tier.COMMUNITY, UNIT)
    ]
    check(story.case)


def test_a_whole_unit_or_one_post_by_its_id() -> None:
    unit = Story(report(GRADE_II, conflicts=(ConflictOfInterest(reason=UNIT, division_code=STREET),)))
    assert [one.post_id for one in unit.of(CasePostSkipped)] == [post_id("street_officer")]
    one = Story(report(GRADE_II, conflicts=(ConflictOfInterest(reason=ConflictReason.SUSPECT_HOLDS, post_id=post_id("street_officer")),)))
    assert person("Mei") not in heard(one.until(10_000))


def test_whoever_is_on_such_a_post_is_not_told_on_another_one_either() -> None:
    twice = post("street_station", STREET, Tier.STREET, "Lan", order=1)
    story = Story(report(GRADE_I, conflicts=(named("community_officer", COMMUNITY),)), town(without=("street_officer",), extra=(twice,)))
    assert person("Lan") not in heard(story.until(10_000))
    assert story.case.owner_officer_id == person("Dong")


def test_supervisors_and_departments_are_passed_over_too() -> None:
    police = post("police_branch", DISTRICT, Tier.DISTRICT, "Fen", order=9)
    conflicts = (named("procurator", DISTRICT), named("police_branch", DISTRICT, ConflictReason.SUSPECT_MANAGER))
    story = Story(report(GRADE_II, conflicts=conflicts), town(extra=(police,))).until(10_000)
    assert not heard(story) & {person("Jian"), person("Fen")}
    lane = story.case.lane(Department.POLICE)
    assert lane is not None
    assert lane.state is LaneState.UNREACHED


def test_said_later_of_the_owner_the_case_climbs_at_once() -> None:
    story = Story(report(GRADE_II)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    story.take(conflict_acts.conflict(story.case, Conflict(UNIT, post_id("community_officer")), story.moment))
    assert story.climbs == ["5 community>street conflict"]
    assert (story.case.owner_officer_id, story.case.status) == (person("Mei"), Status.OPEN)
    assert not story.case.knows(person("Lan"))
    assert story.case.bars(person("Bo"))
    before = len(story.of(NotificationRequested))
    assert not {one.officer_id for one in story.until(10_000).of(NotificationRequested)[before:]} & {person("Lan"), person("Bo")}
    assert not conflict_acts.conflict(story.case, Conflict(UNIT, post_id("community_officer")), story.moment).changed
    check(story.case)


def test_at_the_top_it_goes_to_whoever_is_the_last_resort() -> None:
    story = Story(report(GRADE_II, division=DISTRICT), town(DISTRICT)).until(3)
    assert story.case.owner_officer_id == person("Dong")
    story.take(conflict_acts.conflict(story.case, Conflict(UNIT, post_id("district_center")), story.moment))
    assert story.case.owner_officer_id == person("Tai")
    check(story.until(10_000).case)


def test_said_later_of_somebody_who_was_only_told_nothing_moves() -> None:
    story = Story(report(GRADE_I)).until(2)
    story.take(conflict_acts.conflict(story.case, Conflict(UNIT, post_id("street_officer")), story.moment))
    answers = {one.officer_id: one.answer for one in story.case.assignments}
    assert answers[person("Mei")] is Answered.CONFLICTED
    assert story.case.owner_officer_id == person("Lan")
    assert story.until(12).climbs == ["10 community>district silence"]


def test_a_further_report_may_name_a_conflict() -> None:
    story = Story(report(GRADE_II)).until(5)
    story.take(
        attach_report(story.case, report(GRADE_II, at=story.moment.now, conflicts=(named("community_officer", COMMUNITY),)), story.moment)
    )
    assert story.case.owner_officer_id != person("Lan")


def test_a_conflict_names_a_post() -> None:
    with pytest.raises(Invalid):
        conflict_acts.named(None, "", "", UNIT)


def test_where_everybody_is_named_the_highest_hear_of_it_all_the_same() -> None:
    here = town()
    everybody = tuple(ConflictOfInterest(reason=UNIT, post_id=one.post_id) for one in here.posts)
    story = Story(report(GRADE_II, conflicts=everybody), here)
    assert story.case.owner_officer_id is not None
    assert story.case.owner_officer_id in heard(story), "a case that nobody hears of is worse than one that the wrong unit hears of"
    highest = max((one for one in here.posts if one.reachable), key=lambda one: list(Tier).index(one.tier)).tier
    told = {one.tier for one in story.until(10_000).of(NotificationRequested)}
    assert told == {highest}
    assert {one.tier for one in story.of(CasePostSkipped)} & {highest} == set()
    check(story.case)
    assert not any(story.case.bars(officer) for officer in heard(story)), "who is told of a case can open it"  # type: ignore[arg-type]
    assert story.case.bars(person("Lan"))


def test_whoever_must_not_hear_of_it_is_named_to_the_rooms_that_keep_its_reports() -> None:
    story = Story(report(GRADE_I, conflicts=(named("community_officer", COMMUNITY),)))
    assert [set(one.officers) for one in story.of(CasePostSkipped)] == [{person("Lan"), person("Bo")}]
