"""The door: what happens to every request before and after its route. One pure ASGI layer, since intake passes it 10,000 times a second.

In: request id, trace, language (?lang, cookie, Accept-Language), size of the body, forged cross-site requests.
Out: security headers, figures for Prometheus, and a problem for every error that no route foresaw.
"""

import re
from time import perf_counter
from typing import Final
from urllib.parse import parse_qs, urlsplit

import structlog.contextvars
import uuid_utils
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs import trace
from libs.errors import Forbidden, TooLarge
from libs.i18n import Locale, current_locale, negotiate, parse_locale, reset_locale, set_locale
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.web import measure, problems
from libs.web.express import Application
from libs.web.visit import Visit, remember

BODY_SIZE_MAX_BYTES: Final = 1 << 20
LENGTH_DIGITS_MAX: Final = 18
SERVER_ERROR: Final = 500
LANGUAGE_COOKIE: Final = "tocsin_lang"
YEAR_S: Final = 365 * 24 * 3600
UNTRACED: Final = ("/healthz", "/readyz", "/metrics", "/static/")
"""Asked for all the time, and the beginning of nothing."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
_LANGUAGE_IN_COOKIE = re.compile(rf"(?:^|;)\s*{LANGUAGE_COOKIE}=(zh_CN|en)\s*(?:;|$)".encode())
_CONTENT_SECURITY_POLICY = b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_SECURITY_HEADERS: Final = (
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: forms of browsers that send no Sec-Fetch-Site (plain http) would then carry no usable Origin either.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)

_log = get_logger(__name__)
_Headers = dict[bytes, bytes]


def install(app: FastAPI, public_base_url: str, body_size_max_bytes: int = BODY_SIZE_MAX_BYTES) -> None:
    """Puts the door in front of `app`."""
    app.add_middleware(Door, public_base_url=public_base_url, body_size_max_bytes=body_size_max_bytes)
    if isinstance(app, Application):
        app.express = Door(app.express, public_base_url, body_size_max_bytes)


class Door:
    """The ASGI layer itself; see the module."""

    def __init__(self, app: ASGIApp, public_base_url: str, body_size_max_bytes: int = BODY_SIZE_MAX_BYTES) -> None:
        self._app = app
        self._body_size_max_bytes = body_size_max_bytes
        self._own_host = urlsplit(public_base_url).netloc.encode()
        self._secure = public_base_url.startswith("https://")
        hsts = ((b"strict-transport-security", f"max-age={YEAR_S}".encode()),) if self._secure else ()
        self._headers_out = (*_SECURITY_HEADERS, *hsts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: _Headers = dict(scope["headers"])
        parent = trace.given(headers.get(b"traceparent"))
        with trace.span(scope["method"], "server", parent, record=not scope["path"].startswith(UNTRACED)) as span:
            await self._serve(scope, receive, send, headers, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: _Headers, span: trace.Span) -> None:
        visit, cookie = self._meet(scope, headers)
        status, began_s, answered_s = 0, perf_counter(), 0.0

        async def send_out(message: Message) -> None:
            nonlocal status, answered_s
            if message["type"] == "http.response.start":
                status, answered_s = message["status"], perf_counter()
                out = list(message["headers"])
                if not any(name == b"cache-control" for name, _value in out):
                    out.append((b"cache-control", b"no-store"))
                out.extend(self._headers_out)
                out.append((b"x-request-id", visit.request_id.encode()))
                if cookie:
                    out.append(cookie)
                message["headers"] = out
            await send(message)

        language = set_locale(visit.locale)
        bound = structlog.contextvars.bind_contextvars(request_id=visit.request_id)
        try:
            self._check(scope, headers)
            await self._app(scope, self._bounded(headers, receive), send_out)
        except ClientDisconnect:
            _log.debug("client went away")
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a problem and the log gets the whole of it
            span.fail(type(error).__name__)
            await _answer(error, Request(scope, receive), send_out, started=status != 0)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
            reset_locale(language)
            measure.observe(scope, status, (answered_s or perf_counter()) - began_s)
            if span.recorded:
                _tell(span, scope, status)

    def _meet(self, scope: Scope, headers: _Headers) -> tuple[Visit, tuple[bytes, bytes] | None]:
        """Who comes in, and the cookie to set when the visitor has just chosen a language."""
        given = headers.get(b"x-request-id", b"")
        # A UUID, because the log's redaction knows that a UUID is no phone number. Its text alone costs a sixth.
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else str(uuid_utils.uuid7())
        wanted, cookie = _language_in_query(scope["query_string"]), None
        if wanted:
            text = f"{LANGUAGE_COOKIE}={wanted}; Path=/; Max-Age={YEAR_S}; SameSite=Lax" + ("; Secure" if self._secure else "")
            cookie = (b"set-cookie", text.encode())
        elif found := _LANGUAGE_IN_COOKIE.search(headers.get(b"cookie", b"")):
            wanted = parse_locale(found[1].decode())
        accepted = headers.get(b"accept-language")
        locale = wanted or (negotiate(accepted.decode("latin-1")) if accepted else current_locale())
        visit = Visit(request_id, locale, chosen=wanted is not None)
        remember(scope, visit)
        return visit, cookie

    def _check(self, scope: Scope, headers: _Headers) -> None:
        length = headers.get(b"content-length", b"")
        if len(length) > LENGTH_DIGITS_MAX or (length.isdigit() and int(length) > self._body_size_max_bytes):
            raise TooLarge("too_large", _("The request is larger than what we accept."))
        # Browsers never add an Authorization header of ours to a forged request; cookies they do.
        if scope["method"] not in _SAFE_METHODS and b"authorization" not in headers and self._forged(headers):
            raise Forbidden("cross_site", _("This request came from another website and was not carried out."))

    def _forged(self, headers: _Headers) -> bool:
        """Whether a browser says that another site made this request. Who says nothing is no browser: all send Origin with a POST."""
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in {b"same-origin", b"none"}
        origin = headers.get(b"origin") or headers.get(b"referer")
        if origin is None:
            return False
        _scheme, _colon, rest = origin.partition(b"://")
        return rest.partition(b"/")[0] not in {headers.get(b"host"), self._own_host}

    def _bounded(self, headers: _Headers, receive: Receive) -> Receive:
        """`receive` that counts, for bodies that did not say their length; the server holds the others to what they said."""
        if b"transfer-encoding" not in headers:
            return receive
        left = self._body_size_max_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                # An HTTPException, because FastAPI turns any other error while reading a body into a 400.
                raise HTTPException(413)
            return message

        return counted


async def _answer(error: Exception, request: Request, send: Send, *, started: bool) -> None:
    if started:
        # Half an answer is out: cutting the connection is the only honest end left.
        _log.error("request failed after its answer had begun", exc_info=error)
        return
    response: Response = problems.answer_to(request, error)
    await response(request.scope, request.receive, send)


def _language_in_query(query: bytes) -> Locale | None:
    if b"lang=" not in query:
        return None
    return parse_locale(parse_qs(query.decode("latin-1")).get("lang", [""])[0])


def _tell(span: trace.Span, scope: Scope, status: int) -> None:
    route = measure.route_of(scope)
    span.name = f"{scope['method']} {route}"
    span.note({"http.request.method": scope["method"], "http.route": route, "http.response.status_code": status})
    if status >= SERVER_ERROR:
        span.fail(str(status))
