"""All services in one process, with a PostgreSQL and a Twilio sandbox of their own: what `make run` starts.

The same services, built by the same builders, run as separate processes with `tocsin run --services …`: there is no second path.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import asyncpg

from deploy.claim import claimed
from deploy.secrets import Secrets, load_or_make, write_private
from libs import memory
from libs.clock import Clock, SystemClock
from libs.crypto import KeyRing, KeyRingInvalid
from libs.db import Database, Tx, finish
from libs.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, ensure_database
from libs.db.migrations import migrate
from libs.events import Bus, BusMisconfigured
from libs.events.postgres import PostgresBus
from libs.i18n import gettext as _
from libs.i18n import locale_from_environment, use_locale
from libs.log import get_logger
from libs.service import Builder, Context, Job
from libs.service.assembly import Assembly, assemble
from libs.service.serve import listen, serving, until_stopped
from libs.settings import CommonSettings, SettingsError, load
from libs.trace import TraceSettings, exporting

if TYPE_CHECKING:
    from deploy.demo.directory import DemoAccess
    from deploy.sandbox import Sandbox
    from libs.events.kafka.settings import KafkaSettings

SERVICES = ("directory", "intake", "router", "notifier", "audit")
SANDBOX_NUMBER = "+860019999999"
"""The number that the sandbox sends from: like all demo numbers, one that nobody can own."""

CONNECT_S = 15.0
KEEP_EVERY_S = 0.5
"""How often we look whether our PostgreSQL still lives."""

log = get_logger("embedded")

Say = Callable[[str], None]
Beside = Callable[["DemoAccess"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the embedded mode decides: which services, with the sandbox and the demo data or without."""

    services: tuple[str, ...] = SERVICES
    sandbox: bool = True
    demo: bool = True
    share_port: bool = False


def builder(name: str) -> Builder:
    """What builds a service. Only what a process runs is loaded: one that comes back after a crash has work waiting for it."""
    build: Builder = import_module(f"services.{name}.app").build
    return build


@asynccontextmanager
async def database_for(settings: CommonSettings, say: Say) -> AsyncIterator[str]:
    """The configured database, or the embedded one, started for as long as it is needed and not yet running."""
    if settings.database_url:
        await _check(settings.database_url)
        yield settings.database_url
        return
    server = EmbeddedPostgres(settings.var_dir / "postgres")
    if not server.running:
        say(_("Starting PostgreSQL under %(folder)s …", folder=settings.var_dir / "postgres"))
    try:
        url = await finish(asyncio.to_thread(server.start))
        keeping = asyncio.create_task(_keep(server), name="postgres")
        try:
            yield await ensure_database(url)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    except EmbeddedPostgresError as error:
        raise SettingsError("TOCSIN_VAR_DIR: " + str(error)) from error
    finally:
        await finish(asyncio.to_thread(server.stop))


