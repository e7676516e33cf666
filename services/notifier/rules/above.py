"""Who is told when an officer's number cannot be relied on: whoever answers for the place above the officer's post.

As the router climbs: the nearest higher rung of the ladder, on a rung before the posts that watch over it (督办), and a dispatch desk when
there is nobody else (promise 4). Departments and the police stand beside the ladder, and are nobody's supervisors.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from libs.directory.model import Post
from libs.directory.roles import POST_ROLES
from libs.terms import Tier

PAUSE = timedelta(minutes=10)
"""One SMS to a supervisor about the same thing within so long (default); what is found meanwhile is told in the next."""

_RUNGS = {tier: rung for rung, tier in enumerate(Tier)}
_LANES = {"ladder": 0, "oversight": 1, "dispatch": 2}


def above(post: Post, answering: Iterable[Post], officer_id: UUID) -> list[UUID]:
    """Whom to tell about an officer on `post`, the first to be asked first, of the posts that answer for its place, lowest first.

    Reachable people only, and never the officer; empty when there is nobody.
    """
    higher = sorted((one for one in answering if _is_above(one, post)), key=_nearest_first)
    found = [holder.officer_id for one in higher for holder in one.holders if holder.reachable and holder.officer_id != officer_id]
    return list(dict.fromkeys(found))


def _is_above(one: Post, post: Post) -> bool:
    rung, own = _RUNGS[one.tier], _RUNGS[post.tier]
    match _lane(one):
        case "ladder":
            return rung > own
        case "oversight":
            return rung >= own and one.post_id != post.post_id
        case lane:
            return lane == "dispatch" and one.post_id != post.post_id


def _nearest_first(one: Post) -> tuple[bool, int, int]:
    lane = _lane(one)
    return lane == "dispatch", _RUNGS[one.tier], _LANES[lane]


def _lane(post: Post) -> str:
    role = POST_ROLES.get(post.role)
    return role.lane if role else ""
