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
on_kafka = pytest.mark.xdist_group("kafka")
"""Tests that share the one node of their process: with it, only one process has one."""
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
def kafka_servers() -> Iterator[str]:
    """The address of a one-node cluster."""
    kafka_or_skip()
    with quick_folder("tocsin-kafka-") as folder:
        cluster = Cluster.under(folder, 1, lib=LIB, ports=(free_port(), free_port()))
        try:
            cluster.start()
            yield cluster.bootstrap_servers
        finally:
            cluster.stop()


@pytest.fixture
def kafka_settings(kafka_servers: str) -> KafkaSettings:
    """Topics and groups of this test alone."""
    return KafkaSettings(
        bootstrap_servers=kafka_servers, topic_prefix=f"t{os.getpid()}-{next(_numbers)}", partitions=4, replication=1, session_timeout_s=2
    )
