"""What holds for every report, place and course of events."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.errors import TocsinError
from libs.events.catalogue import CaseEscalated, DeadlineMissed, NotificationFailed, NotificationRequested
from libs.terms import AgeBand, Answer, CloseResult, Danger, DeclineReason, Grade, Purpose, Situation
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import CaseState, Kind, State, Status
from services.router.rules.machine import unreachable
from services.router.rules.moving import NO_MOVE, move
from services.router.rules.policy import TIER_ORDER
from services.router.rules.simulate import simulate
from tests.unit.router.town import BOOK, CALENDAR, CALLING, CITY, COMMUNITY, DISTRICT, FUTIAN, STREET, T0, Story, person, report, town

ROLES = ("community_officer", "street_officer", "district_center", "district_office", "procurator", "dispatch_desk")
PEOPLE = ("Lan", "Bo", "Mei", "Gang", "Dong", "Ou", "Jian", "Tai")

places = st.sampled_from([COMMUNITY, STREET, DISTRICT, CITY])
reports = st.builds(
    lambda situations, danger, bands, at, place, reachable: report(
        *situations, division=place, at=T0 + timedelta(minutes=at), danger=danger, age_bands=tuple(bands), reporter_reachable=reachable
    ),
    st.lists(st.sampled_from(Situation), max_size=3),
    st.dictionaries(st.sampled_from(Danger), st.sampled_from(Answer)),
    st.lists(st.sampled_from(AgeBand), min_size=1, max_size=2),
    st.integers(0, 60 * 24 * 10),
    places,
    st.booleans(),
)
policies = st.sampled_from([FUTIAN, CALLING])
missing = st.lists(st.sampled_from(ROLES), max_size=5, unique=True).map(tuple)
away = st.lists(st.sampled_from(PEOPLE), max_size=7, unique=True).map(tuple)


def check(case: CaseState) -> None:
    """Promise 2, and what a case must never look like."""
    if case.open:
        assert case.owner_post_id is not None
        assert any(one.armed for one in case.deadlines)
        assert case.wakes_at is not None
    else:
        assert not any(one.armed for one in case.deadlines if one.kind is not Kind.VISIT)
        assert case.result is not None
    assert len([one for one in case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE]) <= 1
    assert len([one for one in case.deadlines if one.armed and one.kind is Kind.SUPERVISE]) <= 1
    if case.status is Status.ACKNOWLEDGED:
        assert not [one for one in case.deadlines if one.armed and one.kind in {Kind.ACKNOWLEDGE, Kind.SUPERVISE}]
    assert len([one for one in case.deadlines if one.armed and one.kind is Kind.DEPUTY]) <= (case.status is Status.OPEN)
    assert not [one for one in case.deadlines if one.armed and one.kind is Kind.CALL] or case.status is Status.OPEN
    for kind in (Kind.STALE, Kind.QUORUM):
        assert len([one for one in case.deadlines if one.armed and one.kind is kind]) <= (case.status is Status.ACKNOWLEDGED)
    assert len({one.deadline_id for one in case.deadlines}) == len(case.deadlines)
    assert len({(one.post_id, one.officer_id) for one in case.assignments}) == len(case.assignments)


@settings(max_examples=150, deadline=None)
@given(reports, missing, away, policies)
def test_no_report_is_ever_without_an_owner_or_a_deadline(first, without, gone, policy) -> None:
    if set(PEOPLE) <= set(gone):
        gone = gone[1:]
    story = Story(first, town(first.division_code, without=without, away=gone), policy=policy)
    check(story.case)
    story.until(60 * 24 * 30)
    check(story.case)


@settings(max_examples=100, deadline=None)
@given(reports, missing, away, policies)
def test_the_simulation_is_the_machine(first, without, gone, policy) -> None:
    route = town(first.division_code, without=without, away=gone)
    story = Story(first, route, policy=policy)
    lines = simulate(first, route, policy, CALENDAR)
    last = max((line.minute for line in lines), default=0)
    story.until(last)
    spoken = [
        (round(minute, 4), event.post_id, event.channel if isinstance(event, NotificationRequested) else None)
        for minute, event in story.events
        if isinstance(event, NotificationRequested | DeadlineMissed)
    ]
    assert [(line.minute, line.post_id, line.channel) for line in lines] == spoken


@settings(max_examples=60, deadline=None)
@given(reports, missing, away)
def test_calls_are_told_beside_and_change_nothing_else(first, without, gone) -> None:
    """With calls and without: the same SMS, climbs and deadlines at the same minutes, and every call has an SMS to the same officer."""
    route = town(first.division_code, without=without, away=gone)
    plain, calling = (Story(first, route, policy=policy).until(60 * 24 * 7) for policy in (FUTIAN, CALLING))
    assert [line for line in calling.told if not line.endswith("voice")] == plain.told
    assert calling.climbs == plain.climbs
    assert calling.missed == plain.missed
    told = {event.officer_id for event in plain.of(NotificationRequested)}
    assert all(event.officer_id in told for event in calling.of(NotificationRequested) if event.channel == "voice")


@settings(max_examples=100, deadline=None)
@given(reports, missing, away)
def test_silence_climbs_upwards_only_and_everything_fires_at_its_instant(first, without, gone) -> None:
    story = Story(first, town(first.division_code, without=without, away=gone)).until(60 * 24 * 60)
    climbs = [event for event in story.of(CaseEscalated) if event.reason == "silence"]
    assert all(
        event.from_tier is None or event.reason == "unreachable" or TIER_ORDER[event.to_tier] > TIER_ORDER[event.from_tier]
        for event in climbs
        if not story.case.off_ladder
    )
    for minute, event in story.events:
        if isinstance(event, DeadlineMissed):
            assert event.fired_at == event.due_at
            assert abs((event.due_at - story.t0).total_seconds() / 60 - minute) < 1e-6
    missed = [event.deadline_id for event in story.of(DeadlineMissed)]
    assert len(missed) == len(set(missed))


def _take(story: Story, case: CaseState, officer, _number):
    post = next(one for one in story.moment.route.posts if any(holder.officer_id == officer for holder in one.holders))
    return acts.take_over(case, officer, post, story.moment, "workbench")


def _lose(story: Story, case: CaseState, officer, _number):
    told = next(one for one in case.assignments if one.officer_id == officer)
    return unreachable(case, _failure(story, told.post_id, officer), story.moment)


def _move(story: Story, case: CaseState, _officer, number):
    story.moment = replace(story.moment, policy=BOOK.policies[number % len(BOOK.policies)])
    return move(case, story.moment, move_id=NO_MOVE)


DEEDS = {
    "acknowledge": lambda story, case, officer, _: acts.acknowledge(case, officer, story.moment, "sms_reply"),
    "decline": lambda story, case, officer, _: acts.decline(case, officer, DeclineReason.UNAVAILABLE, story.moment, "workbench"),
    "step": lambda story, case, officer, number: acts.step_done(
        case, officer, acts.REPORTABLE_STEPS[number], story.moment, "workbench", child_sighted=True
    ),
    "close": lambda story, case, officer, _: acts.close(case, officer, CloseResult.CHILD_SAFE, story.moment, manages=True),
    "regrade": lambda story, case, _, number: acts.regrade(case, list(Grade)[number % 4], RegradeReason.NEW_FACTS, story.moment),
    "take": _take,
    "lose": _lose,
    "move": _move,
}
deeds = st.lists(
    st.tuples(
        st.sampled_from(sorted(DEEDS)),
        st.integers(0, 400),
        st.sampled_from(PEOPLE),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(reports, deeds, policies)
def test_whatever_people_do_the_case_stays_whole(first, course, policy) -> None:
    story = Story(first, town(first.division_code), policy=policy)
    minute = 0.0
    for deed, wait, name, number in course:
        minute += wait
        story.until(minute)
        before = repr(story.case)
        case, officer = story.case, person(name)
        try:
            outcome = DEEDS[deed](story, case, officer, number)
        except (TocsinError, StopIteration):
            assert repr(story.case) == before
            continue
        assert repr(case) == before, "a decision changes a copy, never the case it was given"
        story.take(outcome)
        check(story.case)
    story.until(minute + 60 * 24 * 20)
    check(story.case)
    for one in story.case.deadlines:
        assert one.state is not State.FIRED or (one.fired_at and one.fired_at >= one.due_at)
    steps = [one for one in story.case.deadlines if one.kind is Kind.STEP]
    assert all(one.started_at == story.t0 for one in steps)
    counted = [one.step for one in steps if one.state is not State.CANCELLED]
    assert len(set(counted)) == len(counted), "a step has one deadline, apart from those that a lower grade has done away with"


def _failure(story: Story, post_id, officer) -> NotificationFailed:
    case = story.case
    return NotificationFailed(
        notification_id=story.ids.new(),
        case_id=case.case_id,
        grade=case.grade,
        division_code=case.division_code,
        tier=case.tier,
        post_id=post_id,
        officer_id=officer,
        purpose=Purpose.ASSIGN,
        reason="30003",
    )


@settings(max_examples=60, deadline=None)
@given(reports, st.integers(1, 60 * 24 * 20))
def test_an_outage_of_any_length_loses_no_deadline(first, length) -> None:
    """Whoever slept through it fires once everything that passed, and nothing that did not."""
    asleep = Story(first, town(first.division_code)).sleep_until(length).wake_up()
    end = asleep.moment.now
    passed = [one for one in Story(first, town(first.division_code)).case.deadlines if one.due_at <= end]
    fired = {one.deadline_id for one in asleep.case.deadlines if one.state is State.FIRED}
    assert {one.deadline_id for one in passed} <= fired
    check(asleep.case)
