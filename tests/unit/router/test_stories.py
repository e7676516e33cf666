"""What happens to a child's case, minute by minute.

Lan (Bo is her deputy) is 儿童主任 of the community, Mei (deputy Gang) 儿童督导员 of the street, Dong sits at the district centre; Ou of the
district office and Jian the procurator supervise; Tai has the dispatch desk. Everything as futian_2022 says.
"""

from datetime import UTC, datetime, timedelta

import pytest

from libs.events.catalogue import (
    CaseAssigned,
    CaseEscalated,
    CaseOpened,
    CaseSupervised,
    DeadlineMissed,
    DeadlineReminded,
    NotificationRequested,
)
from libs.terms import Grade, Purpose, Step, Tier
from services.router.rules import acts
from services.router.rules.case import Kind
from tests.unit.router.town import (
    GRADE_I,
    GRADE_II,
    GRADE_III,
    STREET,
    Story,
    armed,
    minutes,
    person,
    post_id,
    report,
    town,
)

# Opening


def test_grade_one_tells_all_tiers_at_once_and_the_lowest_is_accountable() -> None:
    story = Story(report(GRADE_I))
    assert story.told == ["0 assign Lan", "0 assign Mei", "0 assign Dong"]
    assert (story.case.tier, story.case.owner_officer_id) == (Tier.COMMUNITY, person("Lan"))
    assert [event.accountable for event in story.of(CaseAssigned)] == [True, False, False]
    assert all(event.critical for event in story.of(NotificationRequested) if event.purpose is not Purpose.INFORM)  # copies can wait


def test_grade_two_tells_the_first_rung_and_the_next() -> None:
    assert Story(report(GRADE_II)).told == ["0 assign Lan", "0 assign Mei"]


def test_grade_three_tells_the_first_rung_only() -> None:
    assert Story(report(GRADE_III)).told == ["0 assign Lan"]


def test_the_event_of_opening_comes_first_and_says_everything() -> None:
    story = Story(report(GRADE_II))
    first = story.events[0][1]
    assert isinstance(first, CaseOpened)
    assert (first.tier, first.post_id, first.officer_id) == (Tier.COMMUNITY, post_id("community_officer"), person("Lan"))
    assert (first.policy_id, first.policy_version, first.grade_reason) == ("futian_2022", 1, "MR4_ABUSE_INJURY")
    assert {step: (due - story.t0) for step, due in first.deadlines.items()} == {
        Step.ACKNOWLEDGE: timedelta(minutes=30),
        Step.ON_SITE: timedelta(hours=4),
        Step.FIRST_WRITTEN_UP: timedelta(hours=24),
        Step.ASSESSMENT: timedelta(hours=72),
        Step.CASE_CONFERENCE: timedelta(days=7),
        Step.CLOSE: timedelta(days=15),
    }


def test_a_community_without_officer_climbs_in_the_same_transaction() -> None:
    story = Story(report(GRADE_II), town(without=("community_officer",)))
    assert story.told == ["0 assign Mei"]
    assert story.climbs == ["0 community>street unreachable"]
    assert armed(story, Kind.ACKNOWLEDGE) == [30]


def test_the_deputy_is_told_where_the_primary_cannot_be_reached() -> None:
    assert Story(report(GRADE_III), town(away=("Lan",))).told == ["0 assign Bo"]


def test_a_report_from_the_street_begins_at_the_street() -> None:
    story = Story(report(GRADE_II, division=STREET), town(STREET))
    assert story.told == ["0 assign Mei", "0 assign Dong"]
    assert story.climbs == []


def test_where_no_rung_can_be_reached_the_dispatch_desk_answers_for_it() -> None:
    story = Story(report(GRADE_II), town(without=("community_officer", "street_officer", "district_center")))
    assert story.told == ["0 assign Tai"]
    assert story.case.owner_officer_id == person("Tai")
    story.until(60)  # the desk is of the district, and has its window
    assert story.told_by("supervise") == ["60 supervise Ou", "60 supervise Jian"]


def test_without_a_desk_the_supervising_posts_answer() -> None:
    nobody = ("community_officer", "street_officer", "district_center", "dispatch_desk")
    assert Story(report(GRADE_II), town(without=nobody)).told == ["0 assign Ou"]


def test_where_nobody_at_all_can_be_reached_the_case_waits_and_finds_whoever_comes() -> None:
    everybody = ("Lan", "Bo", "Mei", "Gang", "Dong", "Ou", "Jian", "Tai")
    story = Story(report(GRADE_II), town(away=everybody))
    assert story.told == []
    assert story.case.owner_post_id is not None
    assert armed(story, Kind.ACKNOWLEDGE) == [30]
    story.moment = type(story.moment)(story.moment.now, story.moment.policy, town(away=("Lan", "Bo")), story.moment.calendar, story.ids)
    story.until(30)
    assert story.told == ["30 escalate Mei"]


# Silence


