"""Whether a gateway is worth a try: after several failures in a row it is left alone for a while, then asked with one message at a time.

Pure: what a process knows of its gateways is a value per gateway; every process judges by its own calls.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

FAILURES_MAX = 5
"""So many failures in a row, without one call that worked between them, open the breaker."""
OPEN_FOR = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 20, 40, 60))
"""For how long: longer each time that the probe fails too."""
PROBE_LEASE = timedelta(seconds=15)
"""A probe of which nothing was heard for so long no longer stands in the way of another."""


class Health(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything."""
    HALF_OPEN = "half_open"
    """One message, to see whether the gateway is back."""
    OPEN = "open"
    """Nothing, until `until`."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of one gateway. `until`: when it may be asked again; `probe_at`: when the message went out that asks.

    `since`: when it was opened and has not worked again.
    """

    failures: int = 0
    until: datetime | None = None
    opened: int = 0
    probe_at: datetime | None = None
    since: datetime | None = None

    def health(self, now: datetime) -> Health:
        """What may be sent at `now`."""
        if self.until is None:
            return Health.CLOSED
        if now < self.until or (self.probe_at is not None and now < self.probe_at + PROBE_LEASE):
            return Health.OPEN
        return Health.HALF_OPEN

    def free_at(self, now: datetime) -> datetime:
        """When the next message may be sent."""
        if self.health(now) is not Health.OPEN or self.until is None:
            return now
        return max(self.until, self.probe_at + PROBE_LEASE) if self.probe_at is not None else self.until

    def begun(self, now: datetime) -> "Breaker":
        """A message goes out; through a breaker that is not closed it is the probe."""
        return self if self.until is None else replace(self, probe_at=now)

    def worked(self) -> "Breaker":
        """The gateway answered as it should: whatever was before is forgotten."""
        return self if self.failures == 0 and self.until is None else Breaker()

    def failed(self, now: datetime) -> "Breaker":
        """The gateway did not answer, or refused for a reason of its own."""
        if self.until is not None:
            if self.probe_at is None:
                return self  # a call from before the breaker opened
            return replace(self, until=now + _pause(self.opened), opened=self.opened + 1, probe_at=None)
        if self.failures + 1 < FAILURES_MAX:
            return replace(self, failures=self.failures + 1)
        return Breaker(failures=self.failures + 1, until=now + _pause(0), opened=1, since=now)


def _pause(opened: int) -> timedelta:
    return OPEN_FOR[min(opened, len(OPEN_FOR) - 1)]
