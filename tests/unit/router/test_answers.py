"""What people do to a case, and what then happens; the same people as in test_stories.py."""

from datetime import timedelta

import pytest

from libs.errors import Conflict, Forbidden, Invalid
from libs.events.catalogue import (
    CaseAcknowledged,
    CaseClosed,
    CaseDeclined,
    CaseOpened,
    CasePlaced,
    CaseRegraded,
    CaseStepDone,
    CaseSupervised,
    DeadlineMissed,
    NotificationFailed,
)
from libs.terms import Answer, CloseResult, Danger, DeclineReason, Grade, Purpose, Step, Tier
from services.router.errors import NotReadyToClose, TooLateToLower
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import Kind, State, Status
from services.router.rules.machine import attach_report, unreachable
from tests.unit.router.town import (
    CITY,
    COMMUNITY,
    GRADE_I,
    GRADE_II,
    GRADE_III,
    Story,
    armed,
    minutes,
    person,
    post_id,
    report,
    town,
)

# Answers


def test_the_first_answer_of_anybody_assigned_makes_the_owner_and_stops_the_climb() -> None:
    story = Story(report(GRADE_II)).until(5)
    story.take(acts.acknowledge(story.case, person("Mei"), story.moment, "sms_reply"))
    story.until(200)
    assert (story.case.status, story.case.tier, story.case.owner_officer_id) == (Status.ACKNOWLEDGED, Tier.STREET, person("Mei"))
    assert story.climbs == []
    assert story.told_by("recall") == ["5 recall Lan"]


def test_a_lower_rung_may_still_answer_after_its_window_and_is_late() -> None:
    story = Story(report(GRADE_II)).until(31)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "workbench"))
    (event,) = story.of(CaseAcknowledged)
    assert (event.tier, event.late) == (Tier.COMMUNITY, True)
    assert story.told_by("recall") == ["31 recall Mei"]
    assert story.until(200).climbs == ["30 community>street silence"]


def test_for_grade_one_nobody_is_recalled() -> None:
    story = Story(report(GRADE_I)).until(2)
    story.take(acts.acknowledge(story.case, person("Dong"), story.moment, "sms_reply"))
    assert story.told_by("recall") == []


def test_answering_twice_is_the_same_as_once() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    before = list(story.events)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    assert story.events == before


def test_a_second_officer_is_told_that_the_case_is_taken() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    with pytest.raises(Conflict, match="take-over"):
        acts.acknowledge(story.case, person("Mei"), story.moment, "workbench")


def test_a_stranger_cannot_answer() -> None:
    story = Story(report(GRADE_III))
    with pytest.raises(Forbidden, match="not told"):
        acts.acknowledge(story.case, person("Mei"), story.moment, "workbench")


def test_taking_over_is_an_explicit_act() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    mei = next(one for one in story.moment.route.posts if one.role == "street_officer")
    story.take(acts.take_over(story.case, person("Mei"), mei, story.moment, "workbench"))
    assert story.case.owner_officer_id == person("Mei")
    assert story.told_by("recall") == ["0 recall Mei", "0 recall Lan"]


# Declines and officers who cannot be reached


def test_a_decline_climbs_at_once_and_the_next_window_starts_there() -> None:
    story = Story(report(GRADE_II)).until(3)
    story.take(acts.decline(story.case, person("Lan"), DeclineReason.NOT_MY_AREA, story.moment, "sms_reply"))
    assert story.climbs == ["3 community>street declined"]
    assert story.until(40).climbs == ["3 community>street declined", "33 street>district silence"]
    assert story.of(CaseDeclined)[0].reason == "not_my_area"


def test_a_decline_of_somebody_who_is_not_accountable_moves_nothing() -> None:
    story = Story(report(GRADE_II)).until(3)
    story.take(acts.decline(story.case, person("Mei"), DeclineReason.UNAVAILABLE, story.moment, "sms_reply"))
    assert story.climbs == []
    assert story.until(30).told_by("escalate") == ["30 escalate Gang"]  # her deputy, since she has declined


def test_a_decline_at_the_top_supervises_at_once() -> None:
    story = Story(report(GRADE_II)).until(61)
    story.take(acts.decline(story.case, person("Dong"), DeclineReason.UNAVAILABLE, story.moment, "workbench"))
    assert minutes(story, CaseSupervised) == [61]
    assert story.case.tier is Tier.DISTRICT