def test_silence_climbs_community_street_district_supervise_each_at_its_minute() -> None:
    story = Story(report(GRADE_I)).until(61)
    assert story.climbs == ["10 community>street silence", "20 street>district silence"]
    assert story.told_by("escalate") == ["10 escalate Mei", "20 escalate Dong"]
    assert minutes(story, CaseSupervised) == [30, 40, 50, 60, 60]  # three rounds more, and on_site missed at 60
    assert story.case.tier is Tier.DISTRICT  # the case stays with the top rung
    assert story.case.owner_officer_id == person("Dong")


@pytest.mark.parametrize(
    ("situation", "windows"),
    [(GRADE_I, [10, 20, 30]), (GRADE_II, [30, 60, 120]), (GRADE_III, [240, 480, 960])],
)
def test_each_rung_has_its_own_window(situation, windows) -> None:
    story = Story(report(situation)).until(windows[-1])
    assert [minute for minute, event in story.events if isinstance(event, DeadlineMissed) and event.step is Step.ACKNOWLEDGE] == windows


def test_whoever_was_told_at_the_start_is_told_again_when_it_rests_on_them() -> None:
    story = Story(report(GRADE_II)).until(30)
    assert [line for line in story.told if "Mei" in line] == ["0 assign Mei", "30 escalate Mei"]


def test_supervising_goes_on_for_three_rounds_and_again_at_each_later_missed_deadline() -> None:
    story = Story(report(GRADE_II)).until(60 * 24 * 15)
    hours = [minute / 60 for minute in minutes(story, CaseSupervised)]
    #                2 silence, 3 rounds; on_site 4; first_written_up 24; assessment 72; case_conference 7 d; close 15 d
    assert hours == [2, 3, 4, 4, 5, 24, 72, 168, 360]


def test_an_open_case_past_all_its_deadlines_is_reviewed_every_week() -> None:
    story = Story(report(GRADE_II)).until(60 * 24 * 40)
    days = [minute / 60 / 24 for minute in minutes(story, CaseSupervised)]
    assert days[-4:] == [15, 22, 29, 36]
    assert story.case.wakes_at is not None


def test_what_is_due_at_the_same_instant_comes_as_deadline_escalate_or_supervise_remind() -> None:
    story = Story(report(GRADE_I)).until(30)
    at_30 = [event for minute, event in story.events if minute == 30]
    assert [type(event) for event in at_30] == [
        DeadlineMissed,
        CaseSupervised,
        NotificationRequested,
        NotificationRequested,
        DeadlineReminded,  # on_site is due at 60: half of its time is over
        NotificationRequested,
    ]


# Reminders


def test_reminders_come_at_half_and_at_four_fifths_of_the_window() -> None:
    story = Story(report(GRADE_II)).until(29)
    assert story.told_by("remind") == ["15 remind Lan", "24 remind Lan"]
    assert [(event.step, event.fraction) for event in story.of(DeadlineReminded)] == [("acknowledge", 0.5), ("acknowledge", 0.8)]


def test_an_answer_ends_the_reminders_and_the_owner_is_reminded_of_steps() -> None:
    story = Story(report(GRADE_II)).until(16)
    story.take(acts.acknowledge(story.case, person("Mei"), story.moment, "sms_reply"))
    story.until(239)
    assert story.told_by("remind") == ["15 remind Lan", "120 remind Mei", "192 remind Mei"]


# Outages and odd hours


def test_a_deadline_that_passed_while_everything_was_down_fires_once_late() -> None:
    story = Story(report(GRADE_II)).sleep_until(120).wake_up()
    (event,) = story.of(DeadlineMissed)
    assert (event.step, event.late_s) == (Step.ACKNOWLEDGE, 90 * 60)
    assert story.climbs == ["120 community>street silence"]
    assert story.told_by("remind") == ["120 remind Mei"]  # on_site: half of its four hours; what was for Lan is not sent any more
    assert story.until(150).climbs[-1] == "150 street>district silence"


def test_after_a_long_outage_the_case_climbs_one_rung_and_every_missed_deadline_is_recorded() -> None:
    story = Story(report(GRADE_I)).sleep_until(150).wake_up()
    assert story.missed == ["150 acknowledge", "150 on_site", "150 first_written_up"]
    assert story.climbs == ["150 community>street silence"]


def test_grade_four_waits_for_working_days() -> None:
    saturday_noon = datetime(2026, 3, 7, 4, 0, tzinfo=UTC)
    story = Story(report(at=saturday_noon, categories=("orphan",)))
    assert story.case.grade is Grade.IV
    (window,) = [one for one in story.case.deadlines if one.kind is Kind.ACKNOWLEDGE]
    assert window.due_at == datetime(2026, 3, 9, 16, 0, tzinfo=UTC)  # Monday counts whole: until midnight in Shenzhen


def test_a_missed_escalation_is_never_silent_about_whom_it_concerns() -> None:
    story = Story(report(GRADE_II)).until(300)
    for event in story.of(CaseEscalated, DeadlineMissed, CaseSupervised, DeadlineReminded):
        assert event.tier is not None
        assert event.post_id is not None
        assert event.officer_id is not None