async def _check(url: str) -> None:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S)
        await connection.close(timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise SettingsError("TOCSIN_DATABASE_URL: " + _("no connection (%(why)s)", why=why)) from error


async def _keep(server: EmbeddedPostgres) -> None:
    """Starts the server again when it has died: whoever runs the embedded mode has no one else who would."""
    clock = SystemClock()
    while True:
        await clock.wait(None, KEEP_EVERY_S)
        try:
            if await finish(asyncio.to_thread(server.ensure_running)):
                log.error("postgres.had_died", pages=True)
        except (EmbeddedPostgresError, OSError) as error:
            log.error("postgres.does_not_start", error=str(error), pages=True)  # noqa: TRY400 - its one line says it all


def keyring_for(settings: CommonSettings) -> KeyRing:
    """The configured master keys, or in embedded mode the ones made at its first start."""
    text = settings.master_keys.get_secret_value()
    if not text:
        if settings.database_url:
            raise SettingsError("TOCSIN_MASTER_KEYS: " + _("must be set when TOCSIN_DATABASE_URL is (make one with `tocsin keys master`)"))
        text = load_or_make(settings.var_dir).master_keys
    try:
        return KeyRing.parse(text)
    except KeyRingInvalid as error:
        raise SettingsError(f"TOCSIN_MASTER_KEYS: {error}") from error


def bus_for(settings: CommonSettings, url: str) -> Bus:
    """The bus that was chosen with TOCSIN_BUS."""
    if settings.bus == "postgres":
        return PostgresBus(url)
    from libs.events.kafka import KafkaBus

    return KafkaBus(url, kafka_settings())


def kafka_settings() -> "KafkaSettings":
    """How to reach Kafka; SettingsError names what is missing."""
    from libs.events.kafka.settings import KafkaSettings

    settings = load(KafkaSettings)
    if not settings.bootstrap_servers:
        raise SettingsError("TOCSIN_KAFKA_BOOTSTRAP_SERVERS: " + _("must be set when TOCSIN_BUS is kafka (host:port,host:port)"))
    return settings


def sandbox_settings(secrets: Secrets, api_base_url: str) -> dict[str, Any]:
    """The notifier's settings that send its SMS to our own sandbox."""
    return {
        "account_sid": secrets.twilio_account_sid,
        "auth_token": secrets.twilio_auth_token,
        "from_number": SANDBOX_NUMBER,
        "api_base_url": api_base_url,
    }


def embedded_settings(secrets: Secrets, sandbox_url: str) -> dict[str, dict[str, Any]]:
    """What the embedded mode with its sandbox decides: SMS stay here, and so may the webhooks of whoever tries them out.

    The sandbox has no provider's rules: there are no bounds, unless some are set.
    """
    boundless = {"per_number_per_day": 0, "identical_per_day": 0, "bundle_after": 0}
    return {
        "notifier": sandbox_settings(secrets, sandbox_url),
        "notifier_storm": {name: value for name, value in boundless.items() if f"TOCSIN_STORM_{name.upper()}" not in os.environ},
        "webhooks": {"allow_http": True, "private_networks": "127.0.0.0/8,::1/128"},
    }


@asynccontextmanager
async def assembled(context: Context, embedding: Embedding, secrets: Secrets | None) -> AsyncIterator[tuple[Assembly, "Sandbox | None"]]:
    """The chosen services, and the sandbox beside them under /sandbox."""
    async with _assembled(context, [builder(name) for name in embedding.services]) as assembly:
        jobs: tuple[Job, ...] = ()
        if "audit" in embedding.services:
            from deploy.doctor import doctor_job

            jobs += (doctor_job(context),)
        if not embedding.sandbox or secrets is None:
            yield Assembly(context, assembly.app, assembly.services, assembly.consumers, assembly.jobs + jobs), None
            return
        from deploy.demo.owners import owners
        from deploy.sandbox import Sandbox, SandboxConfig

        sandbox = Sandbox(
            SandboxConfig(
                account_sid=secrets.twilio_account_sid,
                auth_tokens=(secrets.twilio_auth_token,),
                from_number=SANDBOX_NUMBER,
                inbound_url=f"{context.settings.public_base_url}/v1/twilio/inbound",
                **context.given.get("sandbox", {}),
            ),
            context.clock,
            owners=owners(context),
        )
        async with sandbox:
            assembly.app.include_router(sandbox.router, prefix="/sandbox")
            assembly.app.state.sandbox = True  # the navigation shows the way there
            yield Assembly(context, assembly.app, assembly.services, assembly.consumers, (*assembly.jobs, *jobs, *sandbox.jobs)), sandbox


@asynccontextmanager
async def _assembled(context: Context, builders: Sequence[Builder]) -> AsyncIterator[Assembly]:
    try:
        async with assemble(context, builders) as assembly:
            yield assembly
    except BusMisconfigured as error:
        raise SettingsError(f"TOCSIN_BUS: {error}") from error


async def run(settings: CommonSettings, embedding: Embedding, say: Say, clock: Clock | None = None, beside: Beside | None = None) -> None:
    """Starts everything, says where to look, and serves until a signal comes; `beside` runs along once all is ready."""
    alone = settings.database_url is None and not embedding.share_port
    with claimed(settings.var_dir, embedding.services) if alone else nullcontext():
        await until_stopped(_run(settings, embedding, say, clock or SystemClock(), beside))


async def _run(settings: CommonSettings, embedding: Embedding, say: Say, clock: Clock, beside: Beside | None) -> None:
    tracing = load(TraceSettings)
    try:
        listener = listen(settings.host, settings.port, share=embedding.share_port)
    except OSError as error:
        where, why = f"{settings.host}:{settings.port}", error.strerror
        raise SettingsError("PORT: " + _("%(where)s cannot be used (%(why)s); choose another with PORT=…", where=where, why=why)) from error
    secrets = load_or_make(settings.var_dir) if embedding.sandbox or embedding.demo else None
    async with database_for(settings, say) as url:
        say(_("Bringing the database up to date …"))
        applied = await migrate(url)
        say(_("  %(count)s migrations applied", count=len(applied)))
        context = Context(
            clock=clock,
            settings=settings,
            keyring=keyring_for(settings),
            database_url=url,
            bus=bus_for(settings, url),
            given=embedded_settings(secrets, f"{settings.public_base_url}/sandbox") if secrets and embedding.sandbox else {},
        )
        access = await _demo(context, secrets, say) if secrets and embedding.demo else None
        async with exporting(tracing, _process_name(embedding)), assembled(context, embedding, secrets) as (assembly, sandbox):
            await _serve(assembly, listener, access, say, beside, phones=sandbox is not None)


def _process_name(embedding: Embedding) -> str:
    """What this process is called among others, in traces."""
    return "tocsin" if set(embedding.services) == set(SERVICES) else "-".join(("tocsin", *embedding.services))


async def _serve(
    assembly: Assembly, listener: socket.socket, access: "DemoAccess | None", say: Say, beside: Beside | None, *, phones: bool
) -> None:
    settings = assembly.context.settings
    language = locale_from_environment()  # the terminal's, while the application speaks the deployment's
    memory.settle()
    async with serving(assembly.app, listener) as ended, assembly.running():
        with use_locale(language):
            say(_("Ready: %(url)s", url=settings.public_base_url))
            if access is not None:
                _where_to_look(settings, access, say, phones=phones)
        company = [asyncio.create_task(beside(access))] if beside is not None and access is not None else []
        try:
            await asyncio.wait([ended])
        finally:
            with use_locale(language):
                say(_("Stopping …"))
            for task in company:
                task.cancel()
            await asyncio.gather(*company, return_exceptions=True)


@asynccontextmanager
async def connected(settings: CommonSettings, say: Say) -> AsyncIterator[Tx]:
    """One connection with the login role, for commands."""
    async with database_for(settings, say) as url:
        database = await Database.open(url, role=None, size_max=1)
        try:
            async with database.connection() as connection:
                yield connection
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError):
            raise SettingsError(_("The database has not been set up for this version. Run: tocsin migrate")) from None
        finally:
            await database.close()


