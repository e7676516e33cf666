"""The system as processes of their own, as in production: started, killed, started again, and surely ended.

`running_system()` gives `tocsin run` on a folder and a port of its own, with its own PostgreSQL (fsync on), and a sandbox in a process
beside it, which therefore remembers what was sent to it whatever happens to the system. Run as a module, this file is that sandbox.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from deploy.sandbox import SandboxConfig, create_app
from tests.support.folders import quick_folder

ROOT = Path(__file__).resolve().parents[2]
START_S = 120
STOP_S = 30
EVERY_S = 0.05
NO_BOUNDS = {"TOCSIN_STORM_PER_NUMBER_PER_DAY": "0", "TOCSIN_STORM_IDENTICAL_PER_DAY": "0", "TOCSIN_STORM_BUNDLE_AFTER": "0"}
"""For a system that sends to a sandbox: each notification is to bring its own SMS."""
KEEP_ALIVE_S = 60
"""As long as a provider's front keeps a connection that nobody uses: one that is closed just as it is used makes a send ambiguous."""
ACCOUNT = "AC" + "7" * 32
TOKEN = "a-token-of-the-tests"
NUMBER = "+860019999998"


async def until(met: Callable[[], Awaitable[Any]], what: str, *, timeout_s: float) -> Any:
    """Asks `met` until it answers something true, and answers that; fails with `what` when time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while not (answer := await met()):  # noqa: ASYNC110 - another process cannot set an event of ours
                await asyncio.sleep(EVERY_S)
            return answer
    raise AssertionError(f"not within {timeout_s} s: {what}")


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel lends to clients: it stays free while its server is down."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@dataclass
class Process:
    """One process and what it says."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    running: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, *self.arguments], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    async def end(self, how: signal.Signals = signal.SIGTERM, *, timeout_s: float = STOP_S) -> int:
        """Sends it a signal and waits for its end; answers its exit code. SIGKILL follows when it does not end."""
        assert self.running is not None
        if self.alive:
            self.running.send_signal(how)
        try:
            return await asyncio.to_thread(self.running.wait, timeout_s)
        except subprocess.TimeoutExpired:
            self.running.kill()
            await asyncio.to_thread(self.running.wait, timeout_s)
            raise AssertionError(f"{self.arguments} did not end within {timeout_s} s after {how.name}") from None

    def last_words(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class System:
    """`tocsin run` on `folder` and `port`; `environment` may be changed between starts."""

    folder: Path
    port: int
    environment: dict[str, str]
    process: Process = field(init=False)
    sandbox: Process | None = None
    sandbox_url: str = ""

    def __post_init__(self) -> None:
        self.process = Process(("-m", "deploy.cli", "run"), self.environment, self.folder / "tocsin.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def var_dir(self) -> Path:
        return self.folder / "var"

    @property
    def api_key(self) -> str:
        return str(json.loads((self.var_dir / "demo.json").read_text())["api_key"])

    def account(self, username: str) -> str:
        """The password of a demo account."""
        accounts = json.loads((self.var_dir / "demo.json").read_text())["accounts"]
        return str(next(account["password"] for account in accounts if account["username"] == username))

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def postmaster(self) -> int | None:
        """The process of PostgreSQL, if it runs."""
        try:
            pid = int((self.var_dir / "postgres/postmaster.pid").read_text().split(maxsplit=1)[0])
            return pid if Path(f"/proc/{pid}/cwd").readlink() == (self.var_dir / "postgres").resolve() else None
        except (OSError, ValueError, IndexError):
            return None

    async def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.process.start()
        await self.ready()

    async def ready(self) -> None:
        async with aiohttp.ClientSession() as http:

            async def answers() -> bool:
                if not self.process.alive:
                    raise AssertionError(f"the system ended by itself:\n{self.process.last_words()}")
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with http.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                        return answer.status == 200
                return False

            await until(answers, "the system is ready", timeout_s=START_S)

    async def kill(self) -> None:
        """`kill -9`, of the system only: PostgreSQL and the sandbox live on."""
        await self.process.end(signal.SIGKILL)

    async def doctor(self) -> tuple[int, dict[str, Any]]:
        """Exit code and answer of `tocsin doctor --json`."""
        code, out = await self.command("doctor", "--json")
        return code, json.loads(out)

    async def command(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Another command of `tocsin` on the same folder; answers its exit code and what it prints (what it says aside on failure)."""
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        return done.returncode, done.stdout if done.returncode == 0 or done.stdout.startswith("{") else done.stderr

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection that sees everything."""
        socket_dir = (self.var_dir / "postgres/postmaster.pid").read_text().splitlines()[4]
        connection = await asyncpg.connect(
            host=socket_dir, user="postgres", database="tocsin", timeout=30, command_timeout=60, server_settings={"jit": "off"}
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=10)

    async def end_everything(self) -> None:
        """Whatever state it is in: no process of ours stays behind."""
        for process in (self.process, self.sandbox):
            if process is not None and process.running is not None:
                with contextlib.suppress(AssertionError):
                    await process.end(signal.SIGKILL)
        if (pid := self.postmaster) is not None:
            os.kill(pid, signal.SIGQUIT)  # its data are thrown away: no need to write them down

            async def gone() -> bool:
                return self.postmaster is None

            await until(gone, "PostgreSQL has ended", timeout_s=STOP_S)


@asynccontextmanager
async def running_system(*, sandbox_beside: bool = True, environment: Mapping[str, str] | None = None) -> AsyncIterator[System]:
    """The system, ready, with the Futian demo data; `sandbox_beside`: with the sandbox in a process of its own, else inside."""
    given = environment or {}
    # Not under pytest's folders: those are closed to the user that PostgreSQL runs as when root runs the tests.
    with quick_folder("tocsin-system-") as folder:
        async with _running_in(folder, given, sandbox_beside=sandbox_beside) as system:
            yield system


@asynccontextmanager
async def _running_in(folder: Path, given: Mapping[str, str], *, sandbox_beside: bool) -> AsyncIterator[System]:
    port, sandbox_port = free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "PORT"))},
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "TOCSIN_VAR_DIR": str(folder / "var"),
        "TOCSIN_LOG_LEVEL": "WARNING",
        "TOCSIN_LANGUAGE": "en",
        **given,
    }
    system = System(folder, port, environment)
    try:
        if sandbox_beside:
            system.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
            system.sandbox = Process(
                ("-m", "tests.support.process", str(sandbox_port), f"{system.url}/v1/twilio/inbound"),
                dict(environment),
                folder / "sandbox.log",
            )
            environment |= {
                **NO_BOUNDS,
                "TOCSIN_TWILIO_ACCOUNT_SID": ACCOUNT,
                "TOCSIN_TWILIO_AUTH_TOKEN": TOKEN,
                "TOCSIN_TWILIO_FROM_NUMBER": NUMBER,
                "TOCSIN_TWILIO_API_BASE_URL": system.sandbox_url,
            }
            system.sandbox.start()
        else:
            system.sandbox_url = f"{system.url}/sandbox"
        await system.start()
        yield system
    finally:
        await system.end_everything()


def sandbox(port: int, inbound_url: str, host: str = "127.0.0.1") -> None:
    """The sandbox as a process, until it is ended."""
    import uvicorn

    config = SandboxConfig(account_sid=ACCOUNT, auth_tokens=(TOKEN,), from_number=NUMBER, inbound_url=inbound_url, messages_max=200_000)
    uvicorn.run(create_app(config), host=host, port=port, log_level="warning", access_log=False, timeout_keep_alive=KEEP_ALIVE_S)


if __name__ == "__main__":
    sandbox(int(sys.argv[1]), *sys.argv[2:])
