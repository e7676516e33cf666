"""`tocsin kafka start|stop|status`: a real Apache Kafka on this machine, under <var>/kafka."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.kafka import Cluster, KafkaServerError, install, version
from deploy.terminal import say, settings_for
from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("An Apache Kafka on this machine, for development, tests and small installations."))
NODES_MAX = 3
NodesOption = Annotated[int, typer.Option(min=1, max=NODES_MAX, help=_("One node, or three that replicate each other."))]
PortOption = Annotated[int, typer.Option(min=1, max=65_000, help=_("The first node's port; the others follow."))]


def _folder() -> Path:
    return settings_for().var_dir / "kafka"


@app.command("start", help=_("Starts it and returns when it takes connections."))
def start(nodes: NodesOption = 1, port: PortOption = 9092) -> None:
    folder = _folder()
    if nodes not in {1, NODES_MAX}:
        raise SettingsError("--nodes: " + _("1 or 3"))
    there = len(list(folder.glob("node-*")))
    if there not in {0, nodes}:
        raise SettingsError("--nodes: " + _("%(folder)s holds the data of %(count)s; move it away first", folder=folder, count=there))
    cluster = Cluster.under(folder, nodes, port=port)
    try:
        say(_("Bringing Apache Kafka %(version)s …", version=version()))
        install(cluster.nodes[0].lib)
        say(_("Starting %(count)s nodes under %(folder)s …", count=nodes, folder=folder))
        cluster.start()
    except KafkaServerError as error:
        raise SettingsError(f"kafka: {error}") from error
    say(f"TOCSIN_BUS=kafka TOCSIN_KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap_servers} TOCSIN_KAFKA_REPLICATION={nodes}")


@app.command("stop", help=_("Stops it; its data stays."))
def stop() -> None:
    cluster = Cluster.under(_folder(), NODES_MAX)
    running = sum(node.pid is not None for node in cluster.nodes)
    cluster.stop()
    say(_("%(count)s nodes stopped.", count=running))


@app.command("status", help=_("Says which nodes run; exits with 1 when none does."))
def status() -> None:
    cluster = Cluster.under(_folder(), NODES_MAX)
    for node in cluster.nodes:
        if node.folder.exists():
            state = _("runs") if node.pid else _("stopped")
            say(f"{node.number}  {state:<8} {node.log}")
    if not any(node.pid for node in cluster.nodes):
        raise typer.Exit(1)
