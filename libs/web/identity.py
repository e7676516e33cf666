"""Who is asking, as dependencies of routes. They say who; `libs.directory.permissions` says what they may.

    async def route(staff: Annotated[StaffPrincipal, Depends(identity.staff)])          a session, or 401 (browsers are led to /login)
    async def route(client: Annotated[ClientPrincipal, identity.api_client("report")])  an API key of that scope
    async def route(who: Annotated[Principal, identity.staff_or_client("read")])        either
    async def route(who: Annotated[StaffPrincipal | None, Depends(identity.visitor)])   whoever is logged in, or nobody

A request with an Authorization header is judged by that alone, never by a cookie besides: such requests skip the check for forgery.
"""

from typing import Any, Final, cast

from fastapi import Depends
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response

from libs.clock import Clock
from libs.directory.identity import Identity
from libs.directory.permissions import SCOPES, ClientPrincipal, Principal, Scope, StaffPrincipal
from libs.errors import Forbidden, Unauthorised
from libs.i18n import gettext as _
from libs.web.problems import LOGIN_REQUIRED
from libs.web.visit import visit_of

SESSION_COOKIE: Final = "tocsin_session"
SESSION_COOKIE_SECURE: Final = "__Host-tocsin"
_SCHEME: Final = "bearer "


async def visitor(request: Request) -> StaffPrincipal | None:
    """Whoever is logged in, or None: for pages that are open to all and greet those who are known."""
    if "authorization" in request.headers:
        return None
    token = session_token(request)
    if not token:
        return None
    principal = await _identity(request).session(token, _clock(request).now())
    if principal is not None:
        visit_of(request).is_by(principal, principal.language)
    return principal


class _Staff(SecurityBase):
    def __init__(self) -> None:
        self.model = APIKey.model_validate({"in": APIKeyIn.cookie, "name": SESSION_COOKIE, "description": "The cookie that /login gives."})
        self.scheme_name = "session"

    async def __call__(self, request: Request) -> StaffPrincipal:
        principal = await visitor(request)
        if principal is None:
            raise Unauthorised(LOGIN_REQUIRED, _("Please log in."))
        return principal


class _Client(SecurityBase):
    """Judges the API key; with `or_staff` a session will do where no key was sent."""

    def __init__(self, scope: Scope, *, or_staff: bool) -> None:
        assert scope in SCOPES
        self.model = HTTPBearer(description="An API key: `Authorization: Bearer <id>.<secret>`.")
        self.scheme_name = "api_key"
        self._scope = scope
        self._or_staff = or_staff

    async def __call__(self, request: Request) -> Principal:
        authorization = request.headers.get("authorization")
        if authorization is None and self._or_staff:
            return await staff(request)
        if authorization is None:
            raise Unauthorised("api_key_required", _("Send an API key: `Authorization: Bearer <id>.<secret>`."))
        client = await _client(request, authorization)
        if self._scope not in client.scopes:
            raise Forbidden("scope_missing", _("This API key does not have the scope “%(scope)s”.", scope=self._scope))
        return client


staff: Final = _Staff()
"""The dependency for pages and routes of people who log in."""


def api_client(scope: Scope) -> Any:
    """The dependency for routes of programs: a key that has `scope`."""
    return Depends(_Client(scope, or_staff=False))


def staff_or_client(scope: Scope) -> Any:
    """The dependency for routes of both: a session, or a key that has `scope`."""
    return Depends(_Client(scope, or_staff=True))


def session_token(request: Request) -> str:
    """The session token that the browser sent; "" without one."""
    return request.cookies.get(_cookie_name(request), "")


def set_session(request: Request, response: Response, token: str, max_age_s: int) -> None:
    """Gives the browser its session token."""
    name = _cookie_name(request)
    secure = name == SESSION_COOKIE_SECURE
    response.set_cookie(name, token, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax")


def clear_session(request: Request, response: Response) -> None:
    """Takes the session token from the browser."""
    name = _cookie_name(request)
    response.delete_cookie(name, path="/", secure=name == SESSION_COOKIE_SECURE, httponly=True, samesite="lax")


def safe_next(target: str | None, otherwise: str = "/") -> str:
    """Where to go after the login: `target` if it is a path of ours, so that nobody's link leads elsewhere through us."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or any(ord(letter) < 32 for letter in target):
        return otherwise
    return target


async def _client(request: Request, authorization: str) -> ClientPrincipal:
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise Unauthorised("api_key_required", _("Send an API key: `Authorization: Bearer <id>.<secret>`."))
    client = await _identity(request).authenticate_key(authorization[len(_SCHEME) :].strip(), _clock(request).now())
    visit_of(request).is_by(client)
    return client


def _cookie_name(request: Request) -> str:
    url: str = request.app.state.context.settings.public_base_url
    return SESSION_COOKIE_SECURE if url.startswith("https://") else SESSION_COOKIE


def _identity(request: Request) -> Identity:
    return cast("Identity", request.app.state.identity)


def _clock(request: Request) -> Clock:
    return cast("Clock", request.app.state.context.clock)
