"""What tests and the page of phones use: reading the phones, answering as an officer, and setting faults."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, status
from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.calls import call_item
from deploy.sandbox.china import UNSUBSCRIBED, pushed_reply
from deploy.sandbox.config import Owner, Owners, SandboxConfig
from deploy.sandbox.documents import replies_in
from deploy.sandbox.faults import FaultList, Faults
from deploy.sandbox.phones import Message, Phone, Phones
from deploy.sandbox.post import Poster, PostFailed, signed_headers
from deploy.sandbox.switchboard import Switchboard
from libs.clock import Clock
from libs.errors import Conflict, Invalid, NotFound, Unavailable
from libs.i18n import current_locale
from libs.i18n import gettext as _
from libs.log import get_logger

REPLY_CHARS_MAX = 1600
PHONE_MESSAGES_SHOWN_MAX = 40
PHONES_SHOWN_MAX = 60
OWNERS_REMEMBERED_S = 5.0
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START_WORDS = frozenset({"START", "YES", "UNSTOP"})

log = get_logger("sandbox")


class Reply(BaseModel):
    """An answer typed on a virtual phone."""

    model_config = ConfigDict(extra="forbid", strict=True)

    body: Annotated[str, Field(min_length=1, max_length=REPLY_CHARS_MAX)]


class Control:
    """The endpoints beside Twilio's own."""

    def __init__(
        self,
        config: SandboxConfig,
        clock: Clock,
        phones: Phones,
        faults: Faults,
        switchboard: Switchboard,
        *,
        poster: Poster,
        owners: Owners | None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._phones = phones
        self._faults = faults
        self._board = switchboard
        self._post = poster
        self._owners = owners
        self._known: dict[str, tuple[float, Mapping[str, Owner]]] = {}
        """By language, each with when it was learned: posts have names in both."""

    def routes(self, router: APIRouter) -> None:
        """Adds the endpoints to `router`."""
        router.add_api_route("/messages", self.messages, methods=["GET"])
        router.add_api_route("/messages/{sid}/reply", self.reply, methods=["POST"], status_code=status.HTTP_201_CREATED)
        router.add_api_route("/phones", self.phones, methods=["GET"])
        router.add_api_route("/faults", self.show_faults, methods=["GET"])
        router.add_api_route("/faults", self.put_faults, methods=["PUT"])
        router.add_api_route("/faults", self.clear_faults, methods=["DELETE"], status_code=status.HTTP_204_NO_CONTENT)

    async def messages(
        self,
        to: Annotated[str | None, Query(max_length=32)] = None,
        after: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=20_000)] = 20_000,
    ) -> dict[str, Any]:
        """The messages that reached the phones, oldest first. `after`: a sid, or a time; only what came later is shown."""
        found = (message for message in self._phones.messages(_number(to)) if message.direction != "inbound")
        later = [message for message in found if self._is_after(message, after)] if after else list(found)
        shown = later[:limit]
        return {"items": [_item(message) for message in shown], "next": shown[-1].sid if len(later) > limit else None}

    async def reply(self, sid: str, reply: Reply) -> dict[str, Any]:
        """Answers message `sid` from its phone: the inbound webhook is called at once, and its TwiML answers appear on the phone."""
        message = self._phones.get(sid)
        if message is None or message.direction == "inbound":
            raise NotFound("unknown_message", _("There is no such message on any virtual phone."))
        answer = self._phones.add("inbound", message.to, message.from_number, reply.body, self._clock.now(), status="received")
        if message.provider != "twilio":
            return await self._push_reply(message, answer)
        word = reply.body.strip().upper()
        if word in STOP_WORDS:
            self._phones.stop(message.to)
        if word in START_WORDS:
            self._phones.resume(message.to)
        texts = await self._tell_webhook(answer)
        for text in texts:
            self._phones.add("outbound-reply", message.from_number, message.to, text, self._clock.now(), status="delivered")
        return {"sid": answer.sid, "answers": texts}

    async def _push_reply(self, message: Message, answer: Message) -> dict[str, Any]:
        """Pushed as the provider pushes; nothing comes back, since it sends registered texts only."""
        if answer.body.strip().upper() in UNSUBSCRIBED:
            self._phones.stop(message.to)
        url, body = pushed_reply(self._config, message, answer, self._clock.now())
        try:
            code, _text = await self._post(url, body, {"Content-Type": "application/json"})
        except PostFailed as error:
            raise Unavailable("webhook_unreachable", _("The reply webhook did not answer.")) from error
        if code != status.HTTP_200_OK:
            raise Conflict("webhook_refused", _("The reply webhook answered with status %(status)s.", status=code))
        return {"sid": answer.sid, "answers": []}

    async def phones(
        self,
        q: Annotated[str, Query(max_length=64)] = "",
        since: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=PHONES_SHOWN_MAX)] = 24,
    ) -> dict[str, Any]:
        """The phones, most recently active first; with `since` only those that changed after that number of changes."""
        owners = await self._owners_now()
        wanted = q.strip().lower()
        seen = self._phones.changes
        shown: list[dict[str, Any]] = []
        for phone in self._phones.active(since):
            if _matches(phone.number, owners.get(phone.number), wanted):
                shown.append(self._phone(phone, owners.get(phone.number)))
            if len(shown) >= limit:
                break
        if not since:
            silent = (number for number in owners if number not in {phone["number"] for phone in shown})
            for number in silent:
                if len(shown) >= limit:
                    break
                if _matches(number, owners[number], wanted) and not any(True for _ in self._phones.messages(number)):
                    shown.append(self._phone(Phone(number, messages=_NONE), owners[number]))
        return {"items": shown, "seen": seen, "next": None}

    async def show_faults(self) -> dict[str, Any]:
        """The faults that are set."""
        return {"items": [fault.model_dump() for fault in self._faults.items], "next": None}

    async def put_faults(self, faults: FaultList) -> dict[str, Any]:
        """Replaces all faults."""
        self._faults.put(faults)
        return await self.show_faults()

    async def clear_faults(self) -> None:
        """Everything works again."""
        self._faults.clear()

    def _phone(self, phone: Phone, owner: Owner | None) -> dict[str, Any]:
        call = self._board.on(phone.number)
        return {**_phone(phone, owner), "call": call_item(call) if call and call.status != "queued" else None}

    def _is_after(self, message: Message, after: str) -> bool:
        known = self._phones.get(after)
        if known is not None:
            return message.seq > known.seq
        if after.startswith("SM"):
            return True  # so old that it was dropped: everything here is younger
        return message.created_at > _instant(after)

    async def _tell_webhook(self, answer: Message) -> list[str]:
        url = self._config.inbound_url
        form = {
            "AccountSid": self._config.account_sid,
            "ApiVersion": "2010-04-01",
            "Body": answer.body,
            "From": answer.from_number,
            "MessageSid": answer.sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": answer.sid,
            "SmsSid": answer.sid,
            "SmsStatus": "received",
            "To": answer.to,
        }
        try:
            code, text = await self._post(url, form, signed_headers(self._config.auth_tokens[0], url, form))
        except PostFailed as error:
            raise Unavailable("webhook_unreachable", _("The reply webhook did not answer.")) from error
        if code != status.HTTP_200_OK:
            log.warning("sandbox.reply_refused", sid=answer.sid, status=code)
            raise Conflict("webhook_refused", _("The reply webhook answered with status %(status)s.", status=code))
        return replies_in(text)

    async def _owners_now(self) -> Mapping[str, Owner]:
        if self._owners is None:
            return {}
        now_s = self._clock.elapsed_s()
        at_s, known = self._known.get(current_locale(), (float("-inf"), {}))
        if now_s - at_s >= OWNERS_REMEMBERED_S:
            known = await self._owners()
            self._known[current_locale()] = (now_s, known)
        return known


