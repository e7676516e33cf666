"""What the operator of a deployment may set for the notifier: `TOCSIN_TWILIO_*`, `TOCSIN_SMS_*`, `TOCSIN_ALIYUN_*`, `TOCSIN_TENCENT_*`."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.terms import Grade

OTHER_CALLS_MAX = 64
"""So many calls to a gateway may be under way beside those that send: questions, codes, pages, answers."""
E164 = r"\+[1-9][0-9]{1,14}"


class NotifierSettings(BaseSettings):
    """The Twilio account and the bounds of the attempt protocol. No default secrets: the embedded mode makes its own.

    The bounds are those of every gateway.
    """

    model_config = SettingsConfigDict(env_prefix="TOCSIN_TWILIO_", extra="ignore")

    account_sid: str = Field(default="", description="AC…, from the Twilio console; unset: nothing goes over Twilio")
    auth_token: SecretStr = Field(default=SecretStr(""), description="signs our requests and proves Twilio's")
    auth_token_secondary: SecretStr = Field(default=SecretStr(""), description="also accepted on webhooks while tokens are being rotated")
    from_number: str = Field(default="", pattern=f"^({E164})?$", description="the number that sends, E.164")
    api_base_url: str = Field(default="https://api.twilio.com", description="where Twilio's API is; the sandbox's address in embedded mode")
    takes_replies: bool = Field(default=True, description="whether officers can answer by SMS; those with +86 never can over Twilio itself")
    mainland_replies: bool | None = Field(default=None, description="whether +86 can answer; unset: only where it is not Twilio itself")

    request_timeout_s: float = Field(default=5.0, gt=0, le=60)
    connect_timeout_s: float = Field(default=2.0, gt=0, le=30)
    connections_max: int = Field(default=64, ge=1, le=1000, description="to one gateway; never fewer than calls may be under way")
    sends_at_once_max: int = Field(default=64, ge=1, le=1000, description="calls under way at the same time, per process")
    lease_s: float = Field(default=8.0, gt=0, le=300, description="when the outcome of a call that nobody recorded is looked for")
    confirm_s: float = Field(default=120.0, gt=0, description="without a callback for so long: the provider is asked")
    confirm_give_up_s: float = Field(default=600.0, gt=0, description="without confirmation for so long: the next contact is tried")
    retry_give_up_s: float = Field(default=90.0, gt=0, description="how long a busy or failing gateway is tried before the next contact")
    validity_default_s: int = Field(default=3600, ge=5, le=36000, description="how long an SMS without a deadline may wait at the provider")

    @field_validator("api_base_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _whole_or_not_at_all(self) -> "NotifierSettings":
        if self.account_sid and not self.auth_token.get_secret_value():
            raise ValueError("TOCSIN_TWILIO_AUTH_TOKEN must be set when TOCSIN_TWILIO_ACCOUNT_SID is")
        if self.account_sid and not self.from_number:
            raise ValueError("TOCSIN_TWILIO_FROM_NUMBER must be set when TOCSIN_TWILIO_ACCOUNT_SID is, in E.164, such as +8610…")
        if self.mainland_replies and is_twilio(self.api_base_url):
            raise ValueError("TOCSIN_TWILIO_MAINLAND_REPLIES cannot be true: Twilio brings no replies from mainland China")
        return self

    @model_validator(mode="after")
    def _lease_outlives_the_call(self) -> "NotifierSettings":
        if self.lease_s <= self.request_timeout_s + 1:
            raise ValueError("TOCSIN_TWILIO_LEASE_S must be more than TOCSIN_TWILIO_REQUEST_TIMEOUT_S + 1")
        return self

    def hears_mainland(self, api_base_url: str) -> bool:
        """Whether +86 numbers can answer through an account whose API is there. A stand-in for Twilio brings their replies too."""
        return not is_twilio(api_base_url) if self.mainland_replies is None else self.mainland_replies

    @property
    def pool(self) -> int:
        """How many connections a gateway may have: a call that waits for one of ours would pass for a gateway that cannot be reached."""
        return max(self.connections_max, self.sends_at_once_max + OTHER_CALLS_MAX)

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The tokens whose signature we trust, the present one first."""
        both = (self.auth_token.get_secret_value(), self.auth_token_secondary.get_secret_value())
        return tuple(token for token in both if token)


