"""How an API client registers where it wants to be told how its reports go on, and sees what it was told."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from libs.clock import Clock
from libs.crypto import Sealer
from libs.db import Database
from libs.directory.permissions import ClientPrincipal
from libs.terms import CloseResult, Tier
from libs.terms.told import Stage
from libs.web import identity
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page, decode, split
from libs.web.problems import responses
from services.notifier.gateways.webhooks import Receivers
from services.notifier.handlers import webhooks as handlers
from services.notifier.handlers.webhooks import Registered
from services.notifier.rules.webhooks import URL_CHARS_MAX, DeliveryState, Gone
from services.notifier.store import webhooks as store
from services.notifier.store.webhooks import Delivery, Webhook

Client = Annotated[ClientPrincipal, identity.api_client("report")]


class WebhookIn(BaseModel):
    """Where to tell."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=URL_CHARS_MAX, examples=["https://school.example/tocsin"])


class WebhookOut(BaseModel):
    """`secret` is shown once, when it is made. `gone_at`: since then nothing is told until it is registered anew.

    `gone_because`: the receiver answered 410, or the client's last key was revoked or has expired.
    """

    webhook_id: UUID
    url: str
    secret: str | None = Field(default=None, examples=["whsec_…"])
    previous_secret_until: datetime | None
    created_at: datetime
    gone_at: datetime | None
    gone_because: Gone | None
    failing_since: datetime | None
    last_taken_at: datetime | None


class DeliveryOut(BaseModel):
    """One status of one report, as it was told or is to be told. `delivery_id` is the message's `webhook-id`."""

    delivery_id: UUID
    report_id: UUID
    sequence: int
    changed: str
    report_state: Stage
    office: Tier | None
    result: CloseResult | None
    changed_at: datetime
    state: DeliveryState
    tries: int
    next_at: datetime | None
    last_answer: str | None


def router(database: Database, clock: Clock, sealer: Sealer, receivers: Receivers, woken: Callable[[], None]) -> APIRouter:
    """The routes of `/v1/webhook`: each client has one, and sees its own only. `woken` after what leaves something to tell."""
    routes = APIRouter(tags=["notifier"])

    @routes.put("/v1/webhook", responses=responses(401, 403, 422))
    async def register(client: Client, wanted: WebhookIn) -> WebhookOut:
        """Registers where this client is told how its own reports go on, or moves it elsewhere. The first answer shows the secret."""
        await handlers.check_url(wanted.url, receivers.allowed, receivers.resolve)
        async with database.transaction() as tx:
            return _out(await handlers.register(tx, sealer, client.client_id, wanted.url, clock.now()))

    @routes.get("/v1/webhook", responses=responses(401, 403, 404))
    async def show(client: Client) -> WebhookOut:
        """Where this client is told, and whether it takes what it is told."""
        async with database.connection() as connection:
            return _out(Registered(await handlers.of_client(connection, client.client_id)))

    @routes.delete("/v1/webhook", status_code=status.HTTP_204_NO_CONTENT, responses=responses(401, 403, 404))
    async def unregister(client: Client) -> None:
        """Tells this client nothing any more."""
        async with database.transaction() as tx:
            await handlers.unregister(tx, await handlers.of_client(tx, client.client_id), clock.now())

    @routes.post("/v1/webhook/rotate", responses=responses(401, 403, 404))
    async def rotate(client: Client) -> WebhookOut:
        """A new secret, shown once; for a week every message is signed with the one before as well."""
        async with database.transaction() as tx:
            return _out(await handlers.rotate(tx, sealer, client.client_id, clock.now()))

    @routes.get("/v1/webhook/deliveries", responses=responses(401, 403, 404, 422))
    async def deliveries(
        *, client: Client, state: DeliveryState | None = None, cursor: Cursor = None, limit: Limit = PAGE_SIZE
    ) -> Page[DeliveryOut]:
        """What this client was told and is to be told, the newest first; it is kept for 30 days."""
        position = decode(cursor, UUID)
        async with database.connection() as connection:
            webhook = await handlers.of_client(connection, client.client_id)
            found = await store.listed(connection, webhook.webhook_id, state or "", position[0] if position else None, limit + 1)
        shown, following = split(found, limit, lambda one: (one.delivery_id,))
        return Page(items=[_delivery(one) for one in shown], next=following)

    @routes.post(
        "/v1/webhook/deliveries/{delivery_id}/retry",
        status_code=status.HTTP_202_ACCEPTED,
        responses=responses(401, 403, 404, 409, 422),
    )
    async def retry(client: Client, delivery_id: UUID) -> None:
        """Tells again what was given up, from the first try on, under the same `webhook-id`."""
        async with database.transaction() as tx:
            await handlers.again(tx, client.client_id, delivery_id, clock.now())
        woken()

    return routes


def _out(registered: Registered) -> WebhookOut:
    webhook: Webhook = registered.webhook
    return WebhookOut(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        secret=registered.secret,
        previous_secret_until=webhook.previous_until,
        created_at=webhook.created_at,
        gone_at=webhook.gone_at,
        gone_because=webhook.gone_because,
        failing_since=webhook.failing_since,
        last_taken_at=webhook.last_taken_at,
    )


def _delivery(one: Delivery) -> DeliveryOut:
    return DeliveryOut(
        delivery_id=one.delivery_id,
        report_id=one.report_id,
        sequence=one.sequence,
        changed=one.what,
        report_state=one.stage,
        office=one.tier,
        result=one.result,
        changed_at=one.changed_at,
        state=one.state,
        tries=one.tries,
        next_at=one.next_at,
        last_answer=one.answer,
    )
