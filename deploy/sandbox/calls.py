"""Twilio's interface for calls, and the one through which tests and the page of phones take them, press keys and hang up."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from deploy.sandbox import documents
from deploy.sandbox.api import (
    E164_NUMBER,
    JSON,
    MAGIC_NUMBERS,
    PAGE_SIZE,
    PAGE_SIZE_MAX,
    REQUEST_BYTES_MAX,
    URL,
    TwilioApi,
    body_of,
    number,
    under,
)
from deploy.sandbox.config import SandboxConfig
from deploy.sandbox.faults import Faults
from deploy.sandbox.switchboard import Call, Order, Switchboard
from libs.clock import Clock
from libs.errors import Conflict, NotFound
from libs.i18n import gettext as _
from libs.web import forms

RING_S, RING_S_MAX = 60, 600
NO_SUCH = frozenset({21211, 21612, 21614})
"""Magic numbers that no call reaches either; calling one answers 21211."""


class Taken(BaseModel):
    """Who, or what, takes a call; `unknown`: the provider cannot tell."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Literal["human", "machine", "unknown"] = "human"


class Keys(BaseModel):
    """A key; none: silence until the end of waiting."""

    model_config = ConfigDict(extra="forbid", strict=True)

    digits: Annotated[str, Field(pattern=r"^[0-9*#]?$")]


