"""`tocsin backup FILE` and `tocsin restore FILE`: the whole database, to be kept or carried to another server."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.terminal import say, settings_for
from libs.i18n import gettext as _
from libs.settings import CommonSettings, SettingsError

if TYPE_CHECKING:
    import asyncpg

    from libs.crypto import KeyRing

KEYS = ".keys"
"""What the file with the embedded mode's own keys is called, behind the name of the backup."""
CONNECT_S = 30
PREPARE_S = 120
ANALYZE_S = 3600
FileArgument = Annotated[Path, typer.Argument(help=_("Where the backup is."), show_default=False)]

_COUNTS = """
    SELECT (SELECT count(*) FROM intake.reports) AS reports, (SELECT count(*) FROM router.cases) AS cases,
           (SELECT count(*) FROM audit.ledger) AS lines
"""
_A_CONTACT = "SELECT contact_id, phone_sealed FROM directory.contacts ORDER BY contact_id LIMIT 1"


def backup(file: FileArgument) -> None:
    """Writes the configured database to a file."""
    from deploy.backup import BackupError, dump
    from deploy.embedded import database_for

    async def work() -> None:
        settings = settings_for()
        _may_write(file)
        async with database_for(settings, say) as url:
            counts, major = await _look(url)
            say(_("Writing %(file)s …", file=file))
            try:
                await asyncio.to_thread(dump, url, major, file, say)
            except (BackupError, OSError) as error:
                raise SettingsError("backup: " + str(error)) from error
        say(_("%(file)s: %(reports)s reports, %(cases)s cases, %(lines)s ledger lines, %(megabytes)s MB",
              file=file, megabytes=f"{file.stat().st_size / 1e6:.1f}", **counts))  # fmt: skip
        _keep_keys(settings, file)

    asyncio.run(work())


def restore(file: FileArgument) -> None:
    """Puts a backup into the configured database, which must be empty."""
    from deploy.backup import BackupError, load
    from deploy.embedded import database_for, keyring_for

    async def work() -> None:
        settings = settings_for()
        if not file.is_file():
            raise SettingsError(f"{file}: " + _("there is no such file"))
        if not settings.database_url and not settings.master_keys.get_secret_value() and not (settings.var_dir / "secrets.json").exists():
            raise SettingsError(
                "TOCSIN_VAR_DIR: " + _("%(folder)s has no secrets.json: copy it from the old folder, or nothing sealed can be read",
                                       folder=settings.var_dir)
            )  # fmt: skip
        keyring = keyring_for(settings)
        async with database_for(settings, say) as url:
            major = await _make_ready(url)
            say(_("Reading %(file)s …", file=file))
            try:
                await asyncio.to_thread(load, url, major, file, say)
            except (BackupError, OSError) as error:
                raise SettingsError("restore: " + str(error)) from error
            await _finish(url, keyring, file)

    asyncio.run(work())


def _may_write(file: Path) -> None:
    if file.exists():
        raise SettingsError(f"{file}: " + _("is there already; choose another name"))
    if not file.absolute().parent.is_dir():
        raise SettingsError(f"{file}: " + _("there is no such folder"))


def _keep_keys(settings: CommonSettings, file: Path) -> None:
    """Keys that an operator has set are an operator's to keep; those that we made ourselves nobody else has."""
    from deploy.embedded import keyring_for
    from deploy.secrets import load_or_make, write_private

    if settings.master_keys.get_secret_value() or settings.database_url:
        versions = ", ".join(str(version) for version in keyring_for(settings).versions)
        say(_("The master keys are not in it: keep TOCSIN_MASTER_KEYS (versions %(versions)s), elsewhere.", versions=versions))
        return
    keys = file.with_name(file.name + KEYS)
    write_private(keys, f"TOCSIN_MASTER_KEYS={shlex.quote(load_or_make(settings.var_dir).master_keys)}\n")
    say(_("%(file)s: the master keys, without which nothing sealed can be read. Keep them elsewhere.", file=keys))


async def _look(url: str) -> tuple[dict[str, int], int]:
    import asyncpg

    connection = await _connected(url)
    try:
        row = await connection.fetchrow(_COUNTS, timeout=PREPARE_S)
        assert row is not None, "a query of counts has one row"
        return dict(row), connection.get_server_version().major
    except asyncpg.UndefinedTableError as error:
        raise SettingsError("TOCSIN_DATABASE_URL: " + _("this is no database of Tocsin's; there is nothing to back up")) from error
    finally:
        await connection.close(timeout=CONNECT_S)


async def _make_ready(url: str) -> int:
    """Roles for an empty database; answers its server's version."""
    import asyncpg

    from deploy.backup import SCHEMAS
    from libs.db.migrations import ROLE_STATEMENTS

    connection = await _connected(url)
    try:
        there = await connection.fetchval("SELECT min(nspname) FROM pg_namespace WHERE nspname = ANY ($1::text[])", list(SCHEMAS))
        if there is not None:
            raise SettingsError(
                "TOCSIN_DATABASE_URL: " + _("the database is not empty (it has a schema %(name)s); restore into a new one", name=there)
            )
        for statement in ROLE_STATEMENTS:
            await connection.execute(statement, timeout=PREPARE_S)
        return connection.get_server_version().major
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError("TOCSIN_DATABASE_URL: " + _("the login role needs CREATEROLE (%(why)s)", why=error.message)) from error
    finally:
        await connection.close(timeout=CONNECT_S)


async def _finish(url: str, keyring: "KeyRing", file: Path) -> None:
    """What a database needs that was elsewhere before; then whether our keys open it, and what is in it."""
    import asyncpg

    from libs.clock import SystemClock
    from libs.crypto import Sealer, SealError
    from libs.db import Database
    from libs.directory.read import contact_aad
    from libs.events.restored import moved

    say(_("Making it ready …"))
    database = await Database.open(url, role=None, size_max=1)
    try:
        async with database.transaction() as tx:
            await moved(tx, SystemClock().now())
        async with database.connection() as connection:
            await connection.execute("SET statement_timeout = 0")
            await connection.execute("ANALYZE", timeout=ANALYZE_S)
            counts = await connection.fetchrow(_COUNTS, timeout=PREPARE_S)
            contact = await connection.fetchrow(_A_CONTACT)
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise SettingsError(f"restore: {error or type(error).__name__}") from error
    finally:
        await database.close()
    say(_("%(file)s: %(reports)s reports, %(cases)s cases, %(lines)s ledger lines", file=file, **dict(counts or {})))
    try:
        if contact is not None:
            Sealer(keyring).open(contact["phone_sealed"], contact_aad(contact["contact_id"]))
    except SealError as error:
        why = _("the database is restored, but these keys do not open it (%(why)s): use those it was sealed with", why=error)
        raise SettingsError(f"TOCSIN_MASTER_KEYS: {why}") from error


async def _connected(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    import asyncpg

    return await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=PREPARE_S, server_settings={"jit": "off"})
