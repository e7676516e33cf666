"""What a place may want beside the rung's window: the deputy's turn, an acknowledgement that goes stale, a quorum, shifts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.errors import Conflict
from libs.events.catalogue import AcknowledgementStale, CaseAcknowledged, CaseAssigned, CaseEscalated, CaseSupervised, NotificationFailed
from libs.terms import DeclineReason, Grade, Purpose, Step, Tier
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import Kind, Status
from services.router.rules.machine import unreachable
from services.router.rules.policy import Policy
from services.router.rules.simulate import Reply, simulate
from tests.unit.router.test_properties import check
from tests.unit.router.town import CALENDAR, FUTIAN, GRADE_I, GRADE_II, T0, Story, armed, minutes, person, post_id, report, town


def with_grade(grade: Grade, **keys: Any) -> Policy:
    """Futian's rules, with keys of its own for one grade."""
    rules = FUTIAN.grades[grade].model_dump() | keys
    return Policy.model_validate(FUTIAN.model_dump() | {"grades": {**FUTIAN.model_dump()["grades"], grade: rules}})


def acknowledge(story: Story, *names: str) -> None:
    for name in names:
        story.take(acts.acknowledge(story.case, person(name), story.moment, "sms_reply"))


# The deputy's turn


def test_the_deputy_is_told_within_the_window_of_the_rung_which_goes_on() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, deputy_after="PT12M")).until(29)
    assert story.told_by("assign") == ["0 assign Lan", "0 assign Mei", "12 assign Bo"]
    assert [event.reason for event in story.of(CaseAssigned) if event.accountable] == ["opened", "deputy"]
    assert armed(story, Kind.ACKNOWLEDGE) == [30]
    assert armed(story, Kind.DEPUTY) == []  # the next one's part would end at 24, but the post has nobody else
    assert story.told_by("remind") == ["15 remind Bo", "24 remind Bo"]
    story.until(30)
    assert story.climbs == ["30 community>street silence"]
    assert story.until(42).told_by("assign")[3:] == ["42 assign Gang"]  # the street's deputy has a turn as well
    check(story.case)


def test_an_answer_ends_the_deputys_turn_before_it_begins() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, deputy_after="PT12M")).until(11)
    acknowledge(story, "Lan")
    assert "Bo" not in " ".join(story.until(240).told)


def test_after_an_outage_the_rung_climbs_and_the_deputys_turn_is_over() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, deputy_after="PT12M")).sleep_until(31).wake_up()
    assert story.climbs == ["31 community>street silence"]
    assert "Bo" not in " ".join(story.told)
    assert armed(story, Kind.DEPUTY) == [43]


# An acknowledgement that nothing follows


def test_an_acknowledgement_without_a_step_goes_stale_and_climbs() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, stale_after="PT45M")).until(10)
    acknowledge(story, "Lan")
    assert (story.case.next_due.step, armed(story, Kind.STALE)) == (Step.ON_SITE, [55])  # type: ignore[union-attr]
    story.until(55)
    (stale,) = story.of(AcknowledgementStale)
    assert (stale.step, stale.tier, stale.late_s) == (Step.ON_SITE, Tier.COMMUNITY, 0)
    assert story.climbs == ["55 community>street stale"]
    assert "55 overdue Lan" in story.told
    assert (story.case.status, story.case.overdue_since) == (Status.OPEN, T0 + timedelta(minutes=55))
    acknowledge(story, "Mei")
    assert (armed(story, Kind.STALE), story.case.overdue_since) == ([100], None)
    check(story.case)


@pytest.mark.parametrize(("step", "holds"), [(Step.ON_SITE, True), (Step.POLICE_LINKED, True), (Step.REPORTER_INFORMED, False)])
def test_any_step_of_the_response_keeps_it_fresh_but_a_word_to_the_reporter_does_not(step: Step, holds: bool) -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, stale_after="PT45M")).until(10)
    acknowledge(story, "Lan")
    story.until(20).take(acts.step_done(story.case, person("Lan"), step, story.moment, "workbench", child_sighted=True))
    assert bool(story.until(60).of(AcknowledgementStale)) is not holds


def test_on_the_top_rung_a_stale_acknowledgement_is_supervised_in_rounds() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.II, stale_after="PT45M")).until(60)
    acknowledge(story, "Dong")  # the district has it since minute 60
    story.until(105)
    assert minutes(story, CaseSupervised) == [105]
    assert armed(story, Kind.SUPERVISE) == [165]
    check(story.case)


def test_raising_gives_the_watch_the_new_length_from_the_acknowledgement_on() -> None:
    story = Story(report(GRADE_II), policy=with_grade(Grade.I, stale_after="PT20M", quorum=2)).until(10)
    acknowledge(story, "Lan")
    assert armed(story, Kind.STALE) == armed(story, Kind.QUORUM) == []
    story.until(15).take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    assert armed(story, Kind.STALE) == [30]
    assert armed(story, Kind.QUORUM) == [25]  # ten minutes for the community's rung, from when a second one was wanted
    check(story.case)


# Quorum


