"""How many messages a number may get: so many a day over one gateway, and none of the same words more than three times.

Both are the providers' rules, not ours (rules.yaml sms.throttle_per_number_per_day; findings.md, SMS to +86). What would break them is
refused by the provider, or worse, swallowed. So it goes another way first: another body of the template, another gateway, the officer's
next contact, and then the next person or tier. Urgent messages are never held back by our count: there the provider has the last word.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

DAY = timedelta(hours=24)
"""The window in which messages are counted; it slides."""
IDENTICAL_PREFIX = "+86"
"""Numbers to which the same words may only go so many times."""

Number = bytes
"""A phone number as its keyed fingerprint: counting needs no number in the clear."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a gateway allows; 0 is no bound. `per_s`: messages a second, of one process."""

    per_number_per_day: int = 50
    identical_per_day: int = 3
    per_s: float = 0.0


UNBOUND = Bounds(0, 0, 0.0)


@dataclass(slots=True)
class Tally:
    """What went to which number over which gateway within the last day, and what is being added in the present batch."""

    messages: Counter[tuple[Number, str]] = field(default_factory=Counter)
    words: Counter[tuple[Number, str, bytes]] = field(default_factory=Counter)

    @classmethod
    def of(cls, rows: Iterable[tuple[Number, str, bytes, int]]) -> "Tally":
        """From rows of number, gateway, fingerprint of the words, and how many."""
        made = cls()
        for number, gateway, words, sent in rows:
            made.messages[number, gateway] += sent
            made.words[number, gateway, words] += sent
        return made

    def add(self, number: Number, gateway: str, words: bytes) -> None:
        """One more is on its way."""
        self.messages[number, gateway] += 1
        self.words[number, gateway, words] += 1

    def is_spent(self, number: Number, gateway: str, bounds: Bounds) -> bool:
        """Whether this number has had its day's messages over this gateway."""
        return 0 < bounds.per_number_per_day <= self.messages[number, gateway]

    def is_repeated(self, number: Number, phone: str, gateway: str, words: bytes, bounds: Bounds) -> bool:
        """Whether these words went there so often that they would be refused."""
        return phone.startswith(IDENTICAL_PREFIX) and 0 < bounds.identical_per_day <= self.words[number, gateway, words]
