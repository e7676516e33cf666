"""What may be set for intake: environment variables `TOCSIN_INTAKE_*`."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IntakeSettings(BaseSettings):
    """Nothing here is secret, and every value has a sensible default."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_INTAKE_", extra="ignore")

    home_division: str | None = Field(
        default=None,
        pattern=r"^[0-9]{2,15}$",
        description="where a public report goes whose place nobody can name; unset = the smallest place that contains every post",
    )
    pool_size_max: int = Field(default=8, ge=2, le=100, description="database connections")
    writers_max: int = Field(default=2, ge=1, le=16, description="batches of reports that are written at the same time")
    batch_max: int = Field(default=128, ge=1, le=1000, description="reports in one batch")
    queue_max: int = Field(default=4096, ge=1, le=100_000, description="reports that may wait for their batch before 503 is answered")
    receipt_lookups_per_minute_max: int = Field(default=30, ge=1, le=10_000, description="receipt lookups from one address, sustained")
    public_reports_per_minute_max: int = Field(default=20, ge=1, le=10_000, description="public page reports from one address, sustained")
