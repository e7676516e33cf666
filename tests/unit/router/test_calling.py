"""Calls beside the SMS, as a policy says: at once, or after a part of the silence; to the accountable officer, and to nobody else."""

import pytest
from pydantic import ValidationError

from libs.events.catalogue import NotificationFailed, NotificationRequested
from libs.terms import Grade, Purpose, Step, Tier
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import Kind
from services.router.rules.compare import changes
from services.router.rules.machine import unreachable
from services.router.rules.policy import Policy
from services.router.rules.simulate import simulate
from services.router.web.compared import side_of
from tests.unit.router.town import CALENDAR, CALLING, FUTIAN, GRADE_I, GRADE_II, Story, armed, person, post_id, report, town


def calls(story: Story) -> list[str]:
    return [line.removesuffix(" voice") for line in story.told if line.endswith("voice")]


def test_grade_one_is_called_at_once_and_again_in_silence_on_every_rung() -> None:
    # Grade I: 10 minutes for each rung; 0.6 of that is 6 minutes. Everybody is told at t0, only the accountable one is called.
    story = Story(report(GRADE_I), policy=CALLING).until(29)
    assert calls(story) == ["0 assign Lan", "6 remind Lan", "10 escalate Mei", "16 remind Mei", "20 escalate Dong", "26 remind Dong"]
    asked = [event for event in story.of(NotificationRequested) if event.channel == "voice"]
    assert all(event.step is Step.ACKNOWLEDGE and event.deadline_at is not None and event.critical for event in asked)


def test_silence_is_called_after_its_part_of_the_window_until_somebody_answers() -> None:
    # Grade II: 30 minutes for the community; 0.6 and 0.9 of that are 18 and 27 minutes.
    story = Story(report(GRADE_II), policy=CALLING).until(20)
    assert (calls(story), armed(story, Kind.CALL)) == (["18 remind Lan"], [27])
    story.take(acts.acknowledge(story.case, person("Lan"), story.moment, "keypad"))
    assert (calls(story.until(120)), armed(story, Kind.CALL)) == (["18 remind Lan"], [])


def test_after_an_outage_the_next_rung_is_called_in_its_own_window_only() -> None:
    story = Story(report(GRADE_II), policy=CALLING).sleep_until(40).wake_up()
    assert (story.climbs, calls(story)) == (["40 community>street silence"], [])
    assert armed(story, Kind.CALL) == [58, 67]


def test_a_raised_grade_calls_by_its_own_rules_from_then_on() -> None:
    story = Story(report(GRADE_II), policy=CALLING).until(4)
    story.take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    assert (calls(story), armed(story, Kind.CALL)) == (["4 assign Lan"], [6])
    assert calls(story.until(9)) == ["4 assign Lan", "6 remind Lan"]


def test_who_does_not_pick_up_is_not_unreachable_and_whom_no_sms_reaches_is() -> None:
    story = Story(report(GRADE_I), policy=CALLING)
    failed = NotificationFailed(
        notification_id=person("x"),
        case_id=story.case.case_id,
        grade=Grade.I,
        division_code=story.case.division_code,
        tier=Tier.COMMUNITY,
        post_id=post_id("community_officer"),
        officer_id=person("Lan"),
        purpose=Purpose.ASSIGN,
        reason="undelivered:no_answer",
        channel="voice",
    )
    assert unreachable(story.case, failed, story.moment).events == ()
    story.take(unreachable(story.case, failed.model_copy(update={"channel": "sms"}), story.moment))
    assert [line for line in story.told if line.startswith("0 assign Bo")] == ["0 assign Bo", "0 assign Bo voice"]


def test_the_simulator_and_the_comparison_show_calls_as_calls() -> None:
    first = report(GRADE_I)
    lines = [line for line in simulate(first, town(), CALLING, CALENDAR) if line.channel == "voice"]
    assert [(line.minute, line.action) for line in lines][:3] == [(0, "notify"), (6, "remind"), (10, "escalate")]
    (change,) = changes(first, (FUTIAN, town()), (CALLING, town()), CALENDAR, "en")
    assert (change.what, change.before, change.after) == ("called", "", "0, 6, 10, 16, 20, 26")
    assert side_of(change.what, change.after).startswith("+")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"grades": ["I"], "when": "silence"}, "needed with when: silence"),
        ({"grades": ["I"], "when": "start", "at": 0.5}, "only there"),
        ({"grades": ["V"], "when": "start"}, "voice.0.grades.0: V is not a grade of this policy"),
        ({"grades": [], "when": "start"}, "at least 1 item"),
        ({"grades": ["I"], "when": "silence", "at": 1}, "less than 1"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Policy.model_validate(FUTIAN.model_dump() | {"voice": [rule]})
