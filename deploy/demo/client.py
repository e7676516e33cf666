"""Tocsin's public interface as a program outside sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

TIMEOUT_S = 15.0
CONNECTIONS_MAX = 32


class NoAnswerError(Exception):
    """The server could not be reached, or did not answer in time: the same call may work when it is tried again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is the JSON document, {} when there was none."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def try_again(self) -> bool:
        """The server says that it cannot now, or failed: a later try may do."""
        return self.status in {429, 500, 502, 503, 504}


class Call(Protocol):
    """One request. Raises NoAnswerError."""

    async def __call__(self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None) -> Answer: ...


class Client:
    """Calls over HTTP with an API key; to be entered."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()

    async def __call__(self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        assert self._session is not None, "enter the client first"
        try:
            async with self._session.request(method, self._base_url + path, json=json, headers=headers) as response:
                body = await response.json(content_type=None) if "json" in response.content_type else {}
                return Answer(response.status, body)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise NoAnswerError(type(error).__name__) from error
