"""The part of Twilio's HTTP interface that sends and shows messages, answering as Twilio answers.

Plain Starlette endpoints: this is a benchmark's hot path, and its errors are Twilio's, not ours.
"""

import base64
import hmac
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deploy.sandbox import documents
from deploy.sandbox.config import SandboxConfig
from deploy.sandbox.courier import Courier
from deploy.sandbox.faults import E164, Fault, Faults
from deploy.sandbox.phones import Message, Phones
from libs.clock import Clock
from libs.web import forms
from libs.web.express import ExpressRoute

BODY_CHARS_MAX = 1600
REQUEST_BYTES_MAX = 64 * 1024
PAGE_SIZE = 50
PAGE_SIZE_MAX = 1000
JSON = "application/json"

E164_NUMBER = re.compile(E164)
URL = re.compile(r"^https?://[^\s/]+")
MAGIC_NUMBERS = {"+15005550001": 21211, "+15005550002": 21612, "+15005550003": 21408, "+15005550004": 21610, "+15005550009": 21614}
"""Numbers that always fail in the same way, as Twilio documents for test credentials."""


class TwilioApi:
    """The endpoints, and what they share."""

    def __init__(self, config: SandboxConfig, clock: Clock, phones: Phones, faults: Faults, courier: Courier) -> None:
        self._config = config
        self._clock = clock
        self._phones = phones
        self._faults = faults
        self._courier = courier
        self._basic = tuple(b"Basic " + base64.b64encode(f"{config.account_sid}:{token}".encode()) for token in config.auth_tokens)

    def routes(self, router: APIRouter) -> None:
        """Adds the endpoints to `router`."""
        base = "/2010-04-01/Accounts/{account}"
        router.routes.append(ExpressRoute(f"{base}/Messages.json", self.create, methods=["POST"], include_in_schema=False))
        router.add_route(f"{base}/Messages.json", self.find, methods=["GET"], include_in_schema=False)
        router.add_route(f"{base}/Messages/{{sid}}.json", self.fetch, methods=["GET"], include_in_schema=False)

    async def create(self, request: Request) -> Response:
        """`POST …/Messages.json`."""
        body = await body_of(request)
        if refused := self.refuse_stranger(request):
            return refused
        form = dict(forms.decode(body.decode("utf-8", "replace"), fields_max=REQUEST_BYTES_MAX))
        to = form.get("To", "")
        fault = self._faults.strike(to, self._clock.now())

        def accept(now: datetime) -> Response:
            if refused := self._refuse_message(to, form):
                return refused
            message = self._accept(to, form, fault, now)
            return Response(orjson.dumps(documents.message_document(self._config.account_sid, message)), 201, media_type=JSON)

        return await under(fault, self._config, self._clock, accept)

    async def find(self, request: Request) -> Response:
        """`GET …/Messages.json?To=&From=&DateSent=&PageSize=&Page=`, the newest first."""
        if refused := self.refuse_stranger(request):
            return refused
        query = request.query_params
        page = number(query.get("Page"), 0, 10_000)
        page_size = max(number(query.get("PageSize"), PAGE_SIZE, PAGE_SIZE_MAX), 1)
        wanted = _Filter(query.get("To"), query.get("From"), _sent_range(dict(query)))
        matching = (message for message in self._phones.newest_first(query.get("To")) if wanted.matches(message))
        found: list[Message] = []
        for at, message in enumerate(matching):
            if at > (page + 1) * page_size:
                break
            if at >= page * page_size:
                found.append(message)
        documents_ = [documents.message_document(self._config.account_sid, message) for message in found[:page_size]]
        path = f"/2010-04-01/Accounts/{self._config.account_sid}/Messages.json"
        filter_query = urlencode([(key, value) for key, value in query.multi_items() if key not in {"Page", "PageSize", "PageToken"}])
        document = documents.page_document(path, filter_query, documents_, page=page, page_size=page_size, more=len(found) > page_size)
        return Response(orjson.dumps(document), media_type=JSON)

    async def fetch(self, request: Request) -> Response:
        """`GET …/Messages/{sid}.json`."""
        if refused := self.refuse_stranger(request):
            return refused
        message = self._phones.get(request.path_params["sid"])
        if message is None:
            return documents.error(20404, request.url.path)
        return Response(orjson.dumps(documents.message_document(self._config.account_sid, message)), media_type=JSON)

    def refuse_stranger(self, request: Request) -> Response | None:
        """The answer to somebody who does not know the password, or asks for another account; None for the account's owner."""
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        known = any(hmac.compare_digest(given, expected) for expected in self._basic)
        if not known:
            return documents.error(20003)
        if request.path_params["account"] != self._config.account_sid:
            return documents.error(20404, request.url.path)
        return None

    def _refuse_message(self, to: str, form: dict[str, str]) -> Response | None:
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        text = form.get("Body", "")
        callback = form.get("StatusCallback", "")
        if not to:
            return documents.error(21604)
        if not sender:
            return documents.error(21603)
        if not text:
            return documents.error(21602)
        if len(text) > BODY_CHARS_MAX:
            return documents.error(21617)
        if to in MAGIC_NUMBERS:
            return documents.error(MAGIC_NUMBERS[to], to)
        if not E164_NUMBER.match(to):
            return documents.error(21211, to)
        if form.get("From") and sender != self._config.from_number:
            return documents.error(21606, sender)
        if callback and not URL.match(callback):
            return documents.error(21609, callback)
        if self._phones.is_stopped(to):
            return documents.error(21610)
        return None

    def _accept(self, to: str, form: dict[str, str], fault: Fault | None, now: datetime) -> Message:
        message = self._phones.add(
            "outbound-api",
            form.get("From") or self._config.from_number,
            to,
            form["Body"],
            now,
            status="queued",
            callback_url=form.get("StatusCallback", ""),
        )
        self._courier.accept(message, fault)
        return message


