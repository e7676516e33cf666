"""Taking out of a log line what nobody may read there: names, places, texts, numbers and secrets."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from structlog.typing import EventDict

REDACTED = "[redacted]"
DEPTH_MAX = 6
TEXT_SIZE_MAX = 20_000

_PERSONAL = re.compile(
    # words that make a key suspicious wherever they stand in it (`reporter_phone`, `x_auth_token`) …
    r"(?:^|_)(?:phone|mobile|tel|telephone|narrative|address|school|alias|injury|injuries|birth|birthday|relationship|caregivers?|guardians?"
    r"|perpetrators?|victims?|identity|password|secret|token|authorization|cookie|credentials?|pepper|bearer|apikey|email|wechat)(?:_|$)"
    # … and keys that are suspicious as a whole, or as names of something that is not one of ours
    r"|^(?:name|body|text|message_body|content|facts|notes?|organisation|to|from|sender|recipient|receipt|api_key|master_keys?|id_number"
    r"|inputs?|input_value|payload|plaintext|params|query)$"
    r"|(?<!division)(?<!service)(?<!job)(?<!group)(?<!event)(?<!thread)(?<!logger)(?<!file)(?<!func)(?<!template)(?<!class)(?<!table)"
    r"(?<!schema)(?<!constraint)(?<!gateway)(?<!error)(?<!policy)_name$"
)
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_NUMBER = re.compile(
    rf"(?P<keep>{_UUID})"
    r"|input_value=.*?(?=, input_type=)"  # what Pydantic quotes of the wrong input
    r"|(?<=DETAIL:  )(?s:.*?)(?=\nHINT:  |\n\n|\Z)"  # what PostgreSQL quotes of the row that it refuses
    r"|\+\d[\d \-().]{5,20}\d"  # international
    r"|(?<!\d)(?:0086|86)?[ -]?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"  # a mobile number
    r"|(?<![\d.-])0\d{2,3}[ -]?\d{7,8}(?![\d-])"  # a landline
    r"|(?<!\d)\d{17}[\dXx](?![\dA-Za-z])"  # an identity card
)


def redact(_logger: Any, _method: str, fields: EventDict) -> EventDict:
    """The processor: suspicious keys lose their value, every text loses what looks like a phone or identity number."""
    return {key: _clean(key, value, 0) for key, value in fields.items()}


def redact_text(text: str) -> str:
    """The text without anything that looks like a phone or identity number; UUIDs, times and division codes stay."""
    return _NUMBER.sub(lambda match: match["keep"] or REDACTED, text[:TEXT_SIZE_MAX])


def _clean(key: str, value: Any, depth: int) -> Any:
    if key.startswith("_"):  # structlog's own record, gone before anything is written
        return value
    if _suspicious(key) and value is not None and not isinstance(value, bool):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if depth >= DEPTH_MAX:
        return REDACTED
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), item, depth + 1) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth + 1) for item in value]
    if isinstance(value, int | float) or value is None:
        return value
    return redact_text(str(value))


@functools.lru_cache(maxsize=4096)
def _suspicious(key: str) -> bool:
    return _PERSONAL.search(key.lower().replace("-", "_").strip("_")) is not None
