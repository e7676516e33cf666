"""Whatever departments, other areas and conflicts of interest do: one owner, a deadline, clocks that stand, nobody told who must not be."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.errors import TocsinError
from libs.events.catalogue import NotificationFailed, NotificationRequested
from libs.terms import ConflictReason, DeclineReason, Department, Household, LaneResult, PlacementNeed, Purpose, Tier, TransferReason
from services.router.rules import acts, conflict_acts, handover_acts, lane_acts, placement_acts
from services.router.rules.case import CaseState, Kind, Moment, Outcome
from services.router.rules.conflicts import Conflict, barred_people
from services.router.rules.lane_values import ACCEPT
from services.router.rules.machine import unreachable
from services.router.rules.policy import Policy
from services.router.rules.simulate import simulate
from tests.unit.router.test_handover import FAR, NEXT_DOOR, OTHER_PLACE, away
from tests.unit.router.test_properties import PEOPLE, check, reports
from tests.unit.router.town import CALENDAR, DISTRICT, FUTIAN, STREET, Story, person, post, town

OFFICIALS = ("Wen", "Shi", "Fen", "Nan", "Qiu", *PEOPLE)
POSTS = ("community_officer", "street_officer", "district_center", "district_office", "dispatch_desk", "police_station")
PLACES = (NEXT_DOOR, OTHER_PLACE, FAR)
DEPARTMENTS = (Department.POLICE, Department.PROCURATORATE, Department.EDUCATION, Department.COURT)
POLICE = (post("police_station", STREET, Tier.STREET, "Wen", "Shi"), post("police_branch", DISTRICT, Tier.DISTRICT, "Fen", order=9))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Lanes of a place that sets its own: other modes, other windows, other clocks; and how much handing about it bears."""
    whole = FUTIAN.model_dump()
    for department in ("police", "procuratorate", "education"):
        whole["lanes"][department] |= {
            "mode": draw(st.sampled_from(["inform", "act", "act_if_mandatory"])),
            "when": draw(st.sampled_from(["situation", "mandatory", "always"])),
            "accept": draw(st.sampled_from([None, "PT5M", "PT2H"])),
        }
    whole["handover"] = {"bound": draw(st.integers(1, 4)), "accept": draw(st.sampled_from([None, "PT5M", "P2D"]))}
    for branch in whole["placement"]["branches"].values():
        branch |= {"origin": draw(st.booleans()), "department": draw(st.sampled_from(DEPARTMENTS)), "through": ["street_officer"]}
    return Policy.model_validate(whole)


def _there(story: Story) -> Moment:
    assert story.moment.there is not None
    return replace(story.moment, route=story.moment.there, there=None)


def _ask(story: Story, case: CaseState, _officer: Any, number: int) -> Outcome:
    story.moment = replace(story.moment, there=away(PLACES[number % 3]))
    return handover_acts.transfer(case, PLACES[number % 3], TransferReason.OTHER, story.moment, _there(story))


def _placed(story: Story, case: CaseState, officer: Any, number: int) -> Outcome:
    there = None
    if case.handover.pending is None:
        story.moment = replace(story.moment, there=away(PLACES[number % 3]))
        there = _there(story)
    household = list(Household)[number % 4]
    return placement_acts.need(case, PlacementNeed.GUARDIAN_IS_DANGER, household, story.moment, there, by=officer)


def _accepted(story: Story, case: CaseState, officer: Any, _number: int) -> Outcome:
    if story.moment.there is None:
        raise StopIteration
    outcome = handover_acts.accept(case, officer, _there(story), "api")
    story.moment = replace(story.moment, route=story.moment.there)
    return outcome


def _lost(story: Story, case: CaseState, officer: Any, number: int) -> Outcome:
    told = next(one for one in case.assignments if one.officer_id == officer)
    failed = NotificationFailed(
        notification_id=story.ids.new(),
        case_id=case.case_id,
        grade=case.grade,
        division_code=case.division_code,
        tier=told.tier,
        post_id=told.post_id,
        officer_id=officer,
        purpose=(Purpose.REFER, Purpose.INFORM, Purpose.TRANSFER, Purpose.ASSIGN)[number % 4],
        reason="30003",
    )
    return unreachable(case, failed, story.moment)


