"""Pages: Jinja2, everything escaped, nothing undefined. A room's template is named after its room: `router/case.html`."""

import functools
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from libs import i18n, terms
from libs.clock import Clock, SystemClock
from libs.directory.permissions import may
from libs.terms import labels
from libs.web import navigation
from libs.web.assets import ROOT, static_url
from libs.web.visit import visit_of

_SHARED = Path(__file__).with_name("templates")


def render(
    request: Request,
    template: str,
    /,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page `template` with `context`. Besides it the template sees `request`, `principal`, `locale`, `now` and the globals below."""
    visit = visit_of(request)
    locale = i18n.current_locale()
    given: dict[str, Any] = {
        "request": request,
        "principal": visit.principal,
        "locale": locale,
        "request_id": visit.request_id,
        "now": _clock_of(request).now(),
        "language_url": functools.partial(_language_url, request),
    }
    page = environment().get_template(template).render({**given, **context})
    return HTMLResponse(page, status_code, {"cache-control": "no-store", "content-language": locale.replace("_", "-"), **(headers or {})})


@functools.cache
def environment() -> jinja2.Environment:
    """The one environment, with the shared templates and those of every room."""
    folders = (*ROOT.glob("services/*/templates"), *ROOT.glob("deploy/*/templates"))
    # `router/case.html` is either templates/router/case.html or templates/case.html of the room.
    rooms = {path.parent.name: jinja2.FileSystemLoader([path / path.parent.name, path]) for path in folders}
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(_SHARED), jinja2.PrefixLoader(rooms)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(
        {
            "_": i18n.gettext,
            "ngettext": i18n.ngettext,
            "languages": i18n.NAMES,
            "format_time": i18n.format_time,
            "format_duration": i18n.format_duration,
            "duration_units": i18n.duration_units,
            "navigation": navigation.links,
            "static_url": static_url,
            "label": labels.label,
            "code_label": labels.code_label,
            "situation_text": labels.situation_text,
            "grade_colours": labels.GRADE_COLOURS,
            "grade_urgency": labels.GRADE_URGENCY,
            "terms": terms,
            "may": may,
        }
    )
    made.filters["iso"] = _iso
    return made


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _clock_of(request: Request) -> Clock:
    context = getattr(request.app.state, "context", None)
    clock: Clock = context.clock if context is not None else SystemClock()
    return clock


def _language_url(request: Request, locale: str) -> str:
    kept = [(name, value) for name, value in parse_qsl(request.url.query, keep_blank_values=True) if name != "lang"]
    return f"{request.url.path}?{urlencode([*kept, ('lang', locale)])}"
