"""The messages of all virtual phones, in memory, the oldest dropped first."""

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FINAL = frozenset({"delivered", "undelivered", "failed", "received"})


@dataclass(slots=True, eq=False)
class Message:
    """One SMS. `direction` as Twilio says it: outbound-api, outbound-reply (TwiML) or inbound. `seq` orders messages by arrival."""

    sid: str
    seq: int
    direction: str
    from_number: str
    to: str
    body: str
    created_at: datetime
    updated_at: datetime
    status: str
    callback_url: str = ""
    sent_at: datetime | None = None
    error_code: int | None = None
    provider: str = "twilio"
    reference: str = ""
    """What its sender calls it: Aliyun's OutId, Tencent's SessionContext."""
    template: str = ""
    variables: tuple[str, ...] = ()
    code: str = ""
    """Why it did not arrive, where the provider's codes are texts."""

    @property
    def phone(self) -> str:
        """The number of the virtual phone, whichever way the message went."""
        return self.from_number if self.direction == "inbound" else self.to


@dataclass(slots=True, eq=False)
class Phone:
    """One virtual phone: its messages, oldest first, and the number of its latest change."""

    number: str
    messages: deque[Message]
    changed: int = 0


class Phones:
    """All phones. `changes` counts every new message and every change of status, so that a page can ask for what is new."""

    def __init__(self, messages_max: int) -> None:
        self._messages_max = messages_max
        self._by_sid: OrderedDict[str, Message] = OrderedDict()
        self._phones: OrderedDict[str, Phone] = OrderedDict()
        self._stopped: set[str] = set()
        self._seq = 0
        self.changes = 0

    def add(self, direction: str, from_number: str, to: str, body: str, now: datetime, *, status: str, callback_url: str = "") -> Message:
        """Keeps a new message."""
        self._seq += 1
        message = Message(
            sid="SM" + secrets.token_hex(16),
            seq=self._seq,
            direction=direction,
            from_number=from_number,
            to=to,
            body=body,
            created_at=now,
            updated_at=now,
            status=status,
            callback_url=callback_url,
        )
        self._by_sid[message.sid] = message
        phone = self.touch(message.phone)
        phone.messages.append(message)
        if len(self._by_sid) > self._messages_max:
            self._drop_oldest()
        return message

    def add_from(self, provider: str, sender: str, to: str, body: str, now: datetime, **more: Any) -> Message:
        """Keeps a new message that came through another provider than Twilio."""
        message = self.add("outbound-api", sender, to, body, now, status="queued")
        message.provider = provider
        for name, value in more.items():
            setattr(message, name, value)
        return message

    def progress(self, message: Message, status: str, now: datetime, error_code: int | None = None) -> None:
        """Moves a message to `status`."""
        message.status = status
        message.updated_at = now
        message.error_code = error_code
        if status == "sent":
            message.sent_at = now
        if message.phone in self._phones:
            self.touch(message.phone)

    def get(self, sid: str) -> Message | None:
        """The message, unless it is unknown or was dropped."""
        return self._by_sid.get(sid)

    def messages(self, number: str | None = None) -> Iterator[Message]:
        """The messages of one phone or of all, oldest first."""
        if number is None:
            return iter(self._by_sid.values())
        phone = self._phones.get(number)
        return iter(phone.messages if phone else ())

    def newest_first(self, number: str | None = None) -> Iterator[Message]:
        """The messages of that phone, or all where it is no phone's number, the newest first."""
        phone = self._phones.get(number) if number else None
        return reversed(phone.messages) if phone else reversed(self._by_sid.values())

    def active(self, after_change: int = 0) -> Iterator[Phone]:
        """The phones that changed after change number `after_change`, the most recently active first."""
        for phone in reversed(self._phones.values()):
            if phone.changed <= after_change:
                return
            yield phone

    def stop(self, number: str) -> None:
        """The phone wants no more messages (STOP)."""
        self._stopped.add(number)

    def resume(self, number: str) -> None:
        """The phone wants messages again (START)."""
        self._stopped.discard(number)

    def is_stopped(self, number: str) -> bool:
        """Whether the phone has sent STOP."""
        return number in self._stopped

    def touch(self, number: str) -> Phone:
        """Something has changed on that phone."""
        self.changes += 1
        phone = self._phones.get(number)
        if phone is None:
            phone = self._phones[number] = Phone(number, deque())
        else:
            self._phones.move_to_end(number)
        phone.changed = self.changes
        return phone

    def _drop_oldest(self) -> None:
        _, oldest = self._by_sid.popitem(last=False)
        phone = self._phones[oldest.phone]
        phone.messages.popleft()  # messages of one phone arrive in the same order as all messages
        if not phone.messages:
            del self._phones[oldest.phone]
