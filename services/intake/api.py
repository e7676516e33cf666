"""The API for programs: schools, hospitals and hotlines send reports; whoever holds a receipt asks what has happened."""

import functools
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from libs.directory.permissions import ClientPrincipal, Principal
from libs.errors import BadRequest, Unsupported
from libs.i18n import gettext as _
from libs.web import identity, pagination, problems
from libs.web.express import ExpressRoute
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page
from services.intake.handlers import content, receipts
from services.intake.handlers.accept import Sender, accept_report
from services.intake.handlers.needs import Needs
from services.intake.rules.report import EXAMPLES, Report

IDEMPOTENCY_KEY_MAX = 255
_KEY = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_MAX}}}")


class ReportAccepted(BaseModel):
    """The report is stored and will not be lost; somebody is being told."""

    report_id: UUID
    receipt: str
    """Shown only in this answer; the reporter learns with it what has happened."""
    received_at: datetime
    status_url: str
    receipt_url: str
    """The same as a page for people."""


class Step(BaseModel):
    """One thing that has happened."""

    what: str
    at: datetime
    text: str


class Status(BaseModel):
    """What has happened to a report. Nothing in it is personal."""

    state: str
    headline: str
    office: str | None
    received_at: datetime
    updated_at: datetime
    result: str | None
    steps: list[Step]


class ViewPurpose(StrEnum):
    """Why somebody opens a report."""

    CASE_WORK = "case_work"
    SUPERVISION = "supervision"
    REPLY_TO_REPORTER = "reply_to_reporter"


class ReportContent(BaseModel):
    """A report with everything personal in it, as it was sent."""

    report_id: UUID
    received_at: datetime
    channel: str
    division_code: str
    case_id: UUID | None
    content: dict[str, Any]
    reporter: dict[str, Any] | None
    same_child_report_ids: list[UUID]


class ReportItem(BaseModel):
    """A report in a list."""

    report_id: UUID
    received_at: datetime
    channel: str
    division_code: str
    situations: list[str]
    case_id: UUID | None
    stage: str | None


def routes(needs: Needs) -> tuple[APIRouter, ...]:
    """The routers of the API."""
    return _sending(needs), _reading(needs)


def _sending(needs: Needs) -> APIRouter:
    router = APIRouter(route_class=ExpressRoute, tags=["intake"])
    check_key: Callable[[Request], Awaitable[ClientPrincipal]] = identity.api_client("report").dependency

    @router.post(
        "/v1/reports",
        status_code=202,
        operation_id="send_report",
        openapi_extra=_send_report_description(),
        responses={
            202: {"description": "Accepted; the same request again gets the same answer.", "model": ReportAccepted},
            **problems.responses(400, 401, 403, 409, 413, 415, 422, 503),
        },
    )
    async def send_report(request: Request) -> Response:
        """Sends a report that a child may be in danger. What is not known is left out, or said to be `unknown`."""
        client = await check_key(request)
        key = _idempotency_key(request)
        _require_json(request)
        accepted = await accept_report(
            Sender(client.client_id, client.channel),
            key,
            await request.body(),
            clock=needs.clock,
            database=needs.database,
            places=needs.places,
            secrets=needs.secrets,
            write=needs.write,
        )
        return Response(receipts.answer(accepted, needs.public_base_url), 202, media_type="application/json")

    return router


def _reading(needs: Needs) -> APIRouter:
    router = APIRouter(tags=["intake"])

    @router.get("/v1/reports", response_model=Page[ReportItem], responses=problems.responses(401, 403, 422))
    async def list_reports(
        principal: Annotated[Principal, identity.staff_or_client("read")], cursor: Cursor = None, limit: Limit = PAGE_SIZE
    ) -> Any:
        """The reports from where one works, newest first."""
        position = pagination.decode(cursor, UUID)
        async with needs.database.connection() as connection:
            lines = await content.list_reports(connection, principal, position[0] if position else None, limit + 1)
        items, following = pagination.split(lines, limit, lambda line: (line.report_id,))
        return {"items": items, "next": following}

    @router.get("/v1/reports/{receipt}", response_model=Status, responses=problems.responses(404, 429))
    async def receipt_status(request: Request, receipt: str) -> Any:
        """What has happened to the report with this receipt code. Spaces, dashes and case do not matter."""
        needs.receipt_bound.check(request.client.host if request.client else None)
        async with needs.database.connection() as connection:
            return await receipts.receipt_status(connection, receipt, secrets=needs.secrets)

    @router.get("/v1/reports/{report_id}/content", response_model=ReportContent, responses=problems.responses(401, 403, 404, 422))
    async def report_content(
        report_id: UUID,
        principal: Annotated[Principal, identity.staff_or_client("act")],
        purpose: Annotated[ViewPurpose, Query(description="Goes into the ledger.")] = ViewPurpose.CASE_WORK,
    ) -> Any:
        """Everything that was reported. Each reading is recorded."""
        async with needs.database.transaction() as tx:
            return await content.open_report(tx, report_id, principal, purpose, clock=needs.clock, sealer=needs.secrets.sealer)

    return router


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key")
    if key is None:
        raise BadRequest(
            "idempotency_key_required",
            _("Send an Idempotency-Key header, a new one for each report (a UUID will do), so that a repetition is not a second report."),
            field="Idempotency-Key",
        )
    if not _KEY.fullmatch(key):
        raise BadRequest(
            "bad_idempotency_key", _("An Idempotency-Key has 1 to 255 visible ASCII characters without blanks."), field="Idempotency-Key"
        )
    return key


def _require_json(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type != "application/json" and content_type.partition(";")[0].strip().lower() != "application/json":
        raise Unsupported("unsupported_content_type", _("Send JSON, with Content-Type: application/json."))


@functools.cache
def _send_report_description() -> dict[str, Any]:
    """What FastAPI would have found out by itself, had it been let near the request."""
    return {
        "security": [{"api_key": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "A new one for each report. The same key and body again get the same answer, and there is still one report.",
                "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX, "pattern": "^[!-~]+$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": inlined(Report.model_json_schema()),
                    "examples": {name: {"value": example} for name, example in EXAMPLES.items()},
                }
            },
        },
    }


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without references: those of Pydantic point into the schema itself, which is no place of its own in a document."""
    definitions = schema.get("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            target = resolve(definitions[str(node["$ref"]).rpartition("/")[2]])
            return {**target, **{name: resolve(value) for name, value in node.items() if name != "$ref"}}
        return {name: resolve(value) for name, value in node.items() if name != "$defs"}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
