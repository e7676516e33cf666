"""What the fault tests share."""

from tests.support.kafka import kafka_servers, kafka_settings

__all__ = ["kafka_servers", "kafka_settings"]