async def under(fault: Fault | None, config: SandboxConfig, clock: Clock, accept: Callable[[datetime], Response]) -> Response:
    """What comes of a request under a fault. `accept` takes it up at an instant, and answers as if nothing were wrong."""
    if fault is None:
        return accept(clock.now())
    if fault.latency_s:
        await clock.wait(None, fault.latency_s)
    if fault.rate_per_s is not None:
        return documents.error(20429)
    answer = documents.error(20500)
    if fault.accepted or not (fault.hang or fault.http_status):
        answer = accept(clock.now())
        if answer.status_code >= 400:
            return answer
    if fault.hang:
        await clock.wait(None, config.hang_s_max)
        return BrokenAnswer()
    if fault.http_status is not None:
        return documents.error(fault.error_code or _code_of(fault.http_status), status=fault.http_status)
    return BrokenAnswer() if fault.accept_then_reset else answer


class BrokenAnswer(Response):
    """Begins to answer that the message was created, and breaks the connection in the middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the interface of ASGI
        headers = [(b"content-type", JSON.encode()), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"sid": "', "more_body": True})
        # Returning without the rest makes the server close the connection.


class _Filter:
    """What a list request asks for."""

    def __init__(self, to: str | None, sender: str | None, sent: tuple[datetime | None, datetime | None]) -> None:
        self._to = to
        self._from = sender
        self._after, self._before = sent

    def matches(self, message: Message) -> bool:
        if message.provider != "twilio" or (self._to and message.to != self._to):
            return False
        if self._from and message.from_number != self._from:
            return False
        sent_at = message.sent_at or message.created_at
        if self._after and sent_at < self._after:
            return False
        return not (self._before and sent_at > self._before)


async def body_of(request: Request) -> bytes:
    """What was posted, cut off where it is longer than anything that Twilio would take."""
    body = await request.body()
    return body[:REQUEST_BYTES_MAX]


def _sent_range(query: dict[str, str]) -> tuple[datetime | None, datetime | None]:
    """`DateSent` (a day or an instant), `DateSent>` (on or after), `DateSent<` (on or before)."""
    day = _instant(query.get("DateSent"))
    if day is not None:
        whole_day = "T" not in query["DateSent"]
        return day, day + (timedelta(days=1, microseconds=-1) if whole_day else timedelta(seconds=1, microseconds=-1))
    before = _instant(query.get("DateSent<"))
    if before is not None and "T" not in query["DateSent<"]:
        before += timedelta(days=1, microseconds=-1)
    return _instant(query.get("DateSent>")), before


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text if "T" in text else f"{text}T00:00:00+00:00")
    except ValueError:
        return None


def number(text: str | None, default: int, most: int) -> int:
    """A number from a query, at most `most`."""
    return min(int(text), most) if text and text.isascii() and text.isdigit() and len(text) < 9 else default


def _code_of(status: int) -> int:
    return {401: 20003, 404: 20404, 429: 20429}.get(status, 20500 if status >= 500 else 20001)
