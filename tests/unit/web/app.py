"""A small app behind the real door; only the directory is a fake."""

from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from libs import i18n
from libs.clock import FakeClock
from libs.directory.permissions import ClientPrincipal, Principal, Role, StaffPrincipal
from libs.errors import Conflict, Invalid, NotFound, TooMany, Unauthorised
from libs.settings import CommonSettings
from libs.web import furnish, identity, pagination, templates
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page

HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
STAFF = StaffPrincipal(UUID(int=1), "chen", Role.OPERATOR, None, "4403", "en")
CLIENT = ClientPrincipal("school", "School system", frozenset({"report"}), "school_api")


class FakeIdentity:
    async def authenticate_key(self, bearer: str, _now: datetime) -> ClientPrincipal:
        if bearer != "good.key":
            raise Unauthorised("bad_api_key", "This API key is not known.")
        return CLIENT

    async def session(self, token: str, _now: datetime) -> StaffPrincipal | None:
        return STAFF if token == "good-token" else None


class Sex(StrEnum):
    MALE = "male"
    FEMALE = "female"


class Child(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sex: Sex
    age: int = Field(default=1, ge=0)
    born: datetime | None = None

    @field_validator("age")
    @classmethod
    def _plausible(cls, age: int) -> int:
        if age > 17:
            raise ValueError("This is no child.")
        return age


class Body(BaseModel):
    children: list[Child] = Field(min_length=1)


def make_app(base_url="http://tocsin.test"):
    app = FastAPI(docs_url=None, redoc_url=None)
    settings = CommonSettings(public_base_url=base_url, language="en")
    app.state.context = SimpleNamespace(clock=FakeClock(NOW), settings=settings)
    app.state.identity = FakeIdentity()
    furnish(app, settings)

    @app.post("/v1/reports", status_code=202)
    async def report(
        body: Body,
        client: Annotated[ClientPrincipal, identity.api_client("report")],
        idempotency_key: Annotated[str, Header(max_length=10)],
    ):
        return {"by": client.client_id, "n": len(body.children)}

    @app.get("/v1/cases")
    async def cases(
        who: Annotated[Principal, identity.staff_or_client("read")], limit: Limit = PAGE_SIZE, cursor: Cursor = None
    ) -> Page[int]:
        position = pagination.decode(cursor, int)
        after = position[0] if position else 0
        rows, following = pagination.split(list(range(after + 1, min(after + 1 + limit + 1, 8))), limit, lambda row: (row,))
        return Page(items=list(rows), next=following)

    @app.get("/board")
    async def board(staff: Annotated[StaffPrincipal, Depends(identity.staff)]):
        return {"staff": staff.username, "language": i18n.current_locale()}

    @app.get("/open")
    async def open_page(request: Request, who: Annotated[StaffPrincipal | None, Depends(identity.visitor)]) -> HTMLResponse:
        return templates.render(request, "problem.html", title="<b>Hello</b>", detail="World", errors=[])

    @app.post("/login")
    async def login(request: Request) -> Response:
        response = Response(status_code=204)
        identity.set_session(request, response, "good-token", 3600)
        return response

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        response = Response(status_code=204)
        identity.clear_session(request, response)
        return response

    @app.post("/echo")
    async def echo(request: Request):
        return {"size": len(await request.body())}

    @app.get("/errors/{kind}")
    async def errors(kind: str):
        raise {
            "gone": NotFound("no_such_case", "There is no such case."),
            "busy": Conflict("closed", "This case is closed."),
            "field": Invalid("bad_place", "Unknown place.", field="division_code"),
            "slow": TimeoutError("13812345678"),
            "many": TooMany("many", "Slowly."),
            "bug": RuntimeError("Xiao Ming 13812345678"),
        }[kind]

    return app


KEY = {"authorization": "Bearer good.key", "idempotency-key": "k"}
COOKIE = {"cookie": "tocsin_session=good-token"}
