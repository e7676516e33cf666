"""What holds for every policy, report and set of people: deadlines grow up the ladder, raising never delays, nobody is lost by another."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.directory.model import Holder, Route, ancestor_codes
from libs.directory.roles import POST_ROLES
from libs.events.catalogue import DeadlineMissed, NotificationRequested, ReportReceived
from libs.terms import Answer, Danger, Grade, Situation, Step
from services.router.rules.acts import RegradeReason, regrade
from services.router.rules.calendar import ClockKind
from services.router.rules.case import Kind, State
from services.router.rules.machine import attach_report
from services.router.rules.policy import TIER_ORDER, FanOut, GradeRules, Policy, Recipients, When
from services.router.rules.policy_parts import Days
from services.router.rules.simulate import assumed_route
from tests.support.presets import BOOK
from tests.unit.router.test_properties import check
from tests.unit.router.town import T0, Story, report

GRID = "440304001020001"
minutes = st.integers(1, 60 * 24 * 7).map(lambda number: timedelta(minutes=number))


WATCHED = ("deputy_after", "stale_after")
SCHEMES = (
    *[tuple(Grade)] * 3,
    (Grade.I, Grade.IV),
    (Grade.I, Grade.II, Grade.III),
    (Grade.I, Grade.II, Grade.II, Grade.III, Grade.IV),
    (Grade.I, Grade.I, Grade.II, Grade.III, Grade.III, Grade.III, Grade.IV),
)
"""The four grades, and what places have instead: two to seven of their own."""


@st.composite
def _shifts(draw: st.DrawFn, grades: dict[str, GradeRules]) -> dict[str, object]:
    """Nights, weekends and the like; in each a higher grade gives nobody more time, either."""
    since, until = draw(st.lists(st.sampled_from(["00:00", "08:00", "12:30", "18:00", "22:00"]), min_size=2, max_size=2, unique=True))
    factor = draw(st.sampled_from([0.5, 2, 3]))
    own: dict[str, object] = {}
    for band, rules in grades.items():
        windows = {tier: window * factor for tier, window in rules.ack_windows.items()}
        own[band] = {"ack_windows": windows, "fan_out": draw(st.sampled_from(FanOut))}
    name = {"zh": "班", "en": "shift"}
    return {"name": name, "since": since, "until": until, "days": draw(st.sampled_from(Days)), "grades": own, "src": "default"}


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A place that sets its own: ladder, windows, steps, clocks, fan-out, rounds, receivers. A higher grade gives nobody more time."""
    base = draw(st.sampled_from(BOOK.policies))
    scheme = draw(st.sampled_from(SCHEMES))
    grades = {}
    clock = ClockKind.WORKDAY
    longest: dict[str, timedelta] = {}
    quorum = 1
    for rank, grade in reversed(list(enumerate(scheme, start=1))):
        rules = base.grades[grade]
        windows = {tier: min(draw(minutes), longest.get(tier, timedelta.max)) for tier in TIER_ORDER}
        steps = {step: min(draw(minutes), longest.get(step, timedelta.max)) for step in rules.steps if step is not Step.DISPATCH}
        watched = {key: draw(st.none() | minutes) if key not in longest else min(draw(minutes), longest[key]) for key in WATCHED}
        longest.update((*windows.items(), *steps.items(), *((key, d) for key, d in watched.items() if d)))
        quorum = max(draw(st.integers(1, 3)), quorum)
        clock = draw(st.sampled_from([ClockKind.WALL, ClockKind.WORKDAY])) if clock is ClockKind.WORKDAY else ClockKind.WALL
        changed = {step: rules.steps[step].model_copy(update={"d": d}) for step, d in steps.items()}
        own = {} if scheme == tuple(Grade) else {"severity": grade, "rank": rank}
        grades[str(rank) if own else str(grade)] = rules.model_copy(
            update={
                **own,
                "ack_windows": windows,
                "steps": {**rules.steps, **changed},
                "fan_out": draw(st.sampled_from(FanOut)),
                "clock": clock,
                **watched,
                "quorum": quorum,
            }
        )
    beside = draw(st.lists(st.sampled_from(["police_station", "street_civil_office", "community_officer", "city_civil"]), max_size=2))
    recipients = (Recipients(roles=tuple(beside), when=draw(st.sampled_from(When)), src="default"),) if beside else ()
    shifts = draw(st.lists(_shifts(grades), max_size=2))
    whole = base.model_dump() | {
        "shifts": shifts,
        "grades": {grade: rules.model_dump() for grade, rules in grades.items()},
        "recipients": [one.model_dump() for one in recipients],
        "supervise": {**base.supervise.model_dump(), "rounds": draw(st.integers(0, 5))},
    }
    return Policy.model_validate(whole)


SIXTY_DAYS = 60 * 24 * 60


places = st.sampled_from(ancestor_codes(GRID)[:4])
reports = st.builds(
    lambda situations, danger, minute, place: report(*situations, division=place, at=T0 + timedelta(minutes=minute), danger=danger),
    st.lists(st.sampled_from(Situation), max_size=2),
    st.dictionaries(st.sampled_from(Danger), st.sampled_from(Answer), max_size=3),
    st.integers(0, 60 * 24 * 300),
    places,
)


