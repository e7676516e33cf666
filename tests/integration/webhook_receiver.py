"""A school's server, over real HTTP: it takes webhooks, or is slow, broken or gone, as a test says."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import orjson

from libs.service.serve import listen


@dataclass
class Told:
    """One message as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads(self.body)["data"]
        return data

    def is_signed(self, secret: str) -> bool:
        """Verified as docs/webhooks.md shows it, with nothing of ours."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
        given = [one.partition(",")[2] for one in self.headers["webhook-signature"].split()]
        return any(hmac.compare_digest(wanted, one) for one in given)


@dataclass
class Receiver:
    """`answers` are its next statuses (204 when there are none): a number, "reset", "hang" (until `release`), or a Location to go to."""

    url: str
    told: list[Told] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: int = 0
    hung: int = 204
    """What is answered after having hung."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.told.append(Told(first.split()[1], headers, body))
                self.arrived.set()
                answer = self.answers.pop(0) if self.answers else 204
                if answer == "reset":
                    writer.transport.abort()
                    return
                if answer == "hang":
                    self.hanging += 1
                    await self.release.wait()
                    answer = self.hung
                location = f"Location: {answer}\r\n" if isinstance(answer, str) else ""
                status = 302 if isinstance(answer, str) else answer
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n{location}\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    with closing(listen("127.0.0.1", 0)) as listener:
        receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/tocsin")
        server = await asyncio.start_server(receiver.serve, sock=listener)
        try:
            yield receiver
        finally:
            receiver.release.set()
            server.close()
