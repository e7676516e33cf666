"""compose.yaml: read by compose's own reader, and what must hold of it."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import kafka
from libs.settings import SettingsError, load
from services.notifier.app import load_registry
from services.notifier.gateways import configured
from services.notifier.gateways.domestic import Bounds
from services.notifier.settings import FallbackSettings, NotifierSettings, VoiceSettings
from tests.deploy import compose
from tests.deploy.compose import REQUIRED, SECRETS, NotSet
from tests.deploy.tools import DEPLOY, attempt, run, tool
from tests.support.china import China

ROOMS = ("directory", "intake", "router", "notifier", "audit")
BOUNDS = Bounds(1, 1, 1)
KAFKA = ("kafka-1", "kafka-2", "kafka-3")


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    return compose.services(SECRETS)


def test_composes_own_reader_takes_it_as_it_is_written():
    run(tool("compose-spec"), "--no-interpolation", str(compose.PATH), cwd=DEPLOY)


def test_composes_own_reader_takes_it_filled_in_and_reads_what_we_read(read: dict[str, Any]):
    # Filled in by us: the reader's command line does not look into its environment.
    filled = yaml.safe_dump(compose.interpolated(compose.written(), SECRETS))
    shown = run(tool("compose-spec"), "--format", "json", "-", cwd=DEPLOY, stdin=filled)
    theirs = json.loads(shown)["services"]
    assert theirs.keys() == read.keys()
    for name, service in read.items():
        for field in ("command", "entrypoint", "environment", "image"):
            assert theirs[name].get(field) == service.get(field), (name, field)


def test_composes_own_reader_refuses_what_is_wrong():
    broken = compose.PATH.read_text("utf-8").replace("stop_grace_period: 30s", "stop_grace: 30s")
    refused = attempt(tool("compose-spec"), "--no-interpolation", "-", cwd=DEPLOY, stdin=broken)
    assert refused.returncode != 0
    assert "stop_grace" in refused.stdout + refused.stderr


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_not_given_is_named_and_has_no_default(name: str):
    rest = {other: value for other, value in REQUIRED.items() if other != name}
    with pytest.raises(NotSet, match=name):
        compose.interpolated(compose.written(), rest)


def test_nothing_else_is_asked_for():
    asked = set(re.findall(r"\$\{(\w+):\?", compose.PATH.read_text("utf-8")))
    assert asked == set(REQUIRED)


ALIYUN = {
    "TOCSIN_ALIYUN_ACCESS_KEY_ID": "LTAItest",
    "TOCSIN_ALIYUN_ACCESS_KEY_SECRET": "key",
    "TOCSIN_ALIYUN_CALLBACK_SECRET": "a" * 40,
}
TENCENT = {
    "TOCSIN_TENCENT_SECRET_ID": "AKIDtest",
    "TOCSIN_TENCENT_SECRET_KEY": "key",
    "TOCSIN_TENCENT_CALLBACK_SECRET": "t" * 40,
    "TOCSIN_TENCENT_SDK_APP_ID": "1400000001",
}


@pytest.mark.parametrize(("account", "gateways"), [(ALIYUN, ["aliyun"]), (TENCENT, ["tencent"]), (ALIYUN | TENCENT, ["aliyun", "tencent"])])
def test_a_domestic_account_alone_will_do(account: dict[str, str], gateways: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    China.at("https://tocsin.example.org", tmp_path)
    file = str(tmp_path / "sms-templates.yaml")
    service = compose.services({**REQUIRED, **account, "TOCSIN_SMS_TEMPLATES": file})["notifier"]
    (mount,) = service["volumes"]
    assert (mount["source"], mount["target"]) == (file, service["environment"]["TOCSIN_SMS_TEMPLATES"])
    inside(monkeypatch, {**service["environment"], "TOCSIN_SMS_TEMPLATES": file})
    found = configured.load_domestic({}, load_registry(), BOUNDS)
    assert [one.name for one in found.gateways] == gateways
    assert load(NotifierSettings).account_sid == load(FallbackSettings).account_sid == load(VoiceSettings).from_number == ""


def test_without_any_account_the_notifier_names_what_it_needs(monkeypatch: pytest.MonkeyPatch):
    service = compose.services(REQUIRED)["notifier"]
    assert service["volumes"][0]["source"] == "/dev/null", "there is nothing to mount"
    inside(monkeypatch, service["environment"])
    found = configured.load_domestic({}, load_registry(), BOUNDS)
    with pytest.raises(SettingsError, match=r"TOCSIN_TWILIO_ACCOUNT_SID.*TOCSIN_ALIYUN_ACCESS_KEY_ID.*TOCSIN_TENCENT_SECRET_ID"):
        configured.routes_of(found, [])
    inside(monkeypatch, compose.services({**REQUIRED, **ALIYUN})["notifier"]["environment"])
    with pytest.raises(SettingsError, match="TOCSIN_SMS_TEMPLATES"):
        configured.load_domestic({}, load_registry(), BOUNDS)


def inside(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """This process has the container's variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_every_service_is_there_and_the_busy_ones_twice(read: dict[str, Any]):
    found = compose.containers(SECRETS)
    assert set(found) == {*ROOMS, "migrate", "topics"}
    assert {name: one.replicas for name, one in found.items() if name in ROOMS} == {
        "directory": 1,
        "intake": 1,
        "router": 2,
        "notifier": 2,
        "audit": 1,
    }
    for name in ROOMS:
        assert found[name].command[-4:] == ("run", "--services", name, "--no-demo")


