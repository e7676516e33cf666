"""One intake process for the benchmarks, with two more handlers beside the real one.

`/null` reads the body and answers, on an express lane like the real one: the same server, doing nothing; `/ordinary` is the same as a
usual FastAPI route. `/plain` is what most people would write: FastAPI reads the model,
a SQLModel session inserts report and event, without keys, sealing or idempotency.
"""

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from fastapi import APIRouter, Request, Response
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

import services.directory.app
import services.intake.app
from libs import log, memory
from libs.clock import SystemClock
from libs.crypto import KeyRing
from libs.events import new_id
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.service.assembly import assemble
from libs.service.serve import listen, serving
from libs.settings import CommonSettings
from libs.web.express import ExpressRoute
from services.intake.rules.report import Report


class BenchTable(SQLModel, registry=registry(metadata=MetaData(schema="bench"))):
    """Tables of the plain endpoint."""


class PlainReport(BenchTable, table=True):
    __tablename__ = "reports"

    report_id: UUID = Field(primary_key=True)
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    channel: str
    division_code: str
    situations: str
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PlainEvent(BenchTable, table=True):
    __tablename__ = "outbox"

    event_id: UUID = Field(primary_key=True)
    report_id: UUID
    event_type: str
    envelope: str = Field(sa_column=Column(Text, nullable=False))


def extra_routes(url: str) -> APIRouter:
    """The two handlers to compare with."""

    async def connect() -> Any:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_size=16, max_overflow=0)
    session = async_sessionmaker(engine, expire_on_commit=False, class_=AsyncSession)
    clock = SystemClock()
    router = APIRouter()

    async def null(request: Request) -> Response:
        await request.body()
        return Response(b'{"status":"accepted"}', 202, media_type="application/json")

    router.routes.append(ExpressRoute("/null", null, methods=["POST"]))
    router.add_api_route("/ordinary", null, methods=["POST"])

    @router.post("/plain", status_code=202)
    async def plain(request: Request) -> dict[str, str]:
        report = Report.model_validate_json(await request.body())
        report_id = new_id()
        now = clock.now()
        async with session() as work:
            work.add(
                PlainReport(
                    report_id=report_id,
                    received_at=now,
                    channel=report.channel,
                    division_code=report.children[0].current_location.division_code,
                    situations=",".join(report.situations),
                    content=report.model_dump_json().encode(),
                )
            )
            work.add(PlainEvent(event_id=new_id(), report_id=report_id, event_type="report.received", envelope=report.model_dump_json()))
            await work.commit()
        return {"report_id": str(report_id), "received_at": now.isoformat()}

    return router


async def main(port: int) -> None:
    """Serves until told to stop."""
    url = os.environ["TOCSIN_DATABASE_URL"]
    settings = CommonSettings(port=port, public_base_url=f"http://127.0.0.1:{port}", var_dir=Path(os.environ["TOCSIN_VAR_DIR"]))
    context = Context(SystemClock(), settings, KeyRing.parse(settings.master_keys.get_secret_value()), url, PostgresBus(url))
    async with assemble(context, [services.directory.app.build, services.intake.app.build]) as assembly:
        assembly.app.include_router(extra_routes(url))
        memory.settle()
        async with serving(assembly.app, listen("127.0.0.1", port, share=True)) as stopped:
            await asyncio.wait([stopped])


if __name__ == "__main__":
    log.configure("ERROR", json=False)
    uvloop.run(main(int(sys.argv[1])))
