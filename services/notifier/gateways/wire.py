"""The HTTP client under the SDKs of the domestic providers: one session, explicit timeouts, no retries, bounded answers."""

from collections.abc import Mapping

import aiohttp
import yarl

from services.notifier.gateways.domestic import Bounds, NotReached

ANSWER_BYTES_MAX = 1_000_000
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class Wire:
    """The connections of one client. The session is opened with the first request, since it belongs to the running event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self._timeout = aiohttp.ClientTimeout(total=bounds.request_timeout_s, connect=bounds.connect_timeout_s)
        self._connections_max = bounds.connections_max
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Sends a request as it is; status, headers in lower case, and body of the answer. Raises `NotReached` and what aiohttp raises."""
        session = self._session or self._open()
        try:
            address = yarl.URL(url, encoded=True)
            async with session.request(method, address, data=body, headers=headers, allow_redirects=False) as answer:
                whole = b""
                async for chunk in answer.content.iter_chunked(ANSWER_BYTES_MAX):
                    whole += chunk
                    if len(whole) > ANSWER_BYTES_MAX:
                        raise aiohttp.ClientPayloadError("the answer is too long")
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, whole
        except _NEVER_SENT as error:
            raise NotReached from error

    async def close(self) -> None:
        """Closes the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self._connections_max)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._session
