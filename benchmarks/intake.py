"""B1, B2: what a durable report costs, against the same server doing nothing, and against the endpoint most people would write."""

import json
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.ground import Ground, cpu_s, free_port, processes
from benchmarks.server import BenchTable
from benchmarks.table import Row

CONNECTIONS = 64
SECONDS = 3
ROUNDS = 4
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
    """Both ratios, and for B1 the stricter one too."""
    if shutil.which("wrk") is None:
        missing = "not measured: needs the load generator wrk (Debian package wrk)"
        return [Row("B1", missing, "-", "≥ 0.5", None), Row("B2", missing, "-", "≥ 6", None)]
    connection = await asyncpg.connect(ground.url)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    await connection.close()
    await _make_tables(ground.url)
    port = free_port()
    best = dict.fromkeys(("/ordinary", "/null", "/v1/reports", "/plain"), Load(0.0, 0.0, 0.0))
    with processes(ground, port, "benchmarks.server", str(port), count=2) as servers:
        # In turns, the best of each: on a machine that others use too, so that each path gets some of the quiet.
        for _ in range(ROUNDS):
            for path in best:
                best[path] = max(best[path], _load(ground, servers, port, path), key=lambda load: load.per_s)
    ordinary, null, intake, plain = best.values()
    b1, express, b2 = intake.per_s / ordinary.per_s, intake.per_s / null.per_s, intake.per_s / plain.per_s
    return [
        Row("B1", f"durable intake {intake} ÷ null handler, a route like any other {ordinary}; 2 workers", f"{b1:.2f}", "≥ 0.5", b1 >= 0.5),
        Row("B1", f"the same ÷ a null handler on an express lane, as intake is {null}", f"{express:.2f}", "≥ 0.5", express >= 0.5),
        Row("B2", f"durable intake ÷ plain SQLModel endpoint {plain}; 2 workers", f"{b2:.1f}", "≥ 6", b2 >= 6),
    ]


@dataclass(frozen=True, slots=True)
class Load:
    """What one path bore: requests per second, and processor time per request of our processes and of PostgreSQL."""

    per_s: float
    server_us: float
    postgres_us: float

    def __str__(self) -> str:
        return f"{self.per_s:,.0f}/s ({self.server_us:.0f} + {self.postgres_us:.0f} µs)"


def _load(ground: Ground, servers: list["subprocess.Popen[bytes]"], port: int, path: str) -> Load:
    def used() -> tuple[float, float]:
        return sum(cpu_s(server.pid) for server in servers), cpu_s(ground.postgres_pid, with_children=True)

    before = used()
    per_s = _wrk(ground, port, path, SECONDS)
    server_us, postgres_us = (1e6 * (now - was) / (per_s * SECONDS) for now, was in zip(used(), before, strict=True))
    return Load(per_s, server_us, postgres_us)


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
