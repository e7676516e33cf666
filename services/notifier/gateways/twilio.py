"""Twilio through its official SDK, over an HTTP client of our own: the SDK's ignores its timeout and leaks its session (findings.md)."""

import contextvars
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from libs.log import get_logger
from libs.web import forms
from services.notifier.gateways import Capabilities, Outgoing, Sought
from services.notifier.gateways.session import NEVER_SENT, Session, whole
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered

NAME = "twilio"
FALLBACK = "twilio_fallback"
API = "https://api.twilio.com"
MAINLAND = ("+86",)
"""Over Twilio, mainland China has no two-way SMS and refuses links (findings.md, SMS)."""
FIND_PAGE = 50
FIND_MESSAGES_MAX = 2_000
"""How far back one number's messages are read; whoever is not found by then may still be there."""
DATE_SLACK = timedelta(seconds=2)
"""Twilio's dates are whole seconds, on its own clock."""

log = get_logger("notifier")

_STATES: dict[str, AttemptState] = {
    "accepted": AttemptState.SUBMITTED,
    "scheduled": AttemptState.SUBMITTED,
    "queued": AttemptState.SUBMITTED,
    "sending": AttemptState.SUBMITTED,
    "sent": AttemptState.SENT,
    "delivered": AttemptState.DELIVERED,
    "read": AttemptState.DELIVERED,
    "undelivered": AttemptState.UNDELIVERED,
    "failed": AttemptState.FAILED,
    "canceled": AttemptState.FAILED,
}
_BUSY_CODES = frozenset({20429, 30001})
"""Never processed, and safe to send again: too many requests, queue overflow."""
_GATEWAY_CODES = frozenset({20003, 20005, 20008, 20404, 21205, 21210, 21212, 21213, 21603, 21606, 21659, 21660, 30002})
"""Our account, token, sender number or the address that calls ask is wrong: no contact is to blame."""
_ELSEWHERE_CODES = frozenset({21408, 21612})
"""This account, or its number, does not send there: another one may."""
_CONTACT_CODES = frozenset({21211, 21214, 21215, 21216, 21217, 21610, 21614})
"""This number: not valid, not routable, not to be called, not a mobile, has sent STOP. Whatever the status, another contact may work."""
STOPPED = 21610
"""The officer sent STOP: a human must see to it."""

_retry_after_s: contextvars.ContextVar[float] = contextvars.ContextVar("retry_after_s", default=0.0)
"""What the answer to this task's last request said: the SDK's errors do not carry headers."""

UNCLEAR = (aiohttp.ClientError, TimeoutError, OSError, TwilioException, ValueError, KeyError)
"""Whatever else may end a call of the SDK's without an answer that can be read."""


