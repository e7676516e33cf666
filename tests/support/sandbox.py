"""The sandbox on a free port, over real HTTP, on a fake clock; its callbacks go out when a test says `settle()`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response

from deploy.sandbox import Owner, Sandbox, SandboxConfig, create_app
from libs.clock import FakeClock
from libs.service.serve import listen, serving
from tests.support.http import client

SID = "AC" + "0" * 32
TOKEN = "test-token"
NUMBER = "+860019999999"
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@dataclass(repr=False)
class SandboxDesk:
    """`hooks` is what its webhooks were told: (path, signature, form); `answers` are their next statuses and texts."""

    sandbox: Sandbox
    clock: FakeClock
    http: httpx.AsyncClient
    base_url: str
    hooks: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    @property
    def statuses(self) -> list[str]:
        return [form["MessageStatus"] for _, _, form in self.hooks]

    async def send(self, to: str = "+860010000001", **form: str) -> httpx.Response:
        """Posts a message as the SDK would."""
        body = {"To": to, "From": NUMBER, "Body": "编号C7H2MQ", **form}
        data = {key: value for key, value in body.items() if value}
        return await self.http.post(f"/2010-04-01/Accounts/{SID}/Messages.json", data=data, auth=(SID, TOKEN))

    async def faults(self, *items: dict[str, Any]) -> None:
        answer = await self.http.put("/faults", json={"items": list(items)})
        assert answer.status_code == 200, answer.text


async def owners() -> dict[str, Owner]:
    return {"+860010000001": Owner("王一", "儿童主任"), "+860010000002": Owner("李二", "儿童督导员")}


@asynccontextmanager
async def sandbox_desk(**changes: Any) -> AsyncIterator[SandboxDesk]:
    """A sandbox, and webhooks under /hook/ on the same server."""
    listener = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clock = FakeClock(NOON)
    given = {"account_sid": SID, "auth_tokens": (TOKEN, "old-token"), "from_number": NUMBER, "inbound_url": f"{base_url}/hook/inbound"}
    app = create_app(SandboxConfig(**{**given, **changes}), clock, owners=owners)
    async with app.state.sandbox, client(base_url, timeout=20) as http:
        desk = SandboxDesk(app.state.sandbox, clock, http, base_url)

        async def hook(request: Request) -> Response:
            form = {key: str(value) for key, value in (await request.form()).items()}
            desk.hooks.append((request.url.path, request.headers.get("x-twilio-signature", ""), form))
            status, text = desk.answers.pop(0) if desk.answers else (200, "")
            return Response(text, status)

        app.add_route("/hook/{rest:path}", hook, methods=["POST"])
        async with serving(app, listener):
            yield desk
