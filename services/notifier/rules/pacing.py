"""How fast messages go to a gateway: a token bucket for each, a value that is asked with the time of the question.

A bucket fills all the time, not at ticks: a window as long as the tick that looks at it would let through a tenth of what it should
(findings.md, peers). A part of it is kept for what is urgent, so that an alarm of grade I finds a token in the middle of a storm.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

BURST_S = 0.25
"""A bucket holds what a quarter of a second brings, and at least `TOKENS_MIN`: so much may go out at once after a silence, and so much
more than the pace may fall into any one second. Tokens spill when nobody looks for longer than that: the sender looks when one is there."""
TOKENS_MIN = 2.0
RESERVE = 0.25
"""The share of a full bucket that only urgent messages may use, and at least one token."""
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens of a gateway as of `at`. `per_s` 0: there is no bound."""

    per_s: float
    tokens: float = 0.0
    at: datetime | None = None

    @property
    def most(self) -> float:
        """What it can hold."""
        return max(self.per_s * BURST_S, TOKENS_MIN)

    @property
    def reserve(self) -> float:
        """What is kept for urgent messages."""
        return max(self.most * RESERVE, 1.0)

    def left(self, now: datetime) -> float:
        """The tokens in it at `now`; a clock that went back brings none, and takes none away."""
        if self.at is None:
            return self.most
        return min(self.tokens + max((now - self.at).total_seconds(), 0.0) * self.per_s, self.most)

    def room(self, now: datetime, *, urgent: bool) -> int:
        """How many messages may go now, the urgent ones or the others."""
        return max(int(self.left(now) - (0.0 if urgent else self.reserve)), 0)

    def may(self, now: datetime, *, urgent: bool) -> bool:
        """Whether a message may go now."""
        return self.per_s == 0 or self.room(now, urgent=urgent) > 0

    def taken(self, now: datetime) -> "Bucket":
        """With one message less."""
        return self if self.per_s == 0 else replace(self, tokens=self.left(now) - 1.0, at=now)

    def free_at(self, now: datetime, *, urgent: bool) -> datetime:
        """When the next message of that kind may go; `now` if that is at once."""
        if self.may(now, urgent=urgent):
            return now
        missing = 1.0 + (0.0 if urgent else self.reserve) - self.left(now)
        return now + timedelta(seconds=missing / self.per_s) + TICK
