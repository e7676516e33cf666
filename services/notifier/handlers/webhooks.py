"""Telling schools and hospitals how their reports go on: registering, queueing what changed, and what came of telling it."""

import secrets as random
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from libs.crypto import Sealer, SealError
from libs.db import Tx
from libs.directory.identity import clients_with_key
from libs.errors import Conflict, Invalid, NotFound
from libs.events import Event, new_event, new_id, publish
from libs.events.catalogue import ReportProgressed, WebhookRegistered, WebhookRemoved
from libs.i18n import gettext as _
from libs.log import get_logger
from libs.terms.told import headline
from services.notifier.rules.webhooks import (
    OLD_SECRET_SIGNS,
    SECRET_BYTES,
    URL_CHARS_MAX,
    Allowed,
    Answered,
    DeliveryState,
    Gone,
    Wrong,
    after,
    secret_text,
    wrong_url,
)
from services.notifier.store import webhooks as store
from services.notifier.store.webhooks import Delivery, Webhook

EVENT_TYPE = "report.status_changed"
NO_KEY = "no valid API key"
"""What is said of a delivery that was given up because its client has no key any more."""
FAILING_PLACES = 1
"""How many deliveries at once a receiver gets that did not take the last one."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host's name; OSError when it has none, or none that is allowed."""

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook, with its secret where it was just made: it can never be shown again."""

    webhook: Webhook
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class ToTell:
    """A committed try: now the receiver may be called, and the body signed by these secrets (none: they cannot be opened).

    `failing`: the receiver did not take the last one.
    """

    delivery: Delivery
    url: str
    secrets: tuple[bytes, ...]
    body: bytes
    failing: bool


def secret_aad(webhook_id: UUID) -> str:
    """Where a secret lives: its seal opens nowhere else."""
    return f"notifier.webhooks|secret|{webhook_id}"


async def check_url(url: str, allowed: Allowed, resolve: Resolve) -> None:
    """Refuses a URL that we could not, or must not, tell anything to."""
    wrong = wrong_url(url, allowed)
    parts = urlsplit(url) if wrong is None else None
    if parts is not None and parts.hostname:
        try:
            await resolve(parts.hostname, parts.port or 443)
        except PermissionError:
            wrong = Wrong.PRIVATE
        except (OSError, UnicodeError):
            raise Invalid(
                "unknown_host", _("This name cannot be looked up. Check the spelling, or ask who runs your network."), field="url"
            ) from None
    if wrong is not None:
        raise Invalid(f"url_{wrong}", _why(wrong), field="url")


async def register(tx: Tx, sealer: Sealer, client_id: str, url: str, now: datetime) -> Registered:
    """Tells this client from now on, at `url`. Registered again it keeps its secret, and a receiver that was gone is told again."""
    known = await store.of_client(tx, client_id)
    webhook_id = known.webhook_id if known else new_id()
    secret = random.token_bytes(SECRET_BYTES)
    sealed = sealer.seal(secret, secret_aad(webhook_id))
    kept = await store.save(tx, client_id, url, now, webhook_id=webhook_id, secret_sealed=sealed)
    await publish(tx, [new_event(WebhookRegistered(webhook_id=kept, client_id=client_id), key=kept, time=now)])
    made = known is None and kept == webhook_id
    return Registered(await of_client(tx, client_id), secret_text(secret) if made else None)


async def rotate(tx: Tx, sealer: Sealer, client_id: str, now: datetime) -> Registered:
    """A new secret. For a week the one before signs as well, so that no message is refused while the receiver changes over."""
    webhook = await of_client(tx, client_id)
    secret = random.token_bytes(SECRET_BYTES)
    await store.renew_secret(tx, webhook.webhook_id, sealer.seal(secret, secret_aad(webhook.webhook_id)), now + OLD_SECRET_SIGNS)
    return Registered(await of_client(tx, client_id), secret_text(secret))


async def unregister(tx: Tx, webhook: Webhook, now: datetime) -> None:
    """Tells its client nothing any more, and forgets what was told."""
    await store.remove(tx, webhook.webhook_id)
    removed = WebhookRemoved(webhook_id=webhook.webhook_id, client_id=webhook.client_id)
    await publish(tx, [new_event(removed, key=webhook.webhook_id, time=now)])


async def of_client(tx: Tx, client_id: str) -> Webhook:
    """The webhook of a client; NotFound when it has none."""
    webhook = await store.of_client(tx, client_id)
    if webhook is None:
        raise NotFound("no_webhook", _("This API client has no webhook. Register one with PUT /v1/webhook."))
    return webhook


async def of_id(tx: Tx, webhook_id: UUID) -> Webhook:
    """The webhook of that id; NotFound when there is none."""
    found = next((one for one in await store.every(tx) if one.webhook_id == webhook_id), None)
    if found is None:
        raise NotFound("no_webhook", _("There is no such webhook."))
    return found


async def take(tx: Tx, events: Sequence[Event[Any]], now: datetime) -> bool:
    """Queues what changed, in the order in which it changed; answers whether there is something to tell."""
    news = [event.data for event in events if isinstance(event.data, ReportProgressed)]
    wanted = await store.open_ones(tx, (one.webhook_id for one in news))
    news = [one for one in news if one.webhook_id in wanted]
    if not news:
        return False
    more = Counts(one.report_id for one in news)
    told = {report_id: last - more[report_id] for report_id, last in (await store.count(tx, more)).items()}
    deliveries = []
    for one in news:
        told[one.report_id] += 1
        deliveries.append(
            Delivery(
                delivery_id=new_id(),
                webhook_id=one.webhook_id,
                report_id=one.report_id,
                sequence=told[one.report_id],
                what=one.what,
                stage=one.stage,
                tier=one.tier,
                result=one.result,
                changed_at=one.changed_at,
                created_at=now,
            )
        )
    await store.add(tx, deliveries, now)
    return True


async def end_keyless(tx: Tx, now: datetime) -> list[Webhook]:
    """Ends the webhooks of clients that have no key any more, revoked or expired, and gives up what waited; answers those still open.

    With a new key the client may register again.
    """
    webhooks = [one for one in await store.every(tx) if one.gone_at is None]
    keyed = await clients_with_key(tx, (one.client_id for one in webhooks), now) if webhooks else set()
    ended = [one for one in webhooks if one.client_id not in keyed]
    if ended:
        ids = [one.webhook_id for one in ended]
        await store.bury(tx, ids, NO_KEY)  # deliveries before webhooks, as wherever both change, so that nobody waits in a circle
        await store.end(tx, ids, Gone.NO_KEY, now)
        for one in ended:
            log.warning("webhook.no_key", webhook_id=str(one.webhook_id), client_id=one.client_id)
    return [one for one in webhooks if one.client_id in keyed]


async def claim(
    tx: Tx, sealer: Sealer, now: datetime, *, busy: dict[UUID, int], places: int, free: int, free_of_failing: int, lease: timedelta
) -> list[ToTell]:
    """Takes what is due, so many for each receiver that it never has more than `places` under way, nor all of them more than `free`.

    Receivers that did not take the last one get one at a time, and together no more than `free_of_failing`: however many of them are
    slow or gone, the others do not wait for them. Clients without a key are told nothing: that is asked here, each time, since nothing is
    told without having been claimed.
    """
    webhooks = {one.webhook_id: one for one in await end_keyless(tx, now)}
    room: dict[bool, dict[UUID, int]] = {False: {}, True: {}}
    for key, webhook in webhooks.items():
        failing = webhook.failing_since is not None
        left = (FAILING_PLACES if failing else places) - busy.get(key, 0)
        if left > 0:
            room[failing][key] = left
    taken: list[Delivery] = []
    for failing, limit in ((False, free), (True, free_of_failing)):
        limit = min(limit, free - len(taken))  # noqa: PLW2901 - what the first have taken the others cannot have
        if room[failing] and limit > 0:
            taken += await store.claim(tx, now, room[failing], limit, now + lease)
    return [_to_tell(sealer, webhooks[one.webhook_id], one, now) for one in taken]


async def record(tx: Tx, told: ToTell, answered: Answered, now: datetime) -> DeliveryState | None:
    """Writes what a receiver has answered, and what follows; None when this try has nothing to say any more.

    That nothing is wanted any more where the receiver was before it moved says nothing about where it is now.
    """
    delivery = told.delivery
    if answered.gone and not await store.is_at(tx, delivery.webhook_id, told.url):
        answered = Answered(None, "gone from its old address")
    then = after(answered, delivery.tries, now)
    if not await store.record(tx, delivery, then.state, then.next_at, answered.said):
        return None
    await store.note(tx, delivery.webhook_id, now, taken=answered.taken, gone=answered.gone)
    if answered.gone:
        await store.bury(tx, [delivery.webhook_id], answered.said)
    if then.state is DeliveryState.DEAD:
        log.error(
            "webhook.dead",
            delivery_id=str(delivery.delivery_id),
            webhook_id=str(delivery.webhook_id),
            report_id=str(delivery.report_id),
            tries=delivery.tries,
            answer=answered.said,
        )
    return then.state


async def again(tx: Tx, client_id: str, delivery_id: UUID, now: datetime) -> None:
    """Lets a delivery of this client that was given up be tried again."""
    webhook = await of_client(tx, client_id)
    if webhook.gone_at is not None:
        raise Conflict("webhook_gone", _("This receiver answered 410, or had no valid key: it is told nothing. Register it again first."))
    if not await store.again(tx, now, delivery_id=delivery_id, webhook_id=webhook.webhook_id):
        raise NotFound("unknown_delivery", _("There is no such delivery that was given up."))


def body_of(delivery: Delivery) -> bytes:
    """What is told: ids, codes, times, and the plain words of the receipt in both languages. Nothing personal (promise 7)."""
    return orjson.dumps(
        {
            "type": EVENT_TYPE,
            "timestamp": delivery.changed_at,
            "data": {
                "report_id": str(delivery.report_id),
                "sequence": delivery.sequence,
                "changed": delivery.what,
                "state": delivery.stage,
                "office": delivery.tier,
                "result": delivery.result,
                "headline": {
                    "zh-CN": headline(delivery.stage, delivery.tier, delivery.result, "zh_CN"),
                    "en": headline(delivery.stage, delivery.tier, delivery.result, "en"),
                },
            },
        }
    )


def _to_tell(sealer: Sealer, webhook: Webhook, delivery: Delivery, now: datetime) -> ToTell:
    sealed = [webhook.secret_sealed]
    if webhook.previous_sealed is not None and webhook.previous_until is not None and now < webhook.previous_until:
        sealed.append(webhook.previous_sealed)
    aad = secret_aad(webhook.webhook_id)
    try:
        opened = tuple(sealer.open(one, aad) for one in sealed)
    except SealError:
        # One secret that cannot be opened must not stop what is told to others: this try fails, and somebody reads why.
        log.exception("webhook.secret_sealed", webhook_id=str(webhook.webhook_id))
        opened = ()
    return ToTell(delivery, webhook.url, opened, body_of(delivery), failing=webhook.failing_since is not None)


def _why(wrong: Wrong) -> str:
    match wrong:
        case Wrong.MALFORMED:
            return _("Give a whole URL such as https://school.example/tocsin, without a name, a password or a #fragment in it.")
        case Wrong.NOT_HTTPS:
            return _("Only https is allowed: what is told must not be read or changed on its way.")
        case Wrong.TOO_LONG:
            return _("The URL may have at most %(max)s characters.", max=URL_CHARS_MAX)
        case Wrong.PRIVATE:
            return _("This address lies in a private network. Use a public one, or ask who runs this system to allow the network.")