def test_an_owner_who_declines_later_lets_the_case_climb() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(50)
    story.take(acts.decline(story.case, person("Lan"), DeclineReason.CONFLICT_OF_INTEREST, story.moment, "workbench"))
    assert (story.case.status, story.case.tier) == (Status.OPEN, Tier.STREET)
    assert armed(story, Kind.ACKNOWLEDGE) == [80]


def failed(story: Story, role: str, name: str, purpose: Purpose = Purpose.ASSIGN) -> NotificationFailed:
    case = story.case
    return NotificationFailed(
        notification_id=story.ids.new(),
        case_id=case.case_id,
        grade=case.grade,
        division_code=case.division_code,
        tier=case.tier,
        post_id=post_id(role),
        officer_id=person(name),
        purpose=purpose,
        reason="30003",
    )


def test_a_message_that_does_not_arrive_goes_to_the_deputy_and_then_climbs() -> None:
    story = Story(report(GRADE_II)).until(1)
    story.take(unreachable(story.case, failed(story, "community_officer", "Lan"), story.moment))
    assert story.told[-1] == "1 assign Bo"
    assert (story.case.owner_officer_id, armed(story, Kind.ACKNOWLEDGE)) == (person("Bo"), [30])  # the rung's window runs on
    story.until(2).take(unreachable(story.case, failed(story, "community_officer", "Bo"), story.moment))
    assert story.climbs == ["2 community>street unreachable"]


def test_the_same_failure_heard_twice_changes_nothing() -> None:
    story = Story(report(GRADE_II)).until(1)
    for _ in range(2):
        story.take(unreachable(story.case, failed(story, "community_officer", "Lan"), story.moment))
    assert story.told_by("assign") == ["0 assign Lan", "0 assign Mei", "1 assign Bo"]


def test_a_failure_after_somebody_took_the_case_moves_nothing() -> None:
    story = Story(report(GRADE_II)).until(1)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.take(unreachable(story.case, failed(story, "street_officer", "Mei"), story.moment))
    assert story.case.owner_officer_id == person("Lan")
    assert story.climbs == []


def test_a_supervisor_who_cannot_be_reached_is_not_the_end() -> None:
    story = Story(report(GRADE_II)).until(120)
    story.take(unreachable(story.case, failed(story, "procurator", "Jian", Purpose.SUPERVISE), story.moment))
    assert story.until(180).told_by("supervise") == ["120 supervise Ou", "120 supervise Jian", "180 supervise Ou"]


# Steps


def test_a_missed_step_climbs_one_rung_and_arms_a_new_window() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(241)
    assert story.climbs == ["240 community>street step_missed"]
    assert story.told_by("escalate", "overdue") == ["240 escalate Mei", "240 overdue Lan"]
    assert (story.case.status, armed(story, Kind.ACKNOWLEDGE)) == (Status.OPEN, [270])
    assert story.case.overdue_since == story.t0 + timedelta(hours=4)


def test_a_missed_step_at_the_top_supervises_once_while_the_owner_keeps_the_case() -> None:
    story = Story(report(GRADE_I)).until(1)
    story.take(acts.acknowledge(story.case, person("Dong"), story.moment, "sms_reply"))
    story.until(119)
    assert minutes(story, CaseSupervised) == [60]
    assert (story.case.status, story.case.owner_officer_id) == (Status.ACKNOWLEDGED, person("Dong"))
    assert story.told_by("overdue") == ["60 overdue Dong"]


def test_a_step_done_in_time_is_met_and_seen_or_only_attempted_is_kept_apart() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(60)
    story.take(acts.step_done(story.case, person("Lan"), Step.ON_SITE, story.moment, "workbench", child_sighted=False))
    story.until(90)
    story.take(acts.step_done(story.case, person("Lan"), Step.ON_SITE, story.moment, "workbench", child_sighted=True))
    assert [(event.child_sighted, event.late) for event in story.of(CaseStepDone)] == [(False, False), (True, False)]
    assert story.case.child_sighted
    assert story.until(300).missed == []
    row = next(one for one in story.case.deadlines if one.step is Step.ON_SITE)
    assert (row.state, row.done_at) == (State.MET, story.t0 + timedelta(minutes=60))


def test_a_step_done_after_its_deadline_is_late_and_its_miss_stands() -> None:
    story = Story(report(GRADE_II))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.until(245)
    story.take(acts.step_done(story.case, person("Lan"), Step.ON_SITE, story.moment, "workbench", child_sighted=True))
    assert story.of(CaseStepDone)[0].late
    row = next(one for one in story.case.deadlines if one.step is Step.ON_SITE)
    assert (row.state, row.done_at) == (State.FIRED, story.moment.now)
    assert story.case.overdue_since is None


