"""What the audit may be told."""

from zoneinfo import available_timezones

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuditSettings(BaseSettings):
    """TOCSIN_AUDIT_*."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_AUDIT_", extra="ignore")

    zone: str = Field(default="Asia/Shanghai", description="the time zone whose days and months response times are grouped by")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("must be an IANA time zone")
        return zone