async def _demo(context: Context, secrets: Secrets, say: Say) -> "DemoAccess":
    from deploy.demo.directory import load_demo

    say(_("Loading the demo data of Futian district …"))
    access = await load_demo(context, password=secrets.demo_password)
    write_private(
        context.settings.var_dir / "demo.json",
        json.dumps(
            {"base_url": context.settings.public_base_url, "api_key": access.api_key, "accounts": [asdict(one) for one in access.accounts]},
            ensure_ascii=False,
            indent=2,
        ),
    )
    return access


def _where_to_look(settings: CommonSettings, access: "DemoAccess", say: Say, *, phones: bool) -> None:
    base = settings.public_base_url
    sandbox = (("/sandbox", _("the virtual phones: read the SMS, answer 1")),) if phones else ()
    for path, what in (
        ("/", _("the public page: anybody can report")),
        ("/login", _("staff log in (accounts in %(file)s)", file=settings.var_dir / "demo.json")),
        ("/report", _("the operator's form")),
        ("/board", _("the live board of open cases")),
        *sandbox,
        ("/response-times", _("how fast everybody moved")),
        ("/openapi.json", _("the interface for schools and hospitals")),
    ):
        say(f"  {base}{path:<16} {what}")
    for account in access.accounts:
        say(f"  {account.username:<28} {account.password}  ({account.role})")
