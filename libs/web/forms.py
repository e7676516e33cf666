"""URL-encoded forms, read and written as `urllib.parse` does, several times as fast on Chinese texts.

An SMS of sixty Chinese characters is 180 escapes; the standard library looks at each of them on its own, on both sides of each call.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_plus

_ESCAPED: Final = [quote_plus(bytes([byte])) for byte in range(256)]
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """The body of a form: what `urlencode` makes."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in fields]).encode()


def decode(body: str, *, fields_max: int) -> list[tuple[str, str]]:
    """The fields of a form, empty ones too: what `parse_qsl` finds. Raises ValueError when there are more than `fields_max`."""
    if not body:
        return []
    if body.count("&") >= fields_max:
        raise ValueError("too many fields")
    fields = []
    for part in body.split("&"):
        if part:
            name, _equals, value = part.partition("=")
            fields.append((_unquoted(name), _unquoted(value)))
    return fields


def _quoted(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text
    return "".join([_ESCAPED[byte] for byte in text.encode()])


def _unquoted(text: str) -> str:
    text = text.replace("+", " ")
    return _ESCAPES.sub(_unescaped, text) if "%" in text else text


def _unescaped(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "replace")
