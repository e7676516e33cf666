"""Departments beside the ladder: who is told, who accepts, what their clocks do, and that none of it moves the case."""

from dataclasses import replace
from datetime import timedelta

import pytest

from libs.errors import Conflict, Forbidden, Invalid, NotFound
from libs.events.catalogue import LaneAccepted, LaneClockPassed, LaneClockRecorded, LaneTold, LaneUnreached, NotificationFailed
from libs.events.catalogue.router import CaseEvent
from libs.events.envelope import CATALOGUE
from libs.terms import DeclineReason, Department, LaneResult, Purpose, Situation, Step, Tier
from services.router.rules import acts, lane_acts
from services.router.rules.case import Status
from services.router.rules.lane_values import ACCEPT, LaneMode, LaneState
from services.router.rules.machine import attach_report, unreachable
from services.router.rules.policy import Policy
from services.router.store import columns
from services.router.web.timeline import EVENTS
from tests.unit.router.test_properties import check
from tests.unit.router.town import (
    BOOK,
    COMMUNITY,
    DISTRICT,
    FUTIAN,
    GRADE_I,
    GRADE_II,
    GRADE_III,
    PROVINCE,
    STREET,
    Story,
    person,
    post,
    report,
    town,
)

POLICE = Department.POLICE
STATION = post("police_station", STREET, Tier.STREET, "Wen", "Shi")
BRANCH = post("police_branch", DISTRICT, Tier.DISTRICT, "Fen", order=9)
SCHOOLS = post("district_education", DISTRICT, Tier.DISTRICT, "Xue", order=9)


def story(*situations: Situation, extra=(STATION, BRANCH), **fields) -> Story:
    return Story(report(*(situations or (GRADE_II,)), **fields), town(extra=extra))


def accept(told: Story, name: str = "Wen") -> Story:
    told.take(lane_acts.accept(told.case, POLICE, person(name), told.moment, "workbench"))
    return told


def test_the_departments_that_a_situation_names_are_told_at_once_and_the_ladder_stays_as_it_is() -> None:
    told, alone = story(), Story(report(GRADE_II), town())
    assert told.departments == ["0 refer police police_station", "0 inform procuratorate procurator"]
    assert told.until(600).told == alone.until(600).told
    assert [event.department for event in told.of(LaneUnreached)] == [Department.CIVIL]
    check(told.case)


def test_a_department_without_a_post_is_recorded_and_stops_nothing() -> None:
    told = story(extra=())
    lane = told.case.lane(POLICE)
    assert lane is not None
    assert lane.state is LaneState.UNREACHED
    assert told.case.owner_officer_id == person("Lan")
    assert "police" not in str(told.until(60 * 24 * 20).departments)


def test_a_police_officer_who_accepts_does_not_get_the_case() -> None:
    told = accept(story().until(7))
    assert told.case.owner_officer_id == person("Lan")
    assert told.case.status is Status.OPEN
    (said,) = told.of(LaneAccepted)
    assert (said.officer_id, said.late) == (person("Wen"), False)
    assert told.case.steps_done[Step.POLICE_LINKED] == told.moment.now  # the handing over to the police that closing waits for
    assert told.until(30).climbs == ["30 community>street silence"], "the ladder goes on, for nobody of it has answered"
    with pytest.raises(Exception, match="not told"):
        acts.acknowledge(told.case, person("Wen"), told.moment, "sms_reply")
    before = told.case
    assert not lane_acts.accept(before, POLICE, person("Wen"), told.moment, "api").changed


def test_whoever_shares_the_post_may_answer_for_it_and_nobody_else() -> None:
    told = accept(story().until(3), "Shi")
    lane = told.case.lane(POLICE)
    assert lane is not None
    assert lane.officer_id == person("Shi")
    assert told.case.knows(person("Shi"))
    with pytest.raises(Forbidden):
        lane_acts.accept(told.case, POLICE, person("Lan"), told.moment, "workbench")
    with pytest.raises(NotFound):
        lane_acts.accept(told.case, Department.COURT, person("Wen"), told.moment, "workbench")


