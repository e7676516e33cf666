"""The port to those who carry messages. A gateway declares what it can do; the notifier picks texts and ways to answer by that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.rules.states import Accepted, Ambiguous, Missing, Rejected, Unanswered


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

    def carries(self, channel: str, phone: str) -> bool:
        """Whether it serves that channel for that number."""
        return channel in self.channels and phone.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. `valid_s`: after so many seconds it would be of no use any more, and must fail instead of arriving."""

    attempt_id: UUID
    to: str
    body: str
    valid_s: int


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

    async def find(self, to: str, body: str, since: datetime, taken: frozenset[str]) -> Accepted | Missing | Unanswered:
        """Looks for a message whose sending had no known outcome, among those to `to` since then that are not in `taken`."""
        ...

    async def fetch(self, provider_id: str) -> Accepted | Missing | Unanswered:
        """Asks how a message is."""
        ...

    async def close(self) -> None:
        """Gives its connections back."""
        ...
