"""What a second look at the rules asked: sequences in which somebody could have been forgotten."""

from dataclasses import replace

import pytest
import yaml
from pydantic import ValidationError

from libs.directory.model import Division, Route
from libs.events.catalogue import CaseAssigned, CaseSupervised
from libs.terms import DeclineReason, Grade, Purpose, Step, Tier
from services.router.errors import TooLateToLower
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import Answered, Kind, Status
from services.router.rules.machine import attach_report, unreachable
from services.router.rules.policy import Policy
from tests.unit.router.test_answers import failed
from tests.unit.router.town import CITY, FUTIAN, GRADE_II, STREET, Story, minutes, person, post, post_id, report, town

NEIGHBOURS = "440304001021"


def regrade(story: Story, grade: Grade) -> None:
    story.take(acts.regrade(story.case, grade, RegradeReason.MISJUDGED, story.moment))


def test_a_step_that_a_lower_grade_did_not_have_comes_back_with_the_higher_one() -> None:
    """Grade III has no case conference. Lowered by mistake and raised again, the case must have its deadline again, from t0."""
    story = Story(report())  # unclassified: II, without a floor
    before = {one.step: one.due_at for one in story.case.deadlines if one.armed and one.kind is Kind.STEP}
    regrade(story.until(1), Grade.III)
    assert not [one for one in story.case.deadlines if one.armed and one.step is Step.CASE_CONFERENCE]
    regrade(story.until(2), Grade.II)
    assert {one.step: one.due_at for one in story.case.deadlines if one.armed and one.kind is Kind.STEP} == before


def test_a_step_that_was_missed_is_not_missed_again_after_a_detour_of_grades() -> None:
    story = Story(report()).until(60 * 24 * 8)
    assert len([line for line in story.missed if line.endswith("case_conference")]) == 1
    regrade(story, Grade.I)
    with pytest.raises(TooLateToLower):
        regrade(story, Grade.II)
    story.until(60 * 24 * 9)
    assert len([line for line in story.missed if line.endswith("case_conference")]) == 1


