"""What each service answers when it is a process of its own: read from the applications as they are assembled."""

from collections.abc import Iterable
from pathlib import Path

from starlette.routing import BaseRoute, Route

from deploy.embedded import SERVICES, sandbox_settings
from libs.clock import FakeClock
from libs.crypto import KeyRing
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import assemble
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


async def paths(database_url: str, var_dir: Path) -> dict[str, set[str]]:
    """The paths of each service, as samples: without those that every process has, and without static files."""
    clock = FakeClock(MONDAY_NOON)
    context = Context(
        clock=clock,
        settings=CommonSettings(database_url=database_url, public_base_url="http://tocsin.test", var_dir=var_dir),
        keyring=KeyRing.parse(MASTER_KEYS),
        database_url=database_url,
        bus=PostgresBus(database_url),
        given={"notifier": sandbox_settings(SECRETS, "http://sandbox.test")},
    )
    found = {}
    for name, build in SERVICES.items():
        async with assemble(context, [build]) as assembly:
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