def test_the_asking_stops_only_when_officers_of_two_posts_have_acknowledged_and_the_first_is_the_owner() -> None:
    story = Story(report(GRADE_I), policy=with_grade(Grade.I, quorum=2)).until(4)
    acknowledge(story, "Lan")
    assert (story.case.status, armed(story, Kind.QUORUM), armed(story, Kind.ACKNOWLEDGE)) == (Status.ACKNOWLEDGED, [10], [])
    story.until(10)
    assert story.told_by("escalate") == ["10 escalate Mei"]
    assert (story.of(CaseEscalated), story.case.owner_officer_id) == ([], person("Lan"))
    acknowledge(story, "Lan", "Mei", "Mei")  # twice is once
    answers = [(event.officer_id, event.joins, event.wanted) for event in story.of(CaseAcknowledged)]
    assert answers == [(person("Lan"), False, 1), (person("Mei"), True, 0)]
    assert (story.case.owner_officer_id, armed(story, Kind.QUORUM)) == (person("Lan"), [])
    with pytest.raises(Conflict):
        acts.acknowledge(story.case, person("Dong"), story.moment, "sms_reply")
    assert story.until(59).told_by("escalate", "supervise") == ["10 escalate Mei"]
    check(story.case)


def test_without_a_second_one_it_is_asked_up_to_the_top_and_supervised_in_rounds() -> None:
    story = Story(report(GRADE_I), policy=with_grade(Grade.I, quorum=2)).until(4)
    acknowledge(story, "Lan")
    story.until(59)
    assert story.told_by("escalate") == ["10 escalate Mei", "20 escalate Dong"]
    assert minutes(story, CaseSupervised) == [30, 40, 50]  # on_site, at 60, climbs as ever
    assert story.case.owner_officer_id == person("Lan")
    check(story.case)


def test_two_officers_of_one_post_are_no_quorum() -> None:
    story = Story(report(GRADE_I), policy=with_grade(Grade.I, quorum=2, deputy_after="PT2M")).until(3)
    acknowledge(story, "Bo", "Lan")
    assert armed(story, Kind.QUORUM) == [10]
    assert story.until(10).told_by("escalate") == ["10 escalate Mei"]


def test_who_steps_back_from_a_quorum_is_missing_again() -> None:
    story = Story(report(GRADE_I), policy=with_grade(Grade.I, quorum=2)).until(4)
    acknowledge(story, "Lan", "Mei")
    story.until(6).take(acts.decline(story.case, person("Mei"), DeclineReason.UNAVAILABLE, story.moment, "workbench"))
    assert armed(story, Kind.QUORUM) == [16]
    assert story.until(16).told_by("escalate") == ["16 escalate Gang"]


def test_who_is_asked_and_cannot_be_reached_is_replaced_at_once() -> None:
    story = Story(report(GRADE_I), policy=with_grade(Grade.I, quorum=2)).until(4)
    acknowledge(story, "Lan")
    story.until(12)
    for name, role in (("Mei", "street_officer"), ("Gang", "street_officer")):
        failed = NotificationFailed(
            notification_id=story.ids.new(),
            case_id=story.case.case_id,
            grade=story.case.grade,
            division_code=story.case.division_code,
            tier=Tier.STREET,
            post_id=post_id(role),
            officer_id=person(name),
            purpose=Purpose.ESCALATE,
            reason="30003",
        )
        story.take(unreachable(story.case, failed, story.moment))
    assert story.told_by("escalate") == ["10 escalate Mei", "12 escalate Gang", "12 escalate Dong"]
    check(story.case)


# Shifts

NIGHT = {
    "name": {"zh": "夜班", "en": "night"},
    "since": "20:00",
    "until": "08:00",
    "grades": {"II": {"ack_windows": {"community": "PT45M"}, "fan_out": "all_tiers"}},
    "src": "decision of the district",
}


@pytest.mark.parametrize(
    ("hour", "window", "told"),
    [(10, 30, 2), (19, 30, 2), (20, 45, 3), (23, 45, 3), (7, 45, 3), (8, 30, 2)],  # in Shenzhen, eight hours before UTC
)
def test_a_shift_has_windows_and_a_fan_out_of_its_own(hour: int, window: int, told: int) -> None:
    policy = Policy.model_validate(FUTIAN.model_dump() | {"shifts": [NIGHT]})
    first = report(GRADE_II, at=datetime(2026, 3, 4, hour, tzinfo=UTC) - timedelta(hours=8))
    story = Story(first, policy=policy)
    assert armed(story, Kind.ACKNOWLEDGE) == [window]
    assert len(story.told) == told


def test_a_shift_of_working_days_belongs_to_the_day_on_which_it_begins() -> None:
    policy = Policy.model_validate(FUTIAN.model_dump() | {"shifts": [{**NIGHT, "days": "working"}]})
    friday_night = datetime(2026, 3, 6, 18, tzinfo=UTC)  # Saturday, 02:00 in Shenzhen: Friday's night shift
    assert policy.shift_at(friday_night, "Asia/Shanghai", CALENDAR) is not None
    assert policy.shift_at(friday_night + timedelta(days=1), "Asia/Shanghai", CALENDAR) is None


def test_the_simulator_knows_all_of_it() -> None:
    policy = with_grade(Grade.I, quorum=2, deputy_after="PT2M", stale_after="PT20M")
    lines = simulate(report(GRADE_I), town(), policy, CALENDAR, replies=[Reply(4, "acknowledge"), Reply(12, "acknowledge", Tier.STREET)])
    assert [(line.minute, line.action, line.tier) for line in lines if line.minute and line.action != "remind"][:6] == [
        (2, "notify", Tier.COMMUNITY),  # the deputy
        (4, "answer", Tier.COMMUNITY),
        (10, "escalate", Tier.STREET),  # a second one is wanted
        (12, "answer", Tier.STREET),
        (24, "escalate", Tier.STREET),  # nobody has done anything for 20 minutes
        (24, "notify", Tier.COMMUNITY),
    ]
