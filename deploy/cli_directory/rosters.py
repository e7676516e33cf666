"""`tocsin directory roster …`: who is on duty when, as files."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from deploy.cli_directory.access import calendar, opened, run
from libs.clock import SystemClock
from libs.i18n import gettext as _

if TYPE_CHECKING:
    from services.directory.handlers.rosters import Format

app = typer.Typer(no_args_is_help=True, help=_("Rosters: who is on duty for a post when."))

KINDS: dict[str, "Format"] = {".csv": "csv", ".ics": "ics", ".ical": "ics"}


@app.command("import", help=_("Gives each post that a file names the shifts that it has for it: CSV, or iCalendar (.ics)."))
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=_("A file as `export` writes it."))],
    post: Annotated[UUID | None, typer.Option(help=_("The id of the post that events belong to which name none."))] = None,
) -> None:
    from services.directory.errors import RosterInvalid
    from services.directory.handlers.changes import Actor
    from services.directory.handlers.rosters import import_rosters

    kind = _kind(file)

    async def work() -> None:
        async with opened() as database, database.transaction() as tx:
            done = await import_rosters(
                tx,
                calendar(),
                file.read_bytes(),
                kind,
                require_place=lambda _code: None,
                post_id=post,
                now=SystemClock().now(),
                actor=Actor("cli"),
            )
        typer.echo(_("%(posts)s posts in the file, %(changed)s with a new roster.", posts=done.posts, changed=done.changed))

    try:
        asyncio.run(work())
    except RosterInvalid as error:
        for line in error.lines:
            typer.echo(_("%(file)s:%(line)s: %(detail)s", file=file, line=line.line, detail=line.detail), err=True)
        typer.echo(error.detail, err=True)
        raise typer.Exit(2) from None


@app.command(help=_("Writes the rosters at and under a division as CSV, or as iCalendar if the file is called .ics."))
def export(
    file: Annotated[Path | None, typer.Argument(dir_okay=False, help=_("Left out: CSV on standard output."))] = None,
    division: Annotated[str, typer.Option(help=_("A division code; empty: all."))] = "",
) -> None:
    from services.directory.handlers.rosters import as_bytes, export_rosters

    kind = _kind(file) if file else "csv"

    async def work() -> str:
        async with opened() as database, database.connection() as connection:
            return await export_rosters(connection, calendar(), kind, division_code=division, now=SystemClock().now())

    text = run(work())
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_bytes(as_bytes(text, kind))


def _kind(file: Path) -> "Format":
    kind = KINDS.get(file.suffix.lower())
    if kind is None:
        raise typer.BadParameter(_("must be called .csv or .ics"), param_hint=str(file))
    return kind
