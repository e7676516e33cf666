"""How many requests there are, what became of them, and how long they took: for Prometheus, by route and never by path."""

from functools import lru_cache
from typing import Protocol

from prometheus_client import Histogram
from starlette.types import Scope

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

SECONDS = Histogram(
    "tocsin_http_request_seconds",
    "How long requests waited for the beginning of their answer, by route template, method and class of status.",
    ["method", "route", "status"],
    buckets=_BUCKETS_S,
)


class _Observes(Protocol):
    def observe(self, amount: float) -> None: ...


def observe(scope: Scope, status: int, seconds: float) -> None:
    """A request has been answered (status 0: it was not). To be called after its route was found."""
    _of(scope["method"], route_of(scope), status // 100).observe(seconds)


def route_of(scope: Scope) -> str:
    """The template of the route that was found for a request: what stands in its place may be a receipt, so the path itself is nobody's."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return "/static" if scope["path"].startswith("/static/") else "none"


@lru_cache(maxsize=4096)
def _of(method: str, route: str, status_class: int) -> _Observes:
    status = f"{status_class}xx" if status_class else "gone"
    return SECONDS.labels(method if method in _METHODS else "other", route, status)