DEEDS: dict[str, Any] = {
    "refer": lambda story, case, _, number: lane_acts.refer(case, DEPARTMENTS[number % 4], story.moment),
    "lane accept": lambda story, case, officer, number: lane_acts.accept(case, DEPARTMENTS[number % 4], officer, story.moment, "api"),
    "lane decline": lambda story, case, officer, number: lane_acts.decline(
        case, DEPARTMENTS[number % 4], officer, story.moment, "api", reason=DeclineReason.OTHER
    ),
    "lane done": lambda story, case, officer, number: lane_acts.done(
        case, DEPARTMENTS[number % 4], officer, LaneResult.HELPED, story.moment
    ),
    "clock": lambda story, case, officer, number: lane_acts.record_clock(
        case, Department.POLICE, officer, story.moment, code="no_filing_notice", what=("started", "done")[number % 2]
    ),
    "ask": _ask,
    "place": _placed,
    "house": lambda story, case, _, number: placement_acts.made(case, ("foster_family", "relatives", "moon")[number % 3], story.moment),
    "take": _accepted,
    "refuse": lambda story, case, officer, _: handover_acts.refuse(case, officer, story.moment),
    "conflict": lambda story, case, _, number: conflict_acts.conflict(
        case, Conflict(ConflictReason.SUSPECT_UNIT, post(POSTS[number], DISTRICT, Tier.DISTRICT).post_id), story.moment
    ),
    "lose": _lost,
    "acknowledge": lambda story, case, officer, _: acts.acknowledge(case, officer, story.moment, "sms_reply"),
    "decline": lambda story, case, officer, _: acts.decline(case, officer, DeclineReason.OTHER, story.moment, "api"),
}
deeds = st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(0, 90), st.sampled_from(OFFICIALS), st.integers(0, 5)), max_size=14)


class Watched(Story):
    """Looks at every outcome as it comes."""

    def take(self, outcome: Outcome) -> CaseState:
        for event in outcome.events:
            if isinstance(event, NotificationRequested):
                barred = barred_people(self.moment.route, outcome.after.conflicts)
                assert event.officer_id not in barred, f"{event.purpose} to somebody with a conflict of interest"
        if outcome.before is not None:
            began = {(lane.department, one.code): one.started_at for lane in outcome.before.lanes for one in lane.clocks}
            for lane in outcome.after.lanes:
                for one in lane.clocks:
                    assert one.code == ACCEPT or began.get((lane.department, one.code), one.started_at) == one.started_at
            steps = {one.deadline_id: one.started_at for one in outcome.before.deadlines}
            assert all(steps.get(one.deadline_id, one.started_at) == one.started_at for one in outcome.after.deadlines)
            known, moves = outcome.before.handover.moves, outcome.after.handover.moves
            assert known <= moves
        return super().take(outcome)


@settings(max_examples=200, deadline=None)
@given(reports, policies(), deeds)
def test_whatever_happens_beside_it_the_case_stays_whole(first: Any, policy: Policy, course: Any) -> None:
    story = Watched(first, town(first.division_code, extra=POLICE), policy=policy)
    minute = 0.0
    for deed, wait, name, number in course:
        minute += wait
        story.until(minute)
        before = repr(story.case)
        case, moment = story.case, story.moment
        try:
            outcome = DEEDS[deed](story, case, person(name), number)
        except (TocsinError, StopIteration):
            assert repr(story.case) == before
            story.moment = replace(moment, there=moment.there if case.handover.pending else story.moment.there)
            continue
        assert repr(case) == before, "a decision changes a copy, never the case it was given"
        story.take(outcome)
        check(story.case)
        lanes = {one.officer_id for one in story.case.assignments if one.beside}
        ladder = {one.officer_id for one in story.case.assignments if not one.beside}
        assert story.case.owner_officer_id not in lanes - ladder, "nobody who was only told beside the ladder owns the case"
    story.until(minute + 60 * 24 * 20)
    check(story.case)
    steps = [one for one in story.case.deadlines if one.kind is Kind.STEP]
    assert all(one.started_at == story.t0 for one in steps)
    assert story.case.handover.pending is None, "every transfer ends"


@settings(max_examples=60, deadline=None)
@given(reports, policies(), st.lists(st.sampled_from(POSTS), max_size=3, unique=True))
def test_the_simulation_is_the_machine_with_lanes_and_conflicts(first: Any, policy: Policy, barred: list[str]) -> None:
    conflicts = tuple({"reason": ConflictReason.SUSPECT_UNIT, "post_id": post(role, DISTRICT, Tier.DISTRICT).post_id} for role in barred)
    first = type(first).model_validate({**first.model_dump(exclude={"event_type"}), "conflicts": conflicts})
    route = town(first.division_code, extra=POLICE)
    story = Watched(first, route, policy=policy)
    lines = [line for line in simulate(first, route, policy, CALENDAR) if line.channel]
    story.until(max((line.minute for line in lines), default=0))
    spoken = [
        (round(minute, 4), event.post_id, event.department) for minute, event in story.events if isinstance(event, NotificationRequested)
    ]
    assert [(line.minute, line.post_id, line.department) for line in lines] == spoken


@settings(max_examples=60, deadline=None)
@given(reports, policies())
def test_lanes_move_nothing_on_the_ladder(first: Any, policy: Policy) -> None:
    bare = policy.model_copy(update={"lanes": {}})
    route = town(first.division_code, extra=POLICE)
    with_lanes, without = (Story(first, route, policy=one).until(60 * 24 * 10) for one in (policy, bare))
    assert with_lanes.told == without.told
    assert with_lanes.climbs == without.climbs
