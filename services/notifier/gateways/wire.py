"""The HTTP client under the SDKs of the domestic providers: one session, explicit timeouts, no retries, bounded answers."""

from collections.abc import Mapping
from functools import partial

import aiohttp
import yarl

from services.notifier.gateways.domestic import Bounds, NotReached
from services.notifier.gateways.session import NEVER_SENT, Session, whole


class Wire:
    """The connections of one client."""

    def __init__(self, bounds: Bounds) -> None:
        self._session = Session(
            request_timeout_s=bounds.request_timeout_s,
            connect_timeout_s=bounds.connect_timeout_s,
            connector=partial(aiohttp.TCPConnector, limit=bounds.connections_max),
        )

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Sends a request as it is; status, headers in lower case, and body of the answer. Raises `NotReached` and what aiohttp raises."""
        session = self._session.opened()
        try:
            address = yarl.URL(url, encoded=True)
            async with session.request(method, address, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, await whole(answer)
        except NEVER_SENT as error:
            raise NotReached from error

    async def close(self) -> None:
        """Closes the session."""
        await self._session.close()
