"""The commands that the rooms bring."""

import typer

from deploy.cli_directory import app as directory_app
from deploy.cli_directory import keys_app
from deploy.demo.cli import traffic
from deploy.doctor.cli import doctor


def add_parts(app: typer.Typer, demo_app: typer.Typer) -> None:
    """Hangs them where DESIGN section 9 says."""
    app.add_typer(directory_app, name="directory")
    app.add_typer(keys_app, name="keys")
    app.command("doctor")(doctor)
    demo_app.command("traffic")(traffic)