def test_who_was_told_to_stay_is_told_again_when_the_grade_names_them() -> None:
    """The street was recalled when the community answered; then it turns out to be grade I, which tells all tiers."""
    story = Story(report(GRADE_II)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    assert story.told_by("recall") == ["5 recall Mei"]
    regrade(story.until(10), Grade.I)
    assert [line for line in story.told if line.startswith("10 ")] == ["10 assign Lan", "10 assign Mei", "10 assign Dong"]


def test_who_was_recalled_at_the_wrong_place_is_told_of_the_right_one() -> None:
    """The case moves to the neighbouring community of the same street: its street officer is told no to come, then to come."""
    story = Story(report(GRADE_II)).until(5)
    there = Division(NEIGHBOURS, "邻近社区", "community", STREET)
    officer = post("community_officer", NEIGHBOURS, Tier.COMMUNITY, "Xin")
    here = town()
    route = replace(here, division=there, ancestors=(there, *here.ancestors[1:]), posts=(officer, *here.posts[1:]))
    story.moment = replace(story.moment, route=route)
    story.take(acts.place(story.case, NEIGHBOURS, story.moment))
    assert story.told_by("recall") == ["5 recall Lan", "5 recall Mei"]
    assert [line for line in story.told_by("assign") if line.startswith("5 ")] == ["5 assign Xin", "5 assign Mei"]


def test_a_second_reporter_is_answered_too() -> None:
    """The first reporter has heard the outcome; then somebody else reports the same matter and can be reached."""
    story = Story(report(GRADE_II, reporter_reachable=True, police_reported=True)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.take(acts.step_done(story.case, person("Lan"), Step.REPORTER_INFORMED, story.moment, "workbench"))
    assert acts.missing_to_close(story.case) == []
    story.take(attach_report(story.case, report(GRADE_II, at=story.moment.now, reporter_reachable=True), story.moment))
    assert acts.missing_to_close(story.case) == [Step.REPORTER_INFORMED]
    story.take(acts.step_done(story.case, person("Lan"), Step.REPORTER_INFORMED, story.moment, "workbench"))
    assert acts.missing_to_close(story.case) == []


def with_deputy(role: str, primary: str) -> Route:
    """The town, where Xin is deputy on a district post."""
    there = post(role, "440304", Tier.DISTRICT, primary, "Xin")
    return replace(town(), posts=tuple(there if one.role == role else one for one in town().posts))


def test_a_supervisor_who_is_not_reached_about_a_missed_step_has_a_deputy() -> None:
    story = Story(report(GRADE_II), with_deputy("district_office", "Ou")).until(1)
    story.take(acts.take_over(story.case, person("Dong"), story.moment.route.posts[2], story.moment, "workbench"))
    story.until(240)
    assert minutes(story, CaseSupervised) == [240]
    assert story.case.status is Status.ACKNOWLEDGED
    story.take(unreachable(story.case, failed(story, "district_office", "Ou", Purpose.SUPERVISE), story.moment))
    assert story.told_by("supervise") == ["240 supervise Ou", "240 supervise Jian", "240 supervise Xin"]


def test_an_owner_who_gets_no_reminder_and_shares_the_post_with_nobody_is_covered_by_the_next_rung() -> None:
    story = Story(report(GRADE_II), town(away=("Bo",))).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(120)
    assert story.told[-1] == "120 remind Lan"
    story.take(unreachable(story.case, failed(story, "community_officer", "Lan", Purpose.REMIND), story.moment))
    assert story.told[-1] == "120 remind Mei"
    assert (story.case.status, story.case.owner_officer_id) == (Status.ACKNOWLEDGED, person("Lan"))
    assert story.climbs == []


def test_a_deputy_who_is_not_reached_either_hands_on_too() -> None:
    story = Story(report(GRADE_II)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(120)
    story.take(unreachable(story.case, failed(story, "community_officer", "Lan", Purpose.REMIND), story.moment))
    assert story.told[-1] == "120 remind Bo"
    story.take(unreachable(story.case, failed(story, "community_officer", "Bo", Purpose.REMIND), story.moment))
    assert story.told[-1] == "120 remind Mei"


def test_a_first_message_that_fails_after_its_officer_has_taken_the_case_alarms_nobody() -> None:
    """They acknowledged on the workbench while the SMS was still on its way: it is not needed any more."""
    story = Story(report(GRADE_II)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    told = list(story.told)
    story.take(unreachable(story.case, failed(story, "community_officer", "Lan"), story.moment))
    assert story.told == told


def test_where_the_top_declines_its_deputy_has_the_case() -> None:
    """It stays with the top rung, but with somebody there who has not said no."""
    story = Story(report(GRADE_II), with_deputy("district_center", "Dong")).until(61)
    story.take(acts.decline(story.case, person("Dong"), DeclineReason.UNAVAILABLE, story.moment, "workbench"))
    assert minutes(story, CaseSupervised) == [61]
    assert (story.case.tier, story.case.owner_post_id, story.case.owner_officer_id) == (
        Tier.DISTRICT,
        post_id("district_center"),
        person("Xin"),
    )
    assert "61 escalate Xin" in story.told


@pytest.mark.parametrize("posts_there", [True, False])
def test_a_case_that_waits_for_its_place_with_nobody_at_a_desk_finds_whoever_comes(posts_there: bool) -> None:
    everybody = ("Lan", "Bo", "Mei", "Gang", "Dong", "Ou", "Jian", "Tai")
    empty = town(CITY, away=everybody)
    story = Story(report(GRADE_II, division=CITY), empty if posts_there else replace(empty, posts=()))
    assert story.told == []
    story.until(61)
    story.moment = replace(story.moment, route=town(CITY))
    story.until(180)
    assert story.case.owner_officer_id == person("Tai")
    assert story.told
    told = story.case.assignment_of(person("Tai"))
    assert told is not None
    assert told.answer is Answered.TOLD


def test_a_case_of_an_empty_directory_finds_whoever_comes() -> None:
    story = Story(report(GRADE_II), replace(town(), posts=())).until(65)
    story.moment = replace(story.moment, route=town())
    story.until(125)  # the next round of supervising, which finds the ladder manned
    assert story.of(CaseAssigned)[0].accountable
    assert story.case.owner_officer_id == person("Lan")


def test_a_policy_says_how_soon_a_case_is_placed() -> None:
    """Without that step a report from above the ladder could not become a case at all."""
    document = yaml.safe_load(yaml.safe_dump(FUTIAN.model_dump(mode="json")))
    assert Policy.model_validate(document) == FUTIAN
    del document["grades"]["III"]["steps"]["dispatch"]
    with pytest.raises(ValidationError, match=r"grades.III.steps: dispatch missing"):
        Policy.model_validate(document)
