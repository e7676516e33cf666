"""The reachability pre-flight over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from libs.db import Database
from libs.directory.permissions import Principal, require
from libs.i18n import current_locale
from libs.web import pagination
from libs.web.identity import staff_or_client
from libs.web.pagination import PAGE_SIZE, Cursor, Limit
from libs.web.problems import responses
from services.directory.handlers import reachability
from services.directory.rules.reachability import Finding


class FindingsOut(BaseModel):
    """A post on which something is missing; `findings`: the gravest first."""

    post_id: UUID
    division_code: str
    division_name: str
    role: str
    position: int
    title: str
    findings: list[Finding]


class ReachabilityOut(BaseModel):
    """Where an alarm would not reach somebody. `counts`: posts by finding, in the whole division."""

    items: list[FindingsOut]
    next: str | None
    counts: dict[Finding, int]


class ReachabilityApi:
    """The route and what it needs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1", tags=["directory"])
        router.get("/reachability", responses=responses(401, 403, 422))(self.report)
        return router

    async def report(
        self,
        who: Annotated[Principal, staff_or_client("admin")],
        division_code: Annotated[
            str | None, Query(pattern=r"^[0-9]{2,15}$", description="Left out: wherever the caller has rights.")
        ] = None,
        finding: Finding | None = None,
        limit: Limit = PAGE_SIZE,
        cursor: Cursor = None,
    ) -> ReachabilityOut:
        """Posts without person, persons without channel, channels that nobody verified, rosters with holes, by place."""
        scope = division_code or who.division_code
        require(who, "directory.read", scope)
        position = pagination.decode(cursor, str, int, str) or reachability.FROM_THE_START
        async with self._database.connection() as connection:
            counts = await reachability.counts(connection, scope)
            found = await reachability.findings(connection, scope, finding=finding, after=position, limit=limit + 1)
        shown, following = pagination.split(found, limit, lambda one: (one.division_code, one.position, one.role))
        items = [
            FindingsOut(
                post_id=one.post_id,
                division_code=one.division_code,
                division_name=one.division_name,
                role=one.role,
                position=one.position,
                title=one.title(current_locale()),
                findings=list(one.findings),
            )
            for one in shown
        ]
        return ReachabilityOut(items=items, next=following, counts=counts)
