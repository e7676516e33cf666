"""The receipt code: the only thing a reporter needs to learn what has happened (promise 10).

Sixteen signs of an alphabet without vowels and look-alikes, in groups of four, so that it can be read aloud over a bad line and spells
no word. 20^16 ≈ 6.6e20 codes: with a billion receipts given out, one guess in 6.6e11 hits any of them. The code is derived from the
report's id under a key, so that the same answer can be given again without the code ever being stored.
"""

import hmac
from uuid import UUID

ALPHABET = "23456789CFGHJMPQRVWX"
LENGTH = 16
HASH_SIZE_BYTES = 16

_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_SPOKEN = str.maketrans("", "", " -_.\u3000\u2010\u2011\u2012\u2013\u2014\u2212\uff0d")


def receipt_of(report_id: UUID, key: bytes) -> str:
    """The receipt of a report as it is shown: `CFGH-2345-…`. The modulo's bias is 20^16 / 2^128: none that counts."""
    number = int.from_bytes(hmac.digest(key, report_id.bytes, "sha256")[:16], "big")
    pairs = []
    for _ in range(LENGTH // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    a, b, c, d, e, f, g, h = pairs
    return f"{a}{b}-{c}{d}-{e}{f}-{g}{h}"


def tidy(typed: str) -> str | None:
    """What somebody typed, as it is hashed: spaces, dashes and case do not matter. None when it cannot be a receipt."""
    if len(typed) > 4 * LENGTH:
        return None
    code = typed.translate(_SPOKEN)
    if not code.isascii():
        return None
    code = code.upper()
    return code if len(code) == LENGTH and all(sign in ALPHABET for sign in code) else None


def receipt_hash(receipt: str, key: bytes) -> bytes:
    """What is stored in the receipt's place: a MAC under another key, of the tidied code."""
    return hmac.digest(key, receipt.replace("-", "").encode(), "sha256")[:HASH_SIZE_BYTES]
