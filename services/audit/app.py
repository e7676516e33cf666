"""Wires the audit."""

from libs.service import Context, Service
from libs.settings import load
from services.audit import api, consumers, web
from services.audit.settings import AuditSettings


async def build(context: Context) -> Service:
    """The audit as a service."""
    settings = load(AuditSettings, **context.given.get("audit", {}))
    database = await context.database("audit")
    return Service(
        name="audit",
        database=database,
        routers=(api.router(database, context.clock, settings.zone), web.router(database, context.clock, settings.zone)),
        subscriptions=consumers.subscriptions(context.clock),
    )