def test_all_live_until_they_are_stopped_and_then_have_time(read: dict[str, Any]):
    for name, service in read.items():
        if name in ("migrate", "topics"):
            assert service["restart"].startswith("on-failure:")
            continue
        assert service["restart"] == "always", name
        assert float(service["stop_grace_period"].removesuffix("s")) >= 20, name
        assert "test" in service.get("healthcheck", {}) or name in ROOMS, name  # theirs comes with the image


def test_services_start_when_database_and_topics_are_ready(read: dict[str, Any]):
    done = {"condition": "service_completed_successfully"}
    for name in ROOMS:
        assert read[name]["depends_on"] == {"migrate": done, "topics": done}
    healthy = {"condition": "service_healthy"}
    assert read["migrate"]["depends_on"] == {"postgres": healthy}
    assert read["topics"]["depends_on"] == dict.fromkeys(KAFKA, healthy)
    assert read["nginx"]["depends_on"] == dict.fromkeys(ROOMS, healthy)


def test_our_containers_may_do_little(read: dict[str, Any]):
    for name in (*ROOMS, "migrate", "topics", "nginx"):
        service = read[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
    assert read["nginx"]["user"] != "0:0"


def test_only_nginx_is_reached_from_outside_and_only_it_and_the_notifier_reach_out(read: dict[str, Any]):
    assert [name for name, service in read.items() if service.get("ports")] == ["nginx"]
    networks = compose.written()["networks"]
    assert {name for name, network in networks.items() if not network.get("internal")} == {"outside"}
    assert {name for name, service in read.items() if "outside" in service["networks"]} == {"nginx", "notifier"}
    assert "data" not in read["nginx"]["networks"]


def test_kafka_loses_nothing_that_it_acknowledged(read: dict[str, Any]):
    for number, name in enumerate(KAFKA, 1):
        settings = read[name]["environment"]
        assert settings["KAFKA_NODE_ID"] == str(number)
        assert settings["KAFKA_ADVERTISED_LISTENERS"] == f"INTERNAL://{name}:9092"
        assert settings["KAFKA_DEFAULT_REPLICATION_FACTOR"] == settings["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "3"
        assert settings["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert settings["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == settings["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert read[name]["volumes"] == [f"{name}:/var/lib/kafka/data"]
    ours = read["router"]["environment"]
    assert ours["TOCSIN_KAFKA_BOOTSTRAP_SERVERS"] == ",".join(f"{name}:9092" for name in KAFKA)
    assert (ours["TOCSIN_KAFKA_REPLICATION"], ours["TOCSIN_KAFKA_MIN_INSYNC_REPLICAS"]) == ("3", "2")


def test_the_kafka_of_the_containers_is_the_one_that_was_tested(read: dict[str, Any]):
    for name in KAFKA:
        assert read[name]["image"] == f"apache/kafka:{kafka.version()}"
    assert len(base64.urlsafe_b64decode(read["kafka-1"]["environment"]["CLUSTER_ID"] + "==")) == 16
