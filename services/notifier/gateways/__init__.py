"""The port to those who carry messages. A gateway declares what it can do; the notifier picks texts and ways to answer by that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.rules.states import Accepted, Ambiguous, Missing, Rejected, Unanswered
from services.notifier.rules.times import Language


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do. `max_chars` bounds a text in its own units."""

    channels: frozenset[str]
    links: bool
    replies: bool
    templates: bool
    max_chars: int
    prefixes: tuple[str, ...] = ("+",)
    """The numbers that it serves, by how they begin."""
    one_way: tuple[str, ...] = ()
    """Numbers, by how they begin, that can neither answer through it nor be sent a link, whatever it can do elsewhere."""

    def carries(self, channel: str, phone: str) -> bool:
        """Whether it serves that channel for that number."""
        return channel in self.channels and phone.startswith(self.prefixes)

    def hears(self, phone: str) -> bool:
        """Whether that number can answer through it."""
        return self.replies and not phone.startswith(self.one_way or _NOBODY)

    def links_to(self, phone: str) -> bool:
        """Whether a text to that number may contain a link."""
        return self.links and not phone.startswith(self.one_way or _NOBODY)


STOPS = frozenset({"MOBILE_IN_BLACK", "USER_REJECT", "FailedOperation.PhoneNumberInBlacklist", "MBBLACK"})
"""Domestic providers' codes for a number that wants no more SMS (it answered T, or is on their black list): a human must see to it."""

_NOBODY = ("no number begins like this",)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. `valid_s`: after so many seconds it would be of no use any more, and must fail instead of arriving.

    `template_id` and `variables` (names and values in the order of the text) are what `body` was made of, for gateways that take
    registered templates only.
    """

    attempt_id: UUID
    to: str
    body: str
    valid_s: int
    template_id: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    language: Language = "zh_CN"


@dataclass(frozen=True, slots=True)
class Sought:
    """An attempt that a provider is asked about. `to` is None when its contact is gone; `taken`: the provider's ids of other attempts."""

    attempt_id: UUID
    to: str | None
    body: str
    since: datetime
    provider_id: str | None = None
    taken: frozenset[str] = frozenset()


class Gateway(Protocol):
    """A provider. None of its methods raises for what a provider can do wrong: that is part of the answers."""

    @property
    def name(self) -> str:
        """Stable: it is stored with every attempt."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def send(self, message: Outgoing) -> Accepted | Rejected | Ambiguous:
        """Hands a message over; answers within the configured timeout."""
        ...

    async def find(self, sought: Sought) -> Accepted | Missing | Unanswered:
        """Looks for a message whose sending had no known outcome, among those to `to` since then that are not in `taken`."""
        ...

    async def fetch(self, sought: Sought) -> Accepted | Missing | Unanswered:
        """Asks how a message is whose `provider_id` is known."""
        ...

    async def close(self) -> None:
        """Gives its connections back."""
        ...
