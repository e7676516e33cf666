"""How the commands of the directory reach it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from libs.crypto import KeyRing
from libs.db import Database
from libs.errors import TocsinError

if TYPE_CHECKING:
    from libs.workdays import WorkCalendar

ResultT = TypeVar("ResultT")


@asynccontextmanager
async def opened() -> AsyncIterator[Database]:
    """The database, as the directory's own role."""
    from deploy.embedded import database_for
    from deploy.terminal import settings_for
    from libs.db.migrations import role

    async with database_for(settings_for(), lambda line: typer.echo(line, err=True)) as url:
        database = await Database.open(url, role=role("directory"), size_max=2)
        try:
            yield database
        finally:
            await database.close()


def keyring() -> KeyRing:
    """The keys of this deployment."""
    from deploy.embedded import keyring_for
    from deploy.terminal import settings_for

    return keyring_for(settings_for())


def calendar() -> "WorkCalendar":
    """The working days of this deployment."""
    from deploy.terminal import settings_for
    from services.directory.settings import DirectorySettings, calendar_of

    return calendar_of(DirectorySettings(), settings_for().var_dir)


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Runs `work`; what the user did wrong is one line."""
    try:
        return asyncio.run(work)
    except TocsinError as error:
        typer.echo(f"tocsin: {error.detail}", err=True)
        raise typer.Exit(2) from None
