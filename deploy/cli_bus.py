"""`tocsin bus …`: topics, lag, and events that could not be handled."""

import asyncio
from typing import Annotated

import typer

from deploy.terminal import say, settings_for
from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("The bus that carries events."))
letters_app = typer.Typer(no_args_is_help=True, help=_("Events that could not be handled."))
app.add_typer(letters_app, name="dead-letters")


@app.command(
    "topics", help=_("Creates the declared Kafka topics that are missing, and names whatever is not as declared; then exits with 1.")
)
def topics(check: Annotated[bool, typer.Option("--check", help=_("Create nothing."))] = False) -> None:
    from aiokafka.errors import BrokerResponseError

    from deploy.embedded import kafka_settings
    from libs.events.kafka.topics import UNREACHABLE, ensure

    kafka = kafka_settings()
    try:
        differences = asyncio.run(ensure(kafka, create=not check))
    except UNREACHABLE as error:
        if isinstance(error, BrokerResponseError):
            why = _("refused (%(why)s)", why=str(error))
        else:
            why = _("no answer (%(why)s)", why=type(error).__name__)
        raise SettingsError(f"TOCSIN_KAFKA_BOOTSTRAP_SERVERS: {kafka.bootstrap_servers}: {why}") from error
    for topic in kafka.topics:
        settings = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        say(_("%(topic)s: %(partitions)s partitions, %(replication)s replicas, %(settings)s",
              topic=topic.name, partitions=topic.partitions, replication=topic.replication, settings=settings))  # fmt: skip
    for one in differences:
        say(_("NOT AS DECLARED: %(topic)s: %(what)s is %(found)s, declared is %(declared)s",
              topic=one.topic, what=one.what, found=one.found, declared=one.declared))  # fmt: skip
    if differences:
        raise typer.Exit(1)
    say(_("All topics are as declared."))


@app.command("lag", help=_("Shows how many events each group has not dealt with, by partition."))
def lag() -> None:
    from deploy.doctor.lag import lags_of
    from deploy.embedded import connected

    async def work() -> None:
        settings = settings_for()
        async with connected(settings, say) as connection:
            found = await lags_of(connection, settings)
        for line in found.lines():
            say(line)

    asyncio.run(work())


@app.command("replay", help=_("Publishes to Kafka again, in order, what some group has not dealt with: for a new topic, or a lost one."))
def replay() -> None:
    from deploy.embedded import connected
    from libs.events.restored import relay_anew

    async def work() -> None:
        async with connected(settings_for(), say) as connection:
            await relay_anew(connection)
        say(_("The relay begins again behind the group that is the furthest back."))

    asyncio.run(work())


@letters_app.command("list", help=_("Shows what is parked or dead, longest blocked first."))
def dead_letters_list() -> None:
    from deploy.embedded import connected
    from libs.events.dead_letters import parked

    async def work() -> None:
        async with connected(settings_for(), say) as connection:
            found = await parked(connection)
        for one in found:
            what = f"{one.group:<10}  {one.event_type:<38}  {one.key}"
            say(f"{one.parked_at:%Y-%m-%d %H:%M:%S}  {one.state:<7}  {what}  {one.error}  +{one.behind}")
        say(_("%(count)s keys are blocked.", count=sum(one.state != "newer" for one in found)))

    asyncio.run(work())


@letters_app.command("retry", help=_("Lets parked events be tried again at once."))
def dead_letters_retry(
    key: Annotated[str, typer.Option(help=_("Only this case or report id."))] = "",
) -> None:
    from uuid import UUID

    from deploy.embedded import connected
    from libs.clock import SystemClock
    from libs.events.dead_letters import retry

    try:
        only = UUID(key) if key else None
    except ValueError:
        raise SettingsError("--key: " + _("%(key)s is not a case or report id", key=key)) from None

    async def work() -> None:
        async with connected(settings_for(), say) as connection:
            count = await retry(connection, SystemClock().now(), key=only)
        say(_("%(count)s events will be tried again.", count=count))

    asyncio.run(work())
