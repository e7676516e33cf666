"""Puts intake together."""

from libs.directory.read import Directory
from libs.service import Context, Service
from libs.settings import load
from services.intake import api, web
from services.intake.consumers import SUBSCRIPTIONS
from services.intake.handlers.accept import Secrets, batched_writes
from services.intake.handlers.bounds import AddressBound
from services.intake.handlers.needs import Needs
from services.intake.handlers.places import Places
from services.intake.settings import IntakeSettings


async def build(context: Context) -> Service:
    """The service, on a pool of its own."""
    settings = load(IntakeSettings, **context.given.get("intake", {}))
    database = await context.database("intake", size_max=settings.pool_size_max, by_key=True)
    writes = batched_writes(database, writers_max=settings.writers_max, batch_max=settings.batch_max, queue_max=settings.queue_max)
    needs = Needs(
        clock=context.clock,
        database=database,
        places=Places(database, Directory.under(context.keyring), context.clock, settings.home_division),
        secrets=Secrets(context.keyring),
        write=writes.submit,
        receipt_bound=AddressBound(context.clock, settings.receipt_lookups_per_minute_max),
        public_bound=AddressBound(context.clock, settings.public_reports_per_minute_max),
        public_base_url=context.settings.public_base_url,
    )
    return Service(
        name="intake",
        database=database,
        routers=(*api.routes(needs), *web.routes(needs)),
        subscriptions=SUBSCRIPTIONS,
    )
