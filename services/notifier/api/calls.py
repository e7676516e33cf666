"""The webhooks of calls: what to say, which key was pressed, how the call is. Signed as the others."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Response, status
from starlette.requests import Request

from libs.clock import Clock
from libs.db import TRANSIENT, Database, Tx
from libs.errors import NotFound
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.web.problems import responses
from services.notifier.api.forms import form_body, required, signed_form, uuid_of
from services.notifier.gateways.twilio_voice import spoken_twiml, taken_by, told_of
from services.notifier.handlers import calling
from services.notifier.handlers.calling import Pressed
from services.notifier.handlers.sending import Means
from services.notifier.rules.calls import TRIES_MAX

TEXT_PATH = "/v1/twilio/voice"
CALL_PATH = "/v1/twilio/call"
KEY_WAIT_S = 6
"""So long a key is waited for after the text was read out."""
TRIES_AT_DATABASE = 3
XML = "text/xml"

Answer = TypeVar("Answer")

log = get_logger("notifier")


def router(database: Database, clock: Clock, means: Means, *, tokens: tuple[str, ...], public_base_url: str) -> APIRouter:
    """The routes of calls. Signatures are checked for `public_base_url`, never for what headers say."""
    routes = APIRouter(tags=["notifier"])
    twiml: dict[int | str, Any] = {200: {"description": "TwiML", "content": {XML: {}}}, **responses(403, 413, 415, 422)}

    @routes.post(
        f"{TEXT_PATH}/{{attempt_id}}", response_class=Response, responses=twiml, openapi_extra=form_body("CallSid", path=("attempt_id",))
    )
    async def twilio_voice(request: Request) -> Response:
        """Somebody has taken a call: what to say. A machine is told nothing."""
        named: str = request.path_params["attempt_id"]
        form = await signed_form(request, f"{public_base_url}{TEXT_PATH}/{named}", tokens)
        heard, attempt_id = taken_by(required(form, "CallSid"), form.get("AnsweredBy", "")), uuid_of(named)
        if attempt_id is None:
            return _xml(spoken_twiml(None))
        spoken = await _in_tx(database, lambda tx: calling.take(tx, means, attempt_id, heard, clock.now()))
        return _xml(spoken_twiml(spoken, _key_url(public_base_url, named, 1), KEY_WAIT_S))

    @routes.post(
        f"{TEXT_PATH}/{{attempt_id}}/key",
        response_class=Response,
        responses=twiml,
        openapi_extra=form_body("CallSid", "Digits", path=("attempt_id",)),
    )
    async def twilio_key(request: Request) -> Response:
        """A key was pressed in a call, or none: "1" accepts, "2" declines, anything else reads the text out again."""
        named: str = request.path_params["attempt_id"]
        form = await signed_form(request, f"{public_base_url}{TEXT_PATH}/{named}/key", tokens)
        attempt_id, tries = uuid_of(named), _tries(request.query_params.get("try", ""))
        pressed = Pressed(required(form, "CallSid"), form.get("Digits", "")[:8], tries)
        if attempt_id is None:
            return _xml(spoken_twiml(None))
        spoken = await _in_tx(database, lambda tx: calling.press(tx, means, attempt_id, pressed, clock.now()))
        return _xml(spoken_twiml(spoken, _key_url(public_base_url, named, tries + 1), KEY_WAIT_S))

    @routes.post(
        f"{CALL_PATH}/{{attempt_id}}",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=responses(403, 404, 413, 415, 422),
        openapi_extra=form_body("CallSid", "CallStatus", path=("attempt_id",)),
    )
    async def twilio_call(request: Request) -> Response:
        """Twilio says how a call is. Told twice, late or out of order, it changes nothing."""
        named: str = request.path_params["attempt_id"]
        form = await signed_form(request, f"{public_base_url}{CALL_PATH}/{named}", tokens)
        heard = told_of(required(form, "CallSid"), required(form, "CallStatus"), form.get("AnsweredBy", ""))
        attempt_id = uuid_of(named)
        known = attempt_id is not None
        if attempt_id is not None and heard is not None:
            known = await _in_tx(database, lambda tx: calling.hear_of(tx, means, attempt_id, heard, clock.now()))
        if not known:
            raise NotFound("unknown_attempt", _("There is no such attempt."))
        return Response(status_code=status.HTTP_204_NO_CONTENT)

    return routes


async def _in_tx(database: Database, act: Callable[[Tx], Awaitable[Answer]]) -> Answer:
    """Somebody is on the line: what passes is tried again at once."""
    for tries_left in reversed(range(TRIES_AT_DATABASE)):
        try:
            async with database.transaction() as tx:
                return await act(tx)
        except TRANSIENT as error:
            log.warning("notifier.call_tried_again", error=type(error).__name__, tries_left=tries_left)
            if not tries_left:
                raise
    raise AssertionError("either answered or raised")


def _key_url(public_base_url: str, named: str, tries: int) -> str:
    return f"{public_base_url}{TEXT_PATH}/{named}/key?try={tries}"


def _tries(text: str) -> int:
    """How often the text was read out; whatever is no such number is the last time: nobody is called for ever."""
    return int(text) if text in {str(number) for number in range(1, TRIES_MAX)} else TRIES_MAX


def _xml(document: str) -> Response:
    return Response(document, media_type=XML)
