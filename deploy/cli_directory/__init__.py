"""`tocsin directory …` and `tocsin keys …`."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_directory.access import keyring, opened, run
from deploy.cli_directory.rosters import app as roster_app
from libs.clock import SystemClock
from libs.crypto import KeyRing
from libs.i18n import current_locale
from libs.i18n import gettext as _

app = typer.Typer(no_args_is_help=True, help=_("Divisions, posts and people."))
app.add_typer(roster_app, name="roster")
keys_app = typer.Typer(no_args_is_help=True, help=_("Keys of programs that call the API, and master keys."))

SHOWN_MAX = 200
"""Lines of a kind that a person is shown; --json has all of them."""
FINDINGS_MAX = 1_000_000
PROGRESS_EVERY = 50_000


@app.command("import", help=_("Reads a register of divisions: CSV with the columns code,name,level,parent_code."))
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help=_("UTF-8, with or without BOM."))],
    with_posts: Annotated[
        bool, typer.Option("--with-posts", help=_("Also make the standard posts of communities, streets and districts."))
    ] = False,
) -> None:
    from services.directory.errors import RegisterInvalid
    from services.directory.handlers.changes import Actor
    from services.directory.handlers.register import import_register

    said = 0

    def progress(lines: int) -> None:
        nonlocal said
        if lines - said >= PROGRESS_EVERY:
            said = lines
            typer.echo(_("  %(lines)s lines read …", lines=lines), err=True)

    async def work() -> None:
        async with opened() as database:
            with file.open("rb") as lines:
                done = await import_register(
                    database, lines, now=SystemClock().now(), actor=Actor("cli"), with_posts=with_posts, progress=progress
                )
        typer.echo(
            _(
                "%(lines)s lines: %(new)s new, %(changed)s changed, %(posts)s posts made.",
                lines=done.lines,
                new=done.new,
                changed=done.changed,
                posts=done.posts,
            )
        )

    try:
        asyncio.run(work())
    except RegisterInvalid as error:
        for line in error.lines:
            typer.echo(_("%(file)s:%(line)s: %(detail)s", file=file, line=line.line, detail=line.detail), err=True)
        typer.echo(error.detail, err=True)
        raise typer.Exit(2) from None


@app.command(help=_("Lists every place from which nobody would be reached; fails when there is one."))
def coverage(as_json: Annotated[bool, typer.Option("--json", help=_("For programs."))] = False) -> None:
    from libs.terms.labels import label
    from services.directory.handlers.register import coverage as ask

    async def work() -> bool:
        async with opened() as database, database.connection() as connection:
            found = await ask(connection)
        if as_json:
            typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
            return found.complete
        for end in found.dead_ends[:SHOWN_MAX]:
            typer.echo(
                _("DEAD END  %(code)s %(name)s: nobody here or above can be reached", code=end.division_code, name=end.division_name)
            )
        for gap in found.gaps[:SHOWN_MAX]:
            title = gap.title_zh if current_locale() == "zh_CN" else gap.title_en
            problem = _("nobody holds it") if gap.problem == "no_holder" else _("no holder can be reached")
            place = f"{gap.division_code} {gap.division_name}"
            typer.echo(_("gap       %(place)s, %(title)s: %(problem)s", place=place, title=title, problem=problem))
        for one in found.departments:
            if one.without:
                typer.echo(
                    _(
                        "department %(name)s: nobody in %(without)s of %(districts)s districts; cases go on without it",
                        name=label(one.department),
                        without=one.without,
                        districts=one.districts,
                    )
                )
        if not found.dispatch_desk:
            typer.echo(_("DEAD END  no dispatch desk can be reached: a report without a place would find nobody"))
        typer.echo(
            _(
                "%(places)s places, %(posts)s posts, %(dead)s dead ends, %(gaps)s gaps.",
                places=found.places,
                posts=found.posts,
                dead=len(found.dead_ends),
                gaps=len(found.gaps),
            )
        )
        return found.complete

    if not asyncio.run(work()):
        raise typer.Exit(1)


@app.command(help=_("Lists the posts on which an alarm would not reach whom it should; fails when it would reach nobody on one."))
def reachability(
    division: Annotated[str, typer.Option(help=_("A division code; empty: all."))] = "",
    as_json: Annotated[bool, typer.Option("--json", help=_("For programs."))] = False,
) -> None:
    from services.directory.handlers.reachability import counts, findings
    from services.directory.rules.reachability import GRAVE, finding_text

    async def work() -> bool:
        async with opened() as database, database.connection() as connection:
            numbers = await counts(connection, division)
            found = await findings(connection, division, limit=FINDINGS_MAX if as_json else SHOWN_MAX)
        if as_json:
            posts = [
                {"post_id": str(one.post_id), "division_code": one.division_code, "role": one.role, "findings": one.findings}
                for one in found
            ]
            typer.echo(json.dumps({"counts": numbers, "posts": posts}, ensure_ascii=False, indent=2))
        else:
            for one in found:
                said = "; ".join(finding_text(finding) for finding in one.findings)
                typer.echo(f"{one.division_code} {one.division_name}  {one.title(current_locale() or '')}: {said}")
            for finding, posts_with in numbers.items():
                typer.echo(f"{posts_with:>7}  {finding_text(finding)}")
        return not any(numbers[finding] for finding in GRAVE)

    if not run(work()):
        raise typer.Exit(1)


@app.command("add-account", help=_("Makes an account; its password is asked for, or read from standard input."))
def add_account(
    username: str,
    role: Annotated[str, typer.Option(help=_("operator, officer, supervisor, auditor or admin."))],
    division: Annotated[str, typer.Option(help=_("Where its rights end: a division code; empty = everywhere."))] = "",
) -> None:
    from libs.directory.permissions import Role
    from services.directory.handlers.accounts import Passwords, add_account
    from services.directory.handlers.changes import Actor

    if role not in list(Role):
        raise typer.BadParameter(_("is none of: %(known)s", known=", ".join(Role)), param_hint="--role")
    password = typer.prompt(_("Password"), hide_input=True, confirmation_prompt=True)

    async def work() -> None:
        async with opened() as database, Passwords() as passwords, database.transaction() as tx:
            await add_account(
                tx,
                passwords,
                username=username,
                password=password,
                role=Role(role),
                division_code=division,
                now=SystemClock().now(),
                actor=Actor("cli"),
            )

    run(work())
    typer.echo(_("Account %(name)s was made.", name=username))


@keys_app.command(help=_("Makes a client with its first key, which is shown once."))
def create(
    client: Annotated[str, typer.Argument(help=_("Its name, such as school-nanyuan-primary."))],
    scope: Annotated[list[str], typer.Option(help=_("report, read, act, audit or admin; may be given several times."))],
    name: Annotated[str, typer.Option(help=_("What people call it."))] = "",
    channel: Annotated[str | None, typer.Option(help=_("The channel of its reports, such as school_api."))] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help=_("After how many days the key expires."))] = None,
) -> None:
    from services.directory.handlers.changes import Actor
    from services.directory.handlers.clients import create_client

    async def work() -> str:
        now = SystemClock().now()
        async with opened() as database, database.transaction() as tx:
            made = await create_client(
                tx,
                keyring(),
                client_id=client,
                name=name or client,
                scopes=scope,
                channel=channel,
                expires_at=now + timedelta(days=days) if days else None,
                now=now,
                actor=Actor("cli"),
            )
        return made.bearer

    typer.echo(run(work()))
    typer.echo(_("Keep it: it cannot be shown again."), err=True)


@keys_app.command(help=_("Gives a client a further key; the one before keeps working until the next rotation or until it is revoked."))
def rotate(
    client: str,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help=_("After how many days the new key expires."))] = None,
) -> None:
    from services.directory.handlers.changes import Actor
    from services.directory.handlers.clients import rotate_key

    async def work() -> tuple[str, tuple[str, ...]]:
        now = SystemClock().now()
        async with opened() as database, database.transaction() as tx:
            made = await rotate_key(
                tx,
                keyring(),
                client_id=client,
                expires_at=now + timedelta(days=days) if days else None,
                now=now,
                actor=Actor("cli"),
            )
        return made.bearer, made.revoked

    bearer, revoked = run(work())
    typer.echo(bearer)
    for key_id in revoked:
        typer.echo(_("Revoked: %(key)s", key=key_id), err=True)
    typer.echo(_("Keep it: it cannot be shown again."), err=True)


@keys_app.command(help=_("Revokes one key by its id, or all keys of a client."))
def revoke(client_or_key: str) -> None:
    from services.directory.handlers.changes import Actor
    from services.directory.handlers.clients import revoke as revoke_keys

    async def work() -> list[str]:
        async with opened() as database, database.transaction() as tx:
            return await revoke_keys(tx, client_or_key=client_or_key, now=SystemClock().now(), actor=Actor("cli"))

    for key_id in run(work()):
        typer.echo(_("Revoked: %(key)s", key=key_id))


@keys_app.command("list", help=_("Shows the clients and their keys, never the keys themselves."))
def list_() -> None:
    from services.directory.store.accounts import clients

    async def work() -> None:
        now = SystemClock().now()
        async with opened() as database, database.connection() as connection:
            rows = await clients(connection, 10_000)
        for row in rows:
            over = row["expires_at"] is not None and row["expires_at"] <= now
            state = _("revoked") if row["revoked_at"] else _("expired") if over else _("live") if row["key_id"] else _("no key")
            typer.echo(f"{row['client_id']:<32}  {row['key_id'] or '—':<16}  {state:<8}  {','.join(row['scopes'])}")

    asyncio.run(work())


@keys_app.command(help=_("Makes a master key for TOCSIN_MASTER_KEYS; append it with a comma to rotate."))
def master(version: Annotated[int, typer.Option(min=1, max=65_535, help=_("Higher than all before it."))] = 1) -> None:
    typer.echo(KeyRing.generate(version))
