"""When several tasks become one message: an officer in a storm learns that there are many, not each one's code.

Only low grades, only what was never tried, and only while the officer already gets more messages than anybody reads. The first
messages of a storm go out one by one, as ever. Then one message at a time tells how many wait, and the next one comes no sooner than `wait`
after it. No notification is kept longer than `wait`, nor longer than a quarter of the time it leaves for an answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.terms import Grade, Purpose
from services.notifier.rules.states import CRITICAL

BUNDLED = frozenset(
    {Purpose.ASSIGN, Purpose.ESCALATE, Purpose.REMIND, Purpose.OVERDUE, Purpose.INFORM, Purpose.REFER, Purpose.TRANSFER, Purpose.LAPSED}
)
"""Texts that say "there is a task": the others tell of one that is no more, or want somebody to step in."""
WINDOW = timedelta(minutes=10)
"""How far back messages to an officer are counted to see whether this is a storm."""
SHARE = 0.25
"""The share of the time for an answer that may be spent waiting."""
MEMBERS_MAX = 199
"""So many notifications go into one message at most; the next message tells the rest."""


@dataclass(frozen=True, slots=True)
class Bundling:
    """What is bundled: `grades`, from the `after`-th message within `WINDOW` on (0: never), at most one each `wait`."""

    grades: frozenset[Grade] = frozenset({Grade.III, Grade.IV})
    after: int = 3
    wait: timedelta = timedelta(minutes=2)

    def fits(self, grade: Grade, purpose: Purpose, priority: int) -> bool:
        """Whether a notification may become a part of a bundle at all."""
        return self.after > 0 and grade in self.grades and purpose in BUNDLED and priority > max(CRITICAL, 1)

    def is_storm(self, recent: int, waiting: int) -> bool:
        """Whether an officer who got `recent` messages lately, and for whom `waiting` more are there, is in a storm."""
        return self.after > 0 and recent + waiting > self.after

    def until(self, asked: Iterable[tuple[datetime, datetime | None]], last_sent_at: datetime | None) -> datetime:
        """When the bundle of those goes; `asked`: when each was requested, and its deadline. To whom nothing was sent, it goes at once."""
        several = list(asked)
        latest = min(self._patience(requested_at, deadline_at) for requested_at, deadline_at in several)
        free_at = min(requested_at for requested_at, _ in several) if last_sent_at is None else last_sent_at + self.wait
        return min(free_at, latest)

    def _patience(self, requested_at: datetime, deadline_at: datetime | None) -> datetime:
        if deadline_at is None:
            return requested_at + self.wait
        return requested_at + min(self.wait, max(deadline_at - requested_at, timedelta(0)) * SHARE)
