"""`tocsin demo traffic`."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True)
ZONE = ZoneInfo("Asia/Shanghai")
HELP = _("Plays reports and officers against a running Tocsin, faster than real time. Ctrl-C stops it.")


@app.command(help=HELP)
def traffic(
    *,
    reports: Annotated[int, typer.Option(min=1, max=100_000, help=_("How many reports come in."))] = 200,
    speed: Annotated[float, typer.Option(min=1, max=10_000, help=_("How many times faster than real time."))] = 120,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 31, help=_("How many hours are played."))] = 24,
    base_url: Annotated[str, typer.Option(help=_("Where Tocsin is; by default what var/demo.json says."))] = "",
    api_key: Annotated[str, typer.Option(help=_("A key with the scopes report, read and act; by default that of var/demo.json."))] = "",
    division: Annotated[str, typer.Option(help=_("Code of the division whose communities report."))] = "440304",
    seed: Annotated[int, typer.Option(help=_("The same seed plays the same day."))] = 1,
) -> None:
    """Plays, shows progress, and sums up; exits with 130 after Ctrl-C."""
    from deploy.demo.client import Client, NoAnswerError
    from deploy.demo.traffic import Play, Show
    from libs.clock import SystemClock

    url, key = _access(base_url, api_key)
    clock = SystemClock()
    show = Show(clock.now().astimezone(ZONE), timedelta(hours=hours), reports, speed, seed, division)

    async def play() -> None:
        async with Client(url, key) as client:
            playing = Play(client, show, clock, typer.echo)
            try:
                await playing.run()
                for line in await playing.verdict():
                    typer.echo(line)
            except NoAnswerError as error:
                raise SettingsError("--base-url: " + _("%(url)s does not answer (%(why)s)", url=url, why=error)) from None
            finally:
                if playing.now_s:
                    typer.echo(playing.summary())

    try:
        asyncio.run(play())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _access(base_url: str, api_key: str) -> tuple[str, str]:
    file = Path(os.environ.get("TOCSIN_VAR_DIR", "var")) / "demo.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    url, key = base_url or known.get("base_url", ""), api_key or known.get("api_key", "")
    if not url or not key:
        raise SettingsError("--base-url, --api-key: " + _("there is no %(file)s (start the demo with `make run`), so name both", file=file))
    return url, key
