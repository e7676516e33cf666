"""Puts services together into one process: the one code path for one service alone, for all five, and for tests."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.staticfiles import StaticFiles

from libs.clock import SystemClock
from libs.clock.database import follow
from libs.db import TRANSIENT, Database
from libs.directory.identity import Identity
from libs.events import Consumer
from libs.events.restored import mend
from libs.events.retention import clean
from libs.log import get_logger
from libs.service import Builder, Context, Job, Service, Tick
from libs.service.loops import Loop, stop
from libs.web import furnish
from libs.web.express import Application

CLOCK_EVERY_S = 10.0
CLEAN_EVERY_S = 600.0
OWN_CONNECTIONS = 4
BUSY_GRACE_S = 6.0
"""How long a round that is under way when the process is asked to stop may take to its end: an SMS that is being sent, say."""

log = get_logger("service")


@dataclass(frozen=True, slots=True)
class Assembly:
    """Services that stand ready: an HTTP application, consumers and jobs. Nothing moves before `running`."""

    context: Context
    app: FastAPI
    services: tuple[Service, ...]
    consumers: tuple[Consumer, ...]
    jobs: tuple[Job, ...]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consumers and jobs at work; left, they finish the round they are in (or roll it back) and leave the bus to others."""
        clock = self.context.clock
        async with self.context.bus.running():
            loops = [Loop.consuming(consumer, clock) for consumer in self.consumers] + [Loop.working(job, clock) for job in self.jobs]
            try:
                yield
            finally:
                await stop(loops, BUSY_GRACE_S)
                await asyncio.gather(*(consumer.close() for consumer in self.consumers), return_exceptions=True)


@asynccontextmanager
async def assemble(context: Context, builders: Sequence[Builder]) -> AsyncIterator[Assembly]:
    """Builds the services, opens what they need, and closes it in the end."""
    async with AsyncExitStack() as stack:
        own = await Database.open(context.database_url, role=None, announce=context.bus.announce, size_max=OWN_CONNECTIONS)
        stack.push_async_callback(own.close)
        if isinstance(context.clock, SystemClock):
            await _follow(own, context.clock)  # before anything can be received or fired by a clock that is wrong
        async with own.transaction() as tx:
            await mend(tx, context.clock.now())
        await context.bus.prepare(own)
        directory = await context.database("directory", size_max=4)
        stack.push_async_callback(directory.close)
        services: list[Service] = []
        for build in builders:
            service = await build(context)
            stack.push_async_callback(service.database.close)
            for resource in service.resources:
                await stack.enter_async_context(resource)
            services.append(service)
        consumers = [
            await context.bus.subscribe(service.database, subscription, context.clock)
            for service in services
            for subscription in service.subscriptions
        ]
        jobs = [job for service in services for job in service.jobs]
        jobs += context.bus.jobs(own, context.clock)
        jobs.append(Job("bus-retention", partial(_clean, own, context), idle_s=CLEAN_EVERY_S))
        if isinstance(context.clock, SystemClock):
            jobs.append(Job("clock", partial(_follow, own, context.clock), idle_s=CLOCK_EVERY_S))
        app = _application(context, services, own, directory)
        yield Assembly(context, app, tuple(services), tuple(consumers), tuple(jobs))


def _application(context: Context, services: Sequence[Service], own: Database, directory: Database) -> FastAPI:
    app = Application(
        title="Tocsin",
        version="0.1.0",
        summary="Mandatory reporting and alert routing for child protection",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.context = context
    app.state.directory_db = directory
    app.state.identity = Identity(directory, context.keyring)
    furnish(app, context.settings)
    for service in services:
        for router in service.routers:
            app.include_router(router)
        if service.static is not None:
            app.mount(f"/static/{service.name}", StaticFiles(directory=service.static), name=f"static-{service.name}")

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], responses={503: {"description": "Something that is needed is missing; it is named."}})
    async def readyz(what: Annotated[Literal["requests", "everything"], Query(alias="for")] = "everything") -> Response:
        """Everything that this process needs is there; for requests the database is enough: events wait in the log while Kafka is away."""
        missing = [] if what == "requests" else context.bus.missing()
        try:
            async with asyncio.timeout(5), own.connection() as connection:
                await connection.execute("SELECT 1")
        except TRANSIENT:
            missing = ["database", *missing]
        if missing:
            log.warning("service.not_ready", missing=missing)
            return JSONResponse({"status": "unavailable", "missing": missing}, status_code=503)
        return JSONResponse({"status": "ready", "services": [service.name for service in services]})

    @app.get("/metrics", tags=["operations"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


async def _clean(database: Database, context: Context) -> Tick:
    async with database.connection() as connection:
        return Tick(worked=await clean(connection, context.clock.now()))


async def _follow(database: Database, clock: SystemClock) -> Tick:
    async with database.connection() as connection:
        await follow(connection, clock)
    return Tick(next_at=clock.now() + timedelta(seconds=CLOCK_EVERY_S))