_NONE: Any = ()


def _number(text: str | None) -> str | None:
    """A phone number from a query: an unquoted + arrives as a space."""
    if not text:
        return None
    bare = text.strip()
    return bare if bare.startswith("+") else f"+{bare}"


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Invalid("bad_time", _("Write a message's sid, or a time with its offset, for example 2026-05-04T12:00:00Z."), field="after")
    return at


def _item(message: Message) -> dict[str, Any]:
    return {
        "sid": message.sid,
        "to": message.to,
        "body": message.body,
        "received_at": message.created_at,
        "status": message.status,
        "error_code": message.error_code,
        "direction": message.direction,
        "provider": message.provider,
        "template": message.template,
        "variables": list(message.variables),
        "reference": message.reference,
    }


def _phone(phone: Phone, owner: Owner | None) -> dict[str, Any]:
    return {
        "number": phone.number,
        "name": owner.name if owner else "",
        "post_title": owner.post_title if owner else "",
        "messages": [
            {
                "sid": message.sid,
                "incoming": message.direction != "inbound",
                "body": message.body,
                "at": message.created_at,
                "status": message.status,
                "error_code": message.error_code,
            }
            for message in list(phone.messages)[-PHONE_MESSAGES_SHOWN_MAX:]
        ],
    }


def _matches(number: str, owner: Owner | None, wanted: str) -> bool:
    if not wanted:
        return True
    haystack = f"{number} {owner.name} {owner.post_title}".lower() if owner else number
    return all(word in haystack for word in wanted.split())
