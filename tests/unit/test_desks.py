"""The desk that places what has no place, against the plain rule written down."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.directory.desks import DESKS_MAX, Desks
from libs.directory.model import Holder, Post, ancestor_codes
from libs.directory.roles import DISPATCH_DESK
from libs.terms import Tier

CODES = ["44", "4403", "4404", "440304", "440305", "440304001", "440304001020", "53", "5301", "530111"]


def desk(number: int, code: str, order: int, *, reachable: bool) -> Post:
    holders = (Holder(UUID(int=number), "primary", reachable=reachable, on_duty=True),)
    return Post(UUID(int=number), code, DISPATCH_DESK, Tier.DISTRICT, "调度", "Desk", order=order, holders=holders)


desks = st.lists(st.tuples(st.sampled_from(CODES), st.integers(0, 1), st.booleans()), max_size=9).map(
    lambda found: [desk(number, code, order, reachable=reachable) for number, (code, order, reachable) in enumerate(found, start=1)]
)


@given(desks, st.sampled_from([*CODES, "", "11", "4403040", "440304999"]))
def test_the_nearest_that_can_be_reached_is_named(all_desks: list[Post], code: str) -> None:
    def nearness(post: Post) -> int:
        return 0 if post.division_code in ancestor_codes(code) else 1 if post.division_code.startswith(code) else 2

    ranks = {post.post_id: (not post.reachable, nearness(post)) for post in all_desks}
    best = [post for post in all_desks if ranks[post.post_id] == min(ranks.values())]
    wide = -1 if best and nearness(best[0]) == 0 else 1
    best.sort(key=lambda post: (wide * len(post.division_code), post.division_code, post.order, post.post_id))
    assert Desks(all_desks).nearest(code) == tuple(best[:DESKS_MAX])
