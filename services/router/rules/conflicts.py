"""Conflicts of interest (回避): posts, and the people on them, that must not hear of a case (rules.yaml skip_if_conflict).

Named by codes only: a post, or a role at a division, or a whole division's posts. Whoever is on such a post is passed over on every other
post too: nobody is told of a case as somebody else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from libs.directory.model import Post, Route
from libs.terms import ConflictReason
from services.router.rules.policy import TIER_ORDER


class Conflict(NamedTuple):
    """One conflict. `officers` are those who were on the posts when it became known: they stay passed over when they change posts."""

    reason: ConflictReason
    post_id: UUID | None = None
    division_code: str = ""
    role: str = ""
    officers: tuple[UUID, ...] = ()

    def hits(self, post: Post) -> bool:
        """Whether the post is meant."""
        if self.post_id is not None:
            return post.post_id == self.post_id
        return bool(self.division_code) and post.division_code == self.division_code and self.role in {"", post.role}

    def same_as(self, other: "Conflict") -> bool:
        """Whether both name the same posts for the same reason."""
        return self[:4] == other[:4]


def barred_posts(route: Route, conflicts: Sequence[Conflict]) -> tuple[tuple[Post, Conflict], ...]:
    """The posts of the place that must not hear of the case, each with the first reason."""
    if not conflicts:
        return ()
    named, spared = _named(route, conflicts), _spared(route, conflicts)
    return tuple((post, conflict) for post, conflict in named if not any(post is one for one in spared))


def barred_people(route: Route, conflicts: Sequence[Conflict]) -> frozenset[UUID]:
    """Who must not hear of it: those who were on such posts, and those who are now."""
    return _people(route, conflicts) - {holder.officer_id for post in _spared(route, conflicts) for holder in post.holders}


def _named(route: Route, conflicts: Sequence[Conflict]) -> list[tuple[Post, Conflict]]:
    found = ((post, next((one for one in conflicts if one.hits(post)), None)) for post in route.posts)
    return [(post, conflict) for post, conflict in found if conflict is not None]


def _people(route: Route, conflicts: Sequence[Conflict]) -> frozenset[UUID]:
    known: Iterable[UUID] = (officer for one in conflicts for officer in one.officers)
    return frozenset(known) | {holder.officer_id for post, _why in _named(route, conflicts) for holder in post.holders}


def _spared(route: Route, conflicts: Sequence[Conflict]) -> tuple[Post, ...]:
    """The posts that are told although they are named, because nobody else could be."""
    people = _people(route, conflicts)
    reachable = [post for post in route.posts if post.reachable]
    if not people or any(holder.reachable and holder.officer_id not in people for post in reachable for holder in post.holders):
        return ()
    highest = max((TIER_ORDER[post.tier] for post in reachable), default=0)
    return tuple(post for post in reachable if TIER_ORDER[post.tier] == highest)


def is_barred(route: Route, conflicts: Sequence[Conflict], post_id: UUID | None, officer_id: UUID | None) -> bool:
    """Whether a post, or an officer, must not hear of the case."""
    if not conflicts:
        return False
    return any(post.post_id == post_id for post, _why in barred_posts(route, conflicts)) or officer_id in barred_people(route, conflicts)


def without_barred(route: Route, conflicts: Sequence[Conflict]) -> Route:
    """The route as if nobody with a conflict held any post: everything that looks for somebody to tell passes them over."""
    if not conflicts:
        return route
    people = barred_people(route, conflicts)
    posts = tuple(
        replace(post, holders=tuple(holder for holder in post.holders if holder.officer_id not in people))
        if any(holder.officer_id in people for holder in post.holders)
        else post
        for post in route.posts
    )
    return replace(route, posts=posts)
