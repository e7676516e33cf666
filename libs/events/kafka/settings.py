"""How to reach Kafka, and what is declared of its topics: the one place that says so."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from aiokafka.helpers import create_ssl_context
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REQUEST_TIMEOUT_S = 9.0
SEGMENT_HOURS = 12
"""Kafka forgets by whole segments: an event lives for at most so much longer than the retention says, even where few are written."""
METADATA_AGE_S = 5.0
"""A broker that says nothing any more is given up when somebody else is found to lead."""
_SERVER = re.compile(r"([^\s:,/@\[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Topic:
    """What is declared of a topic."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


class KafkaSettings(BaseSettings):
    """Environment variables `TOCSIN_KAFKA_*`."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_KAFKA_", extra="ignore")

    bootstrap_servers: str = Field(default="", description="host:port,host:port of some brokers")
    topic_prefix: str = Field(default="tocsin", pattern=r"^[a-z0-9][a-z0-9-]{0,48}$", description="begins the names of topics and groups")
    partitions: int = Field(default=16, ge=1, le=512, description="how many consumers of a group can share the work at most")
    replication: int = Field(default=3, ge=1, le=7, description="how many brokers hold each event")
    min_insync_replicas: int = Field(default=0, ge=0, description="how many must have it before it counts (0: a majority)")
    retention_hours: int = Field(default=168, ge=24, le=312, description="less than the 14 days for which handled events are remembered")
    session_timeout_s: float = Field(default=6.0, ge=1, le=60, description="after how long a silent consumer's share goes to others")
    instance_id: str = Field(default="", description="a name that this process keeps when it is started again, unlike any other's")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = Field(default=None, description="the authority that signed the brokers' certificates")

    @field_validator("bootstrap_servers")
    @classmethod
    def _hosts_and_ports(cls, text: str) -> str:
        servers = [one.strip() for one in text.split(",")]
        if text.strip() and not all(_SERVER.fullmatch(one) for one in servers):
            raise ValueError("must be host:port,host:port")
        return ",".join(servers)

    @field_validator("ca_file")
    @classmethod
    def _certificates(cls, file: Path | None) -> Path | None:
        try:
            create_ssl_context(cafile=str(file) if file else None)
        except OSError as error:  # an SSLError is one
            raise ValueError(f"{file}: no certificates in PEM can be read there ({error.strerror or type(error).__name__})") from None
        return file

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.insync > self.replication:
            raise ValueError("TOCSIN_KAFKA_MIN_INSYNC_REPLICAS cannot be more than TOCSIN_KAFKA_REPLICATION")
        if self.security_protocol.startswith("SASL") and not (self.username and self.password.get_secret_value()):
            raise ValueError("TOCSIN_KAFKA_USERNAME and TOCSIN_KAFKA_PASSWORD are needed with SASL")
        return self

    @property
    def insync(self) -> int:
        """min.insync.replicas: a majority, unless set."""
        return self.min_insync_replicas or self.replication // 2 + 1

    @property
    def rebalance_s(self) -> float:
        """Within what time a group has shared its work anew when a member has died: its session has to end first."""
        return self.session_timeout_s + 3

    @property
    def events(self) -> Topic:
        """The one topic of all events: one, because the order of a case's events goes over all emitters (docs/adr/0008)."""
        config = {
            "min.insync.replicas": str(self.insync),
            "unclean.leader.election.enable": "false",
            "retention.ms": str(self.retention_hours * 3_600_000),
            "segment.ms": str(SEGMENT_HOURS * 3_600_000),
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
        }
        return Topic(f"{self.topic_prefix}.events", self.partitions, self.replication, config)

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic of Tocsin."""
        return (self.events,)

    def group_id(self, group: str) -> str:
        """The name of a group on the cluster."""
        return f"{self.topic_prefix}.{group}"

    def client(self, *, timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Any]:
        """What every client of the cluster is made with."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "client_id": "tocsin",
            "request_timeout_ms": int(timeout_s * 1000),
            "metadata_max_age_ms": int(METADATA_AGE_S * 1000),
            "retry_backoff_ms": 100,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
        }
        if self.security_protocol.startswith("SASL"):
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password.get_secret_value(),
            }
        return options

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        return create_ssl_context(cafile=str(self.ca_file) if self.ca_file else None)  # type: ignore[no-any-return]
