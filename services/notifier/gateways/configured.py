"""The gateways of mainland China that a deployment has configured, what is registered with them, and which numbers go where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from libs.log import get_logger
from libs.settings import SettingsError, load
from services.notifier.gateways import Gateway, aliyun, tencent
from services.notifier.gateways.domestic import Bounds, Key
from services.notifier.rules import registered
from services.notifier.rules.registered import Provider, Registrations
from services.notifier.rules.routes import Routes, RoutesError, default, parse
from services.notifier.rules.texts import Registered, Registry, TemplateError
from services.notifier.settings import AliyunSettings, SmsSettings, TencentSettings

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class Domestic:
    """The gateways in the order of preference, with what is registered with each, and the secrets that their pushes carry."""

    settings: SmsSettings
    gateways: tuple[Gateway, ...] = ()
    registered: Mapping[str, Registered] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """What somebody has to do before every text can go out."""
    aliyun_secrets: tuple[str, ...] = ()
    tencent_secrets: tuple[str, ...] = ()


def load_domestic(given: Mapping[str, Mapping[str, Any]], registry: Registry, bounds: Bounds) -> Domestic:
    """What is configured. Raises SettingsError naming the variable; a text that is not registered is told, and does not stop the others."""
    sms = load(SmsSettings, **given.get("notifier_sms", {}))
    of_aliyun = load(AliyunSettings, **given.get("notifier_aliyun", {}))
    of_tencent = load(TencentSettings, **given.get("notifier_tencent", {}))
    configured: dict[Provider, AliyunSettings | TencentSettings] = {}
    if of_aliyun.access_key_id:
        configured["aliyun"] = of_aliyun
    if of_tencent.secret_id:
        configured["tencent"] = of_tencent
    if not configured:
        return Domestic(sms)
    if sms.templates is None:
        raise SettingsError("TOCSIN_SMS_TEMPLATES: must be set with Aliyun or Tencent Cloud; `tocsin notifier templates` says what goes in")
    registrations = read_registrations(sms.templates, registry)
    for provider in configured:
        if provider not in registrations.by_provider:
            raise SettingsError(f"TOCSIN_SMS_TEMPLATES: {sms.templates} has nothing for {provider}, which is configured")
    problems = [
        problem
        for provider, settings in configured.items()
        for problem in registered.problems(registrations, registry, provider, takes_replies=settings.takes_replies)
    ]
    for problem in problems:
        log.error("notifier.text_not_registered", problem=problem, pages=True)
    gateways: list[Gateway] = []
    for provider in configured:
        texts = registrations.by_provider[provider]
        if provider == "aliyun":
            keys = [Key(*pair) for pair in of_aliyun.keys]
            base_url, replies = of_aliyun.api_base_url, of_aliyun.takes_replies
            gateways.append(aliyun.make_gateway(keys, texts, bounds, api_base_url=base_url, takes_replies=replies))
        else:
            keys = [Key(*pair) for pair in of_tencent.keys]
            base_url, replies = of_tencent.api_base_url, of_tencent.takes_replies
            app_id, region = of_tencent.sdk_app_id, of_tencent.region
            gateways.append(
                tencent.make_gateway(keys, texts, bounds, app_id=app_id, region=region, api_base_url=base_url, takes_replies=replies)
            )
    return Domestic(
        sms,
        tuple(gateways),
        {provider: registrations.by_provider[provider] for provider in configured},
        tuple(problems),
        of_aliyun.callback_secrets if "aliyun" in configured else (),
        of_tencent.callback_secrets if "tencent" in configured else (),
    )


def problems_of_texts(registry: Registry) -> list[str]:
    """What somebody has to do before every text can go out, by the settings of this environment. Imports no SDK."""
    sms = load(SmsSettings)
    replies: dict[Provider, AliyunSettings | TencentSettings] = {"aliyun": load(AliyunSettings), "tencent": load(TencentSettings)}
    used: list[Provider] = [provider for provider in registered.PROVIDERS if replies[provider].keys]
    if not used or sms.templates is None:
        return [f"TOCSIN_SMS_TEMPLATES is not set, which {provider} needs" for provider in used]
    registrations = read_registrations(sms.templates, registry)
    return [
        problem
        for provider in used
        for problem in registered.problems(registrations, registry, provider, takes_replies=replies[provider].takes_replies)
    ]


def read_registrations(path: Path, registry: Registry) -> Registrations:
    """The deployment's file; raises SettingsError with file, place and reason."""
    try:
        return registered.read(yaml.safe_load(path.read_text(encoding="utf-8")), registry)
    except (OSError, ValueError, yaml.YAMLError, TemplateError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).replace("\n", " ")
        raise SettingsError(f"TOCSIN_SMS_TEMPLATES: {path}: {reason}") from error


def routes_of(china: Domestic, foreign: list[str]) -> Routes:
    """Which numbers go where. Raises SettingsError naming the variable."""
    names = [one.name for one in china.gateways]
    if not names and not foreign:
        raise SettingsError(
            "TOCSIN_TWILIO_ACCOUNT_SID: no gateway is configured; set it, TOCSIN_ALIYUN_ACCESS_KEY_ID or TOCSIN_TENCENT_SECRET_ID"
        )
    if not china.settings.routes:
        return default(names, foreign)
    try:
        return parse(china.settings.routes, [*foreign, *names])
    except RoutesError as error:
        raise SettingsError(f"TOCSIN_SMS_ROUTES: {error}") from error
