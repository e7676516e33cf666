"""What benchmarks stand on: a PostgreSQL of their own with the demo data, and server processes that are ended by their id."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.directory import DemoAccess, load_demo
from libs.clock import SystemClock
from libs.crypto import KeyRing
from libs.db.embedded import EmbeddedPostgres, ensure_database
from libs.db.migrations import migrate
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.settings import CommonSettings

ROOT = Path(__file__).parents[1]
START_S = 60


@dataclass(frozen=True, slots=True)
class Ground:
    """A prepared database and how to reach it."""

    url: str
    folder: Path
    keys: str
    demo: DemoAccess
    context: Context
    more: dict[str, str] = field(default_factory=dict)
    """Further variables for server processes."""

    @property
    def environment(self) -> dict[str, str]:
        """For server processes on this ground."""
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TOCSIN_DATABASE_URL": self.url,
            "TOCSIN_MASTER_KEYS": self.keys,
            "TOCSIN_VAR_DIR": str(self.folder),
            "TOCSIN_LOG_LEVEL": "ERROR",
            **self.more,
        }

    @property
    def postgres_pid(self) -> int:
        """The process that all of PostgreSQL's processes are children of."""
        with (self.folder / "postgres" / "postmaster.pid").open() as file:
            return int(file.readline())


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """PostgreSQL with fsync on, every migration, the Futian demo data."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
    server = EmbeddedPostgres(folder / "postgres")
    try:
        url = await ensure_database(await asyncio.to_thread(server.start))
        await migrate(url)
        keys = KeyRing.generate()
        settings = CommonSettings(database_url=url, var_dir=folder)
        context = Context(SystemClock(), settings, KeyRing.parse(keys), url, PostgresBus(url))
        yield Ground(url, folder, keys, await load_demo(context, password="benchmark-only"), context)
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def processes(ground: Ground, port: int, *arguments: str, count: int = 1, **environment: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """`count` Python processes that serve on `port`; ended when the block is left."""
    started = [
        subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env={**ground.environment, **environment}, stdout=subprocess.DEVNULL)
        for _ in range(count)
    ]
    try:
        until = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                    break
            except OSError:
                if time.monotonic() > until or any(process.poll() is not None for process in started):
                    raise RuntimeError("the server did not start") from None
                time.sleep(0.1)  # a benchmark may wait; tests may not
        time.sleep(1.0 if count > 1 else 0.2)
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def cpu_s(pid: int, *, with_children: bool = False) -> float:
    """The processor time that a process has used so far, with that of its living children when asked; 0 where there is no /proc."""
    wanted = {pid}
    if with_children:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                    wanted.add(int(stat.parent.name))
    used_ns = 0
    for one in wanted:
        for schedstat in Path(f"/proc/{one}/task").glob("*/schedstat"):
            with suppress(OSError):
                used_ns += int(schedstat.read_text().split()[0])
    return used_ns / 1e9


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(min(int(len(ordered) * share + 0.999999), len(ordered)) - 1, 0)]
