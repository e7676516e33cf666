import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from libs import memory
from libs.i18n import current_locale, set_default_locale
from tests.support.browser import browser
from tests.support.kafka import kafka_at_rest, kafka_node, kafka_servers, kafka_settings, rest, side_by_side
from tests.support.postgres import database, database_url, demo_database_url, demo_template, postgres_url, template

if TYPE_CHECKING:
    from tests.support.world import World

__all__ = [
    "browser",
    "database",
    "database_url",
    "demo_database_url",
    "demo_template",
    "kafka_at_rest",
    "kafka_node",
    "kafka_servers",
    "kafka_settings",
    "postgres_url",
    "template",
    "world",
]


def _default_locale_kept() -> Iterator[None]:
    default = current_locale()
    yield
    set_default_locale(default)


memory.begin()  # what is collected from here on stays

# An application that starts sets the process's default language; the next module and the next test begin with their own.
default_locale_of_the_module = pytest.fixture(scope="module", autouse=True)(_default_locale_kept)
default_locale_of_the_test = pytest.fixture(autouse=True)(_default_locale_kept)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    side_by_side(items)


def pytest_collection_finish() -> None:
    memory.settle()  # as a server does: modules and tests stay


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    rest(item.config, nextitem)


EXPORTERS = {"OtelBatchSpanRecordProcessor", "trace-close"}


@pytest.fixture(autouse=True)
def no_exporter_goes_on() -> Iterator[None]:
    """Waits for the threads that exported spans: one that outlives its test draws random numbers, which Hypothesis refuses."""
    yield
    for thread in threading.enumerate():
        if thread.name in EXPORTERS:
            thread.join(timeout=60)
            assert not thread.is_alive(), f"{thread.name} goes on"


@pytest.fixture
async def world(demo_database_url: str, tmp_path: Path) -> "AsyncIterator[World]":
    """The whole system on a fake clock; see tests/support/world.py."""
    from tests.support.world import make_world

    async with make_world(demo_database_url, tmp_path) as made:
        yield made
