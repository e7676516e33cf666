"""Reading cases: lists, one case, and a stream of changes."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from libs.db import Database
from libs.directory.permissions import Principal
from libs.terms import Grade
from libs.web import identity
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page, decode, split
from libs.web.problems import responses
from libs.web.sse import EventStream, Message
from services.router.api.models import CaseOut, case_out
from services.router.handlers import views
from services.router.handlers.desk import Desk
from services.router.rules.case import Status
from services.router.store.lists import Filter

Reader = Annotated[Principal, identity.staff_or_client("read")]


def router(desk: Desk, database: Database) -> APIRouter:
    """The routes that read."""
    made = APIRouter(prefix="")

    @made.get("/v1/cases")
    async def list_cases(
        who: Reader,
        *,
        report_id: UUID | None = None,
        status: Status | None = None,
        division: Annotated[str | None, Query(pattern=r"^[0-9]{2,15}$", description="Code of a division: it and all within it.")] = None,
        grade: Grade | None = None,
        overdue: bool | None = None,
        officer_id: Annotated[UUID | None, Query(description="Cases that this officer was told of.")] = None,
        limit: Limit = PAGE_SIZE,
        cursor: Cursor = None,
    ) -> Page[CaseOut]:
        """Cases in the reader's divisions, newest first; with `report_id` the one case of that report."""
        wanted = views.scoped(who, Filter("", division, status, grade, overdue, officer_id))
        after = decode(cursor, UUID)
        async with database.connection() as connection:
            if report_id is not None:
                return Page(items=[case_out(view) for view in await views.of_report(desk, connection, wanted, report_id)])
            found = await views.page(desk, connection, wanted, after=after[0] if after else None, limit=limit + 1)
        shown, following = split(found, limit, lambda view: (view.case.case_id,))
        return Page(items=[case_out(view) for view in shown], next=following)

    @made.get("/v1/cases/stream", response_class=Response, responses={200: {"content": {"text/event-stream": {}}}})
    async def stream_cases(
        who: Reader, division: Annotated[str | None, Query(pattern=r"^[0-9]{2,15}$")] = None, grade: Grade | None = None
    ) -> Response:
        """Server-sent events: `case`, with the case as in the list, each time one changes; closed ones too."""
        wanted = views.scoped(who, Filter("", division, None, grade))

        async def messages() -> AsyncIterator[Message]:
            async for changed in views.changes(desk, database, wanted):
                for view in changed:
                    yield Message(case_out(view).model_dump(mode="json"), event="case")

        return EventStream(messages())

    @made.get("/v1/cases/{case_id}", responses=responses(404))
    async def get_case(who: Reader, case_id: Annotated[UUID, Path(description="The case.")]) -> CaseOut:
        """One case."""
        async with database.connection() as connection:
            return case_out(await views.one(desk, connection, who, case_id))

    return made
