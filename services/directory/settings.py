"""What the operator of a deployment may set about the directory."""

from datetime import date
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.settings import SettingsError
from libs.workdays import Notice, WorkCalendar


class DirectorySettings(BaseSettings):
    """Environment `TOCSIN_DIRECTORY_*`. The costs of a password are RFC 9106's second recommended option; never less in production."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_DIRECTORY_", extra="ignore")

    password_memory_kib: int = Field(default=65_536, ge=64, le=4_194_304, description="memory that checking a password takes")
    password_rounds: int = Field(default=3, ge=1, le=20, description="rounds over that memory")
    calendar_file: Path | None = Field(default=None, description="working days of later years, for rosters; the router's file")


class _Year(BaseModel):
    model_config = ConfigDict(extra="forbid")

    src: str
    holidays: frozenset[date]
    worked: frozenset[date] = frozenset()


class _Notices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notices: dict[int, _Year] = {}


def calendar_of(settings: DirectorySettings) -> WorkCalendar:
    """The working calendar, with the notices of `calendar_file`. Raises `SettingsError` for a file that cannot be used."""
    if settings.calendar_file is None:
        return WorkCalendar()
    try:
        found = _Notices.model_validate(yaml.safe_load(settings.calendar_file.read_bytes()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"TOCSIN_DIRECTORY_CALENDAR_FILE: {settings.calendar_file}: {reason}") from None
    return WorkCalendar({year: Notice(one.holidays, one.worked) for year, one in found.notices.items()})
