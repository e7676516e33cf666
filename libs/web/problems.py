"""Every error as an RFC 9457 problem document, or as a page for browsers. The only place that maps errors to HTTP.

`{"type": "/problems/<code>", "title", "status", "detail", "request_id", "errors": [{"field", "code", "detail"}]}`. Nothing of the request
is quoted back, and nothing of an unexpected error is shown: its `request_id` is what leads to the log line.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from libs.db import TRANSIENT
from libs.errors import BadRequest, FieldError, Invalid, TocsinError, Unauthorised, Unavailable
from libs.i18n import N_
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.web import templates, validation
from libs.web.visit import visit_of, wants_html

RETRY_AFTER_S: Final = 5
LOGIN_PATH: Final = "/login"
LOGIN_REQUIRED: Final = "login_required"
MEDIA_TYPE: Final = "application/problem+json"

_log = get_logger(__name__)


class FieldProblem(BaseModel):
    """One wrong field of the request."""

    field: str = Field(examples=["children[0].sex"])
    code: str
    detail: str


class Problem(BaseModel):
    """An RFC 9457 problem document. `type` is stable; `title` and `detail` are in the language of the request."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["/problems/invalid"])
    title: str
    status: int
    detail: str
    request_id: str = ""
    errors: list[FieldProblem] = []


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem, and says so in its OpenAPI document."""
    app.add_exception_handler(TocsinError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    _describe(app)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses=`: these statuses are answered with problems."""
    return {status: {"description": _TITLES[status], "content": _CONTENT} for status in statuses}


def respond(request: Request, error: TocsinError) -> Response:
    """The answer to a request that failed with `error`; who has to log in first is led there when a browser asks for a page."""
    if isinstance(error, Unauthorised) and error.code == LOGIN_REQUIRED and wants_html(request.headers):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOGIN_PATH}?next={quote(target)}" if request.method == "GET" else LOGIN_PATH, status_code=303)
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
    if error.retryable:
        headers["retry-after"] = str(RETRY_AFTER_S)
    return _answer(request, error.status, error.code, error.detail, errors=error.errors, headers=headers)


def answer_to(request: Request, error: Exception) -> Response:
    """The answer to a request that failed with `error`, whatever it is."""
    if isinstance(error, TocsinError):
        return respond(request, error)
    return _http(request, error) if isinstance(error, HTTPException) else unexpected(request, error)


def unexpected(request: Request, error: Exception) -> Response:
    """The answer to a request that failed with an error nobody foresaw: logged whole, told without details."""
    # The path itself may hold a receipt; the route's pattern does not.
    route = getattr(request.scope.get("route"), "path", None)
    if isinstance(error, TRANSIENT):
        _log.error("request not served in time", route=route, exc_info=error)
        return respond(request, Unavailable("unavailable", _("Tocsin cannot answer right now. Please try again in a few seconds.")))
    _log.error("request failed", route=route, exc_info=error)
    return _answer(request, 500, "internal_error", _("Something went wrong on our side. It has been recorded."))


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TocsinError)
    return respond(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return respond(request, BadRequest("malformed_json", _("The body is not valid JSON.")))
    errors = validation.field_errors(found)
    detail = f"{errors[0].field}: {errors[0].detail}" if len(errors) == 1 else _("%(n)s fields are not right.", n=len(errors))
    return respond(request, Invalid("invalid", detail, errors=errors))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _http(request, error)


def _http(request: Request, error: HTTPException) -> Response:
    code, detail = _HTTP_ERRORS.get(error.status_code, (f"http_{error.status_code}", _OTHER_DETAIL))
    return _answer(request, error.status_code, code, _(detail), headers=error.headers)


def _answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    title = _(_TITLES.get(status, _OTHER_TITLE))
    if wants_html(request.headers):
        return templates.render(request, "problem.html", status_code=status, headers=headers, title=title, detail=detail, errors=errors)
    document = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": visit_of(request).request_id,
        "errors": [{"field": error.field, "code": error.code, "detail": error.detail} for error in errors],
    }
    return Response(orjson.dumps(document), status, headers, media_type=MEDIA_TYPE)


def _describe(app: FastAPI) -> None:
    """Says what can go wrong everywhere, in our words instead of FastAPI's, and that whatever else goes wrong is a problem too."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs"), Problem=problem)
            for path in document.get("paths", {}).values():
                for operation in path.values():
                    told = operation.setdefault("responses", {})
                    for status in _usual(operation):
                        told.setdefault(str(status), {"description": _TITLES[status], "content": _CONTENT})
                    if "422" in told:
                        told["422"] = {"description": _TITLES[422], "content": _CONTENT}
                    told.setdefault("default", {"description": "A problem document (RFC 9457)", "content": _CONTENT})
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _usual(operation: Mapping[str, Any]) -> tuple[int, ...]:
    """What the door and FastAPI answer before any route is reached, so that no route has to say it again."""
    who = (401, 403) if operation.get("security") else ()
    what = (400, 413, 415) if "requestBody" in operation else ()
    return (*what, *who)


_CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}

_TITLES: Final[Mapping[int, str]] = {
    400: N_("Bad request"),
    401: N_("Not identified"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("Method not allowed"),
    409: N_("Not possible now"),
    413: N_("Too large"),
    415: N_("Content type not supported"),
    422: N_("Not valid"),
    429: N_("Too many requests"),
    500: N_("Internal error"),
    503: N_("Not available right now"),
}

_HTTP_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", N_("The request cannot be read.")),
    404: ("not_found", N_("There is nothing at this address.")),
    405: ("method_not_allowed", N_("This address does not take this method.")),
    413: ("too_large", N_("The request is larger than what we accept.")),
    415: ("unsupported_content_type", N_("Send JSON, with Content-Type: application/json.")),
}

_OTHER_TITLE: Final = N_("Error")
_OTHER_DETAIL: Final = N_("The request could not be handled.")
