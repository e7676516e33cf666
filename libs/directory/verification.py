"""The code that proves that a number is the officer's: derived from the id of its verification, never stored, never in an event."""

import hmac
from datetime import timedelta

from libs.crypto import KeyRing

PURPOSE = "phone-verification"
DIGITS = 6
VALID = timedelta(minutes=10)
"""For how long a code may be entered (default)."""


def code_of(keyring: KeyRing, verification_id: bytes) -> str:
    """Six digits that only who has the keys can tell from the id: the directory, which asks for them, and the notifier, which sends."""
    digest = hmac.digest(keyring.derive(PURPOSE), verification_id, "sha256")
    return f"{int.from_bytes(digest[:8]) % 10**DIGITS:0{DIGITS}}"
