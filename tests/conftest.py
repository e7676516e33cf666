from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import browser
from tests.support.postgres import database, database_url, demo_database_url, demo_template, postgres_url, template

if TYPE_CHECKING:
    from tests.support.world import World

__all__ = ["browser", "database", "database_url", "demo_database_url", "demo_template", "postgres_url", "template", "world"]


@pytest.fixture
async def world(demo_database_url: str, tmp_path: Path) -> "AsyncIterator[World]":
    """The whole system on a fake clock; see tests/support/world.py."""
    from tests.support.world import make_world

    async with make_world(demo_database_url, tmp_path) as made:
        yield made
