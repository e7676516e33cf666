"""The Helm chart: what its tools say, and what must hold of what it makes."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.clock import FakeClock
from libs.events.kafka.settings import KafkaSettings
from libs.settings import CommonSettings
from libs.trace.settings import TraceSettings
from services.audit.settings import AuditSettings
from services.directory.settings import DirectorySettings
from services.intake.consumers import SUBSCRIPTIONS as INTAKE_HEARS
from services.intake.settings import IntakeSettings
from services.notifier.consumers import subscription as notifier_hears
from services.notifier.settings import AliyunSettings, FallbackSettings, NotifierSettings, SmsSettings, TencentSettings, VoiceSettings
from services.router.consumers import GROUP as ROUTER_HEARS
from tests.deploy import chart, compose, image
from tests.deploy.chart import CHART, EVERYTHING, LEAST, OLDEST, PLAIN, VALUES
from tests.deploy.tools import DEPLOY, attempt, run, schemas, schemas_of, tool
from tests.support.world import MONDAY_NOON

ROOMS = ("directory", "intake", "router", "notifier", "audit")
KINDS_OF_OTHERS = "ServiceMonitor"
"""No kind of Kubernetes' own: there is no schema for it here."""


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(values)
    *steps, last = path.split(".")
    at = made
    for step in steps:
        at = at.setdefault(step, {})
    at[last] = value
    return made


@pytest.mark.parametrize("name", VALUES)
def test_helm_finds_nothing_to_say(name: str):
    command = (tool("helm"), "lint", "--strict", str(CHART), "--kube-version", OLDEST, "--values", "-")
    assert "0 chart(s) failed" in run(*command, stdin=json.dumps(VALUES[name]))


def test_kubernetes_takes_every_object(tmp_path: Path):
    rendered = "\n---\n".join(chart.text(values) for values in VALUES.values())
    kinds = [one["kind"] for values in VALUES.values() for one in chart.documents(values)]
    for folder in schemas():
        location = schemas_of(kinds, folder, tmp_path)
        options = ("-strict", "-summary", "-output", "json", "-skip", KINDS_OF_OTHERS, "-schema-location", location)
        summary = json.loads(run(tool("kubeconform"), *options, stdin=rendered))["summary"]
        assert summary["valid"] == len([kind for kind in kinds if kind != KINDS_OF_OTHERS]), folder
        assert summary["valid"] > 20 * len(VALUES)


def test_kubeconform_would_see_what_is_wrong(tmp_path: Path):
    rendered = chart.text(LEAST).replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:")
    location = schemas_of([one["kind"] for one in chart.documents(LEAST)], schemas()[-1], tmp_path)
    refused = attempt(tool("kubeconform"), "-strict", "-schema-location", location, stdin=rendered)
    assert refused.returncode != 0
    assert "terminationGraceSeconds" in refused.stdout


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("publicBaseUrl", "", "publicBaseUrl"),
        ("publicBaseUrl", "tocsin.example.org", "publicBaseUrl"),
        ("existingSecret", "", "existingSecret"),
        ("existingSecret", "A Secret", "existingSecret"),
        ("kafka.bootstrapServers", "", "kafka.bootstrapServers"),
        ("kafka.bootstrapServers", "kafka", "bootstrapServers"),
        ("ingress.tlsSecret", "", "ingress.tlsSecret"),
        ("gateway.trustedProxies", [], "gateway.trustedProxies"),
        ("gateway.trustedProxies", ["everybody"], "trustedProxies"),
        ("services.router.autoscaling", {"enabled": True, "min": 2, "max": 17, "lagPerReplica": 500}, "services.router.autoscaling.max"),
        ("services.rooter", {"kind": "Deployment", "replicas": 1}, "rooter"),
        ("services.intake.env", {"PATH": "/"}, "PATH"),
        ("masterKeys", "1:secret", "masterKeys"),
        ("networkPolicy.smsTo", ["0.0.0.0/0"], "smsTo"),
        ("terminationGracePeriodSeconds", 5, "terminationGracePeriodSeconds"),
    ],
)
def test_a_wrong_value_is_named(path: str, value: Any, said: str):
    values = json.dumps(changed(LEAST, path, value))
    refused = attempt(tool("helm"), "template", "tocsin", str(CHART), "--kube-version", OLDEST, "--values", "-", stdin=values)
    assert refused.returncode != 0
    assert said in refused.stderr