def is_twilio(api_base_url: str) -> bool:
    """Whether that is Twilio's own API, in whatever region."""
    return (urlsplit(api_base_url).hostname or "").endswith("twilio.com")


class VoiceSettings(BaseSettings):
    """Calls on the first account: `TOCSIN_TWILIO_VOICE_*`. Unset: nobody is called."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_TWILIO_VOICE_", extra="ignore")

    from_number: str = Field(default="", description="the number that calls, E.164; unset: no calls")
    ring_s: int = Field(default=25, ge=5, le=60, description="how long a phone rings before the next way is tried")

    @field_validator("from_number")
    @classmethod
    def _a_number(cls, number: str) -> str:
        if number and not re.fullmatch(E164, number):
            raise ValueError("must be a number in E.164, such as +8610…")
        return number


class LinkSettings(BaseSettings):
    """Links that acknowledge with one tap: `TOCSIN_LINK_*`. Unset: no message contains one."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_LINK_", extra="ignore")

    base_url: str = Field(default="", description="the short public address of our /l, such as https://t.example.cn/l; unset: no links")

    @field_validator("base_url")
    @classmethod
    def _short_and_public(cls, url: str) -> str:
        url = url.rstrip("/")
        if url and not re.fullmatch(r"https?://[a-z0-9.:\[\]-]+(/[A-Za-z0-9/_-]*)?", url):
            raise ValueError("must be a plain address that begins with https://, such as https://t.example.cn/l")
        return url


class FallbackSettings(BaseSettings):
    """A second account of Twilio's, or another number of the same one: `TOCSIN_TWILIO_FALLBACK_*`. Unset: there is none.

    A message goes that way when the first account has refused it for a reason of its own, or does not answer.
    """

    model_config = SettingsConfigDict(env_prefix="TOCSIN_TWILIO_FALLBACK_", extra="ignore")

    account_sid: str = Field(default="", description="AC…; unset: no second account")
    auth_token: SecretStr = Field(default=SecretStr(""), description="signs the requests on the second account and proves its callbacks")
    from_number: str = Field(default="", description="the second account's number, E.164")
    api_base_url: str = Field(default="https://api.twilio.com", description="where its API is")
    takes_replies: bool = Field(default=True, description="whether officers can answer its SMS")

    @model_validator(mode="after")
    def _whole_or_not_at_all(self) -> "FallbackSettings":
        if self.account_sid and not self.auth_token.get_secret_value():
            raise ValueError("TOCSIN_TWILIO_FALLBACK_AUTH_TOKEN must be set when TOCSIN_TWILIO_FALLBACK_ACCOUNT_SID is")
        if self.account_sid and not re.fullmatch(E164, self.from_number):
            raise ValueError("TOCSIN_TWILIO_FALLBACK_FROM_NUMBER must be a number in E.164, such as +8610…")
        return self


SECRET = re.compile(r"[A-Za-z0-9_-]{32,128}")
"""What stands in the path of a provider's pushes: so long that nobody finds it by trying."""


class SmsSettings(BaseSettings):
    """Which gateway takes the SMS to which numbers, and the texts as they are registered: `TOCSIN_SMS_*`."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_SMS_", extra="ignore")

    routes: str = Field(default="", description="which numbers go where, such as +86=aliyun,tencent;*=twilio,twilio_fallback")
    templates: Path | None = Field(default=None, description="the file that says which text is which template at each domestic provider")

    @field_validator("templates", mode="before")
    @classmethod
    def _unset_when_empty(cls, value: object) -> object:
        return value or None


class _Domestic(BaseSettings):
    """What a domestic provider's account has, besides its keys."""

    takes_replies: bool = Field(default=False, description="whether officers can answer by SMS: once the provider pushes replies to us")
    callback_secret: SecretStr = Field(default=SecretStr(""), description="stands in the addresses that the provider pushes to")
    callback_secret_secondary: SecretStr = Field(default=SecretStr(""), description="also accepted there while it is being changed")

    @field_validator("callback_secret", "callback_secret_secondary")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if secret.get_secret_value() and not SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("must be 32 to 128 letters, digits, - or _ (for example from: openssl rand -hex 32)")
        return secret

    @property
    def callback_secrets(self) -> tuple[str, ...]:
        """Those that are accepted, the present one first."""
        both = (self.callback_secret.get_secret_value(), self.callback_secret_secondary.get_secret_value())
        return tuple(secret for secret in both if secret)