def test_declining_or_silence_goes_to_the_next_person_and_post_and_then_to_the_owner() -> None:
    told = story().until(4)
    told.take(lane_acts.decline(told.case, POLICE, person("Wen"), told.moment, "workbench", reason=DeclineReason.NOT_MY_AREA))
    assert told.departments[2:] == ["4 refer police police_station"]  # the deputy of the same post
    told.until(200)
    assert told.departments[3:] == [
        "34 refer police police_branch",  # 4 + 30 min, the street's window of grade II
        "94 lapsed police police_branch",  # 34 + 60 min, the district's; there is nobody behind it
        "94 lapsed police district_center",  # who has the case at that time
    ]
    lane = told.case.lane(POLICE)
    assert lane is not None
    assert lane.state is LaneState.TOLD, "it may still accept"
    accept(told, "Fen")
    assert told.of(LaneAccepted)[0].late
    assert [event.clock for event in told.of(LaneClockPassed)] == [ACCEPT, ACCEPT]


def test_when_every_post_declines_the_owner_is_told() -> None:
    told = story(extra=(BRANCH,)).until(2)
    told.take(lane_acts.decline(told.case, POLICE, person("Fen"), told.moment, "workbench", reason=DeclineReason.OTHER))
    assert told.departments[-1] == "2 lapsed police community_officer"
    lane = told.case.lane(POLICE)
    assert lane is not None
    assert lane.state is LaneState.DECLINED
    assert lane.wakes_at is None


def test_clocks_of_others_are_told_once_and_never_climb() -> None:
    told = accept(story(GRADE_I).until(5))
    told.take(acts.acknowledge(told.case, person("Lan"), told.moment, "workbench"))
    climbs = len(told.climbs)
    told.until(5 + 60 * 24 * 8)
    passed = [(event.clock, event.due_at - told.t0 - timedelta(minutes=5)) for event in told.of(LaneClockPassed)]
    assert passed == [("police_criminal_review", timedelta(days=3)), ("police_sexual_minor_review", timedelta(days=7))]
    lapsed = [line for line in told.departments if "lapsed" in line]
    assert [line.split()[-1] for line in lapsed] == ["police_station", "community_officer"] * 2 or len(lapsed) == 4
    alone = Story(report(GRADE_I), town()).until(5)
    alone.take(acts.acknowledge(alone.case, person("Lan"), alone.moment, "workbench"))
    assert len(alone.until(5 + 60 * 24 * 8).climbs) == len(told.climbs) >= climbs


def test_what_is_recorded_of_a_clock_stands_and_its_start_is_never_moved() -> None:
    told = accept(story().until(5)).until(60)
    told.take(lane_acts.record_clock(told.case, POLICE, person("Lan"), told.moment, code="police_receipt", what="done"))
    told.take(lane_acts.record_clock(told.case, POLICE, person("Wen"), told.moment, code="no_filing_notice", what="started"))
    started = told.case.lane(POLICE)
    assert started is not None
    told.until(90)
    again = lane_acts.record_clock(told.case, POLICE, person("Wen"), told.moment, code="no_filing_notice", what="started")
    assert not again.changed
    done = lane_acts.record_clock(told.case, POLICE, person("Wen"), told.moment, code="no_filing_notice", what="done")
    told.take(done)
    assert [(event.clock, event.what, event.late) for event in told.of(LaneClockRecorded)] == [
        ("police_receipt", "done", False),
        ("no_filing_notice", "started", False),
        ("no_filing_notice", "done", False),
    ]
    with pytest.raises(Invalid, match="no such clock"):
        lane_acts.record_clock(told.case, POLICE, person("Wen"), told.moment, code="tea_break", what="done")
    with pytest.raises(Invalid):
        lane_acts.record_clock(
            told.case, POLICE, person("Wen"), told.moment, code="police_admin_review", what="done", at=told.moment.now + timedelta(hours=1)
        )


def test_a_department_that_is_done_has_no_clocks_left() -> None:
    told = accept(story().until(5))
    told.take(lane_acts.done(told.case, POLICE, person("Wen"), LaneResult.FILED, told.moment))
    assert not [line for line in told.until(60 * 24 * 20).departments if "lapsed" in line]
    with pytest.raises(Conflict):
        lane_acts.decline(told.case, POLICE, person("Wen"), told.moment, "workbench", reason=DeclineReason.OTHER)


