"""Who is told when an officer's number cannot be relied on, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.directory.model import Holder, Post
from libs.directory.roles import POST_ROLES
from libs.terms import Tier
from services.notifier.app import load_registry
from services.notifier.rules.above import above
from services.notifier.rules.texts import Registered

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PLACES = {"city": "4403", "district": "440304", "street": "440304001", "community": "440304001020", "grid": "440304001020001"}
ROLES = list(POST_ROLES)


def post(role: str, *holders: int, unreachable: bool = False, number: int = 0) -> Post:
    """A post of that role; each holder a number."""
    kind = POST_ROLES[role]
    people = tuple(Holder(UUID(int=one), "primary", reachable=not unreachable) for one in holders)
    return Post(UUID(int=1000 + number + ROLES.index(role)), PLACES[kind.level], role, kind.tier, "x", "x", 1, people)


COMMUNITY, STREET, DISTRICT = post("community_officer", 1, 2), post("street_officer", 3), post("district_center", 4)
OFFICE, CITY, DESK, POLICE = post("district_office", 5), post("city_civil", 6), post("dispatch_desk", 7, 8), post("police_station", 9)
TOWN = (COMMUNITY, POLICE, STREET, DESK, OFFICE, DISTRICT, CITY)


@pytest.mark.parametrize(
    ("of", "officer", "told"),
    [
        (COMMUNITY, 1, [3, 4, 5, 6, 7, 8]),
        (STREET, 3, [4, 5, 6, 7, 8]),
        (DISTRICT, 4, [5, 6, 7, 8]),
        (OFFICE, 5, [6, 7, 8]),
        (CITY, 6, [7, 8]),
        (POLICE, 9, [4, 5, 6, 7, 8]),
        (DESK, 7, [5, 6]),
    ],
)
def test_the_nearest_rung_above_is_told_then_who_watches_over_it_and_a_desk_at_last(of: Post, officer: int, told: list[int]) -> None:
    assert above(of, TOWN, UUID(int=officer)) == [UUID(int=one) for one in told]


def test_nobody_out_of_reach_and_never_the_officer() -> None:
    empty = (COMMUNITY, replace(STREET, holders=()), post("district_center", 4, unreachable=True), post("city_civil", 1, 6))
    assert above(COMMUNITY, empty, UUID(int=1)) == [UUID(int=6)], "who is on the higher post too is not told of their own number"
    assert above(CITY, empty, UUID(int=6)) == []
    assert above(COMMUNITY, (), UUID(int=1)) == []


@given(
    st.lists(st.tuples(st.sampled_from(ROLES), st.integers(1, 6), st.booleans()), max_size=12), st.sampled_from(ROLES), st.integers(1, 6)
)
def test_whoever_is_reachable_on_a_higher_rung_is_told_before_anybody_farther_up(
    town: list[tuple[str, int, bool]], role: str, officer: int
) -> None:
    posts = [post(one, holder, unreachable=gone, number=100 * at) for at, (one, holder, gone) in enumerate(town, start=1)]
    own = post(role, officer)
    told = above(own, posts, UUID(int=officer))
    assert UUID(int=officer) not in told
    assert len(set(told)) == len(told)
    reachable = {one.holders[0].officer_id: set[int]() for one in posts if one.holders[0].reachable}
    for one in posts:
        if one.holders[0].reachable:
            reachable[one.holders[0].officer_id].add(list(Tier).index(one.tier))
    rung = list(Tier).index(own.tier)
    ladder = [one for one in posts if POST_ROLES[one.role].lane == "ladder" and one.holders[0].officer_id in reachable]
    higher = {one.holders[0].officer_id for one in ladder if one.holders[0].reachable and list(Tier).index(one.tier) > rung}
    assert higher - {UUID(int=officer)} <= set(told) <= reachable.keys()
    counts: dict[UUID, set[int]] = {}  # of each, the rungs of those posts that are above: a post beside it makes nobody a supervisor
    for one in posts:
        at, lane = list(Tier).index(one.tier), POST_ROLES[one.role].lane
        if one.holders[0].reachable and ((lane == "ladder" and at > rung) or (lane == "oversight" and at >= rung)):
            counts.setdefault(one.holders[0].officer_id, set()).add(at)
    nearest = [min(counts[one]) for one in told if one in higher]
    assert not nearest or min(counts[told[0]]) <= min(nearest)


def test_the_words_have_a_count_and_a_time_and_nothing_else() -> None:
    registry = load_registry()
    stopped = registry.page("stopped", "zh_CN", 3, NOON, "Asia/Shanghai")
    assert stopped is not None
    assert stopped.body == "【警钟】截至11月23日12:00，您辖区新增3个值班号码停收警钟短信，岗位可能无人可达，请登录工作台处理。"
    spent = registry.page("budget_spent", "en", 5000, NOON, "Asia/Shanghai")
    assert spent is not None
    assert spent.body.startswith("Tocsin: As of 23 Nov 12:00, duty numbers of yours with no SMS left for today: 999. ")
    fewer = Registered("示例", {"stopped.zh_CN.1": "SMS_1"})
    signed = registry.page("stopped", "en", 1, NOON, "Asia/Urumqi", fewer)
    assert signed is not None
    assert (signed.language, signed.variables) == ("zh_CN", (("at_hhmm", "11月23日10:00"), ("count", "1")))
    assert signed.body.startswith("【示例】截至")
    assert registry.page("budget_spent", "zh_CN", 1, NOON, "Asia/Shanghai", fewer) is None
