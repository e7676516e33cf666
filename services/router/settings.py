"""What the operator of a deployment may set for the router: environment variables `TOCSIN_ROUTER_*`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RouterSettings(BaseSettings):
    """Where policies come from, and how much is done at once."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_ROUTER_", extra="ignore")

    policies_dir: Path | None = Field(default=None, description="a folder with further policy files (*.yaml), beside the built-in ones")
    calendar_file: Path | None = Field(default=None, description="working days of later years, as tocsin policy holidays add writes them")
    sweep_batch: int = Field(default=250, ge=1, le=5000, description="how many cases one transaction of the sweeper fires")
    connections_max: int = Field(default=8, ge=2, le=100)

    def calendar_in(self, var_dir: Path) -> Path:
        """The file of added State Council notices; it need not be there."""
        return self.calendar_file or var_dir / "holidays.yaml"
