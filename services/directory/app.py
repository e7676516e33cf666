"""The wiring of the directory service."""

import argon2

from libs.crypto import BlindIndex, Sealer
from libs.directory.read import PHONE_INDEX, Directory
from libs.service import Context, Service
from libs.settings import load
from services.directory import jobs
from services.directory.api import Api
from services.directory.api.duty import DutyApi
from services.directory.api.reachability import ReachabilityApi
from services.directory.api.verification import VerificationApi
from services.directory.consumers import subscription
from services.directory.handlers.accounts import Passwords
from services.directory.settings import DirectorySettings, calendar_of
from services.directory.web import Pages
from services.directory.web.account import AccountPages
from services.directory.web.duty import DutyPages


async def build(context: Context) -> Service:
    """The directory: its API and pages, what it hears of officers' numbers, its roster, its broom."""
    settings = load(DirectorySettings, **context.given.get("directory", {}))
    calendar = calendar_of(settings, context.settings.var_dir)
    database = await context.database("directory")
    blind = BlindIndex(context.keyring, PHONE_INDEX)
    sealer = Sealer(context.keyring)
    directory = Directory(blind, sealer)
    passwords = Passwords(argon2.PasswordHasher(time_cost=settings.password_rounds, memory_cost=settings.password_memory_kib))
    return Service(
        name="directory",
        database=database,
        routers=(
            Api(database, directory, blind=blind, sealer=sealer, clock=context.clock, calendar=calendar).router(),
            DutyApi(database, context.clock, calendar).router(),
            ReachabilityApi(database).router(),
            VerificationApi(database, context.clock, context.keyring).router(),
            AccountPages(database, sealer, context.clock, context.keyring).router(),
            DutyPages(database=database, directory=directory, clock=context.clock, calendar=calendar).router(),
            Pages(
                database=database,
                directory=directory,
                blind=blind,
                sealer=sealer,
                passwords=passwords,
                clock=context.clock,
                calendar=calendar,
                keyring=context.keyring,
            ).router(),
        ),
        subscriptions=(subscription(context.clock),),
        jobs=jobs.jobs(database, context.clock, calendar),
        resources=(passwords,),
    )
