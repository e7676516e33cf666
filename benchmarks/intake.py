"""B1, B2: what a durable report costs, against the same server doing nothing, and against the endpoint most people would write."""

import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import asyncpg

from benchmarks.ground import Ground, free_port, processes
from benchmarks.server import BenchTable
from benchmarks.table import Row

CONNECTIONS = 64
SECONDS = 8
PAYLOAD = {
    "channel": "school_api",
    "situations": ["MR4_ABUSE_INJURY", "GC1_NEGLECT"],
    "narrative": "【合成】" + "孩子手臂有多处淤青，自述不敢回家。" * 6,
    "learned_at": "2026-01-05T08:30:00+08:00",
    "reporter": {"category": "teacher", "organisation": "示例小学", "name": "示例·甲", "phone": "+860010000001", "callback_ok": True},
    "children": [
        {"name": "示例·童", "sex": "unknown", "age": 9, "current_location": {"division_code": "440304001020", "address": "示例路1号"}}
    ],
    "danger": {"danger_now": "unknown", "perpetrator_has_access": "yes"},
}

_LUA = """
local body = [==[{body}]==]
local thread_seed = "{seed}"
local number = 0
request = function()
  number = number + 1
  return wrk.format("POST", "{path}", {{
    ["Content-Type"] = "application/json", ["Authorization"] = "Bearer {key}",
    ["Idempotency-Key"] = thread_seed .. "-" .. number }}, body)
end
"""


async def measure(ground: Ground) -> list[Row]:
    """Both ratios; the three paths are measured one after the other, twice, and the better round of each counts."""
    if shutil.which("wrk") is None:
        missing = "not measured: needs the load generator wrk (Debian package wrk)"
        return [Row("B1", missing, "-", "≥ 0.5", None), Row("B2", missing, "-", "≥ 6", None)]
    connection = await asyncpg.connect(ground.url)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    await connection.close()
    await _make_tables(ground.url)
    port = free_port()
    with processes(ground, port, "benchmarks.server", str(port), count=2):
        rates = dict.fromkeys(("/null", "/v1/reports", "/plain"), 0.0)
        for round_ in range(2):
            for path in rates:
                rates[path] = max(rates[path], _wrk(ground, port, path, SECONDS if round_ else 4))
    intake, null, plain = (rates[path] for path in ("/v1/reports", "/null", "/plain"))
    b1, b2 = intake / null, intake / plain
    return [
        Row("B1", f"durable intake {intake:,.0f}/s ÷ null handler {null:,.0f}/s, 2 workers", f"{b1:.2f}", "≥ 0.5", b1 >= 0.5),
        Row("B2", f"durable intake {intake:,.0f}/s ÷ plain SQLModel {plain:,.0f}/s, 2 workers", f"{b2:.1f}", "≥ 6", b2 >= 6),
    ]


async def _make_tables(url: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    async def connect() -> object:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    async with engine.begin() as work:
        await work.run_sync(BenchTable.metadata.create_all)
    await engine.dispose()


def _wrk(ground: Ground, port: int, path: str, seconds: int) -> float:
    script = Path(ground.folder) / f"wrk-{uuid.uuid4().hex}.lua"
    script.write_text(_LUA.format(body=json.dumps(PAYLOAD, ensure_ascii=False), seed=uuid.uuid4().hex, path=path, key=ground.demo.api_key))
    printed = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    ).stdout
    if "Non-2xx" in printed:
        raise RuntimeError(f"{path} refused some of the benchmark's own requests:\n{printed}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", printed)
    assert found, printed
    return float(found.group(1))