def test_whoever_reports_a_step_of_an_unanswered_case_takes_it() -> None:
    story = Story(report(GRADE_II)).until(12)
    story.take(acts.step_done(story.case, person("Lan"), Step.ON_SITE, story.moment, "workbench", child_sighted=True))
    assert story.case.status is Status.ACKNOWLEDGED
    assert minutes(story, CaseAcknowledged) == [12]


@pytest.mark.parametrize(
    ("step", "done_at", "code"),
    [
        (Step.ON_SITE, timedelta(hours=1), "in_future"),
        (Step.ON_SITE, -timedelta(hours=1), "before_report"),
        (Step.CLOSE, None, "not_reportable"),
        (Step.ACKNOWLEDGE, None, "not_reportable"),
    ],
)
def test_what_cannot_have_been_done_is_refused(step, done_at, code) -> None:
    story = Story(report(GRADE_II))
    with pytest.raises(Invalid) as refused:
        acts.step_done(
            story.case, person("Lan"), step, story.moment, "workbench", done_at=story.t0 + done_at if done_at is not None else None
        )
    assert refused.value.code == code


# Closing


def test_a_mandatory_case_closes_only_when_police_and_reporter_were_told() -> None:
    story = Story(report(GRADE_II, reporter_reachable=True))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    for step in (Step.POLICE_LINKED, Step.REPORTER_INFORMED):
        with pytest.raises(NotReadyToClose) as refused:
            acts.close(story.case, person("Lan"), CloseResult.CHILD_SAFE, story.moment)
        assert step in [error.field for error in refused.value.errors]
        story.take(acts.step_done(story.case, person("Lan"), step, story.moment, "workbench"))
    story.take(acts.close(story.case, person("Lan"), CloseResult.CHILD_SAFE, story.moment))
    (event,) = story.of(CaseClosed)
    assert (event.result, event.reporter_informed) == (CloseResult.CHILD_SAFE, True)
    assert [one.kind for one in story.case.deadlines if one.armed] == [Kind.VISIT]  # the child is looked after; nothing else is waited for


def test_a_police_report_that_was_made_before_counts() -> None:
    story = Story(report(GRADE_II, police_reported=True))
    assert acts.missing_to_close(story.case) == []


def test_an_anonymous_case_without_mandatory_situation_closes_at_once() -> None:
    story = Story(report(GRADE_III))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.take(acts.close(story.case, person("Lan"), CloseResult.UNFOUNDED, story.moment))
    assert story.case.status is Status.CLOSED


def test_nobody_closes_what_nobody_has_acknowledged_nor_what_is_anothers() -> None:
    story = Story(report(GRADE_III))
    with pytest.raises(Conflict, match="Acknowledge it first"):
        acts.close(story.case, person("Lan"), CloseResult.UNFOUNDED, story.moment)
    other = Story(report(GRADE_II, police_reported=True))
    other.take(acts.acknowledge(other.case, person("Lan"), other.moment, "sms_reply"))
    with pytest.raises(Conflict, match="Another officer"):
        acts.close(other.case, person("Mei"), CloseResult.UNFOUNDED, other.moment)
    assert acts.close(other.case, person("Mei"), CloseResult.UNFOUNDED, other.moment, manages=True).after.status is Status.CLOSED


def test_a_closed_case_is_left_alone() -> None:
    story = Story(report(GRADE_III))
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    story.take(acts.close(story.case, person("Lan"), CloseResult.UNFOUNDED, story.moment))
    before = len(story.events)
    assert len(story.until(60 * 24 * 60).events) == before
    with pytest.raises(Conflict, match="closed"):
        acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply")
    assert acts.close(story.case, person("Lan"), CloseResult.UNFOUNDED, story.moment).events == ()


# Places


def test_a_report_from_the_city_goes_to_the_dispatch_desk_whose_deadline_bites() -> None:
    story = Story(report(GRADE_II, division=CITY), town(CITY))
    assert (story.case.status, story.told) == (Status.NEEDS_PLACING, ["0 assign Tai"])
    assert story.of(CaseOpened)[0].needs_placing
    story.until(60)
    assert "60 dispatch" in story.missed
    assert minutes(story, CaseSupervised) == [60]


