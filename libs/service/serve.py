"""Serving an assembled application over HTTP, in the event loop that everything else runs in."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

START_TIMEOUT_S = 20.0
GRACE_S = 5
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals alone. Uvicorn would raise them again once it has stopped: the process would end before it has cleaned up."""
        yield


def listen(host: str, port: int, *, share: bool = False) -> socket.socket:
    """A listening socket; with `share`, several processes of ours may take turns on it. OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator["asyncio.Task[None]"]:
    """Serves `app` on `listener`; gives the task that ends should the server end by itself."""
    app.state.stopping = asyncio.Event()
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            http="httptools",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            proxy_headers=False,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait([task, ready], timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    try:
        if task.done():
            await task
        yield task
    finally:
        app.state.stopping.set()  # open streams end now
        server.should_exit = True
        await asyncio.wait([task], timeout=GRACE_S * 2)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` to its end, or cancels it on SIGTERM or SIGINT, so that it closes in order what it has opened.

    A second signal does what signals do without us: whoever does not want to wait asks twice.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        release()
        task.cancel()

    def release() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        release()
