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


def calendar_of(settings: DirectorySettings, var_dir: Path) -> WorkCalendar:
    """The working calendar, with the notices of `calendar_file`. Raises `SettingsError` for a file that cannot be used.

    By default that is `holidays.yaml` in `var_dir`, if there is one: where `tocsin policy holidays add` writes them.
    """
    path = settings.calendar_file or var_dir / "holidays.yaml"
    if settings.calendar_file is None and not path.exists():
        return WorkCalendar()
    try:
        found = _Notices.model_validate(yaml.safe_load(path.read_bytes()) or {})
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(f"TOCSIN_DIRECTORY_CALENDAR_FILE: {path}: {' '.join(str(error).split())}") from None
    return WorkCalendar({year: Notice(one.holidays, one.worked) for year, one in found.notices.items()})