class TwilioGateway:
    """SMS over one account of Twilio's. A callback goes to `callback_base_url` with the attempt's id behind it."""

    def __init__(
        self,
        client: Client,
        http: "HttpClient",
        *,
        name: str,
        from_number: str,
        callback_base_url: str,
        takes_replies: bool,
        one_way: tuple[str, ...],
    ) -> None:
        self.name = name
        self._client = client
        self._http = http
        self._from_number = from_number
        self._callback_base_url = callback_base_url
        self.capabilities = Capabilities(
            channels=frozenset({"sms"}), links=True, replies=takes_replies, templates=False, max_chars=1600, one_way=one_way
        )

    async def send(self, message: Outgoing) -> Accepted | Rejected | Ambiguous:
        try:
            sent = await self._client.messages.create_async(
                to=message.to,
                from_=self._from_number,
                body=message.body,
                status_callback=f"{self._callback_base_url}/{message.attempt_id}",
                validity_period=message.valid_s,
            )
        except (TwilioRestException, TwilioServiceException) as error:
            return refused(int(error.status), int(error.code or error.status))
        except NEVER_SENT:
            return Rejected(Refusal.BUSY, 0)
        except UNCLEAR as error:
            return Ambiguous(type(error).__name__)
        return _seen(sent) if sent.sid else Ambiguous("no sid")

    async def find(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await found_in(self._client.messages, sought, _seen, gateway=self.name, fits=lambda message: message.body == sought.body)

    async def fetch(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await fetched(self._client.messages(str(sought.provider_id)), _seen, gateway=self.name)

    async def close(self) -> None:
        await self._http.close()


def make_gateway(
    *,
    account_sid: str,
    auth_token: str,
    from_number: str,
    api_base_url: str,
    callback_base_url: str,
    takes_replies: bool,
    http: "HttpClient",
    name: str = NAME,
    one_way: tuple[str, ...] = MAINLAND,
) -> TwilioGateway:
    """The gateway on an account; `name` tells it from another account's. `one_way`: see `Capabilities`."""
    client = client_of(account_sid, auth_token, api_base_url, http)
    return TwilioGateway(
        client,
        http,
        name=name,
        from_number=from_number,
        callback_base_url=callback_base_url,
        takes_replies=takes_replies,
        one_way=one_way,
    )


def client_of(account_sid: str, auth_token: str, api_base_url: str, http: "HttpClient") -> Client:
    """The SDK on an account, sending through `http`."""
    http.base_url = api_base_url
    options = {"http_client": http, "environment": {"TWILIO_EDGE": "", "TWILIO_REGION": ""}}
    return Client(account_sid, auth_token, **options)  # type: ignore[no-untyped-call] # the SDK is not typed


def state_of(status: str) -> AttemptState | None:
    """Our state for Twilio's message status; None for one that tells nothing."""
    return _STATES.get(status)


def seen_in_callback(provider_id: str, status: str, error_code: int | None) -> Accepted | None:
    """What a status callback says; None when it says nothing that we know."""
    state = state_of(status)
    return None if state is None else Accepted(provider_id, state, error_code, busy=error_code in _BUSY_CODES)


async def found_in(
    kind: Any, sought: Sought, seen: Callable[[Any], Accepted], *, gateway: str, fits: Callable[[Any], bool] = lambda _: True
) -> Accepted | Missing | Unanswered:
    """Looks through the account's list of messages, or of calls, to the number: the oldest that fits, and no attempt has, is the one."""
    if sought.to is None:
        return Unanswered()
    found: Any = None
    count = 0
    try:
        # The newest come first. In a storm one phone gets hundreds of messages: read back to `since`, not just the first page.
        async for one in await kind.stream_async(to=sought.to, limit=FIND_MESSAGES_MAX, page_size=FIND_PAGE):
            count += 1
            if one.date_created is not None and one.date_created < sought.since - DATE_SLACK:
                break
            if fits(one) and one.sid not in sought.taken and str(one.direction) == "outbound-api":
                found = one
    except UNCLEAR as error:
        log.warning("notifier.find_unanswered", gateway=gateway, error=type(error).__name__)
        return Unanswered()
    if found is not None:
        return seen(found)
    return Missing() if count < FIND_MESSAGES_MAX else Unanswered()


async def fetched(one: Any, seen: Callable[[Any], Accepted], *, gateway: str) -> Accepted | Missing | Unanswered:
    """Asks after one message, or one call, by its sid."""
    try:
        return seen(await one.fetch_async())
    except (TwilioRestException, TwilioServiceException) as error:
        if error.status == 404:
            return Missing()
        log.warning("notifier.fetch_refused", gateway=gateway, status=error.status, code=error.code)
        return Unanswered()
    except UNCLEAR as error:
        log.warning("notifier.fetch_unanswered", gateway=gateway, error=type(error).__name__)
        return Unanswered()


class HttpClient(AsyncHttpClient):
    """What the SDK sends its requests with: one session, explicit timeouts, no retries, no logging of numbers and texts."""

    def __init__(self, *, request_timeout_s: float, connect_timeout_s: float, connections_max: int) -> None:
        self.is_async = True
        self.base_url = API
        self._session = Session(
            request_timeout_s=request_timeout_s,
            connect_timeout_s=connect_timeout_s,
            connector=partial(aiohttp.TCPConnector, limit=connections_max),
        )

    async def request(  # type: ignore[override]  # noqa: PLR0917 - the shape that the SDK calls
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - ours are set once, for all requests
        allow_redirects: bool = False,  # noqa: ARG002 - Twilio's API does not redirect
    ) -> Response:
        """Sends one request; raises what aiohttp raises."""
        session = self._session.opened()
        if auth is not None:
            headers = {**(headers or {}), "Authorization": aiohttp.encode_basic_auth(*auth)}
        url = self.base_url + uri.removeprefix(API)
        form = forms.encode(_fields(data)) if data else None  # aiohttp's own forms cost more than the rest of the call
        async with session.request(method, url, params=params, data=form, headers=headers, allow_redirects=False) as answer:
            _retry_after_s.set(_seconds(answer.headers.get("Retry-After", "")))
            return Response(answer.status, (await whole(answer)).decode("utf-8", "replace"), answer.headers)

    async def close(self) -> None:
        """Closes the session."""
        await self._session.close()


def refused(status: int, code: int) -> Rejected | Ambiguous:
    """A 429 was never processed; a 5xx may have been; any other refusal is about the number, unless it is about us."""
    if status == 429 or code in _BUSY_CODES:
        return Rejected(Refusal.BUSY, code, _retry_after_s.get())
    if code in _ELSEWHERE_CODES:
        return Rejected(Refusal.ELSEWHERE, code)
    if code in _CONTACT_CODES:
        return Rejected(Refusal.CONTACT, code)
    if status >= 500:
        return Ambiguous(f"status {status}")
    if status in {401, 403, 404} or 300 <= status < 400 or code in _GATEWAY_CODES:
        return Rejected(Refusal.GATEWAY, code)
    return Rejected(Refusal.CONTACT, code)


def _seen(message: Any) -> Accepted:
    status = str(message.status)
    code = int(message.error_code) if message.error_code else None
    return seen_in_callback(str(message.sid), status, code) or Accepted(str(message.sid))


def _fields(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            yield name, str(one)


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
