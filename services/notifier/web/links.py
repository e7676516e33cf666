"""The page behind a link in an SMS: no login, no script, nothing personal; looking at it changes nothing, its one button acknowledges."""

from datetime import datetime

from fastapi import APIRouter, Response, status
from starlette.requests import Request

from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.i18n import current_locale, use_locale
from libs.log import get_logger
from libs.web import templates
from services.notifier.handlers.links import Links, Shown
from services.notifier.handlers.people import People
from services.notifier.rules.links import LinkState

PATH = "/l"
TRIES_AT_DATABASE = 3
STATUS = {LinkState.EXPIRED: status.HTTP_410_GONE, LinkState.WRONG: status.HTTP_404_NOT_FOUND}
PRIVATE = {"x-robots-tag": "noindex, nofollow"}

log = get_logger("notifier")


def router(database: Database, clock: Clock, links: Links, people: People, workbench_url: str) -> APIRouter:
    """The routes of links; from their pages `workbench_url` leads on."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route(f"{PATH}/{{token}}", methods=["GET", "HEAD"])
    async def look(request: Request, token: str) -> Response:
        now = clock.now()
        async with database.transaction() as tx:
            shown = await links.look(tx, token, now)
            zone = await _zone(people, tx, shown)
        return _page(request, shown, zone, now, workbench_url)

    @routes.post(f"{PATH}/{{token}}")
    async def accept(request: Request, token: str) -> Response:
        now = clock.now()
        for tries_left in reversed(range(TRIES_AT_DATABASE)):
            try:
                async with database.transaction() as tx:
                    shown = await links.accept(tx, token, now)
                    zone = await _zone(people, tx, shown)
                break
            except TRANSIENT as error:
                log.warning("notifier.link_tried_again", error=type(error).__name__, tries_left=tries_left)
                if not tries_left:
                    raise
        return _page(request, shown, zone, now, workbench_url)

    return routes


async def _zone(people: People, tx: Tx, shown: Shown) -> str:
    if shown.subject is None:
        return ""
    await people.fresh(tx)
    return await people.zone(tx, shown.subject.division_code)


def _page(request: Request, shown: Shown, zone: str, now: datetime, workbench_url: str) -> Response:
    """In the officer's language; where nobody knows whose link it should be, in the visitor's."""
    subject = shown.subject
    due_at = subject.deadline_at if subject is not None and subject.deadline_at is not None and subject.deadline_at > now else None
    with use_locale(shown.language or current_locale()):
        return templates.render(
            request,
            "notifier/link.html",
            status_code=STATUS.get(shown.state, status.HTTP_200_OK),
            headers=PRIVATE,
            state=shown.state,
            subject=subject,
            due_at=due_at,
            zone=zone,
            workbench_url=workbench_url,
        )