def test_every_service_has_its_pods_and_the_door_has_the_same_nginx():
    assert set(chart.pods(LEAST)) == {*ROOMS, "gateway", "migrate", "topics"}
    assert set(chart.pods(PLAIN)) == {*ROOMS, "gateway", "migrate"}
    for room in ROOMS:
        assert chart.containers(LEAST)[room].command == (*image.read().entrypoint, "run", "--services", room, "--no-demo")
    configuration = chart.of_kind(LEAST, "ConfigMap")["tocsin-gateway"]["data"]
    for name in ("nginx.conf", "routes.conf"):
        assert configuration[name].strip() == (DEPLOY / "nginx" / name).read_text("utf-8").strip()
    errors = chart.of_kind(LEAST, "ConfigMap")["tocsin-gateway-errors"]["data"]
    assert set(errors) == {path.name for path in (DEPLOY / "nginx/errors").iterdir()}


SECRET_WORDS = ("KEY", "TOKEN", "PASSWORD", "USERNAME", "DATABASE_URL", "SID", "HEADERS", "SECRET")


def test_no_secret_is_in_a_value_and_none_is_made():
    assert not chart.of_kind(EVERYTHING, "Secret")
    for name, pod in chart.pods(EVERYTHING).items():
        for variable in pod["containers"][0].get("env", []):
            secret = any(word in variable["name"] for word in SECRET_WORDS)
            assert ("secretKeyRef" in variable.get("valueFrom", {})) is (secret or variable["name"].endswith("_FROM_NUMBER")), name
    assert "TOCSIN_TWILIO_AUTH_TOKEN" not in json.dumps(chart.pods(EVERYTHING)["router"])  # only who needs it


def test_every_variable_is_one_that_tocsin_reads():
    known = {
        f"{settings.model_config['env_prefix']}{field}".upper()
        for settings in (
            *(CommonSettings, KafkaSettings, TraceSettings, IntakeSettings, VoiceSettings),
            *(
                NotifierSettings,
                FallbackSettings,
                VoiceSettings,
                SmsSettings,
                AliyunSettings,
                TencentSettings,
                AuditSettings,
                DirectorySettings,
            ),
        )
        for field in settings.model_fields
    }
    told = {
        variable
        for containers in (chart.containers(EVERYTHING), compose.containers(compose.SECRETS))
        for one in containers.values()
        for variable in one.environment
        if variable.startswith("TOCSIN_")
    }
    assert len(told) > 25
    assert told <= known


def test_no_pod_may_more_than_it_needs():
    for name, pod in chart.pods(EVERYTHING).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= container["resources"].keys()
    user = image.read().only("USER").partition(":")[0]
    assert {pod["securityContext"]["runAsUser"] for name, pod in chart.pods(LEAST).items() if name != "gateway"} == {int(user)}


def test_probes_grace_and_spread():
    for name, pod in chart.pods(LEAST).items():
        if name in ("migrate", "topics"):
            continue
        (container,) = pod["containers"]
        probed = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
        ready = "/healthz" if name == "gateway" else "/readyz?for=requests"
        assert probed == {"startup": "/healthz", "liveness": "/healthz", "readiness": ready}
        assert pod["terminationGracePeriodSeconds"] >= container["lifecycle"]["preStop"]["sleep"]["seconds"] + 20
        assert len(pod["topologySpreadConstraints"]) == 2


def test_disruptions_leave_somebody_and_single_replicas_block_no_node():
    budgets = chart.of_kind(EVERYTHING, "PodDisruptionBudget")
    assert set(budgets) == {f"tocsin-{room}" for room in ROOMS if room != "audit"}  # audit and gateway have one replica there
    assert {one["spec"]["maxUnavailable"] for one in budgets.values()} == {1}
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == name.removeprefix("tocsin-")


def test_router_and_notifier_scale_by_lag_and_intake_by_its_processor():
    scalers = {name: one["spec"] for name, one in chart.of_kind(LEAST, "HorizontalPodAutoscaler").items()}
    assert set(scalers) == {"tocsin-intake", "tocsin-router", "tocsin-notifier"}
    assert scalers["tocsin-intake"]["metrics"][0]["resource"]["name"] == "cpu"
    groups = {"tocsin-router": ROUTER_HEARS, "tocsin-notifier": notifier_hears(FakeClock(MONDAY_NOON), lambda: None, lambda: None).group}
    for name, group in groups.items():
        (metric,) = scalers[name]["metrics"]
        assert metric["external"]["metric"] == {"name": "tocsin_bus_lag", "selector": {"matchLabels": {"group": group}}}
    made = chart.of_kind(LEAST, "Deployment", "StatefulSet")
    for name, spec in scalers.items():
        assert "replicas" not in made[name]["spec"]  # or each upgrade would undo what the scaler did
        assert spec["scaleTargetRef"]["kind"] == made[name]["kind"]
    assert set(chart.of_kind(PLAIN, "HorizontalPodAutoscaler")) == {"tocsin-intake"}  # nobody reports lags there


