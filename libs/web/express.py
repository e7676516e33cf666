"""Express lanes: what is called thousands of times a second goes from the door straight to its route.

What FastAPI does on the way (its own middleware, trying every router in turn, dependencies, validation) costs more than accepting a report.
An `ExpressRoute` needs none of it: it takes the request as it is. The route stands in the application like any other, for the OpenAPI
document, for other methods on its path, and wherever the application is a plain FastAPI.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from re import Pattern
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]

# FastAPI's own would export paths with their receipts, queries, and the texts of errors; what we export is in libs/trace (promise 7).
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


class ExpressRoute(APIRoute):
    """A route whose endpoint is handed the request as it is, and answers with a Response. Its path parameters are texts."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        endpoint: Endpoint = self.endpoint
        return endpoint


@dataclass(frozen=True, slots=True)
class _Lane:
    """A route with parameters in its path: `start` is what stands before the first one."""

    start: str
    pattern: Pattern[str]
    route: ExpressRoute


class Application(FastAPI):
    """A FastAPI application with express lanes. `express` is what the requests on them pass, as all others do inside of FastAPI."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(telemetry=_NO_TELEMETRY, **settings)
        self._fixed: dict[tuple[str, str], ExpressRoute] = {}
        self._lanes: dict[str, list[_Lane]] = {}
        self.express: ASGIApp = run_express

    def include_router(self, router: APIRouter, *, prefix: str = "", **settings: Any) -> None:
        """As FastAPI's own; express routes of `router` itself get their lane.

        Routes that stay as they are become the application's own: FastAPI would make each of them a second time, and look for it twice.
        """
        if prefix or settings:
            super().include_router(router, prefix=prefix, **settings)
        else:
            self.router.routes.extend(router.routes)
        for route in router.routes:
            if isinstance(route, ExpressRoute):
                self._open_lane(prefix + route.path, route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._finds_lane(scope):
            scope["app"] = self
            await self.express(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _open_lane(self, path: str, route: ExpressRoute) -> None:
        pattern, _format, parameters = compile_path(path)
        for method in route.methods or ():
            if parameters:
                self._lanes.setdefault(method, []).append(_Lane(path.partition("{")[0], pattern, route))
            else:
                self._fixed[method, path] = route

    def _finds_lane(self, scope: Scope) -> bool:
        method, path = scope["method"], scope["path"]
        route = self._fixed.get((method, path))
        parameters: dict[str, str] = {}
        if route is None:
            for lane in self._lanes.get(method, ()):
                if path.startswith(lane.start) and (found := lane.pattern.match(path)):
                    route, parameters = lane.route, found.groupdict()
                    break
            else:
                return False
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, parameters
        return True


def joined(*routers: APIRouter) -> APIRouter:
    """All their routes, in this order, as one router's."""
    made = APIRouter()
    for router in routers:
        made.routes.extend(router.routes)
    return made


async def run_express(scope: Scope, receive: Receive, send: Send) -> None:
    """Lets the route that was found answer."""
    endpoint: Endpoint = scope["endpoint"]
    response = await endpoint(Request(scope, receive, send))
    await response(scope, receive, send)