def test_a_referral_by_hand_needs_an_answer_like_any_other() -> None:
    told = story(GRADE_III, extra=(SCHOOLS,)).until(10)
    assert told.departments == []
    told.take(lane_acts.refer(told.case, Department.EDUCATION, told.moment))
    assert told.departments == ["10 refer education district_education"]
    lane = told.case.lane(Department.EDUCATION)
    assert lane is not None
    assert (lane.mode, lane.by_hand) == (LaneMode.ACT, True)
    assert not lane_acts.refer(told.case, Department.EDUCATION, told.moment).changed
    told.until(10 + 8 * 60)  # the district's window of grade III
    assert told.departments[1:] == ["490 lapsed education district_education", "490 lapsed education district_center"]
    told.take(lane_acts.refer(told.case, Department.CHARITY, told.moment))
    gone = told.case.lane(Department.CHARITY)
    assert gone is not None
    assert gone.state is LaneState.UNREACHED


def test_a_message_that_does_not_arrive_goes_to_the_next_person_of_the_department() -> None:
    told = story().until(1)
    failed = NotificationFailed(
        notification_id=told.ids.new(),
        case_id=told.case.case_id,
        grade=told.case.grade,
        division_code=told.case.division_code,
        tier=Tier.STREET,
        post_id=STATION.post_id,
        officer_id=person("Wen"),
        purpose=Purpose.REFER,
        reason="30003",
    )
    owner = told.case.owner_officer_id
    told.take(unreachable(told.case, failed, told.moment))
    assert told.case.owner_officer_id == owner
    assert (told.of(LaneTold)[-1].officer_id, told.of(LaneTold)[-1].reason) == (person("Shi"), "unreachable")
    assert not unreachable(told.case, failed, told.moment).changed


def test_a_further_report_turns_a_copy_into_a_duty() -> None:
    rules = FUTIAN.model_dump() | {"lanes": {**FUTIAN.model_dump()["lanes"]}}
    rules["lanes"]["police"] |= {"when": "always"}
    policy = Policy.model_validate(rules)
    told = Story(report(GRADE_III), town(extra=(STATION,)), policy=policy).until(9)
    assert told.departments == ["0 inform police police_station"]
    told.take(attach_report(told.case, report(GRADE_II, at=told.moment.now), told.moment))
    assert "9 refer police police_station" in told.departments


def test_a_lane_comes_back_from_its_columns_as_it_was() -> None:
    told = accept(story(GRADE_I).until(5)).until(60)
    told.take(lane_acts.decline(told.case, POLICE, person("Wen"), told.moment, "api", reason=DeclineReason.OTHER))
    told.take(lane_acts.refer(told.case, Department.COURT, told.moment))
    import orjson

    for lane in told.case.lanes:
        assert columns.lane(orjson.loads(orjson.dumps(columns.of_lane(lane)))) == lane


def test_nobody_of_a_department_is_ever_recalled_or_made_the_owner_by_the_climb() -> None:
    told = story().until(5)
    told.take(acts.acknowledge(told.case, person("Lan"), told.moment, "workbench"))
    answers = {one.officer_id: (one.answer, one.beside) for one in told.case.assignments}
    assert answers[person("Wen")][1] == "police"
    assert not [line for line in told.departments if "recall" in line]
    gone = Story(report(GRADE_II), replace(town(extra=(STATION, BRANCH)))).until(60 * 24 * 30)
    assert gone.case.owner_post_id not in {STATION.post_id, BRANCH.post_id}


def test_the_timeline_has_words_for_every_event_of_a_case_and_for_no_other() -> None:
    of_cases = {name.removeprefix("tocsin.").removesuffix(".v1") for name, kind in CATALOGUE.items() if issubclass(kind, CaseEvent)}
    assert of_cases <= set(EVENTS)
    assert {f"tocsin.{name}.v1" for name in EVENTS} <= set(CATALOGUE)


def test_a_place_that_tells_more_departments_tells_them_when_a_case_comes_to_it() -> None:
    """SEED_X X02, X05: the police station of every report, and three more departments of improper guardianship; wherever it was first."""
    xiantao = BOOK.get("xiantao_2021")
    assert xiantao is not None
    women = post("women_office", STREET, Tier.STREET, "Hua", order=9)
    first = report(Situation.GC4_IMPROPER_GUARDIANSHIP, division=PROVINCE)
    told = Story(first, town(PROVINCE), policy=BOOK.get("national")).until(20)
    assert told.departments == []
    there = replace(told.moment, route=town(extra=(STATION, women)), policy=xiantao)
    told.moment = there
    told.take(acts.place(told.case, COMMUNITY, there, reports=(first,)))
    assert told.departments == ["20 inform police police_station", "20 inform women women_office"]
    check(told.case)
