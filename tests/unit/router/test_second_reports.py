"""A second report on the same child within 90 days raises one grade (rules.yaml grade_rules), whatever became of the first case."""

from datetime import timedelta

from libs.terms import Grade
from services.router.rules.machine import attach_report, open_case
from tests.unit.router.town import GRADE_I, GRADE_III, Story, report


def test_a_report_on_a_child_whose_case_was_closed_raises_within_90_days_too() -> None:
    """rules.yaml grade_rules: a second report within 90 days raises one grade, whether or not the first case is still open."""
    first = report(GRADE_III)
    for days, grade, reason in ((89, Grade.II, "second_report"), (91, Grade.III, GRADE_III)):
        story = Story(first)
        again = open_case(first, story.moment, earlier_at=first.received_at - timedelta(days=days)).after
        assert (again.grade, again.grade_reason) == (grade, reason)
    urgent = open_case(report(GRADE_I), story.moment, earlier_at=first.received_at - timedelta(days=1)).after
    assert (urgent.grade, urgent.grade_reason) == (Grade.I, GRADE_I), "nothing is more urgent"


def test_the_90_days_run_from_the_latest_report() -> None:
    story = Story(report(GRADE_III)).until(60)
    again = report(GRADE_III, at=story.t0 + timedelta(days=100))
    assert attach_report(story.case, again, story.moment).after.grade is Grade.III
    assert attach_report(story.case, again, story.moment, earlier_at=story.t0 + timedelta(days=50)).after.grade is Grade.II