class Calls:
    """The endpoints of calls."""

    def __init__(self, config: SandboxConfig, clock: Clock, switchboard: Switchboard, faults: Faults, api: TwilioApi) -> None:
        self._config = config
        self._clock = clock
        self._board = switchboard
        self._faults = faults
        self._api = api

    def routes(self, router: APIRouter) -> None:
        """Adds the endpoints to `router`."""
        base = "/2010-04-01/Accounts/{account}"
        router.add_route(f"{base}/Calls.json", self.create, methods=["POST"], include_in_schema=False)
        router.add_route(f"{base}/Calls.json", self.find, methods=["GET"], include_in_schema=False)
        router.add_route(f"{base}/Calls/{{sid}}.json", self.fetch, methods=["GET"], include_in_schema=False)
        router.add_api_route("/calls", self.calls, methods=["GET"])
        router.add_api_route("/calls/{sid}/answer", self.answer, methods=["POST"])
        router.add_api_route("/calls/{sid}/keys", self.keys, methods=["POST"])
        router.add_api_route("/calls/{sid}/hangup", self.hang_up, methods=["POST"])

    async def create(self, request: Request) -> Response:
        """`POST …/Calls.json`."""
        body = await body_of(request)
        if refused := self._api.refuse_stranger(request):
            return refused
        fields = forms.decode(body.decode("utf-8", "replace"), fields_max=REQUEST_BYTES_MAX)
        form, events = dict(fields), tuple(value for name, value in fields if name == "StatusCallbackEvent")
        fault = self._faults.strike(form.get("To", ""), self._clock.now(), of="calls")

        def accept(_now: datetime) -> Response:
            if refused := self._refuse(form):
                return refused
            order = Order(
                to=form["To"],
                from_number=form["From"],
                url=form["Url"],
                callback_url=form.get("StatusCallback", ""),
                events=events or ("completed",),
                ring_s=float(number(form.get("Timeout"), RING_S, RING_S_MAX)),
                detects=bool(form.get("MachineDetection")),
            )
            return Response(orjson.dumps(self._document(self._board.dial(order, fault))), 201, media_type=JSON)

        return await under(fault, self._config, self._clock, accept)

    async def find(self, request: Request) -> Response:
        """`GET …/Calls.json?To=&From=&Status=&PageSize=&Page=`, the newest first."""
        if refused := self._api.refuse_stranger(request):
            return refused
        query = request.query_params
        page = number(query.get("Page"), 0, 10_000)
        page_size = max(number(query.get("PageSize"), PAGE_SIZE, PAGE_SIZE_MAX), 1)
        matching = [call for call in self._board.calls(query.get("To")) if _matches(call, query.get("From"), query.get("Status"))]
        shown = matching[::-1][page * page_size : (page + 1) * page_size]
        path = f"/2010-04-01/Accounts/{self._config.account_sid}/Calls.json"
        kept = urlencode([(key, value) for key, value in query.multi_items() if key not in {"Page", "PageSize", "PageToken"}])
        more = len(matching) > (page + 1) * page_size
        found = [self._document(call) for call in shown]
        document = documents.page_document(path, kept, found, page=page, page_size=page_size, more=more, of="calls")
        return Response(orjson.dumps(document), media_type=JSON)

    async def fetch(self, request: Request) -> Response:
        """`GET …/Calls/{sid}.json`."""
        if refused := self._api.refuse_stranger(request):
            return refused
        call = self._board.get(request.path_params["sid"])
        if call is None:
            return documents.error(20404, request.url.path)
        return Response(orjson.dumps(self._document(call)), media_type=JSON)

    async def calls(self, to: Annotated[str | None, Query(max_length=32)] = None) -> dict[str, Any]:
        """The calls to the phones, oldest first."""
        wanted = to if to is None or to.strip().startswith("+") else f"+{to.strip()}"
        return {"items": [call_item(call) for call in self._board.calls(wanted)], "next": None}

    async def answer(self, sid: str, taken: Taken) -> dict[str, Any]:
        """Takes a ringing call."""
        call = self._known(sid)
        if call.status != "ringing":
            raise Conflict("not_ringing", _("This call does not ring."))
        await self._board.answer(call, "machine_start" if taken.by == "machine" else taken.by)
        return call_item(call)

    async def keys(self, sid: str, keys: Keys) -> dict[str, Any]:
        """Presses a key in a call, or stays silent until the end of waiting."""
        call = self._known(sid)
        if not call.talking:
            raise Conflict("not_talking", _("Nobody is in this call."))
        await self._board.press(call, keys.digits)
        return call_item(call)

    async def hang_up(self, sid: str) -> dict[str, Any]:
        """Ends a call; one that rings is refused."""
        call = self._known(sid)
        await self._board.hang_up(call)
        return call_item(call)

    def _known(self, sid: str) -> Call:
        call = self._board.get(sid)
        if call is None:
            raise NotFound("unknown_call", _("There is no such call to any virtual phone."))
        return call

    def _refuse(self, form: dict[str, str]) -> Response | None:
        to = form.get("To", "")
        if not to:
            return documents.error(21201)
        if MAGIC_NUMBERS.get(to) in NO_SUCH or not E164_NUMBER.match(to):
            return documents.error(21211, to)
        if form.get("From") != self._config.from_number:
            return documents.error(21210, form.get("From", ""))
        if not URL.match(form.get("Url", "")):
            return documents.error(21205)
        if form.get("StatusCallback") and not URL.match(form["StatusCallback"]):
            return documents.error(21609, form["StatusCallback"])
        return None

    def _document(self, call: Call) -> dict[str, object]:
        started, ended = call.answered_at, call.ended_at
        return {
            "account_sid": self._config.account_sid,
            "answered_by": call.answered_by or None,
            "api_version": documents.API_VERSION,
            "date_created": documents.rfc2822(call.created_at),
            "date_updated": documents.rfc2822(call.updated_at),
            "direction": "outbound-api",
            "duration": str(int((ended - started).total_seconds())) if started and ended else None,
            "end_time": documents.rfc2822(ended) if ended else None,
            "from": call.order.from_number,
            "sid": call.sid,
            "start_time": documents.rfc2822(started) if started else None,
            "status": call.status,
            "to": call.order.to,
            "uri": f"/{documents.API_VERSION}/Accounts/{self._config.account_sid}/Calls/{call.sid}.json",
        }


def call_item(call: Call) -> dict[str, Any]:
    """A call as tests and the page see it; `listens`: a key would be heard."""
    return {
        "sid": call.sid,
        "to": call.order.to,
        "status": call.status,
        "answered_by": call.answered_by,
        "said": list(call.said),
        "keys": call.keys,
        "listens": call.action is not None,
        "at": call.created_at,
        "ended_at": call.ended_at,
    }


def _matches(call: Call, sender: str | None, status: str | None) -> bool:
    return (not sender or call.order.from_number == sender) and (not status or call.status == status)
