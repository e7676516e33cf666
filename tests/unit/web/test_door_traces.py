"""The door gives every request its trace, and counts it under its route."""

from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import JSONResponse

from libs import trace
from libs.clock import FakeClock
from libs.settings import CommonSettings
from libs.web import furnish
from libs.web.express import Application, ExpressRoute
from tests.unit.web.app import NOW

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EXPRESS = "/express/{receipt}"


@pytest.fixture
async def http():
    app = Application(docs_url=None, redoc_url=None)
    settings = CommonSettings(public_base_url="http://tocsin.test", language="en")
    app.state.context = SimpleNamespace(clock=FakeClock(NOW), settings=settings)
    furnish(app, settings)
    router = APIRouter(route_class=ExpressRoute)

    @app.get("/receipts/{receipt}")
    async def ordinary(receipt: str):
        if receipt == "bug":
            raise RuntimeError("Xiao Ming 13812345678")
        return {"traceparent": trace.current.get()}

    @router.post(EXPRESS)
    async def express(request: Request):
        return JSONResponse({"traceparent": trace.current.get()})

    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tocsin.test") as client:
        yield client


def counted(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("tocsin_http_request_seconds_count", labels) or 0.0


async def test_a_trace_is_continued_or_begun(http):
    for method, path in (("GET", "/receipts/ABC"), ("POST", "/express/ABC")):
        assert (await http.request(method, path, headers={"traceparent": GIVEN})).json() == {"traceparent": GIVEN}
        made = set()
        for malformed in ({}, {"traceparent": "00-nonsense"}, {"traceparent": GIVEN + "0"}):
            made.add((await http.request(method, path, headers=malformed)).json()["traceparent"])
        assert len(made) == 3
        assert all(trace.given(one.encode()) == one and one != GIVEN for one in made)
    assert trace.current.get() == ""


async def test_requests_are_counted_by_route_and_never_by_path(http):
    template = "/receipts/{receipt}"
    watched = [("GET", template, "2xx"), ("GET", template, "5xx"), ("GET", "none", "4xx"), ("POST", EXPRESS, "2xx")]
    before = [counted(*one) for one in watched]
    for path in ("/receipts/K7QX", "/receipts/M2PA", "/receipts/bug", "/nowhere/K7QX"):
        await http.get(path)
    await http.post("/express/K7QX")
    assert [counted(*one) - was for one, was in zip(watched, before, strict=True)] == [2, 1, 1, 1]
    (seconds,) = [metric for metric in REGISTRY.collect() if metric.name == "tocsin_http_request_seconds"]
    routes = {sample.labels["route"] for sample in seconds.samples}
    assert not [route for route in routes if "K7QX" in route or "nowhere" in route]


async def test_the_frameworks_own_telemetry_is_off_since_it_would_tell_paths_and_texts_of_errors():
    assert not any(Application()._telemetry[part] for part in ("tracing", "metrics", "logs", "operation_spans", "auto_configure"))
