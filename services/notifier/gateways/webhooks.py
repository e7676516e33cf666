"""Calling the webhooks of schools and hospitals: never an address that is not allowed, never a redirect, never for long.

Names are looked up here and nowhere else: what was checked is what is connected to, so that a name that changes its address between
the check and the call gains nothing. That has threads of its own: one look-up that hangs keeps a thread for half a minute, and the threads
that all share are those in which the gateways' names are looked up.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from services.notifier.gateways.session import Session
from services.notifier.rules.webhooks import Allowed, Answered, is_address, wrong_url

LOOK_UP_S = 3.0
USER_AGENT = "Tocsin-Webhooks/1"


class Receivers:
    """What webhooks are called with."""

    def __init__(self, allowed: Allowed, *, request_timeout_s: float, connect_timeout_s: float, connections_max: int) -> None:
        self.allowed = allowed
        self._names = _Names(allowed, connections_max)
        self._session = Session(
            request_timeout_s=request_timeout_s,
            connect_timeout_s=connect_timeout_s,
            connector=lambda: aiohttp.TCPConnector(
                limit=connections_max, resolver=_Resolver(self._names), use_dns_cache=False, keepalive_timeout=30
            ),
            auto_decompress=False,
        )

    async def tell(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Posts `body`; the answer's status is all that counts, its text is not read."""
        if (wrong := wrong_url(url, self.allowed)) is not None:
            return Answered(None, f"url_{wrong}")  # registered when other networks were allowed
        sent = {"content-type": "application/json", "user-agent": USER_AGENT, **headers}
        try:
            async with self._session.opened().post(url, data=body, headers=sent, allow_redirects=False) as answer:
                answer.close()
                return Answered(answer.status)
        except PermissionError:
            return Answered(None, "private_address")
        except TimeoutError:
            return Answered(None, "no answer in time")
        except aiohttp.ClientConnectorDNSError as error:
            return Answered(None, "private_address" if isinstance(error.os_error, PermissionError) else "unknown host")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answered(None, type(error).__name__)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The allowed addresses of a host; PermissionError when one is not allowed, OSError when there is none."""
        return await self._names.look_up(host, port, socket.AF_UNSPEC)

    async def close(self) -> None:
        """Closes the session."""
        await self._session.close()
        self._names.close()


class _Resolver(AbstractResolver):
    """Looks a name up and hands on what may be connected to. Written addresses never come here: `wrong_url` has judged them."""

    def __init__(self, names: "_Names") -> None:
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._names.look_up(host, port, family)
        ]

    async def close(self) -> None:
        pass


class _Names:
    """Looks names up, in at most so many threads."""

    def __init__(self, allowed: Allowed, at_once_max: int) -> None:
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(at_once_max, thread_name_prefix="webhook-names")

    async def look_up(self, host: str, port: int, family: int) -> list[str]:
        """The addresses; PermissionError when one is not allowed, OSError when there is none."""
        if is_address(host):
            found = [host]
        else:
            work = partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
            async with asyncio.timeout(LOOK_UP_S):
                infos = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            found = [str(info[4][0]) for info in infos]
        if not found:
            raise OSError("no address")
        # One address that is not allowed is enough to refuse: the others may be there only to be let through.
        if not all(self._allowed.address(address) for address in found):
            raise PermissionError("an address that is not allowed")
        return found

    def close(self) -> None:
        """Waits for nothing: what hangs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
