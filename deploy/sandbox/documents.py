"""Twilio's documents as its API writes them: messages, pages of messages, errors, and the TwiML that it reads."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, fromstring

import orjson
from starlette.responses import Response

from deploy.sandbox.phones import Message

API_VERSION = "2010-04-01"

ERRORS: dict[int, tuple[int, str]] = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource {} was not found"),
    20429: (429, "Too Many Requests"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url parameter is required"),
    21210: (400, "'From' phone number not verified: {}"),
    21211: (400, "Invalid 'To' Phone Number: {}"),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {}"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided ({}) is not a valid message-capable Twilio phone number for this destination/account"),
    21609: (400, "The 'StatusCallback' URL {} is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21612: (400, "Message cannot be sent with the current combination of 'To' ({}) and/or 'From' parameters"),
    21614: (400, "'To' number is not a valid mobile number: {}"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    30001: (429, "Queue overflow"),
}
"""Code → HTTP status and message, as documented under twilio.com/docs/api/errors."""

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENDED = frozenset("^{}\\[~]|€\f")
_DOCTYPE = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def error(code: int, subject: str = "", *, status: int | None = None) -> Response:
    """The answer to a request that is refused with `code`; `status` overrides the documented one."""
    documented, text = ERRORS.get(code, (status or 400, "An error occurred"))
    status = status or documented
    document = {
        "code": code,
        "message": text.format(subject),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else {}
    if status == 429:
        headers["Retry-After"] = "1"
    return Response(orjson.dumps(document), status, headers, "application/json")


def message_document(account_sid: str, message: Message) -> dict[str, object]:
    """One message as `GET …/Messages/{sid}.json` shows it."""
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{message.sid}"
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at),
        "date_sent": rfc2822(message.sent_at) if message.sent_at else None,
        "date_updated": rfc2822(message.updated_at),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": None,
        "from": message.from_number,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segments(message.body)),
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def page_document(
    path: str, query: str, documents: Sequence[dict[str, object]], *, page: int, page_size: int, more: bool, of: str = "messages"
) -> dict[str, object]:
    """One page of the list of messages, or of calls. `query` is the filter without its paging parameters."""

    def uri(number: int) -> str:
        return f"{path}?{query + '&' if query else ''}PageSize={page_size}&Page={number}"

    return {
        of: documents,
        "page": page,
        "page_size": page_size,
        "start": page * page_size,
        "end": page * page_size + max(len(documents) - 1, 0),
        "uri": uri(page),
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if more else None,
        "previous_page_uri": uri(page - 1) if page else None,
    }


def rfc2822(at: datetime) -> str:
    """A time as Twilio writes it, whole seconds in GMT."""
    return format_datetime(at)


def segments(body: str) -> int:
    """How many SMS a text takes: 160 GSM-7 characters or 70 UCS-2 units, 153 or 67 each when it is split."""
    if all(char in _GSM7 or char in _GSM7_EXTENDED for char in body):
        length, single, part = sum(2 if char in _GSM7_EXTENDED else 1 for char in body), 160, 153
    else:
        length, single, part = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)


class Script(NamedTuple):
    """What a call's TwiML says, and what comes then: a key is waited for, `wait_s` long, and goes to `action`; without one it ends.

    `ends_on`: the key that ends the digits and is not one of them, `#` unless the TwiML says otherwise.
    """

    said: tuple[str, ...]
    action: str | None = None
    wait_s: float = 5.0
    on_empty: bool = False
    ends_on: str = "#"


def script_in(twiml: str) -> Script | None:
    """What to do with the TwiML of a call; None when it is none, upon which Twilio ends the call."""
    root = _twiml(twiml)
    if root is None:
        return None
    said: list[str] = []
    for verb in root:
        if verb.tag == "Say":
            said.append("".join(verb.itertext()).strip())
        elif verb.tag == "Gather":
            said += ["".join(one.itertext()).strip() for one in verb.iter("Say")]
            wait_s = float(verb.get("timeout", "5"))
            on_empty, ends_on = verb.get("actionOnEmptyResult") == "true", verb.get("finishOnKey", "#")
            return Script(tuple(said), verb.get("action"), wait_s, on_empty=on_empty, ends_on=ends_on)
        elif verb.tag == "Hangup":
            break
    return Script(tuple(said))


def _twiml(text: str) -> Element | None:
    if _DOCTYPE.search(text):
        return None
    try:
        root = fromstring(text)  # noqa: S314 - entities and doctypes are refused above
    except ParseError:
        return None
    return root if root.tag == "Response" else None


def replies_in(twiml: str) -> list[str]:
    """The texts that a TwiML document answers with; none when it is no TwiML."""
    root = _twiml(twiml)
    if root is None:
        return []
    texts = []
    for message in root.iter("Message"):
        body = message.find("Body")
        text = "".join((body if body is not None else message).itertext()).strip()
        if text:
            texts.append(text)
    return texts[:10]
