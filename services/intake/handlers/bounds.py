"""How often one address may ask: for receipts, so that nobody guesses, and for public reports, so that nobody floods."""

import ipaddress
from collections import OrderedDict

from libs.clock import Clock
from libs.errors import TooMany
from libs.i18n import gettext as _

ADDRESSES_MAX = 10_000
NETWORK_BITS_V6 = 64
"""What one household or phone is given: its addresses within it are without number."""


class AddressBound:
    """A bucket per address that refills at `per_minute`. Bounded memory: the address that asked longest ago is forgotten first."""

    def __init__(self, clock: Clock, per_minute: int, *, addresses_max: int = ADDRESSES_MAX) -> None:
        self._clock = clock
        self._per_s = per_minute / 60
        self._burst = float(per_minute)
        self._addresses_max = addresses_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, address: str | None) -> None:
        """Counts one request; TooMany when the address has used up what it had."""
        network = network_of(address)
        now_s = self._clock.elapsed_s()
        left, since_s = self._buckets.pop(network, (self._burst, now_s))
        left = min(left + (now_s - since_s) * self._per_s, self._burst)
        allowed = left >= 1
        self._buckets[network] = (left - 1 if allowed else left, now_s)
        while len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooMany(
                "too_many_requests", _("Too many requests from your address. Wait a minute. If a child is in danger now, call 110.")
            )


def network_of(address: str | None) -> str:
    """What counts as one address: an IPv4 address, an IPv6 /64, or "" for what is neither."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, NETWORK_BITS_V6), strict=False))
    return str(ip)