@st.composite
def staffed(draw: st.DrawFn, policy: Policy, code: str) -> Route:
    """Some of the posts that the policy names have somebody reachable; one of the ladder's at least. Departments have all, or none."""
    route = assumed_route(policy, code)
    told = [post for post in route.posts if POST_ROLES[post.role].lane != "department"]
    there = dict(
        zip((post.post_id for post in told), draw(st.lists(st.booleans(), min_size=len(told), max_size=len(told)).filter(any)), strict=True)
    )
    departments = draw(st.booleans())
    posts = tuple(post if there.get(post.post_id, departments) else replace(post, holders=()) for post in route.posts)
    return replace(route, posts=posts)


Course = tuple[Policy, Route, ReportReceived]


@st.composite
def courses(draw: st.DrawFn) -> Course:
    policy, first = draw(policies()), draw(reports)
    return policy, draw(staffed(policy, first.division_code)), first


def told(story: Story) -> set[UUID | None]:
    return {event.officer_id for event in story.of(NotificationRequested)}


@settings(max_examples=100, deadline=None)
@given(courses())
def test_no_report_is_without_an_owner_under_any_policy(course: Course) -> None:
    policy, route, first = course
    story = Story(first, route, policy=policy)
    check(story.case)
    assert story.case.owner_officer_id is not None
    assert told(story)
    check(story.until(SIXTY_DAYS).case)


@settings(max_examples=100, deadline=None)
@given(courses())
def test_deadlines_are_monotone_up_the_ladder(course: Course) -> None:
    """However odd the windows of a policy are: a higher rung's never begins before a lower one's, nor ends in silence before it."""
    policy, route, first = course
    story = Story(first, route, policy=policy).until(SIXTY_DAYS)
    windows = [one for one in story.case.deadlines if one.kind is Kind.ACKNOWLEDGE and one.tier is not None]
    for lower, higher in pairwise(windows):
        assert TIER_ORDER[lower.tier] < TIER_ORDER[higher.tier]  # type: ignore[index]
        assert lower.started_at <= higher.started_at < higher.due_at
        assert not lower.armed
    ends = [one.due_at for one in windows if one.state is State.FIRED]
    assert ends == sorted(ends)
    missed = [event.due_at for event in story.of(DeadlineMissed)]
    assert missed == sorted(missed)


@settings(max_examples=150, deadline=None)
@given(courses(), st.integers(0, 60 * 24), st.data())
def test_raising_never_delays(course: Course, minute: int, data: st.DataObject) -> None:
    """No deadline moves back or begins anew, and nobody is taken off."""
    policy, route, first = course
    story = Story(first, route, policy=policy).until(minute)
    before = story.case
    higher = policy.bands[: policy.position(before.band) - 1]
    if not higher:
        return
    raised = regrade(before, data.draw(st.sampled_from(higher)), RegradeReason.NEW_FACTS, story.moment).after
    due = {one.deadline_id: one for one in raised.deadlines}
    for one in before.deadlines:
        now = due[one.deadline_id]
        assert now.started_at == one.started_at
        if one.armed and now.armed:
            assert now.due_at <= max(one.due_at, story.moment.now)
    assert {one.officer_id for one in before.assignments} <= {one.officer_id for one in raised.assignments}
    check(raised)


@settings(max_examples=100, deadline=None)
@given(policies(), reports, reports, st.integers(0, 60 * 24))
def test_a_further_report_never_delays_either(policy: Policy, first: ReportReceived, second: ReportReceived, minute: int) -> None:
    route = assumed_route(policy, first.division_code)
    story = Story(first, route, policy=policy).until(minute)
    before = story.case
    joined = attach_report(before, second.model_copy(update={"received_at": story.moment.now}), story.moment).after
    assert joined.grade.rank <= before.grade.rank
    if joined.grade is before.grade:
        armed = {one.deadline_id: one.due_at for one in before.deadlines if one.armed}
        assert {one.deadline_id: one.due_at for one in joined.deadlines if one.deadline_id in armed and one.armed} == armed
    assert {one.officer_id for one in before.assignments} <= {one.officer_id for one in joined.assignments}
    check(joined)


@settings(max_examples=100, deadline=None)
@given(courses(), st.data())
def test_adding_an_officer_never_removes_one(course: Course, data: st.DataObject) -> None:
    """Another person on a post that has somebody changes nothing; on an empty one they replace whoever stood in for them: one at most."""
    policy, route, first = course
    number = data.draw(st.integers(0, len(route.posts) - 1))
    post = route.posts[number]
    newcomer = UUID(int=4711)
    filled = replace(post, holders=(*post.holders, Holder(newcomer, "deputy", reachable=True)))
    more = replace(route, posts=(*route.posts[:number], filled, *route.posts[number + 1 :]))
    for end in (0, SIXTY_DAYS):
        fewer = told(Story(first, route, policy=policy).until(end))
        told_now = told(Story(first, more, policy=policy).until(end))
        if post.reachable:  # where the policy gives a deputy a turn, the newcomer has one
            assert told_now - {newcomer} == fewer
        assert len(fewer - told_now) <= (newcomer in told_now)
