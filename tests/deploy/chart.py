"""The Helm chart, rendered: its documents, and the containers in them."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import yaml

from tests.deploy import image
from tests.deploy.compose import Container
from tests.deploy.tools import DEPLOY, run, tool

CHART = DEPLOY / "helm/tocsin"
OLDEST = "1.30.0"
"""The Kubernetes that the chart says it needs at least."""
LEAST: dict[str, Any] = {
    "publicBaseUrl": "https://tocsin.example.org",
    "existingSecret": "tocsin-secrets",
    "kafka": {"bootstrapServers": "kafka-0.kafka:9092,kafka-1.kafka:9092"},
    "ingress": {"tlsSecret": "tocsin-tls"},
    "gateway": {"trustedProxies": ["10.0.0.0/8"]},
}
"""What must be given."""
EVERYTHING: dict[str, Any] = {
    **LEAST,
    "image": {"repository": "registry.example.org/tocsin", "digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "pull"}]},
    "kafka": {"bootstrapServers": "kafka:9093", "caSecret": {"name": "kafka-ca", "key": "ca.pem"}, "saslMechanism": "PLAIN"},
    "services": {"audit": {"replicas": 1, "env": {"TOCSIN_AUDIT_ZONE": "Asia/Shanghai"}}, "intake": {"autoscaling": {"enabled": False}}},
    "gateway": {"trustedProxies": ["10.0.0.0/8", "fd00::/8"], "replicas": 1},
    "ingress": {"className": "nginx", "tlsSecret": "tocsin-tls", "annotations": {"example.org/a": "b"}},
    "networkPolicy": {
        "gatewayFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "postgresTo": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "kafkaTo": [{"podSelector": {"matchLabels": {"app": "kafka"}}}],
    },
    "twilioFallback": True,
    "sms": {
        "gateways": ["twilio", "aliyun", "tencent"],
        "routes": "+86=aliyun,tencent;*=twilio",
        "textsConfigMap": "sms-texts",
        "tencentSdkAppId": "1400000001",
        "mainlandReplies": True,
    },
    "traces": {"endpoint": "http://collector.tracing:4318", "sampleRatio": 0.1, "headersFromSecret": True},
    "monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "podAnnotations": {"example.org/c": "d"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
}
"""Every switch thrown."""
PLAIN: dict[str, Any] = {
    **LEAST,
    "bus": "postgres",
    "kafka": {},
    "ingress": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "gateway": {},
}
"""The bus in PostgreSQL, nothing around it."""
OPEN: dict[str, Any] = {**LEAST, "kafka": {"bootstrapServers": "kafka:9092", "securityProtocol": "PLAINTEXT"}}
VALUES: dict[str, dict[str, Any]] = {"least": LEAST, "everything": EVERYTHING, "postgres": PLAIN, "plaintext": OPEN}

SECRETS = {
    "database-url": "postgresql://tocsin@postgres/tocsin",
    "master-keys": "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "twilio-account-sid": "AC" + "7" * 32,
    "twilio-auth-token": "a-token-of-the-tests",
    "twilio-from-number": "+860019999998",
    "twilio-fallback-account-sid": "AC" + "8" * 32,
    "twilio-fallback-auth-token": "8" * 32,
    "twilio-fallback-from-number": "+860019999998",
    "aliyun-access-key-id": "LTAI-of-the-tests",
    "aliyun-access-key-secret": "a-secret-of-the-tests",
    "aliyun-callback-secret": "a" * 40,
    "tencent-secret-id": "AKID-of-the-tests",
    "tencent-secret-key": "a-secret-of-the-tests",
    "tencent-callback-secret": "t" * 40,
    "kafka-username": "tocsin",
    "kafka-password": "a-password-of-the-tests",
    "otlp-headers": "authorization=of-the-tests",
}
"""What the Secret holds."""

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def text(values: dict[str, Any], kubernetes: str = OLDEST) -> str:
    """The chart as `helm template` renders it."""
    return _text(json.dumps(values), kubernetes)


@cache
def _text(values: str, kubernetes: str) -> str:
    return run(
        tool("helm"), "template", "tocsin", str(CHART), "--namespace", "tocsin", "--kube-version", kubernetes, "--values", "-", stdin=values
    )


def documents(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that it makes."""
    return [one for one in yaml.load_all(text(values), yaml.CSafeLoader) if one]


def of_kind(values: dict[str, Any], *kinds: str) -> dict[str, dict[str, Any]]:
    """The objects of these kinds, by name."""
    return {one["metadata"]["name"]: one for one in documents(values) if one["kind"] in kinds}


def pods(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The pod specifications, by the name of what makes them, without the release's name."""
    found = of_kind(values, "Deployment", "StatefulSet", "Job")
    return {name.removeprefix("tocsin-"): one["spec"]["template"]["spec"] for name, one in found.items()}


def containers(values: dict[str, Any], pod_name: str = "pod-0") -> dict[str, Container]:
    """The containers of our image, as the cluster would start them with SECRETS."""
    described = image.read()
    found = {}
    for name, pod in pods(values).items():
        (container,) = pod["containers"]
        if "command" not in container:
            found[name] = Container(
                name,
                (*described.entrypoint, *container["args"]),
                {**described.environment, **_environment(container["env"], pod_name)},
                probes=tuple(container[probe]["httpGet"]["path"] for probe in PROBES if probe in container),
                grace_s=pod.get("terminationGracePeriodSeconds", 30),
            )
    return found


def site(values: dict[str, Any], upstreams: Mapping[str, str]) -> str:
    """site.conf of the door, with the services where they are."""
    made: str = of_kind(values, "ConfigMap")["tocsin-gateway"]["data"]["site.conf"]
    for room, addresses in upstreams.items():
        servers = " ".join(f"server {address} max_fails=0;" for address in addresses.split(","))
        assert f"server tocsin-{room}:8000 max_fails=0;" in made, room
        made = made.replace(f"server tocsin-{room}:8000 max_fails=0;", servers)
    return made


def _environment(variables: Iterable[dict[str, Any]], pod_name: str) -> dict[str, str]:
    found = {}
    for one in variables:
        assert one["name"] not in found, one["name"]
        if "value" in one:
            found[one["name"]] = one["value"]
        elif "fieldRef" in one["valueFrom"]:
            assert one["valueFrom"]["fieldRef"] == {"fieldPath": "metadata.name"}
            found[one["name"]] = pod_name
        else:
            reference = one["valueFrom"]["secretKeyRef"]
            assert reference["name"] == LEAST["existingSecret"]
            found[one["name"]] = SECRETS[reference["key"]]
    return found
