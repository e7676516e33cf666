"""What the operator of a deployment may set for traces: environment variables `TOCSIN_OTLP_*`."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

TRACES_PATH = "/v1/traces"


class TraceSettings(BaseSettings):
    """Where spans go. Without an endpoint nothing is exported, and nothing of OpenTelemetry is loaded."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_OTLP_", extra="ignore")

    endpoint: str = Field(default="", description="an OpenTelemetry collector over OTLP/HTTP: http://collector:4318 (unset: no export)")
    headers: SecretStr = Field(default=SecretStr(""), description="sent with every export: name=value,name=value")
    sample_ratio: float = Field(
        default=1.0, ge=0, le=1, description="which share of the traces that begin here is exported; of others their beginner decides"
    )
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="how long one export may take, repetitions included")
    every_s: float = Field(default=2.0, gt=0, le=60, description="how often spans are exported")
    queue_max: int = Field(default=4096, ge=256, le=100_000, description="how many spans may wait; what is more is dropped and counted")

    @field_validator("endpoint")
    @classmethod
    def _full(cls, url: str) -> str:
        if not url:
            return url
        scheme, found, rest = url.partition("://")
        if not found or scheme not in {"http", "https"} or not rest.strip("/"):
            raise ValueError("must be a URL that starts with http:// or https://")
        return url if "/" in rest.rstrip("/") else url.rstrip("/") + TRACES_PATH

    @field_validator("headers")
    @classmethod
    def _pairs(cls, headers: SecretStr) -> SecretStr:
        if any("=" not in pair for pair in headers.get_secret_value().split(",") if pair.strip()):
            raise ValueError("must be name=value,name=value")
        return headers

    @property
    def header_pairs(self) -> dict[str, str]:
        """The headers as a mapping."""
        pairs = (pair.partition("=") for pair in self.headers.get_secret_value().split(",") if pair.strip())
        return {name.strip().lower(): value.strip() for name, _, value in pairs}
