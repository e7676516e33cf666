"""What each service answers when it is a process of its own: read from the applications as they are assembled."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.routing import BaseRoute, Route

from deploy.embedded import SERVICES, builder, embedded_settings
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.events import Bus
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import Assembly, assemble
from libs.settings import CommonSettings
from tests.support.world import MASTER_KEYS, MONDAY_NOON, SECRETS

OF_EACH_PROCESS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
"""What every process has of its own, and what therefore is not routed by path."""
SAMPLE = "0198c0de-0000-7000-8000-000000000000"
"""Stands for any parameter of a path."""


def sampled(path: str) -> str:
    """A path that a template stands for."""
    parts = path.split("/")
    return "/".join(SAMPLE if part.startswith("{") else part for part in parts)


@asynccontextmanager
async def alone(room: str, database_url: str, var_dir: Path, bus: Bus | None = None) -> AsyncIterator[Assembly]:
    """A service as it is in a process of its own, on a clock that stands."""
    context = Context(
        clock=FakeClock(MONDAY_NOON),
        settings=CommonSettings(database_url=database_url, public_base_url="http://tocsin.test", var_dir=var_dir),
        keyring=KeyRing.parse(MASTER_KEYS),
        database_url=database_url,
        bus=bus or PostgresBus(database_url),
        given=embedded_settings(SECRETS, "http://sandbox.test"),
    )
    async with assemble(context, [builder(room)]) as assembly:
        yield assembly


async def paths(database_url: str, var_dir: Path) -> dict[str, set[str]]:
    """The paths of each service, as samples: without those that every process has, and without static files."""
    found = {}
    for name in SERVICES:
        async with alone(name, database_url, var_dir) as assembly:
            (service,) = assembly.services
            own = {path for router in service.routers for path in _paths(router.routes)}
            found[name] = {sampled(path) for path in own if path not in OF_EACH_PROCESS}
    return found


def _paths(routes: Iterable[BaseRoute], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for route in routes:
        if isinstance(route, Route):
            found.add(prefix + route.path)
        else:  # a router within a router
            inner = getattr(route, "original_router", None)
            assert inner is not None, f"a route of an unknown kind: {route!r}"
            found |= _paths(inner.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]
    return found
