"""Aliyun and Tencent Cloud as fakes that answer like them, with everything of ours registered at both.

    china = China.at(base_url, folder)       # accounts, keys, the file of template codes
    SandboxConfig(..., aliyun=china.aliyun, tencent=china.tencent)  # mounted at /sandbox, or at `prefix`
    Context(given={..., **china.given})      # settings of the notifier (routes "+86=aliyun,tencent;*=twilio") and of `embedded`'s sandbox

In a world all that is `make_world(..., china=True)`, at a desk `make_desk(..., china=True)`.

Messages are on the sandbox's phones (`/sandbox/messages`: provider, template, variables, reference = attempt id); faults are the sandbox's
(`PUT /sandbox/faults` with "provider": "aliyun" or "tencent", and `code`, `final_code`, `callbacks`, `hang`, `accept_then_reset` …);
receipts go out with `sandbox.courier.run_once()`, replies with `POST /sandbox/messages/{sid}/reply`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from deploy.sandbox import ProviderAccount
from services.notifier.app import load_registry
from services.notifier.rules.registered import Provider, to_register

SIGNATURE = "未保中心"
ALIYUN_SECRET = "a" * 40
TENCENT_SECRET = "t" * 40
ALIYUN_KEYS = {"LTAItest": "aliyun-key", "LTAIsecond": "aliyun-second-key"}
TENCENT_KEYS = {"AKIDtest": "tencent-key", "AKIDsecond": "tencent-second-key"}
APP_ID = "1400000001"
ROUTES = "+86=aliyun,tencent;*=twilio"


@dataclass(frozen=True)
class China:
    """See the module's docstring. `codes`: provider → our template id → its code there."""

    aliyun: ProviderAccount
    tencent: ProviderAccount
    codes: dict[str, dict[str, str]]
    given: dict[str, dict[str, Any]]

    @classmethod
    def at(cls, base_url: str, folder: Path, *, prefix: str = "/sandbox", replies: bool = True, routes: str = ROUTES) -> Self:
        """For a notifier at `base_url` and fakes at `base_url` + `prefix`; the file of codes is written into `folder`."""
        codes = {"aliyun": _codes("aliyun", "SMS_{}"), "tencent": _codes("tencent", "{}")}
        file = folder / "sms-templates.yaml"
        document = {
            "texts_version": load_registry().version,
            "aliyun": {"signature": SIGNATURE, "templates": codes["aliyun"]},
            "tencent": {"signature": SIGNATURE, "templates": codes["tencent"]},
        }
        file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        (ali_id, ali_key), (ten_id, ten_key) = next(iter(ALIYUN_KEYS.items())), next(iter(TENCENT_KEYS.items()))
        accounts = {
            "aliyun": ProviderAccount(ALIYUN_KEYS, SIGNATURE, _texts("aliyun", codes["aliyun"]), f"{base_url}/v1/aliyun/{ALIYUN_SECRET}"),
            "tencent": ProviderAccount(
                TENCENT_KEYS, SIGNATURE, _texts("tencent", codes["tencent"]), f"{base_url}/v1/tencent/{TENCENT_SECRET}", app_id=APP_ID
            ),
        }
        given: dict[str, dict[str, Any]] = {
            "sandbox": accounts,
            "notifier_sms": {"routes": routes, "templates": file},
            "notifier_aliyun": {
                "access_key_id": ali_id,
                "access_key_secret": ali_key,
                "api_base_url": f"{base_url}{prefix}/aliyun",
                "takes_replies": replies,
                "callback_secret": ALIYUN_SECRET,
            },
            "notifier_tencent": {
                "secret_id": ten_id,
                "secret_key": ten_key,
                "sdk_app_id": APP_ID,
                "api_base_url": f"{base_url}{prefix}/tencent",
                "takes_replies": replies,
                "callback_secret": TENCENT_SECRET,
            },
        }
        return cls(accounts["aliyun"], accounts["tencent"], codes, given)

    def template_of(self, provider: str, code: str) -> str:
        """Our id of a template of theirs."""
        return next(ours for ours, theirs in self.codes[provider].items() if theirs == code)

    def limited(self, daily_max: int) -> Self:
        """The same with so many messages of a template to a number in 24 hours."""
        return replace(self, aliyun=replace(self.aliyun, daily_max=daily_max), tencent=replace(self.tencent, daily_max=daily_max))


def _codes(provider: Provider, form: str) -> dict[str, str]:
    listed = sorted(one.template_id for one in to_register(load_registry(), provider, takes_replies=True))
    return {template_id: form.format(100_000 + number) for number, template_id in enumerate(listed)}


def _texts(provider: Provider, codes: dict[str, str]) -> dict[str, str]:
    return {codes[one.template_id]: one.text for one in to_register(load_registry(), provider, takes_replies=True)}
