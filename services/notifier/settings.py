"""What the operator of a deployment may set for the notifier: `TOCSIN_TWILIO_*`."""

import re

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

E164 = r"\+[1-9][0-9]{1,14}"


class NotifierSettings(BaseSettings):
    """The Twilio account and the bounds of the attempt protocol. No default secrets: the embedded mode makes its own."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_TWILIO_", extra="ignore")

    account_sid: str = Field(description="AC…, from the Twilio console")
    auth_token: SecretStr = Field(description="signs our requests and proves Twilio's")
    auth_token_secondary: SecretStr = Field(default=SecretStr(""), description="also accepted on webhooks while tokens are being rotated")
    from_number: str = Field(pattern=f"^{E164}$", description="the number that sends, E.164")
    api_base_url: str = Field(default="https://api.twilio.com", description="where Twilio's API is; the sandbox's address in embedded mode")
    takes_replies: bool = Field(default=True, description="whether officers can answer by SMS; not to mainland China over Twilio")

    request_timeout_s: float = Field(default=5.0, gt=0, le=60)
    connect_timeout_s: float = Field(default=2.0, gt=0, le=30)
    connections_max: int = Field(default=64, ge=1, le=1000)
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
    def _lease_outlives_the_call(self) -> "NotifierSettings":
        if self.lease_s <= self.request_timeout_s + 1:
            raise ValueError("TOCSIN_TWILIO_LEASE_S must be more than TOCSIN_TWILIO_REQUEST_TIMEOUT_S + 1")
        return self

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The tokens whose signature we trust, the present one first."""
        both = (self.auth_token.get_secret_value(), self.auth_token_secondary.get_secret_value())
        return tuple(token for token in both if token)


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
