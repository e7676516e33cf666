"""Wires the router."""

from libs.crypto import BlindIndex, Sealer
from libs.directory.read import PHONE_INDEX, Directory
from libs.service import Context, Service
from libs.settings import SettingsError, load
from services.router import api, consumers, jobs, web
from services.router.handlers.desk import Desk
from services.router.rules import policy_files
from services.router.settings import RouterSettings


async def build(context: Context) -> Service:
    """The router as a service."""
    settings = load(RouterSettings, **context.given.get("router", {}))
    try:
        book = policy_files.load_book([settings.policies_dir] if settings.policies_dir else [])
        if settings.calendar_file is not None and not settings.calendar_file.exists():
            raise SettingsError(f"TOCSIN_ROUTER_CALENDAR_FILE: there is no {settings.calendar_file}; tocsin policy holidays add makes it")
        calendar = policy_files.load_calendar(settings.calendar_in(context.settings.var_dir))
    except policy_files.PolicyFileError as error:
        raise SettingsError(f"TOCSIN_ROUTER_POLICIES_DIR: {error}") from None
    directory = Directory(BlindIndex(context.keyring, PHONE_INDEX), Sealer(context.keyring))
    desk = Desk(directory, book, calendar, context.clock)
    database = await context.database("router", size_max=settings.connections_max, by_key=True)
    return Service(
        name="router",
        database=database,
        routers=(api.router(desk, database), web.router(desk, database)),
        subscriptions=consumers.subscriptions(desk),
        jobs=jobs.jobs(desk, database, settings.sweep_batch),
    )
