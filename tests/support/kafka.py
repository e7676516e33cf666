"""A real Apache Kafka for tests: one node per test process, topics and groups under a prefix of each test's own."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka import Cluster, KafkaServerError, install, lacking
from libs.events.kafka.settings import KafkaSettings
from tests.support.folders import quick_folder
from tests.support.process import free_port

LIB = Path(__file__).resolve().parents[2] / "var/kafka/lib"
REQUIRED = os.environ.get("TOCSIN_REQUIRE_KAFKA") == "1"
GROUP = "kafka"
on_kafka = pytest.mark.xdist_group(GROUP)
"""Tests that share the one node of their process: with it, only one process has one."""
NODE = pytest.StashKey[Cluster]()
_numbers = itertools.count(1)


def kafka_or_skip() -> None:
    """Skips where Java or Maven is missing (`make test` has said so loudly), unless TOCSIN_REQUIRE_KAFKA=1."""
    try:
        install(LIB)
    except KafkaServerError as error:
        if REQUIRED or not lacking():
            raise
        pytest.skip(f"no Kafka here: {error}")


@pytest.fixture(scope="session")
def kafka_node(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """A cluster of one node, which is yet to be started."""
    kafka_or_skip()
    with quick_folder("tocsin-kafka-") as folder:
        cluster = Cluster.under(folder, 1, lib=LIB, ports=(free_port(), free_port()))
        pytestconfig.stash[NODE] = cluster
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def kafka_servers(kafka_node: Cluster) -> str:
    """The address of a cluster of one node, which runs from now on."""
    kafka_node.start()
    return kafka_node.bootstrap_servers


@pytest.fixture
def kafka_settings(kafka_servers: str) -> KafkaSettings:
    """Topics and groups of this test alone."""
    return KafkaSettings(
        bootstrap_servers=kafka_servers, topic_prefix=f"t{os.getpid()}-{next(_numbers)}", partitions=4, replication=1, session_timeout_s=2
    )


@pytest.fixture
def kafka_at_rest(pytestconfig: pytest.Config) -> None:
    """For a test with nodes of its own: the one that others share does not run beside them."""
    if (node := pytestconfig.stash.get(NODE, None)) is not None:
        node.stop()


def side_by_side(items: list[pytest.Item]) -> None:
    """Puts the tests that share the node beside each other, and those that only want it stopped behind them."""
    items.sort(key=lambda item: (not _of_the_group(item), "kafka_at_rest" in getattr(item, "fixturenames", ())))


def rest(config: pytest.Config, nextitem: pytest.Item | None) -> None:
    """Stops the node behind the last test that shares it: one that nobody asks keeps a twentieth of a core busy all the same."""
    if (node := config.stash.get(NODE, None)) is not None and (nextitem is None or not _of_the_group(nextitem)):
        node.stop()


def _of_the_group(item: pytest.Item) -> bool:
    return any(mark.args == (GROUP,) for mark in item.iter_markers("xdist_group"))
