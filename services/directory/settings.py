"""What the operator of a deployment may set about the directory."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DirectorySettings(BaseSettings):
    """Environment `TOCSIN_DIRECTORY_*`. The costs of a password are RFC 9106's second recommended option; never less in production."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_DIRECTORY_", extra="ignore")

    password_memory_kib: int = Field(default=65_536, ge=64, le=4_194_304, description="memory that checking a password takes")
    password_rounds: int = Field(default=3, ge=1, le=20, description="rounds over that memory")
