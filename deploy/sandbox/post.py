"""How the sandbox calls webhooks: signed as Twilio signs, with timeouts, through one session."""

import functools
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from twilio.request_validator import RequestValidator

ANSWER_BYTES_MAX = 64 * 1024


class PostFailed(Exception):
    """A webhook did not answer in time, or could not be reached."""


class Poster(Protocol):
    """Posts a form; answers status and text, or raises `PostFailed`."""

    async def __call__(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str]:
        """Posts `form` to `url`."""
        ...


class HttpPoster:
    """Posts over real HTTP. The session is opened with the first post, since it belongs to the running event loop."""

    def __init__(self, *, timeout_s: float, connections_max: int) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, 3.0))
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str]:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections_max)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(url, data=urlencode(form).encode(), headers=headers, allow_redirects=False) as answer:
                text = b""
                async for chunk in answer.content.iter_chunked(ANSWER_BYTES_MAX):
                    text += chunk
                    if len(text) > ANSWER_BYTES_MAX:
                        raise PostFailed("the answer is too long")
                return answer.status, text.decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PostFailed(type(error).__name__) from error

    async def close(self) -> None:
        """Closes the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def signed_headers(token: str, url: str, form: Mapping[str, str]) -> dict[str, str]:
    """The headers with which Twilio proves that a webhook comes from it."""
    return {
        "X-Twilio-Signature": str(_validator(token).compute_signature(url, form)),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    }


@functools.lru_cache(maxsize=16)
def _validator(token: str) -> Any:
    return RequestValidator(token)  # type: ignore[no-untyped-call] # the SDK is not typed