class AliyunSettings(_Domestic):
    """An account of Aliyun's: `TOCSIN_ALIYUN_*`. Unset: there is none."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_ALIYUN_", extra="ignore")

    access_key_id: str = Field(default="", description="LTAI…, of a RAM user that may send SMS; unset: nothing goes over Aliyun")
    access_key_secret: SecretStr = Field(default=SecretStr(""), description="signs our requests")
    access_key_id_secondary: str = Field(default="", description="the other key while keys are being rotated")
    access_key_secret_secondary: SecretStr = Field(default=SecretStr(""), description="its secret")
    api_base_url: str = Field(default="https://dysmsapi.aliyuncs.com", pattern="^https?://", description="where its API is")

    @model_validator(mode="after")
    def _whole_or_not_at_all(self) -> "AliyunSettings":
        _require("TOCSIN_ALIYUN_ACCESS_KEY_ID", self.access_key_id, "TOCSIN_ALIYUN_ACCESS_KEY_SECRET", self.access_key_secret)
        _require("TOCSIN_ALIYUN_ACCESS_KEY_ID", self.access_key_id, "TOCSIN_ALIYUN_CALLBACK_SECRET", self.callback_secret)
        second = ("TOCSIN_ALIYUN_ACCESS_KEY_ID_SECONDARY", self.access_key_id_secondary)
        _require(*second, "TOCSIN_ALIYUN_ACCESS_KEY_SECRET_SECONDARY", self.access_key_secret_secondary)
        return self

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys, id and secret, the present one first."""
        return _pairs((self.access_key_id, self.access_key_secret), (self.access_key_id_secondary, self.access_key_secret_secondary))


class TencentSettings(_Domestic):
    """An application of Tencent Cloud's SMS: `TOCSIN_TENCENT_*`. Unset: there is none."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_TENCENT_", extra="ignore")

    secret_id: str = Field(default="", description="AKID…, of a sub-account that may send SMS; unset: nothing goes over Tencent Cloud")
    secret_key: SecretStr = Field(default=SecretStr(""), description="signs our requests")
    secret_id_secondary: str = Field(default="", description="the other key while keys are being rotated")
    secret_key_secondary: SecretStr = Field(default=SecretStr(""), description="its secret")
    sdk_app_id: str = Field(default="", pattern=r"^[0-9]*$", description="SmsSdkAppId, from the SMS console")
    region: str = Field(default="ap-guangzhou", pattern=r"^[a-z0-9-]+$", description="where requests are handled")
    api_base_url: str = Field(default="https://sms.tencentcloudapi.com", pattern="^https?://", description="where its API is")

    @model_validator(mode="after")
    def _whole_or_not_at_all(self) -> "TencentSettings":
        first = ("TOCSIN_TENCENT_SECRET_ID", self.secret_id)
        _require(*first, "TOCSIN_TENCENT_SECRET_KEY", self.secret_key)
        _require(*first, "TOCSIN_TENCENT_SDK_APP_ID", SecretStr(self.sdk_app_id))
        _require(*first, "TOCSIN_TENCENT_CALLBACK_SECRET", self.callback_secret)
        _require(
            "TOCSIN_TENCENT_SECRET_ID_SECONDARY", self.secret_id_secondary, "TOCSIN_TENCENT_SECRET_KEY_SECONDARY", self.secret_key_secondary
        )
        return self

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys, id and secret, the present one first."""
        return _pairs((self.secret_id, self.secret_key), (self.secret_id_secondary, self.secret_key_secondary))


def _require(given: str, value: str, needed: str, secret: SecretStr) -> None:
    if value and not secret.get_secret_value():
        raise ValueError(f"{needed} must be set when {given} is")


