"""Links that acknowledge with one tap: how they look, how long they live, and what somebody who opens one is shown.

A link stands for one message to one officer about one case. It shows code, grade and time, nothing else (promise 7), and looking at it
changes nothing: previews and scanners fetch what an SMS contains. Only the button of its page, which posts, acknowledges.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum

PLACE = "{link}"
"""Where the link stands in a text that is kept: links themselves are never stored."""
TOKEN = re.compile(r"[0-9A-Za-z]{12}")
TOKEN_CHARS = 12
"""71 bits: a million links that live for a day are not found by guessing a billion times a second."""
LIVES_MAX = timedelta(hours=24)
LIVES_WITHOUT_DEADLINE = timedelta(hours=1)
BASE_LONGEST = "https://to.example.cn/l"
"""As long as an address may be for the links' texts to fit into one SMS."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class LinkState(StrEnum):
    """What a link is good for now."""

    OPEN = "open"
    ACCEPTED = "accepted"
    """It was used: the officer has the case."""
    NEEDLESS = "needless"
    """Somebody else has the case, or the officer has answered in another way."""
    EXPIRED = "expired"
    WRONG = "wrong"
    """There is no such link: cut off, or mistyped."""


def token_of(mac: bytes) -> str:
    """Twelve letters and digits, which no phone cuts off, from at least 9 bytes of a keyed hash."""
    number, token = int.from_bytes(mac[:9]) % len(_DIGITS) ** TOKEN_CHARS, ""
    for _ in range(TOKEN_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        token += _DIGITS[digit]
    return token


def longest(base_url: str) -> str:
    """A link as long as any."""
    return f"{base_url or BASE_LONGEST}/{'w' * TOKEN_CHARS}"


def expires_at(deadline_at: datetime | None, now: datetime) -> datetime:
    """Until the case is somebody else's, a day at most; after an hour where no time was set, or it has passed."""
    if deadline_at is None or deadline_at <= now:
        return now + LIVES_WITHOUT_DEADLINE
    return min(deadline_at, now + LIVES_MAX)