def test_pods_that_keep_their_name_keep_their_place_in_the_group():
    named = {
        name
        for name, one in chart.containers(LEAST, "tocsin-x-0").items()
        if one.environment.get("TOCSIN_KAFKA_INSTANCE_ID") == "tocsin-x-0"
    }
    sets = {name.removeprefix("tocsin-") for name in chart.of_kind(LEAST, "StatefulSet")}
    assert named == sets == {"router", "notifier", "audit"}
    assert INTAKE_HEARS  # intake hears too, but its pods change their names: its members leave and come
    for name, one in chart.of_kind(LEAST, "StatefulSet").items():
        assert chart.of_kind(LEAST, "Service")[one["spec"]["serviceName"]]["spec"]["clusterIP"] == "None", name


def test_steps_run_before_and_in_order():
    jobs = chart.of_kind(LEAST, "Job")
    weights = {name: int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) for name, one in jobs.items()}
    assert sorted(weights, key=weights.__getitem__) == ["tocsin-migrate", "tocsin-topics"]
    for one in jobs.values():
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert one["spec"]["activeDeadlineSeconds"]
        assert "serviceAccountName" not in one["spec"]["template"]["spec"]  # the chart's own is not there yet
    assert chart.containers(LEAST)["topics"].command[-2:] == ("bus", "topics")


def test_everything_is_forbidden_but_what_is_needed():
    policies = {name.removeprefix("tocsin-"): one["spec"] for name, one in chart.of_kind(EVERYTHING, "NetworkPolicy").items()}
    assert set(policies) == {"nothing", "dns", "gateway", "services", "stores", "sms", "traces"}
    assert policies["nothing"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "tocsin", "app.kubernetes.io/instance": "tocsin"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert policies["sms"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "notifier"
    assert "10.0.0.0/8" in policies["sms"]["egress"][0]["to"][0]["ipBlock"]["except"]
    assert [rule["ports"][0]["port"] for rule in policies["stores"]["egress"]] == [5432, 9092]
    assert all(rule["to"] for rule in policies["stores"]["egress"])
    (users,) = policies["stores"]["podSelector"]["matchExpressions"]
    assert set(users["values"]) == {*ROOMS, "migrate", "topics"}
    (entry,) = policies["services"]["ingress"]
    assert entry["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert entry["from"][1] == EVERYTHING["networkPolicy"]["metricsFrom"][0]
    assert policies["gateway"]["ingress"][0]["from"] == EVERYTHING["networkPolicy"]["gatewayFrom"]


def test_the_ingress_leads_to_the_door_over_tls():
    (ingress,) = chart.of_kind(LEAST, "Ingress").values()
    assert ingress["spec"]["tls"] == [{"hosts": ["tocsin.example.org"], "secretName": "tocsin-tls"}]
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == "tocsin-gateway"


def test_prometheus_finds_each_service_once():
    (monitor,) = chart.of_kind(EVERYTHING, "ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]
    (rule,) = wanted["matchExpressions"]
    found = [
        name
        for name, one in chart.of_kind(EVERYTHING, "Service").items()
        if wanted["matchLabels"].items() <= one["metadata"]["labels"].items()
        and one["metadata"]["labels"].get(rule["key"]) in rule["values"]
    ]
    assert sorted(found) == sorted(f"tocsin-{room}" for room in ROOMS)


def test_selectors_find_their_pods_and_no_others():
    workloads = chart.of_kind(EVERYTHING, "Deployment", "StatefulSet")
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in workloads.items()}
    for kind in ("Service", "PodDisruptionBudget"):
        for name, one in chart.of_kind(EVERYTHING, kind).items():
            selector = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
            found = [workload for workload, has in labels.items() if selector.items() <= has.items()]
            assert found == [name.removesuffix("-pods")], (kind, name)


def test_the_schema_knows_every_value():
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) - {"global"} == set(values)