def test_placing_starts_the_ladder_there_and_the_clocks_keep_t0() -> None:
    story = Story(report(GRADE_II, division=CITY), town(CITY)).until(20)
    steps = {one.step: one.due_at for one in story.case.deadlines if one.kind is Kind.STEP}
    moment = type(story.moment)(story.moment.now, story.moment.policy, town(), story.moment.calendar, story.ids)
    story.take(acts.place(story.case, COMMUNITY, moment))
    assert (story.case.status, story.case.tier, story.case.division_code) == (Status.OPEN, Tier.COMMUNITY, COMMUNITY)
    assert story.told_by("assign") == ["0 assign Tai", "20 assign Lan", "20 assign Mei"]
    assert armed(story, Kind.ACKNOWLEDGE) == [50]
    assert {one.step: one.due_at for one in story.case.deadlines if one.kind is Kind.STEP} == steps
    assert story.of(CasePlaced)[0].from_division_code == CITY
    assert [(event.step, event.late) for event in story.of(CaseStepDone)] == [(Step.DISPATCH, False)]


def test_grade_one_without_a_place_supervises_at_once() -> None:
    story = Story(report(GRADE_I, division=CITY), town(CITY)).until(0)
    assert minutes(story, CaseSupervised) == [0]


def test_a_place_that_is_too_wide_is_refused() -> None:
    story = Story(report(GRADE_II))
    moment = type(story.moment)(story.moment.now, story.moment.policy, town(CITY), story.moment.calendar, story.ids)
    with pytest.raises(Invalid, match="too wide"):
        acts.place(story.case, CITY, moment)


# Grades


def test_raising_keeps_the_clocks_and_tells_whom_the_new_grade_names() -> None:
    story = Story(report(GRADE_II)).until(4)
    story.take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    assert story.of(CaseRegraded)[0].from_grade is Grade.II
    assert story.told[-2:] == ["4 assign Lan", "4 assign Dong"]
    assert armed(story, Kind.ACKNOWLEDGE) == [10]  # community's ten minutes, counted from when it became accountable
    due = {one.step: (one.due_at - story.t0).total_seconds() / 60 for one in story.case.deadlines if one.kind is Kind.STEP}
    assert (due[Step.ON_SITE], due[Step.FIRST_WRITTEN_UP]) == (60, 120)


def test_a_window_that_the_new_grade_has_already_used_up_is_over_now() -> None:
    story = Story(report(GRADE_II)).until(20)
    story.take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    story.until(20)
    assert story.climbs == ["20 community>street silence"]
    assert story.of(DeadlineMissed)[0].late_s == 0


def test_lowering_stops_at_the_floor_of_its_mandatory_situations() -> None:
    story = Story(report(GRADE_II, danger={Danger.UNCONSCIOUS: Answer.YES}))
    assert (story.case.grade, story.case.floor) == (Grade.I, Grade.II)
    assert acts.regrade(story.case, Grade.II, RegradeReason.MISJUDGED, story.moment).after.grade is Grade.II
    with pytest.raises(Invalid, match="below II"):
        acts.regrade(story.case, Grade.III, RegradeReason.MISJUDGED, story.moment)


def test_lowering_ends_with_the_first_contact_and_with_the_time_for_it() -> None:
    seen = Story(report()).until(5)
    seen.take(acts.step_done(seen.case, person("Lan"), Step.ON_SITE, seen.moment, "workbench"))
    late = Story(report()).until(240)
    for story in (seen, late):
        with pytest.raises(TooLateToLower):
            acts.regrade(story.case, Grade.III, RegradeReason.MISJUDGED, story.moment)
        assert acts.regrade(story.case, Grade.I, RegradeReason.FOUND_ON_SITE, story.moment).after.grade is Grade.I
    just_in_time = Story(report()).until(239)
    assert acts.regrade(just_in_time.case, Grade.III, RegradeReason.MISJUDGED, just_in_time.moment).after.grade is Grade.III


def test_a_second_report_on_the_same_matter_raises_by_one_and_a_third_after_90_days_does_not() -> None:
    story = Story(report(GRADE_III)).until(60)
    story.take(attach_report(story.case, report(GRADE_III, at=story.moment.now), story.moment))
    assert (story.case.grade, story.case.grade_reason) == (Grade.II, "second_report")
    story.take(attach_report(story.case, report(GRADE_III, at=story.t0 + timedelta(days=91)), story.moment))
    assert story.case.grade is Grade.II
