"""The notifier's HTTP interface: what became of notifications, and the webhooks that Twilio calls."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, Field
from starlette.requests import Request

from libs.clock import Clock
from libs.db import TRANSIENT, Database, after_commit
from libs.db.microbatch import MicroBatch
from libs.directory.permissions import Principal
from libs.errors import NotFound
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.terms import Purpose, Tier
from libs.web import identity
from libs.web.express import ExpressRoute
from libs.web.pagination import PAGE_SIZE, Cursor, Limit, Page, decode, split
from libs.web.problems import responses
from services.notifier.api.forms import error_code, form_body, required, signed_form, uuid_of
from services.notifier.gateways.twilio import NAME, seen_in_callback
from services.notifier.gateways.twilio_webhooks import twiml
from services.notifier.handlers.listing import Listed, of_case
from services.notifier.handlers.replying import Inbound, hear
from services.notifier.handlers.resending import resend
from services.notifier.handlers.sending import Means
from services.notifier.rules.calls import CallOutcome
from services.notifier.rules.states import AttemptState, NotificationState, Observation
from services.notifier.store import resent
from services.notifier.store.resent import Resent

STATUS_PATH = "/v1/twilio/status"
INBOUND_PATH = "/v1/twilio/inbound"
HEAR_TRIES_MAX = 3

log = get_logger("notifier")

Callbacks = MicroBatch[tuple[UUID, Observation], bool]


class AttemptOut(BaseModel):
    """One try through one gateway. `possible_duplicate`: an earlier one may have arrived as well. `outcome`: what came of a call."""

    attempt_id: UUID
    gateway: str
    channel: str
    state: AttemptState
    provider_id: str | None
    error_code: int | None
    provider_code: str | None = Field(
        description="Why it failed, where the provider's codes are texts.", examples=["isv.AMOUNT_NOT_ENOUGH"]
    )
    outcome: CallOutcome | None
    possible_duplicate: bool
    template: str = Field(examples=["assign-reply.zh_CN.1"])
    at: datetime


class NotificationOut(BaseModel):
    """An intent to tell an officer, and what became of it. `reason`: why a contact was given up, or why it failed.

    `resent_as`: the notification by which somebody had it sent again.
    """

    notification_id: UUID
    case_id: UUID
    post_id: UUID
    officer_id: UUID
    tier: Tier | None
    purpose: Purpose
    channel: str
    state: NotificationState
    reason: str | None
    requested_at: datetime
    attempts: list[AttemptOut]
    resent_as: UUID | None = None


class ResentOut(BaseModel):
    """The new notification that repeats a failed one."""

    notification_id: UUID


def callbacks(database: Database, clock: Clock, means: Means, observe: Any) -> Callbacks:
    """Status callbacks that arrive together are recorded together; each is answered after the commit."""

    async def flush(seen: Any) -> list[bool]:
        async with database.transaction() as tx:
            known: list[bool] = await observe(tx, means, seen, clock.now())
            return known

    return MicroBatch(flush)


def router(database: Database, clock: Clock, means: Means, *, tokens: tuple[str, ...], public_base_url: str) -> APIRouter:
    """All routes but the busiest. Signatures are checked for `public_base_url`, never for what headers say."""
    routes = APIRouter(tags=["notifier"])

    @routes.get("/v1/notifications", responses=responses(401, 403, 422))
    async def notifications(
        *,
        who: Annotated[Principal, identity.staff_or_client("read")],
        case_id: UUID,
        cursor: Cursor = None,
        limit: Limit = PAGE_SIZE,
    ) -> Page[NotificationOut]:
        """Who was told of a case, over which channel, and what became of it; oldest first."""
        async with database.connection() as connection:
            listed = await of_case(connection, who, case_id, decode(cursor, datetime, UUID), limit + 1)
            again = await resent.of_notifications(connection, (one.subject.notification_id for one in listed))
        shown, following = split(listed, limit, lambda one: (one.subject.requested_at, one.subject.notification_id))
        return Page(items=[_out(one, again.get(one.subject.notification_id)) for one in shown], next=following)

    @routes.post("/v1/notifications/{notification_id}/resend", status_code=202, responses=responses(401, 403, 404, 409, 422))
    async def send_again(who: Annotated[Principal, identity.staff_or_client("act")], notification_id: UUID) -> ResentOut:
        """Sends a failed notification again, as a new one with all contacts afresh; it is recorded who wanted it, and when."""
        async with database.transaction() as tx:
            after_commit(tx, means.woken)
            return ResentOut(notification_id=await resend(tx, who, notification_id, clock.now()))

    @routes.post(
        INBOUND_PATH,
        response_class=Response,
        responses={200: {"description": "TwiML", "content": {"text/xml": {}}}, **responses(403, 413, 415, 422)},
        openapi_extra=form_body("MessageSid", "From", "Body"),
    )
    async def twilio_inbound(request: Request) -> Response:
        """An officer has answered by SMS: "1" accepts, "2" declines, with the code when several cases wait."""
        form = await signed_form(request, f"{public_base_url}{INBOUND_PATH}", tokens)
        inbound = Inbound(required(form, "MessageSid"), NAME, required(form, "From"), form.get("Body", ""))
        for tries_left in reversed(range(HEAR_TRIES_MAX)):
            try:
                async with database.transaction() as tx:
                    answer = await hear(tx, means.people, means.registry, inbound, clock.now())
                break
            except TRANSIENT as error:  # the provider does not tell a reply again
                log.warning("notifier.reply_tried_again", error=type(error).__name__, tries_left=tries_left)
                if not tries_left:
                    raise
        return Response(twiml(answer), media_type="text/xml")

    return routes


def status_webhook(recorded: Callbacks, *, tokens: tuple[str, ...], public_base_url: str) -> APIRouter:
    """The webhook that is called several times for each SMS; signed as the others."""
    webhook = APIRouter(tags=["notifier"], route_class=ExpressRoute)

    @webhook.post(
        f"{STATUS_PATH}/{{attempt_id}}",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=responses(403, 404, 413, 415, 422, 503),
        openapi_extra=form_body("MessageSid", "MessageStatus", path=("attempt_id",)),
    )
    async def twilio_status(request: Request) -> Response:
        """Twilio says how an SMS is. Told twice, late or out of order, it changes nothing."""
        attempt_id: str = request.path_params["attempt_id"]
        form = await signed_form(request, f"{public_base_url}{STATUS_PATH}/{attempt_id}", tokens)
        seen = seen_in_callback(required(form, "MessageSid"), required(form, "MessageStatus"), error_code(form))
        known = uuid_of(attempt_id)
        if known is None or not await _record(recorded, known, seen):
            raise NotFound("unknown_attempt", _("There is no such attempt."))
        return Response(status_code=status.HTTP_204_NO_CONTENT)

    return webhook


async def _record(recorded: Callbacks, attempt_id: UUID, seen: Observation | None) -> bool:
    return True if seen is None else await recorded.submit((attempt_id, seen))


def _out(listed: Listed, again: Resent | None) -> NotificationOut:
    subject, notification = listed.subject, listed.notification
    return NotificationOut(
        notification_id=subject.notification_id,
        case_id=subject.case_id,
        post_id=subject.post_id,
        officer_id=subject.officer_id,
        tier=subject.tier,
        purpose=subject.purpose,
        channel=listed.attempts[-1]["channel"] if listed.attempts else subject.channel,
        state=notification.state,
        reason=notification.reason,
        requested_at=subject.requested_at,
        resent_as=again.notification_id if again else None,
        attempts=[
            AttemptOut(
                attempt_id=attempt["attempt_id"],
                gateway=attempt["gateway"],
                channel=attempt["channel"],
                state=attempt["state"],
                provider_id=attempt["provider_id"],
                error_code=attempt["error_code"],
                provider_code=attempt["provider_code"],
                outcome=attempt["outcome"],
                possible_duplicate=attempt["possible_duplicate"],
                template=attempt["template_id"],
                at=attempt["started_at"],
            )
            for attempt in listed.attempts
        ],
    )
