"""What the door learned about a request, for whoever handles it."""

import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from libs.directory.permissions import Principal
from libs.i18n import Locale, current_locale, parse_locale, set_locale

_KEY = "tocsin.visit"


@dataclass(slots=True)
class Visit:
    """One request: its id, its language, whether the visitor chose that language, and who they are once a route has asked."""

    request_id: str
    locale: Locale
    chosen: bool
    principal: Principal | None = None

    def is_by(self, principal: Principal, language: str | None = None) -> None:
        """Remembers who it is; their account's language is spoken unless they chose another."""
        self.principal = principal
        if not self.chosen and (known := parse_locale(language or "")):
            self.locale = known
            set_locale(known)


def visit_of(connection: HTTPConnection) -> Visit:
    """The visit of a request; an anonymous one in the current language where no door was passed (a bare app in a test)."""
    visit = connection.scope.get(_KEY)
    if not isinstance(visit, Visit):
        visit = Visit(request_id="", locale=current_locale(), chosen=False)
        remember(connection.scope, visit)
    return visit


def remember(scope: Scope, visit: Visit) -> None:
    """Attaches the visit to its request."""
    scope[_KEY] = visit


def wants_html(headers: Any) -> bool:
    """Whether the client would rather have a page than a document: browsers name text/html, programs do not (RFC 9110 section 12.5.1)."""
    quality = {"text/html": 0.0, "application/json": 0.0, "application/problem+json": 0.0}
    for part in str(headers.get("accept", ""))[:500].split(","):
        media, _semicolon, parameters = part.partition(";")
        match = re.search(r"\bq=([01](?:\.\d{0,3})?)", parameters)
        if media.strip() in quality:
            quality[media.strip()] = float(match[1]) if match else 1.0
    return quality["text/html"] > max(quality["application/json"], quality["application/problem+json"])
