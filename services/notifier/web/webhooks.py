"""The page of webhooks: who is told how their reports go on, who does not take it, and what was given up."""

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from libs.clock import Clock
from libs.db import Database
from libs.directory.permissions import StaffPrincipal, require
from libs.i18n import N_
from libs.i18n import gettext as _
from libs.web import identity, templates
from services.notifier.handlers.webhooks import of_id, unregister
from services.notifier.rules.webhooks import DeliveryState, Gone
from services.notifier.store import webhooks as store
from services.notifier.store.webhooks import Delivery, Webhook

PAGE_SIZE = 50
COUNT_MAX = 1000

STATES: dict[DeliveryState, tuple[str, str]] = {
    DeliveryState.PENDING: (N_("Waits"), "busy"),
    DeliveryState.DELIVERED: (N_("Taken"), "ok"),
    DeliveryState.DEAD: (N_("Given up"), "bad"),
}


class Filter(BaseModel):
    """Whose deliveries the visitor wants to see."""

    model_config = ConfigDict(extra="ignore")

    webhook_id: UUID | Literal[""] = ""
    state: DeliveryState | Literal[""] = ""
    before: UUID | Literal[""] = ""


def router(database: Database, clock: Clock, woken: Callable[[], None]) -> APIRouter:
    """The page's routes; `woken` after what leaves something to tell."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/webhooks")
    async def webhooks(
        request: Request, staff: Annotated[StaffPrincipal, Depends(identity.staff)], wanted: Annotated[Filter, Query()]
    ) -> HTMLResponse:
        require(staff, "directory.manage")
        async with database.connection() as connection:
            found = await store.every(connection)
            counts = await store.counts(connection, COUNT_MAX)
            listed: list[Delivery] = []
            if wanted.webhook_id:
                listed = await store.listed(connection, wanted.webhook_id, wanted.state, wanted.before or None, PAGE_SIZE + 1)
        return templates.render(
            request,
            "notifier/webhooks.html",
            webhooks=found,
            counts=counts,
            count_max=COUNT_MAX,
            chosen=next((one for one in found if one.webhook_id == wanted.webhook_id), None),
            wanted=wanted,
            listed=listed[:PAGE_SIZE],
            before=listed[PAGE_SIZE - 1].delivery_id if len(listed) > PAGE_SIZE else None,
            health_of=_health,
            state_of=lambda state: (_(STATES[state][0]), STATES[state][1]),
            states=[("", _("All")), *((str(one), _(text)) for one, (text, _kind) in STATES.items())],
        )

    @routes.post("/webhooks/{webhook_id}/retry")
    async def retry(
        staff: Annotated[StaffPrincipal, Depends(identity.staff)], webhook_id: UUID, delivery_id: Annotated[UUID | None, Form()] = None
    ) -> RedirectResponse:
        """Lets one delivery that was given up be tried again, or all of this receiver."""
        require(staff, "directory.manage")
        async with database.transaction() as tx:
            await store.again(tx, clock.now(), delivery_id=delivery_id, webhook_id=webhook_id)
        woken()
        return RedirectResponse(f"/webhooks?webhook_id={webhook_id}", status_code=303)

    @routes.post("/webhooks/{webhook_id}/remove")
    async def remove(staff: Annotated[StaffPrincipal, Depends(identity.staff)], webhook_id: UUID) -> RedirectResponse:
        """Tells this receiver nothing any more: for a client that is gone, or whose key somebody else had."""
        require(staff, "directory.manage")
        async with database.transaction() as tx:
            await unregister(tx, await of_id(tx, webhook_id), clock.now())
        return RedirectResponse("/webhooks", status_code=303)

    return routes


def _health(webhook: Webhook) -> tuple[str, str]:
    if webhook.gone_at is not None and webhook.gone_because is Gone.NO_KEY:
        return _("Has no valid API key any more"), "bad"
    if webhook.gone_at is not None:
        return _("Wants nothing any more (410)"), "bad"
    if webhook.failing_since is not None:
        return _("Does not take what it is told"), "warn"
    return (_("Works"), "ok") if webhook.last_taken_at is not None else (_("Not told anything yet"), "idle")