def _pairs(*pairs: tuple[str, SecretStr]) -> list[tuple[str, str]]:
    return [(key_id, secret.get_secret_value()) for key_id, secret in pairs if key_id]


class GatewayBounds(BaseModel):
    """What one gateway allows, where it is not what all do. What is left out is as for all."""

    model_config = ConfigDict(extra="forbid")

    per_number_per_day: int | None = Field(default=None, ge=0)
    identical_per_day: int | None = Field(default=None, ge=0)
    per_second: float | None = Field(default=None, ge=0)


_GATEWAYS = TypeAdapter(dict[str, GatewayBounds])


class StormSettings(BaseSettings):
    """What a number and a gateway bear, and what is bundled: `TOCSIN_STORM_*`. 0 is no bound. None of it holds back urgent messages."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_STORM_", extra="ignore")

    per_number_per_day: int = Field(default=50, ge=0, description="messages to one number over one gateway in 24 hours (provider's rule)")
    identical_per_day: int = Field(default=3, ge=0, description="messages of the same words to one +86 number over one gateway in 24 hours")
    per_second: float = Field(default=0.0, ge=0, description="messages a second that one process hands to one gateway")
    gateways: str = Field(default="", description='other bounds for one gateway, as JSON: {"twilio": {"per_number_per_day": 20}}')
    bundle_grades: str = Field(default="III,IV", description="grades of which several tasks become one message, comma-separated")
    bundle_after: int = Field(default=3, ge=0, le=50, description="so many messages in 10 minutes before tasks are bundled; 0: never")
    bundle_wait_s: float = Field(default=120.0, ge=0, le=900, description="at most one bundle in this time, and nothing is kept longer")

    @field_validator("bundle_grades")
    @classmethod
    def _grades_that_may_wait(cls, text: str) -> str:
        if wrong := set(_parts(text)) - {"II", "III", "IV"}:
            raise ValueError(f"{min(wrong)} is no grade that may wait: II, III, IV")
        return text

    @field_validator("gateways")
    @classmethod
    def _known_bounds(cls, text: str) -> str:
        try:
            _GATEWAYS.validate_json(text or "{}")
        except ValidationError as error:
            wrong = error.errors(include_input=False)[0]
            raise ValueError(": ".join(map(str, (*wrong["loc"], wrong["msg"])))) from None
        return text

    def bounds(self, gateway: str) -> tuple[int, int, float]:
        """What a gateway of that name allows: messages a day to a number, of the same words, and a second."""
        own = _GATEWAYS.validate_json(self.gateways or "{}").get(gateway, GatewayBounds())
        return (
            self.per_number_per_day if own.per_number_per_day is None else own.per_number_per_day,
            self.identical_per_day if own.identical_per_day is None else own.identical_per_day,
            self.per_second if own.per_second is None else own.per_second,
        )

    @property
    def named(self) -> frozenset[str]:
        """The gateways that have bounds of their own."""
        return frozenset(_GATEWAYS.validate_json(self.gateways or "{}"))

    @property
    def grades(self) -> frozenset[Grade]:
        """The grades that are bundled."""
        return frozenset(Grade(one) for one in _parts(self.bundle_grades))


class WebhookSettings(BaseSettings):
    """What holds for the webhooks of schools and hospitals: `TOCSIN_WEBHOOKS_*`."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_WEBHOOKS_", extra="ignore")

    allow_http: bool = Field(default=False, description="also http URLs: for demonstrations and tests only")
    private_networks: str = Field(default="", description="networks beside the public ones that may be called: 10.20.0.0/16,fd00::/8")
    request_timeout_s: float = Field(default=10.0, gt=0, le=30)
    connect_timeout_s: float = Field(default=3.0, gt=0, le=30)
    each_max: int = Field(default=4, ge=1, le=100, description="calls under way to one receiver at the same time, per process")
    at_once_max: int = Field(default=64, ge=2, le=1000, description="calls under way to all of them, per process")

    @field_validator("private_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        for part in _parts(text):
            ipaddress.ip_network(part)
        return text

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """The networks of `private_networks`."""
        return tuple(ipaddress.ip_network(part) for part in _parts(self.private_networks))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
