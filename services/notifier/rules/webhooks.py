"""Webhooks to schools and hospitals, as far as no network is needed: which addresses, signatures, retries, and what is said.

Signed as the Standard Webhooks specification says (webhook-id, webhook-timestamp, webhook-signature), so that its libraries verify them.
"""

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

URL_CHARS_MAX = 500
SECRET_PREFIX = "whsec_"  # noqa: S105 - says what follows
SECRET_BYTES = 32
OLD_SECRET_SIGNS = timedelta(days=7)
"""How long after a rotation the old secret signs as well."""

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 4 * 3600, 6 * 3600, 6 * 3600))
"""Between one try and the next: without dice, growing, a day in all. Then somebody has to look."""

KEPT = timedelta(days=30)
"""How long deliveries can be seen and sent again."""

# IPv6 addresses that only wrap an IPv4 address of somebody's choice: 6to4, Teredo, NAT64.
_WRAPPING = tuple(ipaddress.ip_network(text) for text in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DeliveryState(StrEnum):
    """Of one status that is to be told to one receiver."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up: replayed only when somebody says so."""


class Gone(StrEnum):
    """Why a receiver is told nothing until it registers again."""

    ANSWERED = "answered_410"
    NO_KEY = "no_key"
    """Its client has no API key any more: revoked or expired."""


class Wrong(StrEnum):
    """Why a URL is not taken."""

    MALFORMED = "malformed"
    NOT_HTTPS = "not_https"
    TOO_LONG = "too_long"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the deployment allows beyond public addresses over https."""

    http: bool = False
    networks: tuple[Network, ...] = ()

    def address(self, text: str) -> bool:
        """Whether a message may go to this address: a public one, or one in a network that the deployment names."""
        try:
            address: Address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self.networks):
            return True
        if any(address in network for network in _WRAPPING):
            return False
        return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


@dataclass(frozen=True, slots=True)
class Answered:
    """How a receiver answered a try; `status` None: not at all, for the reason `error`."""

    status: int | None
    error: str = ""

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver says that it wants nothing any more."""
        return self.status == 410

    @property
    def said(self) -> str:
        """For people: the status, or why there is none."""
        return self.error if self.status is None else str(self.status)


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a delivery after a try."""

    state: DeliveryState
    next_at: datetime | None = None


def wrong_url(url: str, allowed: Allowed) -> Wrong | None:
    """Why this cannot be a receiver's URL; None when it can. Its name is not looked up here: that is done for every try."""
    if len(url) > URL_CHARS_MAX:
        return Wrong.TOO_LONG
    if not url.isascii() or any(ord(letter) <= 32 or letter == "\\" for letter in url):
        return Wrong.MALFORMED
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return Wrong.MALFORMED
    if not host or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        return Wrong.MALFORMED
    if parts.scheme != "https" and not (allowed.http and parts.scheme == "http"):
        return Wrong.NOT_HTTPS
    return Wrong.PRIVATE if is_address(host) and not allowed.address(host) else None


def is_address(host: str) -> bool:
    """Whether a host is written as an address, which nobody will look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def after(answered: Answered, tries: int, now: datetime) -> Next:
    """What follows from the answer to the `tries`-th try (1 is the first)."""
    if answered.taken:
        return Next(DeliveryState.DELIVERED)
    if answered.gone or tries > len(PAUSES):
        return Next(DeliveryState.DEAD)
    return Next(DeliveryState.PENDING, now + PAUSES[tries - 1])


def secret_text(secret: bytes) -> str:
    """A secret as its receiver gets to see it, once."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def sign(secrets: Sequence[bytes], delivery_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The headers that prove where a message comes from: a signature by each secret that is valid now, the newest first."""
    timestamp = str(int(sent_at.timestamp()))
    signed = b".".join((delivery_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
