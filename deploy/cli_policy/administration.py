"""`tocsin policy add|bind|bindings|unbind|move`: what administrators do on the pages under /policies, on the command line of the server."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from libs.i18n import gettext as _
from libs.settings import SettingsError

COMMAND_LINE = "tocsin policy"
WAIT_S = 0.5
Why = Annotated[str, typer.Option(help=_("Why; it stands in the history, so no names of children or reporters."))]
Place = Annotated[str, typer.Option(help=_("Division code of the place; everywhere by default."))]
Yes = Annotated[bool, typer.Option("--yes", help=_("Do it; without this option only what would happen is shown."))]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(help=_("Adds a policy version to the database, for good; it is in force nowhere until it is bound."))(add)
    app.command(help=_("Binds a policy to a place from a day on; shows first what would change."))(bind)
    app.command(help=_("Shows where policies were bound, by whom and why."))(bindings)
    app.command(help=_("Ends a binding now."))(unbind)
    app.command(help=_("Moves the open cases of a place to another policy; shows first what would change. No clock restarts."))(move)


def add(file: Annotated[Path, typer.Argument(help=_("A policy file (*.yaml)."))]) -> None:
    from services.router.handlers import bindings as handlers

    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(_("%(file)s cannot be read: %(why)s", file=file, why=error)) from None

    async def work(desk: Any, connection: Any) -> str:
        async with connection.transaction():
            return str((await handlers.add(desk, connection, _me(), file.name, text)).stamp)

    print(_run(work), "✓")


def bind(
    policy: Annotated[str, typer.Argument(help=_("A policy: its id, or id@version."))],
    since: Annotated[str, typer.Option(help=_("Its first day, e.g. 2026-09-01."))],
    reason: Why = "",
    division: Place = "",
    until: Annotated[str, typer.Option(help=_("The day on which it ends; for good by default."))] = "",
    *,
    yes: Yes = False,
) -> None:
    from services.router.handlers import bindings as handlers

    plan = handlers.Plan(policy, division, _day("--since", since), _day("--until", until) if until else None)

    async def work(desk: Any, connection: Any) -> None:
        found = await handlers.forecast(desk, connection, _me(), plan)
        changed, reports = len(found.comparison.changes), found.comparison.reports
        told = _("%(changed)s of %(reports)s reports would be treated differently.", changed=changed, reports=reports)
        where = division or _("everywhere")
        print(f"{found.present.stamp} → {found.policy.stamp}  {where}  {told}")
        if found.past.since and found.past.until:
            past = _("%(changed)s of the last %(reports)s reports from there", changed=found.past.changed, reports=found.past.reports)
            print(f"  {past}, {found.past.since:%Y-%m-%d} – {found.past.until:%Y-%m-%d}")
        for place, one in found.inside:
            print("  " + _("%(place)s keeps %(policy)s", place=place, policy=one.stamp))
        if not yes:
            print(_("Nothing was changed. Add --yes and --reason to bind it."))
            return
        async with connection.transaction():
            made = await handlers.bind(desk, connection, _me(), plan, reason=reason, instead_of=found.present.stamp)
        print(_("Bound: %(id)s", id=made))

    _run(work)


def bindings(division: Place = "", count: Annotated[int, typer.Option(min=1, max=1000, help=_("How many to show."))] = 50) -> None:
    from services.router.store import bindings as store

    async def work(_desk: Any, connection: Any) -> None:
        for row in await store.history(connection, division, before=None, limit=count):
            print(_line(row))

    _run(work)


def unbind(binding: Annotated[UUID, typer.Argument(help=_("The id of the binding."))], reason: Why = "") -> None:
    from services.router.handlers import bindings as handlers

    async def work(desk: Any, connection: Any) -> None:
        async with connection.transaction():
            await handlers.withdraw(desk, connection, _me(), binding, reason)
        print(_("Ended."))

    _run(work)


def move(
    before: Annotated[str, typer.Argument(help=_("The policy of the cases: its id, or id@version."))],
    after: Annotated[str, typer.Argument(help=_("The policy that they are to go on under."))],
    division: Place = "",
    reason: Why = "",
    *,
    yes: Yes = False,
) -> None:
    from libs.clock import pause
    from libs.i18n import format_time
    from libs.terms.labels import label
    from services.router.handlers import moving

    async def work(desk: Any, connection: Any) -> None:
        meant = await moving.wanted(desk, connection, _me(), division, (before, after))
        found = await moving.preview(desk, connection, meant)
        print(_("%(count)s open cases would be moved.", count=found.cases))
        for one in found.looked_at:
            print(f"  {one.case.code}  {one.case.division_code}  " + _("%(count)s people told", count=one.told))
            for shift in one.shifts:
                sides = (format_time(at, one.case.zone) if at else "-" for at in (shift.before, shift.after))
                print(f"      {label(shift.step)}{f' ({label(shift.tier)})' if shift.tier else ''}: {' → '.join(sides)}")
        if not yes:
            print(_("Nothing was changed. Add --yes and --reason to move them."))
            return
        async with connection.transaction():
            move_id = await moving.order(desk, connection, _me(), meant, reason)
        while (row := await moving.one(connection, None, move_id))["state"] == "running":
            async with connection.transaction():
                worked = await moving.work(desk, connection)
            print(_("%(moved)s of %(total)s moved", moved=row["moved"], total=row["total"]), file=sys.stderr)
            if not worked:  # a service is busy with it
                await pause(WAIT_S)
        print(_("%(moved)s of %(total)s moved", moved=row["moved"], total=row["total"]) + f"  {row['state']}")
        if row["failed"] or row["state"] != "done":
            raise SettingsError(_("%(count)s cases could not be moved: the log names them.", count=row["failed"]))

    _run(work)


def _line(row: Any) -> str:
    days = f"{row['since']} … {row['until'] or ''}".rstrip()
    what = f"{row['division_code'] or '-':<12}  {row['policy_id']}@{row['policy_version']}  {days}"
    line = f"{row['binding_id']}  {what}  {row['made_at']:%Y-%m-%d %H:%M}Z {row['made_by_name']}: {row['reason']}"
    if row["withdrawn_at"] is not None:
        ended = _("ended")
        line += f"  {ended} {row['withdrawn_at']:%Y-%m-%d %H:%M}Z {row['withdrawn_by_name']}: {row['withdrawn_reason']}"
    return line


def _run(work: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    from deploy.cli_policy import desk_of
    from deploy.embedded import connected
    from deploy.terminal import settings_for
    from libs.errors import TocsinError
    from services.router.rules.policy_files import PolicyFileError

    async def run() -> Any:
        async with connected(settings_for(), lambda line: print(line, file=sys.stderr)) as connection:
            return await work(desk_of(), connection)

    try:
        return asyncio.run(run())
    except TocsinError as error:
        raise SettingsError(error.detail) from None
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None


def _me() -> Any:
    from services.router.handlers.bindings import By

    return By(None, None, COMMAND_LINE)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{option}: " + _("%(text)s is not a day such as 2026-09-01", text=text)) from None
