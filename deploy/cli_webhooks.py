"""`tocsin webhooks …`: who is told how their reports go on, and telling again what was given up."""

import asyncio
from typing import Annotated

import typer

from deploy.terminal import say, settings_for
from libs.i18n import gettext as _
from libs.settings import SettingsError

app = typer.Typer(no_args_is_help=True, help=_("Webhooks to schools and hospitals."))

COUNT_MAX = 10_000
SHOWN_MAX = 200


@app.command("list", help=_("Shows who is told, how they take it, and how much waits or was given up; with --client what was given up."))
def list_webhooks(client: Annotated[str, typer.Option(help=_("Only this API client."))] = "") -> None:
    from deploy.embedded import connected
    from services.notifier.rules.webhooks import DeliveryState
    from services.notifier.store import webhooks

    async def work() -> None:
        async with connected(settings_for(), say) as connection:
            found = [one for one in await webhooks.every(connection) if client in {"", one.client_id}]
            counts = await webhooks.counts(connection, COUNT_MAX)
            for one in found:
                count = counts.get(one.webhook_id, {})
                how = _("gone") if one.gone_at else _("failing") if one.failing_since else _("works")
                waiting, dead = count.get("pending", 0), count.get("dead", 0)
                what = _("%(waiting)s waiting, %(dead)s given up", waiting=waiting, dead=dead)
                say(f"{one.client_id:<24}  {how:<8}  {what}  {one.url}")
                if client:
                    for letter in await webhooks.listed(connection, one.webhook_id, DeliveryState.DEAD, None, SHOWN_MAX):
                        say(
                            f"  {letter.delivery_id}  {letter.changed_at:%Y-%m-%d %H:%M:%S}  {letter.report_id}"
                            f"  {letter.what:<12}  {letter.answer}"
                        )
        if client and not found:
            raise SettingsError("--client: " + _("%(client)s has no webhook", client=client))
        say(_("%(count)s receivers.", count=len(found)))

    asyncio.run(work())


@app.command("retry", help=_("Lets what was given up be told again, from the first try on."))
def retry(
    client: Annotated[str, typer.Option(help=_("Only what this API client is told."))] = "",
    delivery: Annotated[str, typer.Option(help=_("Only this delivery."))] = "",
) -> None:
    from uuid import UUID

    from deploy.embedded import connected
    from libs.clock import SystemClock
    from services.notifier.store import webhooks

    try:
        only = UUID(delivery) if delivery else None
    except ValueError:
        raise SettingsError("--delivery: " + _("%(delivery)s is not a delivery's id", delivery=delivery)) from None

    async def work() -> None:
        async with connected(settings_for(), say) as connection:
            webhook = await webhooks.of_client(connection, client) if client else None
            if client and webhook is None:
                raise SettingsError("--client: " + _("%(client)s has no webhook", client=client))
            webhook_id = webhook.webhook_id if webhook else None
            count = await webhooks.again(connection, SystemClock().now(), delivery_id=only, webhook_id=webhook_id)
        say(_("%(count)s deliveries will be tried again.", count=count))

    asyncio.run(work())
