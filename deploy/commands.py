"""The command line `tocsin`: its commands."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from typer import rich_utils

from deploy.terminal import say, settings_for
from libs.i18n import gettext as _
from libs.i18n import locale_from_environment, set_default_locale
from libs.settings import SettingsError

set_default_locale(locale_from_environment())  # the texts of the commands are made as this module is read

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_("Mandatory reporting and alert routing.")
)
ACCOUNTS = ("TOCSIN_TWILIO_ACCOUNT_SID", "TOCSIN_ALIYUN_ACCESS_KEY_ID", "TOCSIN_TENCENT_SECRET_ID")
demo_app = typer.Typer(no_args_is_help=True, help=_("Demonstrations."))


@app.command(help=_("Starts the services: all of them in one process, or those named."))
def run(
    services: Annotated[str, typer.Option(help=_("Comma-separated: directory, intake, router, notifier, audit."))] = "",
    demo: Annotated[bool, typer.Option(help=_("With the Futian demo data and the sandbox of virtual phones."))] = True,
    share_port: Annotated[bool, typer.Option(help=_("Several processes take turns on one port."))] = False,
) -> None:
    settings = settings_for()  # before what takes long to load

    import uvloop

    from deploy.embedded import SERVICES, Embedding
    from deploy.embedded import run as run_embedded
    from libs import log

    log.configure(settings.log_level, json=settings.log_format == "json")
    chosen = tuple(name.strip() for name in services.split(",") if name.strip()) or SERVICES
    unknown = [name for name in chosen if name not in SERVICES]
    if unknown:
        raise SettingsError("--services: " + _("%(name)s is not one of %(known)s", name=unknown[0], known=", ".join(SERVICES)))
    everything = set(chosen) == set(SERVICES)
    # Who names an account of a provider's wants its messages there, whatever else is a demonstration.
    sandbox = demo and "notifier" in chosen and not any(os.environ.get(name) for name in ACCOUNTS)
    embedding = Embedding(chosen, sandbox=sandbox, demo=demo and everything, share_port=share_port)
    uvloop.run(run_embedded(settings, embedding, say))


@app.command(help=_("Brings the database up to date."))
def migrate() -> None:
    from deploy.embedded import database_for
    from libs.db.migrations import migrate as migrate_database

    async def work() -> None:
        async with database_for(settings_for(), say) as url:
            for revision in await migrate_database(url):
                say(f"  {revision}")
        say(_("The database is up to date."))

    asyncio.run(work())


@demo_app.command("day", help=_("Plays a whole day of reports and officers, faster than real time, on a database of its own."))
def demo_day(
    reports: Annotated[int, typer.Option(min=1, max=100_000, help=_("How many reports the day brings."))] = 300,
    speed: Annotated[float, typer.Option(min=1, max=2000, help=_("How many times faster than real time."))] = 144,
    seed: Annotated[int, typer.Option(help=_("The same seed plays the same day."))] = 1,
) -> None:
    import uvloop

    from deploy.demo.day import play_day
    from libs import log

    settings = settings_for(var_dir=Path(os.environ.get("TOCSIN_VAR_DIR", "var")) / "demo-day")
    log.configure("WARNING", json=False)
    uvloop.run(play_day(settings, say, reports=reports, speed=speed, seed=seed, length=timedelta(days=1)))


def main() -> None:
    """Runs the command line; a wrong setting is one line, not a traceback."""
    _add_parts()
    rich_utils.ARGUMENTS_PANEL_TITLE = _("Arguments")
    rich_utils.OPTIONS_PANEL_TITLE = _("Options")
    rich_utils.COMMANDS_PANEL_TITLE = _("Commands")
    rich_utils.ERRORS_PANEL_TITLE = _("Error")
    try:
        app(prog_name="tocsin")
    except SettingsError as error:
        print(f"tocsin: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _add_parts() -> None:
    from deploy.cli_backup import backup, restore
    from deploy.cli_bus import app as bus_app
    from deploy.cli_directory import app as directory_app
    from deploy.cli_directory import keys_app
    from deploy.cli_notifier import app as notifier_app
    from deploy.cli_policy import app as policy_app
    from deploy.cli_webhooks import app as webhooks_app
    from deploy.demo.cli import HELP as TRAFFIC_HELP
    from deploy.demo.cli import traffic
    from deploy.doctor.cli import doctor
    from deploy.kafka.cli import app as kafka_app

    app.add_typer(bus_app, name="bus")
    app.add_typer(kafka_app, name="kafka")
    app.add_typer(policy_app, name="policy")
    app.add_typer(webhooks_app, name="webhooks")
    app.add_typer(directory_app, name="directory")
    app.add_typer(keys_app, name="keys")
    app.add_typer(notifier_app, name="notifier")
    app.command("backup", help=_("Writes the whole database to a file."))(backup)
    app.command("restore", help=_("Puts a backup into an empty database."))(restore)
    app.command("doctor", help=_("Checks promises 1–6 on the running system; exits with 1 when one is broken."))(doctor)
    demo_app.command("traffic", help=TRAFFIC_HELP)(traffic)
    app.add_typer(demo_app, name="demo")
