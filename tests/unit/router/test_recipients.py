"""Who is told beside the rungs, whose name a role has, and which of several posts of a rung answers."""

from dataclasses import replace

from libs.directory.model import Route
from libs.directory.roles import POST_ROLES, role_named
from libs.events.catalogue import CaseAssigned, NotificationFailed, NotificationRequested
from libs.terms import Grade, Purpose, Situation
from services.router.rules import acts
from services.router.rules.acts import RegradeReason
from services.router.rules.case import Answered
from services.router.rules.ladder import seat_at
from services.router.rules.machine import attach_report, unreachable
from services.router.rules.policy import Policy
from services.router.rules.simulate import assumed_route
from tests.support.presets import BOOK
from tests.unit.router.town import GRADE_II, GRADE_III, Story, report

HERE = "530111001001"
GRID = "500112023001001"


def policy(name: str) -> Policy:
    found = BOOK.get(name)
    assert found is not None
    return found


def told(story: Story, purpose: Purpose) -> list[str]:
    """Minute and role of each message of a kind."""
    roles = {post.post_id: post.role for post in story.moment.route.posts}
    return [
        f"{minute} {roles[event.post_id]}"
        for minute, event in story.events
        if isinstance(event, NotificationRequested) and event.purpose is purpose and event.post_id
    ]


def story_in(name: str, place: str, *situations: Situation, route: Route | None = None) -> Story:
    rules = policy(name)
    return Story(report(*situations, division=place), route or assumed_route(rules, place), policy=rules)


def holder(story: Story, role: str):
    return next(post for post in story.moment.route.posts if post.role == role).holders[0].officer_id


def test_three_are_told_at_once_whatever_the_grade() -> None:
    """X02: police station, 民社办 and community; beside the grid worker, who has the case. The police hear it on their own lane."""
    story = story_in("xiantao_2021", GRID, GRADE_III)
    assert told(story, Purpose.ASSIGN) == ["0 grid_worker", "0 community_officer", "0 street_civil_office"]
    assert "0 inform police police_station" in story.departments
    assert [event.accountable for event in story.of(CaseAssigned)] == [True, False, False]
    assert story.case.owner_officer_id == holder(story, "grid_worker")


def test_who_is_told_beside_may_take_the_case_and_is_never_told_to_stay() -> None:
    story = story_in("xiantao_2021", GRID, GRADE_II).until(5)
    story.take(acts.acknowledge(story.case, holder(story, "grid_worker"), story.moment, "workbench"))
    assert told(story, Purpose.RECALL) == []
    answers = {one.officer_id: one.answer for one in story.case.assignments}
    assert answers[holder(story, "police_station")] is Answered.TOLD
    taken = story_in("xiantao_2021", GRID, GRADE_II).until(5)
    taken.take(acts.acknowledge(taken.case, holder(taken, "street_civil_office"), taken.moment, "workbench"))
    assert told(taken, Purpose.RECALL) == ["5 grid_worker"]
    assert taken.case.owner_officer_id == holder(taken, "street_civil_office")


def test_the_police_station_hears_of_the_nine_situations_only_where_the_policy_says_so() -> None:
    assert "0 refer police police_station" in story_in("guandu_2022", HERE, GRADE_II).departments
    assert not [line for line in story_in("guandu_2022", HERE, GRADE_III).departments if "police" in line]


def test_a_further_report_of_one_of_the_nine_tells_the_police_station_then() -> None:
    """The first report was nobody's idea of a crime; the grade stays, but now the police have to know. Nobody else is told anew."""
    story = story_in("guandu_2022", HERE).until(7)
    assert story.case.grade is Grade.II
    story.moment = replace(story.moment, policy=story.moment.policy.model_copy(update={"second_report": _no_raise(story.moment.policy)}))
    story.take(attach_report(story.case, report(GRADE_II, division=HERE, at=story.moment.now), story.moment))
    assert not [line for line in told(story, Purpose.ASSIGN) if line.startswith("7 ")]
    assert "7 refer police police_station" in story.departments
    story.take(attach_report(story.case, report(GRADE_II, division=HERE, at=story.moment.now), story.moment))
    assert story.departments.count("7 refer police police_station") == 1


def _no_raise(rules: Policy):
    return rules.second_report.model_copy(update={"raise_by": 0})


def test_who_is_told_beside_is_not_told_twice_when_the_grade_rises() -> None:
    story = story_in("zhengzhou_2014", "410103001001", GRADE_III).until(3)
    story.take(acts.regrade(story.case, Grade.I, RegradeReason.NEW_FACTS, story.moment))
    lines = told(story, Purpose.ASSIGN)
    assert lines == ["0 community_officer", "0 street_officer", "3 community_officer", "3 district_center"]
    assert story.departments.count("0 inform police police_station") == 1


def test_a_receiver_who_cannot_be_reached_does_not_move_the_case() -> None:
    story = story_in("guandu_2022", HERE, GRADE_II)
    asked = next(
        event for event in story.of(NotificationRequested) if event.post_id and event.officer_id == holder(story, "police_station")
    )
    failed = NotificationFailed(**asked.model_dump(exclude={"event_type"}), reason="30003")
    owner = story.case.owner_officer_id
    story.take(unreachable(story.case, failed, story.moment))
    assert story.case.owner_officer_id == owner
    assert story.climbs == []


def test_the_role_that_the_policy_names_first_answers_first() -> None:
    """Guandu's streets have a station (G01); the supervisors stand behind it, whatever the order of the posts in the directory."""
    rules = policy("guandu_2022")
    route = assumed_route(rules, HERE)
    backwards = replace(route, posts=tuple(sorted(route.posts, key=lambda post: post.role != "street_officer")))
    for one in (route, backwards):
        seat = seat_at(rules, one, rules.tiers[1])
        assert seat is not None
        assert seat.post.role == "street_station"
        behind = seat_at(rules, one, rules.tiers[1], {seat.officer_id})
        assert behind is not None
        assert behind.post.role == "street_officer"


def test_a_role_is_found_by_any_of_its_names() -> None:
    for name in ("community_officer", "儿童主任", "未保专干", "社会保护工作专干", "专人专岗", "Community child officer"):
        found = role_named(name)
        assert found is not None
        assert found.code == "community_officer"
    assert role_named("流浪未成年人救助保护中心") is POST_ROLES["district_center"]  # its name until Z24
    assert role_named("mayor") is None


def test_a_place_calls_its_posts_by_its_own_names() -> None:
    titles = {post.role: post.title("zh_CN") for post in assumed_route(policy("mca_2014"), "330102001001").posts}
    assert titles["community_officer"] == "未成年人社会保护工作专干"  # M10
    assert titles["street_officer"] == "儿童督导员"
