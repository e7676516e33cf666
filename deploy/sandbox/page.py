"""The page of virtual phones."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.requests import Request

from libs.i18n import gettext as _
from libs.web import identity, templates

POLL_MS = 700
ZONE = "Asia/Shanghai"
"""The zone of the demonstration's divisions."""


def page_routes(router: APIRouter, paths: Sequence[str]) -> None:
    """Adds the page at `paths` of the router."""

    async def phones(request: Request) -> HTMLResponse:
        if hasattr(request.app.state, "identity"):  # a sandbox that stands alone knows nobody
            await identity.visitor(request)
        base = request.url.path.rstrip("/")
        return templates.render(
            request,
            "sandbox/phones.html",
            base=base,
            poll_ms=POLL_MS,
            zone=ZONE,
            words={
                "you": _("You"),
                "delivered": _("delivered"),
                "sent": _("on its way"),
                "queued": _("on its way"),
                "undelivered": _("did not arrive"),
                "failed": _("did not arrive"),
                "reply": _("Your answer"),
                "send": _("Send"),
                "one": _("Answer 1: accept"),
                "two": _("Answer 2: decline"),
                "nothing": _("No message yet"),
                "answerFailed": _("The answer was not taken. Try again."),
                "lost": _("No connection. Trying again …"),
                "live": _("Live"),
                "count": _("%(n)s phones shown", n="{}"),
                "none": _("No phone fits. Search for less."),
                "unknown": _("Unknown number"),
                "rings": _("Tocsin is calling"),
                "talking": _("In a call"),
                "take": _("Take the call"),
                "machine": _("Mailbox answers"),
                "refuse": _("Refuse"),
                "hangUp": _("Hang up"),
                "callFailed": _("That did not work: the call may be over."),
            },
        )

    for path in paths:
        router.add_api_route(path, phones, methods=["GET"], include_in_schema=False)
