"""What the providers of mainland China push to us: receipts and officers' replies.

They sign nothing. What proves them is a long secret in the address, which only they and the deployment know; two are accepted while it is
being changed. Whoever does not know it finds nothing here. What is told twice, late or out of order changes nothing.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from libs.clock import Clock
from libs.db import TRANSIENT, Database
from libs.errors import NotFound, TooLarge, Unsupported
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.web.express import ExpressRoute
from libs.web.problems import responses
from services.notifier.api import HEAR_TRIES_MAX, Callbacks
from services.notifier.gateways import aliyun, tencent
from services.notifier.handlers.replying import Inbound, hear
from services.notifier.handlers.sending import Means
from services.notifier.rules.states import Observation
from services.notifier.store import receipts

ALIYUN_REPORT = "/v1/aliyun/{secret}/report"
ALIYUN_UP = "/v1/aliyun/{secret}/up"
TENCENT_STATUS = "/v1/tencent/{secret}/status"
TENCENT_REPLY = "/v1/tencent/{secret}/reply"
BODY_BYTES_MAX = 512 * 1024
ITEMS_MAX = 1000
JSON = "application/json"

HearAll: TypeAlias = Callable[[str, Sequence[tuple[str, str, str]]], Awaitable[None]]

log = get_logger("notifier")


def router(
    database: Database,
    clock: Clock,
    means: Means,
    recorded: Callbacks,
    queued: Callable[[], None],
    *,
    aliyun_secrets: Sequence[str],
    tencent_secrets: Sequence[str],
) -> APIRouter:
    """The addresses of the providers that are configured; a provider without secrets has none. `queued`: there is an answer to send."""
    routes = APIRouter(tags=["notifier"], route_class=ExpressRoute)
    hear_all = partial(_hear, database, clock, means, queued)
    if aliyun_secrets:
        _aliyun(routes, recorded, hear_all, aliyun_secrets)
    if tencent_secrets:
        _tencent(routes, database, recorded, hear_all, tencent_secrets)
    return routes


def _aliyun(routes: APIRouter, recorded: Callbacks, hear_all: HearAll, secrets: Sequence[str]) -> None:
    @routes.post(ALIYUN_REPORT, responses=responses(404, 413, 415, 503), openapi_extra=_BODY)
    async def aliyun_report(request: Request) -> Response:
        """SmsReport: which SMS arrived, and which did not."""
        items = await _pushed(request, secrets)
        await _record(recorded, aliyun.reports(items))
        return _said({"code": 0, "msg": "OK"})

    @routes.post(ALIYUN_UP, responses=responses(404, 413, 415, 503), openapi_extra=_BODY)
    async def aliyun_up(request: Request) -> Response:
        """SmsUp: officers have answered by SMS."""
        items = await _pushed(request, secrets)
        await hear_all(aliyun.NAME, aliyun.replies(items))
        return _said({"code": 0, "msg": "OK"})


def _tencent(routes: APIRouter, database: Database, recorded: Callbacks, hear_all: HearAll, secrets: Sequence[str]) -> None:
    @routes.post(TENCENT_STATUS, responses=responses(404, 413, 415, 503), openapi_extra=_BODY)
    async def tencent_status(request: Request) -> Response:
        """Which SMS arrived, and which did not."""
        reports = tencent.reports(await _pushed(request, secrets))
        unknown = [one.serial for one in reports if one.attempt_id is None]
        async with database.connection() as connection:
            attempts = await receipts.attempts_known_as(connection, tencent.NAME, unknown)
        seen = [(one.attempt_id or attempts.get(one.serial), one.seen) for one in reports]
        await _record(recorded, [(attempt_id, observation) for attempt_id, observation in seen if attempt_id is not None])
        return _said({"result": 0, "errmsg": "OK"})

    @routes.post(TENCENT_REPLY, responses=responses(404, 413, 415, 503), openapi_extra=_BODY)
    async def tencent_reply(request: Request) -> Response:
        """Officers have answered by SMS."""
        items = await _pushed(request, secrets)
        await hear_all(tencent.NAME, tencent.replies(items, secrets[0]))
        return _said({"result": 0, "errmsg": "OK"})


async def _pushed(request: Request, secrets: Sequence[str]) -> list[Any]:
    """What was pushed, once it is certain by whom: a list, also where it came alone."""
    given = request.path_params["secret"].encode()
    if not any([hmac.compare_digest(given, secret.encode()) for secret in secrets]):  # noqa: C419 - all of them, in the same time
        raise NotFound("not_found", _("There is nothing at this address."))
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge("too_large", _("The request is larger than what we accept."))
    try:
        pushed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unsupported("unsupported_content_type", _("Send JSON, with Content-Type: application/json.")) from None
    items = pushed if isinstance(pushed, list) else [pushed]
    if len(items) > ITEMS_MAX:
        raise TooLarge("too_large", _("The request is larger than what we accept."))
    return [item for item in items if isinstance(item, dict)]


async def _record(recorded: Callbacks, seen: Sequence[tuple[UUID, Observation]]) -> None:
    """Those of the whole push, in its order; whatever is no attempt of ours is left alone."""
    known = await asyncio.gather(*(recorded.submit(one) for one in seen))
    if not all(known):
        log.info("notifier.receipts_of_others", count=known.count(False))


async def _hear(  # noqa: PLR0917
    database: Database, clock: Clock, means: Means, queued: Callable[[], None], gateway: str, replies: Sequence[tuple[str, str, str]]
) -> None:
    """Each by itself. These providers take no answer back: it goes out as an SMS of its own."""
    for provider_id, phone, text in replies:
        inbound = Inbound(provider_id, gateway, phone, text)
        for tries_left in reversed(range(HEAR_TRIES_MAX)):
            try:
                async with database.transaction() as tx:
                    await hear(tx, means.people, means.registry, inbound, clock.now(), queued)
                break
            except TRANSIENT as error:
                log.warning("notifier.reply_tried_again", error=type(error).__name__, tries_left=tries_left)
                if not tries_left:
                    raise


def _said(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type=JSON)


_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "array", "items": {"type": "object"}}}}},
    "parameters": [{"name": "secret", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Proof of origin"}],
}
