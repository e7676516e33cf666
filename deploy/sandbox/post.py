"""How the sandbox calls webhooks: signed as Twilio signs, with timeouts, on kept-alive connections."""

import asyncio
import base64
import hmac
from collections.abc import Mapping
from typing import Protocol

from deploy.sandbox.wire import Wire, WireError
from libs.web import forms

ANSWER_BYTES_MAX = 64 * 1024


class PostFailed(Exception):
    """A webhook did not answer in time, or could not be reached."""


class Poster(Protocol):
    """Posts a form, or bytes as they are; answers status and text, or raises `PostFailed`."""

    async def __call__(self, url: str, form: Mapping[str, str] | bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Posts `form` to `url`."""
        ...


class HttpPoster:
    """Posts over real HTTP."""

    def __init__(self, *, timeout_s: float, connections_max: int) -> None:
        self._timeout_s = timeout_s
        self._wire = Wire(connect_timeout_s=min(timeout_s, 3.0), connections_max=connections_max, answer_bytes_max=ANSWER_BYTES_MAX)

    async def __call__(self, url: str, form: Mapping[str, str] | bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        body = form if isinstance(form, bytes) else forms.encode(form.items())
        try:
            async with asyncio.timeout(self._timeout_s):
                status, body = await self._wire.post(url, body, headers)
        except (WireError, TimeoutError, OSError, ValueError) as error:
            raise PostFailed(str(error) or type(error).__name__) from error
        return status, body.decode("utf-8", "replace")

    async def close(self) -> None:
        """Closes the connections."""
        self._wire.close()


def signed_headers(token: str, url: str, form: Mapping[str, str]) -> dict[str, str]:
    """The headers with which Twilio proves that a webhook comes from it."""
    return {
        "X-Twilio-Signature": signature(token, url, form),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """As documented (twilio.com/docs/usage/security): HMAC-SHA1 of the URL and all fields, sorted by name, in base64.

    Made here and not by the SDK, whose check on the other side then proves that both mean the same.
    """
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
