"""Wrong settings for Kafka are named in one line, before anything is tried with them."""

from pathlib import Path

import pytest

from libs.events.kafka.settings import KafkaSettings
from libs.settings import SettingsError, load


@pytest.mark.parametrize("servers", ["kafka-1", "kafka-1:port", "kafka-1:9092,", "SASL_SSL://kafka-1:9092", "a:9092 b:9092", "::1"])
def test_servers_that_nobody_could_connect_to_are_named(servers: str) -> None:
    with pytest.raises(SettingsError, match=r"^TOCSIN_KAFKA_BOOTSTRAP_SERVERS: must be host:port,host:port$"):
        load(KafkaSettings, bootstrap_servers=servers)


def test_servers_may_stand_apart() -> None:
    settings = load(KafkaSettings, bootstrap_servers=" kafka-1.example.org:9092, [::1]:9093 ")
    assert settings.client()["bootstrap_servers"] == ["kafka-1.example.org:9092", "[::1]:9093"]


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=rf"^TOCSIN_KAFKA_CA_FILE: {file}: no certificates in PEM can be read there \(.+\)$"):
        load(KafkaSettings, security_protocol="SSL", ca_file=file)


def test_what_is_wrong_with_several_together_names_them() -> None:
    with pytest.raises(SettingsError, match=r"^TOCSIN_KAFKA_USERNAME and TOCSIN_KAFKA_PASSWORD are needed with SASL$"):
        load(KafkaSettings, security_protocol="SASL_SSL")
    with pytest.raises(SettingsError, match=r"^TOCSIN_KAFKA_MIN_INSYNC_REPLICAS cannot be more than TOCSIN_KAFKA_REPLICATION$"):
        load(KafkaSettings, replication=1, min_insync_replicas=2)
