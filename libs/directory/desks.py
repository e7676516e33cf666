"""The dispatch desks of the whole country, remembered: which of them places what is reported from where there is none on the way."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from libs.directory.model import Post, ancestor_codes

DESKS_MAX = 5
"""So many are named at most."""


class Desks:
    """All of them; in the country there are some 3,000, one for each district, of some 0.5 kB."""

    def __init__(self, posts: Iterable[Post]) -> None:
        self._posts = sorted(posts, key=lambda post: (post.division_code, post.order, post.post_id))
        self._codes = [post.division_code for post in self._posts]
        self._widest = {reachable: _first(self._posts, _widest_first, reachable=reachable) for reachable in (True, False)}

    def nearest(self, code: str) -> tuple[Post, ...]:
        """The desks that place what comes from `code`: of the nearest ancestor, else within it, else any.

        One that can be reached goes before one that cannot, wherever it is. Of those within and elsewhere the widest go first, since they
        know most of the country.
        """
        above = [post for one in ancestor_codes(code) for post in self._within(one, one + "\0")]
        inside = self._within(code, code + "\U0010ffff") if code else self._posts
        for reachable in (True, False):
            found = (
                _first(above, _nearest_first, reachable=reachable)
                or _first(inside, _widest_first, reachable=reachable)
                or self._widest[reachable]
            )
            if found:
                return found
        return ()

    def _within(self, begin: str, end: str) -> list[Post]:
        return self._posts[bisect_left(self._codes, begin) : bisect_left(self._codes, end)]


def _first(posts: Sequence[Post], order: Callable[[Post], Any], *, reachable: bool) -> tuple[Post, ...]:
    return tuple(sorted((post for post in posts if post.reachable is reachable), key=order)[:DESKS_MAX])


def _nearest_first(post: Post) -> tuple[Any, ...]:
    return -len(post.division_code), post.division_code, post.order, post.post_id


def _widest_first(post: Post) -> tuple[Any, ...]:
    return len(post.division_code), post.division_code, post.order, post.post_id
