"""What the operator of a deployment may set: environment variables `TOCSIN_*`, checked at start, named when wrong."""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it in one line."""


class CommonSettings(BaseSettings):
    """What every service needs. There are no default secrets: the embedded mode makes its own under `var/`."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", extra="ignore")

    database_url: str | None = Field(default=None, description="PostgreSQL; unset = the embedded server under var_dir")
    bus: Literal["postgres", "kafka"] = Field(default="postgres", description="what carries the events")
    public_base_url: str = Field(default="http://127.0.0.1:8000", description="where browsers, gateways and API clients reach us")
    master_keys: SecretStr = Field(default=SecretStr(""), description="sealing keys: version:base64,version:base64; the newest seals")
    var_dir: Path = Field(default=Path("var"), description="where the embedded mode keeps its data")
    language: Literal["zh_CN", "en"] = Field(default="zh_CN", description="the language where nobody asked for one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)

    @field_validator("public_base_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")


def load(settings: type[SettingsT], **given: Any) -> SettingsT:
    """Reads `settings` from the environment; `given` values win. Raises SettingsError with one line per wrong variable."""
    try:
        return settings(**given)
    except ValidationError as error:
        prefix = str(settings.model_config.get("env_prefix", ""))
        raise SettingsError("; ".join(_line(prefix, e["loc"], e["msg"]) for e in error.errors(include_input=False))) from None


def _line(prefix: str, place: tuple[int | str, ...], message: str) -> str:
    """What is wrong with several variables together names them itself."""
    message = message.removeprefix("Value error, ")
    return f"{prefix}{'_'.join(str(part) for part in place)}".upper() + f": {message}" if place else message
