"""Who sits on which rung: for a place, a policy and the directory as it is now."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from libs.directory.model import Post, Route
from libs.directory.roles import DISPATCH_DESK, POST_ROLES
from libs.terms import Tier
from services.router.rules.policy import TIER_ORDER, FanOut, Policy

_NOBODY: frozenset[UUID] = frozenset()
_LAST = {role.code: 3 for role in POST_ROLES.values() if role.lane in {"department", "police"}}
_LEVEL_ORDER = {"grid": 0, "community": 1, "street": 2, "district": 3, "city": 4, "province": 5}


@dataclass(frozen=True, slots=True)
class Seat:
    """A post with the person on it who would be told."""

    post: Post
    officer_id: UUID

    @property
    def tier(self) -> Tier:
        """The rung that the post stands on."""
        return self.post.tier


def tiers_at(policy: Policy, route: Route) -> tuple[Tier, ...]:
    """The rungs that answer for a place, lowest first: those of the ladder at or above its own level."""
    level = _LEVEL_ORDER[route.division.level]
    return tuple(tier for tier in policy.tiers if TIER_ORDER[tier] >= level)


def needs_placing(policy: Policy, route: Route) -> bool:
    """Whether the place lies above the whole ladder, so that somebody must first say where the child is."""
    return not tiers_at(policy, route)


def told_at_opening(fan_out: FanOut, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """Which rungs are told when a case opens: by name, whether or not somebody can be reached there."""
    if fan_out is FanOut.ALL_TIERS:
        return tiers
    return tiers[:2] if fan_out is FanOut.FIRST_AND_NEXT else tiers[:1]


def seat_at(policy: Policy, route: Route, tier: Tier, without: Collection[UUID] = _NOBODY) -> Seat | None:
    """The accountable post of a rung: of the first role in the policy's order that has a reachable holder, and the first such holder."""
    seats = (seat_of(route, role, without, tier=tier) for role in policy.roles[tier])
    return next((seat for seat in seats if seat), None)


def seat_of(route: Route, role: str, without: Collection[UUID] = _NOBODY, *, tier: Tier | None = None) -> Seat | None:
    """The post of a role that is nearest to the place, and the first by its order, with a reachable holder; on `tier`, if given."""
    for post in route.posts:
        if post.role == role and (tier is None or post.tier is tier):
            officer_id = holder_of(post, without)
            if officer_id is not None:
                return Seat(post, officer_id)
    return None


def next_seat(policy: Policy, route: Route, tiers: Iterable[Tier], without: Collection[UUID] = _NOBODY) -> Seat | None:
    """The first of these rungs with somebody reachable."""
    return next((seat for tier in tiers if (seat := seat_at(policy, route, tier, without))), None)


def supervisors(policy: Policy, route: Route, without: Collection[UUID] = _NOBODY) -> tuple[Seat, ...]:
    """The supervising posts (督办) of the place, in the policy's order; where there are none, whoever is the last resort."""
    found: list[Seat] = []
    for role in policy.supervise.roles:
        for post in route.posts:
            if post.role == role:
                officer_id = holder_of(post, without)
                if officer_id is not None:
                    found.append(Seat(post, officer_id))
    if found:
        return tuple(found)
    seat = last_resort(policy, route, without)
    return (seat,) if seat else ()


def last_resort(policy: Policy, route: Route, without: Collection[UUID] = _NOBODY) -> Seat | None:
    """Who answers when no rung does, so that no place is a dead end: dispatch desk, supervising posts, anybody else reachable.

    Departments that are told by subject come last: a case rests on one only when there is nobody else at all.
    """
    ranks = {**_LAST, DISPATCH_DESK: 0, **dict.fromkeys(policy.supervise.roles, 1)}
    for post in sorted(route.posts, key=lambda post: ranks.get(post.role, 2)):
        officer_id = holder_of(post, without)
        if officer_id is not None:
            return Seat(post, officer_id)
    return None


def holder_of(post: Post, without: Collection[UUID] = _NOBODY) -> UUID | None:
    """The first reachable holder: primary, else deputy; not one of `without`."""
    return next((holder.officer_id for holder in post.holders if holder.reachable and holder.officer_id not in without), None)


def post_of(route: Route, post_id: UUID | None) -> Post | None:
    """The post of that id, if it answers for the place."""
    return next((post for post in route.posts if post.post_id == post_id), None)
