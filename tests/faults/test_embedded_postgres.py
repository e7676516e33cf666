"""The embedded server comes up whatever was left behind, is shared by all who use it, and is stopped by the last of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.clock.patience import wait_until
from libs.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.support.folders import quick_folder
from tests.support.process import ROOT

USE_AND_LEAVE = """
import pathlib, sys
from libs.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), throwaway=True)
print(server.start())
server.stop()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with quick_folder("tocsin-postgres-") as folder:
        data_dir = folder / "postgres"
        yield data_dir
        if (pid := postmaster(data_dir)) is not None:
            os.kill(pid, signal.SIGKILL)


def postmaster(data_dir: Path) -> int | None:
    try:
        pid = int((data_dir / "postmaster.pid").read_text().split(maxsplit=1)[0])
        return pid if Path(f"/proc/{pid}/cwd").readlink() == data_dir else None
    except (OSError, ValueError, IndexError):
        return None


def kill(data_dir: Path) -> None:
    pid = postmaster(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: postmaster(data_dir) is None, timeout_s=10)


def in_another_process(data_dir: Path) -> str:
    command = [sys.executable, "-c", USE_AND_LEAVE, str(data_dir)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


def test_one_server_for_all_and_the_last_to_leave_stops_it(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, throwaway=True)
    url = server.start()
    pid = postmaster(data_dir)
    assert in_another_process(data_dir) == url
    assert postmaster(data_dir) == pid
    assert not server.ensure_running()
    server.stop()
    assert postmaster(data_dir) is None
    server.stop()


def test_a_server_that_died_is_started_again(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, throwaway=True)
    server.start()
    kill(data_dir)
    assert server.ensure_running()
    assert postmaster(data_dir) is not None
    kill(data_dir)
    in_another_process(data_dir)  # whoever comes by
    assert not server.ensure_running()
    server.stop()


@pytest.mark.parametrize("left", ["", "{own}\n", "{own}\n{data_dir}\n1\n5432\n{data_dir}\n\n 1 1\nready\n", "what is this"])
def test_a_stale_postmaster_pid_does_not_matter(data_dir: Path, left: str) -> None:
    in_another_process(data_dir)
    (data_dir / "postmaster.pid").write_text(left.format(own=os.getpid(), data_dir=data_dir))
    server = EmbeddedPostgres(data_dir, throwaway=True)
    server.start()
    assert postmaster(data_dir) not in {None, os.getpid()}
    server.stop()


def test_an_interrupted_initdb_is_begun_anew(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "PG_VERSION").write_text("18\n")
    data_dir.with_name("postgres.unfinished").touch()
    server = EmbeddedPostgres(data_dir, throwaway=True)
    server.start()
    assert not data_dir.with_name("postgres.unfinished").exists()
    server.stop()


def test_what_cannot_start_says_why(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.db.embedded.STARTS_FAILED_MAX", 1)
    monkeypatch.setattr("libs.db.embedded.SETTINGS", {"no_such_setting": "1"})
    server = EmbeddedPostgres(data_dir)
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        server.start()
