"""A provider with limits, as a process of its own: the sandbox behind a door that counts.

It takes so many messages a second and refuses more with 429 (20429), as Twilio does. `GET /limits` says how often it had to.
"""

import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from deploy.sandbox import SandboxConfig, create_app

ACCOUNT = "AC" + "8" * 32
TOKEN = "a-token-of-the-benchmarks"
NUMBER = "+860019999997"
MESSAGES_MAX = 100_000
KEEP_ALIVE_S = 60


def limited(inbound_url: str, per_s: int) -> FastAPI:
    """The sandbox; in any second it takes `per_s` messages."""
    app = create_app(SandboxConfig(ACCOUNT, (TOKEN,), NUMBER, inbound_url, messages_max=MESSAGES_MAX))
    latest: deque[float] = deque()
    refused: list[float] = []

    @app.middleware("http")
    async def door(request: Request, onward: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path in {"/readyz", "/limits"}:
            return JSONResponse({"refused": len(refused)})
        if request.method == "POST" and request.url.path.endswith("/Messages.json"):
            now = time.monotonic()
            while latest and latest[0] < now - 1.0:
                latest.popleft()
            if len(latest) >= per_s:
                refused.append(now)
                return JSONResponse({"code": 20429, "message": "Too Many Requests", "status": 429}, 429)
            latest.append(now)
        return await onward(request)

    return app


if __name__ == "__main__":
    uvicorn.run(
        limited(sys.argv[2], int(sys.argv[3])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
