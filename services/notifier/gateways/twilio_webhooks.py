"""What Twilio tells us: status callbacks and replies, believed only with its signature."""

import functools
import hmac
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from libs.web import forms

BODY_BYTES_MAX = 32 * 1024
FIELDS_MAX = 100

Form = ImmutableMultiDict[str, str]


def read_form(body: bytes) -> Form | None:
    """The posted form; None when it cannot be one. Empty fields are kept: they are part of what was signed."""
    try:
        return ImmutableMultiDict(forms.decode(body.decode("utf-8"), fields_max=FIELDS_MAX))
    except ValueError:
        return None


def is_signed(tokens: Sequence[str], url: str, form: Form, signature: str) -> bool:
    """Whether one of `tokens` signed this form for this URL; two are accepted while tokens are being rotated."""
    if not signature or not signature.isascii():
        return False
    # `validate` makes two signatures, with the port in the URL and without; mostly the plain one fits, at half the cost.
    plain = (_validator(token).compute_signature(url, form) for token in tokens)
    if any(hmac.compare_digest(made, signature) for made in plain):
        return True
    return any(_validator(token).validate(url, form, signature) for token in tokens)


def twiml(text: str) -> str:
    """The TwiML document that answers with `text`; with nothing when it is empty."""
    message = f"<Message>{escape(text)}</Message>" if text else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'


@functools.lru_cache(maxsize=8)
def _validator(token: str) -> Any:
    return RequestValidator(token)  # type: ignore[no-untyped-call] # the SDK is not typed
