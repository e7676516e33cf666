"""Wires the sandbox: `Sandbox` is mounted by the embedded mode, `create_app` is the sandbox on its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from fastapi import APIRouter, FastAPI

from deploy.sandbox.aliyun import AliyunApi
from deploy.sandbox.api import TwilioApi
from deploy.sandbox.calls import Calls
from deploy.sandbox.config import Owners, SandboxConfig
from deploy.sandbox.control import Control
from deploy.sandbox.courier import Courier
from deploy.sandbox.faults import Faults
from deploy.sandbox.page import page_routes
from deploy.sandbox.phones import Phones
from deploy.sandbox.post import HttpPoster, Poster
from deploy.sandbox.switchboard import Switchboard
from deploy.sandbox.tencent import TencentApi
from libs.clock import Clock, SystemClock
from libs.service import Job
from libs.service.loops import work
from libs.web import assets, problems


class Sandbox:
    """A Twilio of one's own. `router` has no prefix: mount it where `TOCSIN_TWILIO_API_BASE_URL` points to (`bare`: without one).

    `owners` tells whose the phones are, for the page only. `post` replaces the HTTP client in tests.
    Use it as an asynchronous context (closes its connections) and run `jobs`, or await `settle()` in tests.
    """

    def __init__(
        self, config: SandboxConfig, clock: Clock, *, owners: Owners | None = None, post: Poster | None = None, bare: bool = False
    ) -> None:
        self._http = HttpPoster(timeout_s=config.callback_timeout_s, connections_max=config.callbacks_at_once_max + 16)
        poster = post or self._http
        self.config = config
        self.phones = Phones(config.messages_max)
        self.faults = Faults()
        self.courier = Courier(config, clock, self.phones, poster)
        self.router = APIRouter(include_in_schema=False)
        self.switchboard = Switchboard(config, clock, self.phones, poster)
        twilio = TwilioApi(config, clock, self.phones, self.faults, self.courier)
        twilio.routes(self.router)
        Calls(config, clock, self.switchboard, self.faults, twilio).routes(self.router)
        for account, api in ((config.aliyun, AliyunApi), (config.tencent, TencentApi)):
            if account is not None:
                api(account, clock, self.phones, self.faults, self.courier, hang_s_max=config.hang_s_max).routes(self.router)
        Control(config, clock, self.phones, self.faults, self.switchboard, poster=poster, owners=owners).routes(self.router)
        page_routes(self.router, ("/",) if bare else ("", "/"))
        self.jobs = (
            Job("sandbox-callbacks", self.courier.run_once, wake=self.courier.wake),
            Job("sandbox-calls", self.switchboard.run_once, wake=self.switchboard.wake),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def settle(self) -> int:
        """Posts everything that is due now; answers how many messages moved. For tests."""
        return (await self.courier.run_once()).worked + (await self.switchboard.run_once()).worked


def create_app(config: SandboxConfig, clock: Clock | None = None, *, owners: Owners | None = None) -> FastAPI:
    """The sandbox as an application of its own, its callbacks running while the application runs."""
    clock = clock or SystemClock()
    sandbox = Sandbox(config, clock, owners=owners, bare=True)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with sandbox:
            tasks = [asyncio.create_task(work(job, clock), name=job.name) for job in sandbox.jobs]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(title="Tocsin sandbox", lifespan=lifespan, openapi_url=None)
    problems.install(app)
    assets.install(app)
    app.include_router(sandbox.router)
    app.state.sandbox = sandbox
    return app
