"""Express lanes pass the same door as every other request, and miss nothing that the long way does for their caller."""

from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from libs.clock import FakeClock
from libs.errors import Conflict
from libs.settings import CommonSettings
from libs.web import furnish
from libs.web.express import Application, ExpressRoute
from tests.unit.web.app import NOW

THING = "/things/{thing_id}/do"


def make_router() -> APIRouter:
    router = APIRouter(route_class=ExpressRoute)

    @router.post("/echo", status_code=200)
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"size": len(await request.body())})

    @router.post(THING)
    async def do(request: Request) -> JSONResponse:
        thing_id = request.path_params["thing_id"]
        if thing_id == "busy":
            raise Conflict("busy", "Not now.")
        if thing_id == "bug":
            raise RuntimeError("Xiao Ming 13812345678")
        return JSONResponse({"did": thing_id})

    return router


@pytest.fixture(params=[Application, FastAPI], ids=["express", "long way"])
async def http(request):
    app = request.param(docs_url=None, redoc_url=None)
    settings = CommonSettings(public_base_url="http://tocsin.test", language="en")
    app.state.context = SimpleNamespace(clock=FakeClock(NOW), settings=settings)
    furnish(app, settings)
    app.include_router(make_router(), prefix="/under")
    app.include_router(make_router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tocsin.test") as client:
        yield client


@pytest.mark.parametrize("prefix", ["", "/under"])
async def test_a_request_reaches_its_route_with_its_parameters(http, prefix):
    assert (await http.post(f"{prefix}/echo", content=b"abc")).json() == {"size": 3}
    answer = await http.post(f"{prefix}/things/a%20b/do")
    assert answer.json() == {"did": "a b"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.headers["x-request-id"]) >= 8


async def test_errors_are_problems(http):
    busy = await http.post("/things/busy/do")
    assert (busy.status_code, busy.json()["type"]) == (409, "/problems/busy")
    bug = await http.post("/things/bug/do")
    assert (bug.status_code, bug.json()["type"]) == (500, "/problems/internal_error")
    assert "Xiao" not in bug.text


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused(http, chunked):
    async def pieces():
        for _ in range(40):
            yield b"x" * 32_768

    answer = await http.post("/echo", content=pieces() if chunked else b"x" * (40 * 32_768))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too_large")


async def test_forged_requests_are_refused(http):
    answer = await http.post("/echo", content=b"x", headers={"origin": "http://evil.test"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross_site")


async def test_what_is_not_on_a_lane_goes_the_long_way(http):
    assert (await http.get("/echo")).status_code == 405
    assert (await http.post("/things/a/b/do")).status_code == 404
    assert (await http.post("/echo/")).status_code in {307, 404}
    assert THING in (await http.get("/openapi.json")).json()["paths"]
