"""Beside and after the case: word to the reporter in time, and visits to the child once the case is closed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import Conflict, Invalid
from libs.events.catalogue import CaseEscalated, CaseStepDone, CaseSupervised, NotificationFailed
from libs.terms import CloseResult, Grade, Purpose, Step
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.calendar import period_end
from services.router.rules.case import Kind, State, Status
from services.router.rules.machine import attach_report, unreachable
from tests.unit.router.test_properties import check
from tests.unit.router.town import GRADE_II, GRADE_III, T0, Story, minutes, person, post_id, report, town

DAY = 24 * 60


def dues(story: Story, step: Step) -> list[float]:
    """When the armed deadlines of a step are due, in days after the report."""
    return [(one.due_at - story.t0).total_seconds() / 86400 for one in story.case.deadlines if one.armed and one.step is step]


def done(story: Story, name: str, *steps: Step) -> Story:
    for step in steps:
        story.take(acts.step_done(story.case, person(name), step, story.moment, "workbench"))
    return story


def closed(result: CloseResult = CloseResult.CHILD_SAFE, at: float = 60) -> Story:
    """Lan took the case, went there, and closed it, an hour after the report."""
    story = Story(report(GRADE_II, police_reported=True)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    done(story.until(at), "Lan", Step.ON_SITE)
    story.take(acts.close(story.case, person("Lan"), result, story.moment))
    return story


# The reporter


def test_a_reporter_who_can_be_reached_is_owed_word_in_time_and_nobody_else() -> None:
    story = Story(report(GRADE_II, reporter_reachable=True))
    assert dues(story, Step.REPORTER_PROCEDURE) == [3]  # P3D, JIULONGPO
    assert dues(story, Step.REPORTER_INFORMED) == [92]  # P3M: 4 March to 4 June is 27 + 30 + 31 + 4 days
    assert not dues(Story(report(GRADE_II)), Step.REPORTER_PROCEDURE)


def test_missed_word_is_recorded_and_supervised_and_takes_the_case_from_nobody() -> None:
    story = Story(report(GRADE_II, reporter_reachable=True, police_reported=True)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    done(story.until(60), "Lan", Step.ON_SITE, Step.FIRST_WRITTEN_UP, Step.ASSESSMENT, Step.CASE_CONFERENCE)
    story.until(3 * DAY)
    assert story.missed == [f"{3 * DAY} reporter_procedure"]
    assert minutes(story, CaseSupervised) == [3 * DAY]
    assert f"{3 * DAY} overdue Lan" in story.told
    assert (story.case.status, story.case.owner_officer_id, story.of(CaseEscalated)) == (Status.ACKNOWLEDGED, person("Lan"), [])
    done(story.until(4 * DAY), "Lan", Step.REPORTER_PROCEDURE)
    assert story.of(CaseStepDone)[-1].late
    check(story.case)


def test_who_has_heard_the_outcome_need_not_hear_the_procedure_and_a_second_reporter_is_owed_both_again() -> None:
    story = Story(report(GRADE_II, reporter_reachable=True, police_reported=True)).until(5)
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "sms_reply"))
    done(story, "Lan", Step.REPORTER_INFORMED)
    assert not dues(story, Step.REPORTER_PROCEDURE) + dues(story, Step.REPORTER_INFORMED)
    second = report(GRADE_II, at=T0 + timedelta(days=1), reporter_reachable=True)
    story.until(DAY).take(attach_report(story.case, second, story.moment))
    assert (dues(story, Step.REPORTER_PROCEDURE), dues(story, Step.REPORTER_INFORMED)) == ([4], [93])
    done(story.until(5 * DAY), "Lan", Step.REPORTER_INFORMED)  # the procedure was missed at day 4
    rows = [one for one in story.case.deadlines if one.step in {Step.REPORTER_PROCEDURE, Step.REPORTER_INFORMED}]
    assert not [one for one in rows if one.armed]


def test_word_to_the_reporter_keeps_its_time_whatever_the_grade() -> None:
    story = Story(report(GRADE_III, reporter_reachable=True)).until(60)
    story.take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    assert (dues(story, Step.REPORTER_PROCEDURE), dues(story, Step.REPORTER_INFORMED)) == ([3], [92])


def test_a_forgotten_case_is_looked_at_again_though_its_reporter_is_still_owed_word() -> None:
    story = Story(report(GRADE_II, reporter_reachable=True)).until(40 * DAY)
    assert [one.kind for one in story.case.deadlines if one.armed and one.kind is not Kind.STEP] == [Kind.REVIEW]
    assert minutes(story, CaseSupervised)[-1] > 25 * DAY


# Visits


def test_the_child_is_visited_at_the_pace_of_the_grade_for_three_months() -> None:
    story = closed()  # grade II: every 15 days; three months from 4 March end on 4 June, after 92 days
    due = []
    while dues(story, Step.VISIT):
        due.append(round(dues(story, Step.VISIT)[0] - 60 / DAY))
        story.until((due[-1] - 2) * DAY)
        story.take(acts.step_done(story.case, person("Lan"), Step.VISIT, story.moment, "workbench"))
    assert due == [15, 30, 45, 60, 75, 90]
    assert (story.missed, story.case.wakes_at, story.case.status) == ([], None, Status.CLOSED)


@pytest.mark.parametrize("result", [CloseResult.UNFOUNDED, CloseResult.DUPLICATE, CloseResult.HANDED_TO_POLICE, CloseResult.TRANSFERRED])
def test_results_that_leave_no_child_to_visit_arm_nothing(result: CloseResult) -> None:
    assert closed(result).case.wakes_at is None


def test_a_missed_visit_is_told_to_the_post_and_to_the_supervising_posts_and_opens_nothing() -> None:
    story = closed().until(15 * DAY + 60)
    assert [line.split(" ", 1)[1] for line in story.told if float(line.split()[0]) > 60] == [
        "remind Lan",
        "remind Lan",
        "overdue Lan",
        "supervise Ou",
        "supervise Jian",
    ]
    assert story.missed == [f"{15 * DAY + 60} visit"]
    assert (story.case.status, len(dues(story, Step.VISIT))) == (Status.CLOSED, 1)
    check(story.case)


def test_whoever_holds_the_post_by_then_is_reminded_and_may_visit() -> None:
    story = closed()
    story.moment = replace(story.moment, route=town(away=("Lan",)))
    story.until(15 * DAY)
    assert [line.split(" ", 1)[1] for line in story.told_by("remind")[-2:]] == ["remind Bo", "remind Bo"]
    story.take(acts.step_done(story.case, person("Bo"), Step.VISIT, story.moment, "workbench"))
    assert [one.state for one in story.case.deadlines if one.kind is Kind.VISIT] == [State.MET, State.ARMED]
    with pytest.raises(Conflict):
        acts.step_done(closed(CloseResult.UNFOUNDED).case, person("Lan"), Step.VISIT, story.moment, "workbench")


def test_a_visit_is_not_recorded_before_the_case_is_closed_nor_before_it_was_made() -> None:
    story = Story(report(GRADE_II)).until(5)
    with pytest.raises(Invalid, match="after the case was closed"):
        acts.step_done(story.case, person("Lan"), Step.VISIT, story.moment, "workbench")
    story = closed()
    with pytest.raises(Invalid, match="between the closing"):
        acts.step_done(story.case, person("Lan"), Step.VISIT, story.moment, "workbench", done_at=story.t0)


def test_a_reminder_of_a_visit_that_does_not_arrive_goes_to_the_next_person() -> None:
    story = closed().until(8 * DAY)
    failed = NotificationFailed(
        notification_id=story.ids.new(),
        case_id=story.case.case_id,
        grade=story.case.grade,
        division_code=story.case.division_code,
        tier=story.case.tier,
        post_id=post_id("community_officer"),
        officer_id=person("Lan"),
        purpose=Purpose.REMIND,
        reason="30003",
    )
    story.take(unreachable(story.case, failed, story.moment))
    assert story.told[-1] == f"{8 * DAY} remind Bo"


def test_after_an_outage_of_weeks_what_was_missed_is_told_once() -> None:
    story = closed().sleep_until(50 * DAY).wake_up()
    assert len(story.missed) == 1
    assert [round(day) for day in dues(story, Step.VISIT)] == [60]


# Periods


@pytest.mark.parametrize(
    ("start", "period", "times", "expected"),
    [
        ("2026-01-31T02:00", "P1M", 1, "2026-02-28T02:00"),
        ("2026-01-31T02:00", "P1M", 2, "2026-03-31T02:00"),  # counted from the start: no drift over February
        ("2026-11-30T20:00", "P3M", 1, "2027-02-28T20:00"),  # 1 December 04:00 in Shenzhen, three months on
        ("2028-02-29T02:00", "P1Y", 1, "2029-02-28T02:00"),
        ("2026-03-04T02:00", "P2W", 1, "2026-03-18T02:00"),
        ("2026-03-04T02:00", "PT36H", 2, "2026-03-07T02:00"),
        ("2026-12-31T02:00", "PT90M", 1, "2026-12-31T03:30"),
    ],
)
def test_periods_go_by_the_calendar_of_the_place(start: str, period: str, times: int, expected: str) -> None:
    began = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert period_end(began, period, "Asia/Shanghai", times=times) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.sampled_from(["P1D", "P7D", "P1M", "P3M", "P1Y", "PT5H"]))  # noqa: DTZ001
def test_each_further_period_ends_later(start: datetime, period: str) -> None:
    began = start.replace(tzinfo=UTC)
    ends = [period_end(began, period, "Asia/Shanghai", times=times) for times in range(1, 15)]
    assert began < ends[0]
    assert ends == sorted(set(ends))
