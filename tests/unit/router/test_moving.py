"""Running cases that are moved to other rules: windows keep their beginning, nobody is let go, and what would be over is due at once."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events.catalogue import CaseAssigned, CasePolicyChanged, CaseRegraded
from libs.terms import CloseResult, Step, Tier
from services.router.rules import acts
from services.router.rules.case import Kind, Status
from services.router.rules.moving import NO_MOVE, move, newly_told, shifts
from services.router.rules.policy import Policy
from services.router.rules.policy_files import parse
from tests.unit.router.test_properties import check, missing, reports
from tests.unit.router.test_rules_hold import policies
from tests.unit.router.town import BOOK, DISTRICT, GRADE_II, GRADE_III, STREET, Story, armed, person, post, report, town


def rules(changes: str) -> Policy:
    """The rules of Futian with other windows for grade II."""
    head = b"extends: futian_2022\nid: own\nversion: 1\ntitle: {zh: a, en: b}\n"
    return parse("own.yaml", head + changes.encode(), BOOK.get)


def moved(story: Story, policy: Policy) -> Story:
    story.moment = replace(story.moment, policy=policy)
    story.take(move(story.case, story.moment, move_id=NO_MOVE))
    return story


def test_windows_keep_their_beginning_and_get_their_new_length() -> None:
    story = Story(report(GRADE_II)).until(10)
    assert armed(story, Kind.ACKNOWLEDGE) == [30]
    moved(story, rules("grades: {II: {ack_windows: {community: PT20M}, ack_src: test, steps: {on_site: {d: PT2H, src: test}}}}\n"))
    assert armed(story, Kind.ACKNOWLEDGE) == [20]
    on_site = next(one for one in story.case.deadlines if one.step is Step.ON_SITE)
    assert (on_site.started_at, on_site.due_at, on_site.policy) == (story.t0, story.t0 + timedelta(hours=2), "own@1")
    (event,) = story.of(CasePolicyChanged)
    assert (event.from_policy_id, event.from_version, event.policy_id, event.policy_version) == ("futian_2022", 1, "own", 1)
    assert event.deadlines[Step.ON_SITE] == on_site.due_at
    # 20 minutes of silence: the street has the case, and its window is as long as before
    story.until(25)
    assert story.climbs == ["20 community>street silence"]
    again = move(story.case, story.moment, move_id=NO_MOVE)
    assert not again.changed


def test_what_would_be_over_already_is_due_at_once_and_climbs() -> None:
    story = Story(report(GRADE_II)).until(25)
    moved(story, rules("grades: {II: {ack_windows: {community: PT5M}, ack_src: test}}\n"))
    assert armed(story, Kind.ACKNOWLEDGE) == [25], "never before now"
    assert story.until(25).climbs == ["25 community>street silence"]


def test_steps_that_the_new_rules_do_not_know_are_let_go_and_those_that_only_they_know_run_from_the_first_report() -> None:
    story = Story(report(GRADE_III)).until(60)
    known = {one.step for one in story.case.deadlines if one.armed and one.kind is Kind.STEP}
    assert Step.CASE_CONFERENCE not in known
    moved(story, rules("grades: {III: {steps: {case_conference: {d: P9D, src: test}}}}\n"))
    conference = next(one for one in story.case.deadlines if one.step is Step.CASE_CONFERENCE)
    assert (conference.started_at, conference.due_at) == (story.t0, story.t0 + timedelta(days=9))
    back = Story(report(GRADE_III)).until(60)
    outcome = move(moved(back, story.moment.policy).case, replace(back.moment, policy=BOOK.get("futian_2022")), move_id=NO_MOVE)  # type: ignore[arg-type]
    assert not any(one.armed and one.step is Step.CASE_CONFERENCE for one in outcome.after.deadlines)
    assert [(one.step, one.before, one.after) for one in shifts(outcome)] == [(Step.CASE_CONFERENCE, conference.due_at, None)]


def test_those_whom_only_the_new_rules_name_are_told_and_nobody_who_was_told_is_let_go() -> None:
    station = post("police_station", STREET, town().posts[1].tier, "Xin", order=5)
    story = Story(report(GRADE_II), town(extra=(station,))).until(5)
    before = {(one.post_id, one.officer_id) for one in story.case.assignments}
    outcome = move(
        story.case,
        replace(story.moment, policy=rules("recipients: [{roles: [police_station], when: always, src: test}]\n")),
        move_id=NO_MOVE,
    )
    assert {(one.post_id, one.officer_id) for one in outcome.after.assignments} == before | {(station.post_id, person("Xin"))}
    assert newly_told(outcome) == 1
    assert (outcome.after.owner_post_id, outcome.after.grade, outcome.after.t0) == (story.case.owner_post_id, story.case.grade, story.t0)


def test_a_closed_case_is_not_moved() -> None:
    story = Story(report(GRADE_III)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    story.take(acts.close(story.case, person("Lan"), CloseResult.CHILD_SAFE, story.moment))
    assert story.case.status is Status.CLOSED
    assert not move(story.case, replace(story.moment, policy=rules("")), move_id=NO_MOVE).changed


@settings(max_examples=150, deadline=None)
@given(reports, missing, policies(), policies(), st.integers(0, 60 * 24 * 20))
def test_whatever_the_rules_a_moved_case_stays_whole(first, without, before, after, minute) -> None:
    after = after.model_copy(update={"id": "after"})
    story = Story(first, town(first.division_code, without=without), policy=before).until(minute)
    case = story.case
    kept = repr(case)
    outcome = move(case, replace(story.moment, policy=after), move_id=NO_MOVE)
    assert repr(case) == kept
    check(outcome.after)
    assert {(one.post_id, one.officer_id) for one in case.assignments} <= {(o.post_id, o.officer_id) for o in outcome.after.assignments}
    assert (outcome.after.owner_post_id, outcome.after.owner_officer_id) == (case.owner_post_id, case.owner_officer_id)
    was = {one.deadline_id: one for one in case.deadlines}
    for one in outcome.after.deadlines:
        if one.deadline_id in was:
            assert one.started_at == was[one.deadline_id].started_at
            assert one.armed or one.state != "fired" or one == was[one.deadline_id], "what was missed stays missed"
        elif one.kind is Kind.STEP:
            assert one.started_at == story.t0
        assert not one.armed or one.due_at >= min(story.moment.now, was[one.deadline_id].due_at if one.deadline_id in was else one.due_at)
    told = [event.officer_id for event in outcome.events if isinstance(event, CaseAssigned)]
    assert not set(told) & {one.officer_id for one in case.assignments if one.answer != "recalled"}
    story.moment = replace(story.moment, policy=after)
    story.take(outcome)
    story.until(minute + 60 * 24 * 20)
    check(story.case)


def test_departments_that_only_the_new_rules_name_are_told_and_another_grade_is_said() -> None:
    """Whoever moves a case to rules with a lane for every case expects that department to hear of it."""
    police = post("police_station", STREET, Tier.STREET, "Wen", order=8)
    schools = post("district_education", DISTRICT, Tier.DISTRICT, "Xue", order=9)
    first = report(GRADE_III)
    story = Story(first, town(extra=(police, schools))).until(10)
    assert story.departments == []
    policy = rules(
        "lanes: {police: {when: always}}\nsituations: {GC1_NEGLECT: {departments: [education]}}\n"
        "grades:\n  红: {severity: I, rank: 1}\n  橙: {severity: II, rank: 2}\n"
    )
    story.moment = replace(story.moment, policy=policy)
    story.take(move(story.case, story.moment, move_id=NO_MOVE, reports=(first,)))
    assert story.departments == ["10 inform police police_station", "10 inform education district_education"]
    (regraded,) = story.of(CaseRegraded)
    assert (regraded.from_grade, regraded.grade, regraded.band) == ("III", "II", "橙")
    check(story.case)
