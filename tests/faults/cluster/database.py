"""A PostgreSQL that is reached over TCP, as in production, and can be restarted, also the hard way."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from libs.db.embedded import DATABASE, EmbeddedPostgres, ensure_database
from tests.support.process import until

START_S = 60


@dataclass
class Server:
    """On `folder`, at `host`:`port` for whoever comes from `allowed`; fsync is on."""

    folder: Path
    host: str
    port: int
    allowed: str
    programs: Path = field(init=False, repr=False)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/{DATABASE}"

    @property
    def log(self) -> Path:
        return self.folder / "tcp.log"

    @property
    def pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.folder / "postmaster.pid").read_text().split(maxsplit=1)[0])
            if Path(f"/proc/{pid}/cwd").readlink() == self.folder.resolve():
                return pid
        return None

    async def make(self) -> None:
        """Its data folder and an empty database; then starts it."""
        embedded = EmbeddedPostgres(self.folder)
        await ensure_database(await asyncio.to_thread(embedded.start))
        assert embedded._server is not None
        self.programs = embedded._server.bin_path
        await asyncio.to_thread(embedded.stop)
        with (self.folder / "pg_hba.conf").open("a") as file:
            file.write(f"\nlocal all all trust\nhost all all {self.allowed} trust\n")
        await self.start()

    async def start(self) -> None:
        """Starts it; while the children of one that was killed hold its memory, that fails and is tried again."""

        async def started() -> bool:
            return await self._pg_ctl("-l", str(self.log), "-o", self._options, "start")

        await until(started, "PostgreSQL has started", timeout_s=START_S)

    async def restart(self, mode: str) -> None:
        """`fast` or `immediate`: with or without writing down what it has in memory."""
        await self._pg_ctl("-m", mode, "stop")
        await self.start()

    async def kill(self) -> None:
        """`kill -9` of its parent process; the children notice by themselves."""
        pid = self.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def gone() -> bool:
            return self.pid is None

        await until(gone, "PostgreSQL has ended", timeout_s=START_S)

    def end(self) -> None:
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGQUIT)  # its data are thrown away

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection that sees everything, by a way that is never cut."""
        connection = await asyncpg.connect(
            host=str(self.folder), port=self.port, user="postgres", database=DATABASE, timeout=10, command_timeout=120,
            server_settings={"jit": "off", "application_name": "tests"},
        )  # fmt: skip
        try:
            yield connection
        finally:
            await connection.close(timeout=10)

    @property
    def _options(self) -> str:
        return f'-h {self.host} -p {self.port} -k "{self.folder}"'

    async def _pg_ctl(self, *words: str) -> bool:
        done = await asyncio.to_thread(
            subprocess.run,
            (str(self.programs / "pg_ctl"), "-D", str(self.folder), "-w", "-t", str(START_S), *words),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=self.folder.stat().st_uid if os.geteuid() == 0 else None,
            timeout=START_S + 10,
        )
        return done.returncode == 0
