"""What an SMS says, and what a template must not say."""

import copy
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from libs.terms import Grade, Purpose, Step
from services.notifier.app import TEMPLATES, load_registry
from services.notifier.rules.texts import GSM7_SEPTETS_MAX, UCS2_UNITS_MAX, WORST, Registry, TemplateError, Text, Wording, load, too_long

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""12:00 in Shenzhen."""
PERSONAL = ("姓名", "学校", "住址", "儿童", "孩子", "电话", "http", "child", "school", "phone")


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(TEMPLATES.read_text(encoding="utf-8")))


def wording(**changes: Any) -> Wording:
    given: dict[str, Any] = {
        "purpose": Purpose.ASSIGN,
        "step": Step.ACKNOWLEDGE,
        "grade": Grade.I,
        "code": "C7H2MQ",
        "deadline_at": NOON + timedelta(minutes=10),
        "now": NOON,
        "zone": "Asia/Shanghai",
        "language": "zh_CN",
        "can_reply": True,
    }
    return Wording(**{**given, **changes})


def best(registry: Registry, said: Wording) -> Text:
    return registry.variants(said)[0]


def test_the_first_alarm_says_what_to_do_and_by_when(registry):
    text = best(registry, wording())
    assert text.body == "【警钟】您有1件Ⅰ级待办，编号C7H2MQ，请于今日12:10前回复1签收，无法处理回复2，逾期自动上报。"
    assert text.template_id == "assign-reply.zh_CN.1"


def test_in_english(registry):
    body = best(registry, wording(language="en")).body
    assert body == (
        "Tocsin: You have 1 grade I task, code C7H2MQ. Reply 1 to accept it before today 12:10, or 2 if you cannot. "
        "After that it is escalated."
    )


def test_where_no_reply_can_be_taken_the_workbench_is_named(registry):
    assert "登录工作台签收" in best(registry, wording(can_reply=False)).body


@pytest.mark.parametrize(
    ("deadline_at", "said"),
    [
        (NOON + timedelta(minutes=10), "今日12:10"),
        (NOON + timedelta(hours=12), "明日00:00"),
        (NOON + timedelta(hours=11, minutes=59), "今日23:59"),
        (NOON + timedelta(hours=36), "11月25日00:00"),
        (NOON + timedelta(days=40), "1月2日12:00"),
    ],
)
def test_days_are_those_of_the_divisions_zone(registry, deadline_at, said):
    assert f"请于{said}前" in best(registry, wording(deadline_at=deadline_at)).body


def test_the_day_changes_at_the_zones_midnight_not_at_utcs(registry):
    late = datetime(2026, 11, 23, 15, 50, tzinfo=UTC)  # 23:50 in Shenzhen, 21:50 in Urumqi
    due = late + timedelta(minutes=30)
    assert "明日00:20" in best(registry, wording(now=late, deadline_at=due)).body
    assert "今日22:20" in best(registry, wording(now=late, deadline_at=due, zone="Asia/Urumqi")).body


@pytest.mark.parametrize(
    ("left", "zh", "en"),
    [
        (timedelta(seconds=59), "剩0分钟", "0 min left"),
        (timedelta(minutes=5, seconds=59), "剩5分钟", "5 min left"),
        (timedelta(minutes=119), "剩119分钟", "119 min left"),
        (timedelta(minutes=120), "剩2小时", "2 h left"),
        (timedelta(hours=47, minutes=59), "剩47小时", "47 h left"),
        (timedelta(hours=48), "剩2天", "2 days left"),
        (timedelta(days=4000), "剩999天", "999 days left"),
    ],
)
def test_time_left_is_said_in_a_unit_that_people_use(registry, left, zh, en):
    asked = {"purpose": Purpose.REMIND, "deadline_at": NOON + left}
    assert zh in best(registry, wording(**asked)).body
    assert en in best(registry, wording(**asked, language="en")).body


def test_a_deadline_that_is_unknown_or_has_passed_is_not_said(registry):
    for deadline_at in (None, NOON, NOON - timedelta(hours=1)):
        assert "请立即回复1签收" in best(registry, wording(deadline_at=deadline_at)).body


def test_reminders_of_a_step_do_not_ask_to_accept_again(registry):
    body = best(registry, wording(purpose=Purpose.REMIND, step=Step.ON_SITE)).body
    assert "办理时限" in body
    assert "回复1" not in body


def test_every_purpose_fits_into_one_sms_whatever_its_values_are(registry):
    for purpose, step, grade, language, can_reply, deadline in itertools.product(
        Purpose, (None, *Step), Grade, ("zh_CN", "en"), (True, False), (None, timedelta(minutes=119), timedelta(days=30))
    ):
        asked = {"purpose": purpose, "step": step, "grade": grade, "language": language, "can_reply": can_reply, "code": "WWWWWW"}
        body = best(registry, wording(**asked, deadline_at=NOON + deadline if deadline else None)).body
        assert not too_long(body), body
        assert "{" not in body
        assert body.startswith("【警钟】" if language == "zh_CN" else "Tocsin: ")
        assert not any(word in body.lower() for word in PERSONAL), body


def test_every_body_fits_in_the_worst_case(registry):
    for template_id, language, body in registry.bodies():
        worst = body.format_map(WORST[language])
        units = len(worst.encode("utf-16-be")) // 2
        assert units <= (UCS2_UNITS_MAX if language == "zh_CN" else GSM7_SEPTETS_MAX), template_id


@pytest.mark.parametrize("code", ["", "C7H2M", "c7h2mq", "ABCDEF", "张三李四王五", "C7H2MQ1", "C7H2M\n"])
def test_nothing_but_an_opaque_code_gets_into_a_text(registry, code):
    with pytest.raises(TemplateError):
        best(registry, wording(code=code))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("编号{opaque_code}，报告人{reporter_name}", "reporter_name"),
        ("编号{opaque_code}涉及性侵", "性侵"),
        ("编号{opaque_code}，学校已知", "学校"),
        ("编号{opaque_code}{grade_roman}级", "side by side"),
        ("编号{opaque_code!r}待办", "format"),
        ("编号{opaque_code:>20}待办", "format"),
        ("编号{opaque_code}，详见 x://y", "addresses"),
        ("编号{opaque_code}，拨打12345678", "numbers"),
        ("编号{opaque_code}" + "待办" * 30, "longer"),
        ("编号{opaque_code}请于{deadline_hhmm}前处理", "always known"),
    ],
)
def test_a_template_that_must_not_be_sent_is_refused_when_it_is_loaded(document, body, reason):
    document["templates"][0]["bodies"]["zh_CN"] = [body]
    with pytest.raises(TemplateError, match=reason) as caught:
        load(document)
    assert "assign-reply" in str(caught.value)


def test_both_languages_and_every_purpose_are_needed(document):
    without = copy.deepcopy(document)
    del without["templates"][0]["bodies"]["en"]
    with pytest.raises(TemplateError, match="no text in en"):
        load(without)
    document["templates"] = [template for template in document["templates"] if template["purpose"] != "recall"]
    with pytest.raises(TemplateError, match="recall"):
        load(document)


def test_unknown_keys_are_named(document):
    document["templates"][0]["colour"] = "red"
    with pytest.raises(TemplateError, match="colour"):
        load(document)


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("a" * 160, False),
        ("a" * 161, True),
        ("[" * 80, False),
        ("[" * 81, True),
        ("字" * 70, False),
        ("字" * 71, True),
        ("字" + "a" * 70, True),
    ],
)
def test_one_sms_is_160_septets_or_70_utf16_units(text, long):
    assert too_long(text) is long
