"""Envelope encryption of personal fields, blind indexes for finding them, and the keys for both (DESIGN section 5).

SealError                 nothing here may be retried
├── KeyRingInvalid        the configured master keys cannot be read
├── UnknownKeyVersion     sealed under a master key that this process was not given
├── MalformedSeal         not a seal at all
└── SealBroken            changed, moved to another row, or sealed under another key
"""

from libs.crypto.errors import KeyRingInvalid, MalformedSeal, SealBroken, SealError, UnknownKeyVersion
from libs.crypto.keys import BlindIndex, KeyRing
from libs.crypto.sealing import Sealer

__all__ = [
    "BlindIndex",
    "KeyRing",
    "KeyRingInvalid",
    "MalformedSeal",
    "SealBroken",
    "SealError",
    "Sealer",
    "UnknownKeyVersion",
]
