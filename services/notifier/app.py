"""Wires the notifier."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import yaml

from libs.crypto import Sealer
from libs.directory.read import Directory
from libs.jobs import at_intervals
from libs.service import Context, Job, Service
from libs.settings import SettingsError, load
from services.notifier import api, web
from services.notifier.api import calls, pushes
from services.notifier.api import webhooks as webhook_api
from services.notifier.consumers import subscription, webhook_subscription
from services.notifier.errors import BadSetup
from services.notifier.gateways import Gateway, configured
from services.notifier.gateways.domestic import Bounds
from services.notifier.gateways.twilio import FALLBACK, MAINLAND, NAME, HttpClient, TwilioGateway, make_gateway
from services.notifier.gateways.twilio_voice import NAME as VOICE_NAME
from services.notifier.gateways.twilio_voice import Hooks, make_voice_gateway
from services.notifier.gateways.webhooks import Receivers
from services.notifier.handlers.answering import Answerer
from services.notifier.handlers.codes import CodeSender
from services.notifier.handlers.health import Gates
from services.notifier.handlers.links import Links
from services.notifier.handlers.pages import Pager
from services.notifier.handlers.people import People
from services.notifier.handlers.sending import Means, observe
from services.notifier.handlers.shaping import Shaping
from services.notifier.jobs import BUNDLES_EVERY_S, FIGURES_EVERY_S, Checker, Sender, count, forgetting, settle_bundles
from services.notifier.jobs.webhooks import FORGET_EVERY, Teller, forget
from services.notifier.rules import budgets, texts
from services.notifier.rules.bundles import Bundling
from services.notifier.rules.registered import PROVIDERS
from services.notifier.rules.states import Limits
from services.notifier.rules.webhooks import Allowed
from services.notifier.settings import FallbackSettings, LinkSettings, NotifierSettings, StormSettings, VoiceSettings, WebhookSettings
from services.notifier.web import links as link_pages
from services.notifier.web import webhooks as webhook_pages

KNOWN = (NAME, FALLBACK, VOICE_NAME, *PROVIDERS)
"""Every gateway that there may be."""
TEMPLATES = Path(__file__).parent / "sms" / "templates.yaml"


async def build(context: Context) -> Service:
    """The notifier as a service."""
    settings = load(NotifierSettings, **context.given.get("notifier", {}))
    public_base_url = context.settings.public_base_url
    fallback = load(FallbackSettings, **context.given.get("notifier_fallback", {}))
    voice = load(VoiceSettings, **context.given.get("notifier_voice", {}))
    link = load(LinkSettings, **context.given.get("notifier_links", {}))
    storm = load(StormSettings, **context.given.get("notifier_storm", {}))
    if unknown := storm.named - set(KNOWN):
        raise SettingsError(f"TOCSIN_STORM_GATEWAYS: {min(unknown)} is no gateway; they are {', '.join(KNOWN)}")
    registry = load_registry(link_base_url=link.base_url)
    china = configured.load_domestic(context.given, registry, bounds_of(settings))
    twilio = _twilio(settings, fallback, public_base_url)
    gateways: list[Gateway] = [*twilio, *china.gateways, *_voice(settings, voice, public_base_url)]
    routes = configured.routes_of(china, [one.name for one in twilio])
    tokens = tuple(token for token in (*settings.auth_tokens, fallback.auth_token.get_secret_value()) if token)
    links = Links(context.keyring, link.base_url)
    database = await context.database("notifier", by_key=True)
    means = Means(
        people=People(Directory.under(context.keyring)),
        registry=registry,
        gateways={one.name: one for one in gateways},
        limits=Limits(
            lease_s=settings.lease_s,
            confirm_s=settings.confirm_s,
            confirm_give_up_s=settings.confirm_give_up_s,
            retry_give_up_s=settings.retry_give_up_s,
        ),
        valid_default_s=settings.validity_default_s,
        gates=Gates(one.name for one in gateways),
        routes=routes,
        registered=china.registered,
        links=links,
        shaping=Shaping(
            {one.name: budgets.Bounds(*storm.bounds(one.name)) for one in gateways},
            Bundling(storm.grades, storm.bundle_after, timedelta(seconds=storm.bundle_wait_s)),
        ),
        woken=lambda: sender.work_arrived(),  # noqa: PLW0108 - the sender is made below, since it needs these means
    )
    sender = Sender(database, context.clock, means, at_once_max=settings.sends_at_once_max, finish_s=settings.request_timeout_s + 1)
    code_sender = CodeSender(database, context.clock, means, context.keyring)
    pager = Pager(database, context.clock, means)
    answerer = Answerer(database, context.clock, means)
    checker = Checker(database, context.clock, means)
    sealer = Sealer(context.keyring)
    hooks = load(WebhookSettings, **context.given.get("webhooks", {}))
    receivers = _receivers(hooks)
    teller = Teller(
        database,
        context.clock,
        sealer,
        receivers,
        each_max=hooks.each_max,
        at_once_max=hooks.at_once_max,
        timeout_s=hooks.request_timeout_s,
    )
    recorded = api.callbacks(database, context.clock, means, observe)
    return Service(
        name="notifier",
        database=database,
        routers=(
            api.status_webhook(recorded, tokens=tokens, public_base_url=public_base_url),
            api.router(database, context.clock, means, tokens=tokens, public_base_url=public_base_url),
            pushes.router(
                database,
                context.clock,
                means,
                recorded,
                answerer.wake.set,
                aliyun_secrets=china.aliyun_secrets,
                tencent_secrets=china.tencent_secrets,
            ),
            webhook_api.router(database, context.clock, sealer, receivers, teller.work_arrived),
            webhook_pages.router(database, context.clock, teller.work_arrived),
            calls.router(database, context.clock, means, tokens=tokens, public_base_url=public_base_url),
            web.router(database, context.clock, means),
            link_pages.router(database, context.clock, links, means.people, public_base_url),
        ),
        subscriptions=(
            subscription(context.clock, sender.work_arrived, code_sender.arrived),
            webhook_subscription(context.clock, teller.work_arrived),
        ),
        jobs=(
            Job("notifier-send", sender.run_once, wake=sender.wake),
            Job("notifier-check", checker.run_once),
            Job("notifier-codes", code_sender.run_once, wake=code_sender.wake),
            Job("notifier-pages", pager.run_once),
            Job("notifier-answers", answerer.run_once, wake=answerer.wake),
            at_intervals("notifier-figures", FIGURES_EVERY_S, context.clock, partial(count, database, context.clock)),
            Job("webhooks-tell", teller.run_once, wake=teller.wake),
            at_intervals("webhooks-forget", FORGET_EVERY.total_seconds(), context.clock, partial(forget, database, context.clock)),
            at_intervals("notifier-forget", forgetting.EVERY_S, context.clock, partial(forgetting.forget, database, context.clock)),
            at_intervals("notifier-bundles", BUNDLES_EVERY_S, context.clock, partial(settle_bundles, database, context.clock)),
        ),
        resources=(_open(gateways, recorded, receivers),),
    )


def load_registry(path: Path = TEMPLATES, link_base_url: str = "") -> texts.Registry:
    """The registered SMS texts, checked; raises BadSetup with file and reason."""
    try:
        return texts.load(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader), link_base_url)
    except (OSError, yaml.YAMLError, texts.TemplateError) as error:
        raise BadSetup(f"{path.name}: {error}") from error


def bounds_of(settings: NotifierSettings) -> Bounds:
    """What a call to any gateway may take."""
    return Bounds(settings.request_timeout_s, settings.connect_timeout_s, settings.pool)


def _twilio(settings: NotifierSettings, fallback: FallbackSettings, public_base_url: str) -> list[TwilioGateway]:
    """In the order to try them."""
    both: list[tuple[str, NotifierSettings | FallbackSettings]] = [(NAME, settings), (FALLBACK, fallback)]
    accounts = [(name, account) for name, account in both if account.account_sid]
    return [
        make_gateway(
            name=name,
            account_sid=account.account_sid,
            auth_token=account.auth_token.get_secret_value(),
            from_number=account.from_number,
            api_base_url=account.api_base_url,
            callback_base_url=f"{public_base_url}{api.STATUS_PATH}",
            takes_replies=account.takes_replies,
            one_way=() if settings.hears_mainland(account.api_base_url) else MAINLAND,
            http=_http(settings),
        )
        for name, account in accounts
    ]


def _receivers(settings: WebhookSettings) -> Receivers:
    return Receivers(
        Allowed(http=settings.allow_http, networks=settings.networks),
        request_timeout_s=settings.request_timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        connections_max=settings.at_once_max,
    )


def _voice(settings: NotifierSettings, voice: VoiceSettings, public_base_url: str) -> list[Gateway]:
    """The gateway of calls, on the first account, if there is one."""
    if not voice.from_number or not settings.account_sid:
        return []
    made = make_voice_gateway(
        account_sid=settings.account_sid,
        auth_token=settings.auth_token.get_secret_value(),
        api_base_url=settings.api_base_url,
        http=_http(settings),
        hooks=Hooks(f"{public_base_url}{calls.TEXT_PATH}", f"{public_base_url}{calls.CALL_PATH}"),
        from_number=voice.from_number,
        ring_s=voice.ring_s,
    )
    return [made]


def _http(settings: NotifierSettings) -> HttpClient:
    return HttpClient(
        request_timeout_s=settings.request_timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        connections_max=settings.pool,
    )


@asynccontextmanager
async def _open(gateways: Sequence[Gateway], recorded: api.Callbacks, receivers: Receivers) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await recorded.drain()
        await receivers.close()
        for gateway in gateways:
            await gateway.close()
