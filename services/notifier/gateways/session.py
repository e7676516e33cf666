"""What every gateway makes its requests with: one aiohttp session, explicit timeouts, answers of a bounded size."""

from collections.abc import Callable

import aiohttp

ANSWER_BYTES_MAX = 1_000_000
NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
"""No connection was made: nothing can have been sent."""


class Session:
    """A session that is opened with the first request, since it belongs to the running event loop. Times are in seconds."""

    def __init__(
        self,
        *,
        request_timeout_s: float,
        connect_timeout_s: float,
        connector: Callable[[], aiohttp.BaseConnector],
        auto_decompress: bool = True,
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=request_timeout_s, connect=connect_timeout_s)
        self._connector = connector
        self._auto_decompress = auto_decompress
        self._session: aiohttp.ClientSession | None = None

    def opened(self) -> aiohttp.ClientSession:
        """The session."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=self._auto_decompress,
            )
        return self._session

    async def close(self) -> None:
        """Closes it; the next request would open another."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer. Raises ClientPayloadError for one beyond `ANSWER_BYTES_MAX`."""
    body = b""
    async for chunk in answer.content.iter_chunked(ANSWER_BYTES_MAX):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return body
