"""Which gateway takes which number, what a deployment has registered, and how wrong settings are told."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from libs.directory.model import Contact
from libs.settings import SettingsError, load
from libs.terms import Purpose
from services.notifier.app import load_registry
from services.notifier.gateways import Capabilities
from services.notifier.gateways.configured import load_domestic, problems_of_texts, routes_of
from services.notifier.gateways.domestic import Bounds
from services.notifier.handlers.health import Gates
from services.notifier.handlers.sending import Means
from services.notifier.rules.registered import PROVIDERS, problems, read, to_register
from services.notifier.rules.routes import Routes, RoutesError, default, parse
from services.notifier.rules.states import Limits
from services.notifier.rules.texts import BESIDE, Registered, TemplateError
from services.notifier.settings import AliyunSettings, NotifierSettings, TencentSettings
from tests.support.china import ALIYUN_SECRET, SIGNATURE, China

NAMES = ("twilio", "twilio_fallback", "aliyun", "tencent")
BOUNDS = Bounds(5, 2, 8)
REGISTRY = load_registry()


def test_the_longest_prefix_decides_alone() -> None:
    routes = parse("*=twilio; +86=aliyun,tencent;+8610=tencent", NAMES)
    assert routes.serving("+8613811110001") == ("aliyun", "tencent")
    assert routes.serving("+861013811110001") == ("tencent",)
    assert routes.serving("+85291110001") == ("twilio",)
    assert parse("+86=aliyun", NAMES).serving("+85291110001") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("+86", "is no rule"),
        ("86=aliyun", "is no prefix"),
        ("+86=", "names no gateway"),
        ("+86=huawei", "'huawei', which is not configured; configured are twilio, twilio_fallback, aliyun, tencent"),
        ("+86=aliyun,aliyun", "twice"),
        ("+86=aliyun;+86=tencent", "stands twice"),
        ("*=twilio;*=aliyun", "* stands twice"),
        (";", "no rule"),
    ],
)
def test_wrong_routes_say_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(RoutesError, match=re.escape(told)):
        parse(text, NAMES)


def test_unset_routes_keep_the_mainland_at_home_and_all_else_as_it_was() -> None:
    both = default(["aliyun", "tencent"], ["twilio", "twilio_fallback"])
    assert both.serving("+8613811110001") == ("aliyun", "tencent")
    assert both.serving("+15550001") == ("twilio", "twilio_fallback")
    assert default([], ["twilio"]).serving("+8613811110001") == ("twilio",)


@given(
    st.lists(st.tuples(st.from_regex(r"\+[1-9][0-9]{0,4}", fullmatch=True), st.sampled_from(NAMES)), min_size=1, unique_by=lambda x: x[0])
)
def test_whatever_the_order_of_the_rules(rules: list[tuple[str, str]]) -> None:
    there, back = (parse(";".join(f"{prefix}={name}" for prefix, name in listed), NAMES) for listed in (rules, rules[::-1]))
    for prefix, _name in rules:
        number = f"{prefix}5551234"
        assert there.serving(number) == back.serving(number) != ()


def test_twilio_hears_no_mainland_number_whatever_the_settings_say() -> None:
    there = Capabilities(frozenset({"sms"}), links=True, replies=True, templates=False, max_chars=1600, one_way=("+86",))
    assert not there.hears("+8613811110001")
    assert not there.links_to("+8613811110001")
    assert there.hears("+85291110001")
    assert there.links_to("+85291110001")
    settings = NotifierSettings(_env_file=None)
    assert not settings.hears_mainland("https://api.twilio.com")
    assert not settings.hears_mainland("https://api.dublin.ie1.twilio.com")
    assert settings.hears_mainland("http://127.0.0.1:8000/sandbox")
    with pytest.raises(SettingsError, match="TOCSIN_TWILIO_MAINLAND_REPLIES cannot be true"):
        load(NotifierSettings, mainland_replies=True)


@pytest.mark.parametrize(
    ("settings", "given_", "told"),
    [
        (NotifierSettings, {"account_sid": "AC1", "from_number": "+1555"}, "TOCSIN_TWILIO_AUTH_TOKEN must be set"),
        (AliyunSettings, {"access_key_id": "LTAI"}, "TOCSIN_ALIYUN_ACCESS_KEY_SECRET must be set"),
        (AliyunSettings, {"access_key_id": "LTAI", "access_key_secret": "x"}, "TOCSIN_ALIYUN_CALLBACK_SECRET must be set"),
        (AliyunSettings, {"callback_secret": "short"}, "TOCSIN_ALIYUN_CALLBACK_SECRET: must be 32 to 128"),
        (TencentSettings, {"secret_id": "AKID", "secret_key": "x"}, "TOCSIN_TENCENT_SDK_APP_ID must be set"),
        (TencentSettings, {"secret_id_secondary": "AKID"}, "TOCSIN_TENCENT_SECRET_KEY_SECONDARY must be set"),
    ],
)
def test_half_an_account_names_what_is_missing(settings: Any, given_: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(told)):
        load(settings, **given_)


def test_what_is_configured_becomes_gateways_and_routes(tmp_path: Path) -> None:
    china = China.at("http://127.0.0.1:1", tmp_path)
    made = load_domestic(china.given, REGISTRY, BOUNDS)
    assert [one.name for one in made.gateways] == ["aliyun", "tencent"]
    assert made.problems == ()
    assert routes_of(made, ["twilio"]).serving("+8613811110001") == ("aliyun", "tencent")
    with pytest.raises(SettingsError, match=r"TOCSIN_SMS_ROUTES: .*'twilio', which is not configured"):
        routes_of(made, [])
    nothing = load_domestic({}, REGISTRY, BOUNDS)
    assert routes_of(nothing, ["twilio", "twilio_fallback"]) == Routes((("", ("twilio", "twilio_fallback")),))
    with pytest.raises(SettingsError, match="no gateway is configured"):
        routes_of(nothing, [])
    with pytest.raises(SettingsError, match="TOCSIN_SMS_TEMPLATES: must be set"):
        load_domestic({**china.given, "notifier_sms": {}}, REGISTRY, BOUNDS)
    with pytest.raises(SettingsError, match=r"TOCSIN_SMS_TEMPLATES: .*No such file"):
        load_domestic({**china.given, "notifier_sms": {"templates": tmp_path / "none.yaml"}}, REGISTRY, BOUNDS)


def test_a_text_that_is_not_registered_goes_over_the_next_gateway(tmp_path: Path) -> None:
    made = load_domestic(China.at("http://127.0.0.1:1", tmp_path).given, REGISTRY, BOUNDS)
    gateways = {one.name: one for one in made.gateways}
    codes = {name: code for name, code in made.registered["aliyun"].codes.items() if not name.startswith("recall")}
    registered = {**made.registered, "aliyun": Registered(SIGNATURE, codes)}
    nobody: Any = None
    routes = default(list(gateways), [])
    means = Means(nobody, REGISTRY, gateways, Limits(), 600, Gates(gateways), links=nobody, routes=routes, registered=registered)
    contact = Contact(uuid4(), "sms", "+8613811110001", 1)
    assert means.carriers(contact, Purpose.ASSIGN) == ["aliyun", "tencent"]
    assert means.carriers(contact, Purpose.RECALL) == ["tencent"]
    assert means.carriers(replace(contact, phone="+85291110001"), Purpose.ASSIGN) == [], "nobody else serves those"


def document(**changes: Any) -> dict[str, Any]:
    texts = {one.template_id: f"SMS_{10_000 + at}" for at, one in enumerate(to_register(REGISTRY, "aliyun", takes_replies=True))}
    return {"texts_version": REGISTRY.version, "aliyun": {"signature": SIGNATURE, "templates": texts, **changes}}


def test_a_file_that_could_send_a_wrong_text_is_refused() -> None:
    templates = document()["aliyun"]["templates"]
    one, other = list(templates)[:2]
    assert one not in read(document(templates={**templates, one: ""}), REGISTRY).by_provider["aliyun"].codes, "not registered yet"
    for changes, told in (
        ({"templates": {**templates, one: templates[other]}}, f"is also the template of {one}"),
        ({"templates": {**templates, one: "1234"}}, f"aliyun.templates.{one}"),
        ({"signature": "【警钟】"}, "aliyun.signature"),
        ({"signature": "某某市某某区未成年人保护"}, "longer than one SMS"),
        ({"surprise": 1}, "aliyun.surprise"),
    ):
        with pytest.raises(TemplateError, match=re.escape(told)):
            read(document(**changes), REGISTRY)


def test_what_is_missing_is_named_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = document()["aliyun"]["templates"]
    fewer = {name: code for name, code in texts.items() if name not in {"recall.zh_CN.1", "assign-reply.zh_CN.1", "recall.en.1"}}
    made = {**document(templates={**fewer, "gone.zh_CN.1": "SMS_99999"}), "texts_version": REGISTRY.version + 1}
    missing = "aliyun.templates.recall.zh_CN.1 is missing"
    unknown = "aliyun.templates.gone.zh_CN.1 is no text of ours"
    old = f"the file is for version {REGISTRY.version + 1} of the texts, which are version {REGISTRY.version} now"
    registrations = read(made, REGISTRY)
    assert problems(registrations, REGISTRY, "aliyun", takes_replies=False) == [missing, unknown, old]
    assert "aliyun.templates.assign-reply.zh_CN.1 is missing" in problems(registrations, REGISTRY, "aliyun", takes_replies=True)
    assert problems(registrations, REGISTRY, "tencent", takes_replies=False) == ["tencent is not in the file"]
    assert Purpose.RECALL not in REGISTRY.said(registrations.by_provider["aliyun"])
    assert Purpose.ASSIGN in REGISTRY.said(registrations.by_provider["aliyun"])
    file = tmp_path / "texts.yaml"
    file.write_text(yaml.safe_dump(made), encoding="utf-8")
    for name, value in (("ACCESS_KEY_ID", "LTAI"), ("ACCESS_KEY_SECRET", "x"), ("CALLBACK_SECRET", ALIYUN_SECRET)):
        monkeypatch.setenv(f"TOCSIN_ALIYUN_{name}", value)
    assert problems_of_texts(REGISTRY) == ["TOCSIN_SMS_TEMPLATES is not set, which aliyun needs"]
    monkeypatch.setenv("TOCSIN_SMS_TEMPLATES", str(file))
    assert problems_of_texts(REGISTRY) == [missing, unknown, old]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_texts_are_written_as_the_provider_wants_them(provider: Any) -> None:
    for one in to_register(REGISTRY, provider, takes_replies=True):
        placeholders = re.findall(r"\$\{[a-z]+\}" if provider == "aliyun" else r"\{[0-9]\}", one.text)
        assert placeholders == [name for name, _longest in one.variables]
        assert len(re.findall(r"[{}]", one.text)) == 2 * len(placeholders), "nothing of ours is left in it"
        assert "【" not in one.text
    assert any(one.required for one in to_register(REGISTRY, provider, takes_replies=False))


def test_everything_can_be_said_with_all_texts_registered_in_chinese() -> None:
    codes = {one.template_id: "x" for one in to_register(REGISTRY, "aliyun", takes_replies=False) if one.required}
    assert REGISTRY.said(Registered(SIGNATURE, codes)) == {*Purpose, *BESIDE}
