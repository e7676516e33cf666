"""`tocsin backup` and `tocsin restore` as an administrator types them."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.backup import BackupError, Programs, environment_for
from deploy.cli_backup import backup, restore
from libs.crypto import KeyRing
from libs.db import Database
from libs.db.embedded import ensure_database
from libs.events.relaying import RELAY
from libs.events.restored import moved
from libs.events.retention import INBOX_KEPT, OUTBOX_KEPT, clean
from libs.settings import SettingsError
from tests.support.world import MASTER_KEYS

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RUNNER = CliRunner()
APP = typer.Typer()
APP.command("backup")(backup)
APP.command("restore")(restore)


@pytest.fixture
def installation(demo_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    given = {"TOCSIN_DATABASE_URL": demo_database_url, "TOCSIN_MASTER_KEYS": MASTER_KEYS, "TOCSIN_VAR_DIR": str(tmp_path / "var")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_database_is_carried_over_whole_and_is_never_overwritten(
    installation: pytest.MonkeyPatch, demo_database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "tocsin.backup"
    done = RUNNER.invoke(APP, ["backup", str(file)])
    assert done.exit_code == 0, done
    assert "directory.officers" in done.stdout
    assert "TOCSIN_MASTER_KEYS (versions 1)" in done.stdout
    assert MASTER_KEYS not in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [file.name]  # an operator's keys are not written anywhere

    assert "already" in refused("backup", str(file))
    assert "no such folder" in refused("backup", str(tmp_path / "nowhere" / "file"))
    assert "no such file" in refused("restore", str(tmp_path / "nothing"))
    assert refused("restore", str(file)).startswith("TOCSIN_DATABASE_URL: ")  # it is not empty

    installation.setenv("TOCSIN_DATABASE_URL", another := empty(postgres_url))
    broken = tmp_path / "broken"
    for content in (b"no backup\n", file.read_bytes()[: file.stat().st_size // 2]):
        broken.write_bytes(content)
        assert refused("restore", str(broken)).startswith("restore: ")
    assert RUNNER.invoke(APP, ["restore", str(file)]).exit_code == 0  # what failed has left nothing behind
    assert counts(another) == counts(demo_database_url)

    installation.setenv("TOCSIN_DATABASE_URL", empty(postgres_url))
    installation.setenv("TOCSIN_MASTER_KEYS", KeyRing.generate())
    assert refused("restore", str(file)).startswith("TOCSIN_MASTER_KEYS: ")


def test_what_is_no_database_of_ours_is_not_backed_up(installation: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path) -> None:
    installation.setenv("TOCSIN_DATABASE_URL", empty(postgres_url))
    assert refused("backup", str(tmp_path / "file")).startswith("TOCSIN_DATABASE_URL: ")
    assert not list(tmp_path.iterdir())


async def test_a_restored_database_remembers_what_was_handled_however_old_the_backup_is(database: Database) -> None:
    event, then = uuid4(), NOW - INBOX_KEPT - timedelta(days=30)
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO bus.outbox (shard, key, event_id, event_type, envelope, created_at) VALUES (0, $1, $1, 'a', '{}', $2)", event, then
        )
        await tx.execute("INSERT INTO bus.inbox (grp, event_id, handled_at) VALUES ('router', $1, $2)", event, then + OUTBOX_KEPT / 2)
        await tx.execute("INSERT INTO bus.inbox (grp, event_id, handled_at) VALUES ('router', $1, $2)", uuid4(), then - OUTBOX_KEPT)
        await tx.execute("INSERT INTO bus.cursors (grp, shard, xid, position) VALUES ('router', 0, '0', 0), ($1, 0, '0', 0)", RELAY)
        await moved(tx, NOW)
        await clean(tx, NOW)
        assert [row["event_id"] for row in await tx.fetch("SELECT event_id FROM bus.inbox")] == [event]
        assert [row["grp"] for row in await tx.fetch("SELECT grp FROM bus.cursors")] == ["router"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://tocsin:p%40ss@db:5433/tocsin", ("db", "5433", "tocsin", "p@ss", "tocsin")),
        ("postgresql://postgres:@/other?host=/run/pg", ("/run/pg", None, "postgres", None, "other")),
        ("postgres://a:b@[::1]:5432,two:5433/x", ("::1,two", "5432,5433", "a", "b", "x")),
    ],
)
def test_programs_are_told_how_to_connect_without_arguments(
    url: str, expected: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    told = environment_for(url)
    assert tuple(told.get(name) for name in names) == expected


def test_programs_that_are_too_old_for_the_server_are_not_used() -> None:
    assert Programs.for_server(18).major >= 18
    with pytest.raises(BackupError, match="99"):
        Programs.for_server(99)


def refused(*arguments: str) -> str:
    """What the command says when it refuses: one line."""
    done: Result = RUNNER.invoke(APP, list(arguments))
    assert isinstance(done.exception, SettingsError), done
    assert "\n" not in str(done.exception)
    return str(done.exception)


def empty(postgres_url: str) -> str:
    return asyncio.run(ensure_database(postgres_url, f"restored_{uuid4().hex[:8]}"))


def counts(url: str) -> dict[str, int]:
    async def work() -> dict[str, int]:
        connection = await asyncpg.connect(url)
        try:
            tables = await connection.fetch(
                "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            return {row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}") for row in tables}
        finally:
            await connection.close()

    return asyncio.run(work())
