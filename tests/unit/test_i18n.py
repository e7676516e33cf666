"""Both languages, and how one is chosen."""

from datetime import UTC, datetime

import pytest
from babel.messages.pofile import PoFileError
from hypothesis import given
from hypothesis import strategies as st

from libs import i18n
from libs.i18n import format_duration, format_time, gettext, negotiate, ngettext, parse_locale, use_locale
from libs.i18n.catalogues import read

NOON = datetime(2026, 5, 4, 4, 3, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _english_by_default(monkeypatch):
    monkeypatch.setattr(i18n, "_default", "en")


def test_a_text_is_said_in_the_language_of_the_block_and_no_further():
    with use_locale("zh_CN"):
        assert gettext("Board") == "案件看板"
        with use_locale("en"):
            assert gettext("Board") == "Board"
        assert gettext("Board") == "案件看板"
    assert gettext("Board") == "Board"


def test_parameters_are_filled_and_a_lone_percent_sign_is_harmless():
    with use_locale("zh_CN"):
        assert gettext("%(time)s left", time="2小时") == "剩余2小时"
    assert gettext("100 % of it") == "100 % of it"


def test_an_untranslated_text_is_said_in_english():
    with use_locale("zh_CN"):
        assert gettext("nobody translated this") == "nobody translated this"


@pytest.mark.parametrize(("n", "text"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_one_and_several(n, text):
    assert ngettext("%(n)s case", "%(n)s cases", n) == text


def test_an_unknown_language_changes_nothing():
    with use_locale("zh_CN"), use_locale("fr"):
        assert i18n.current_locale() == "zh_CN"


def test_the_default_is_the_deployments_own():
    i18n.set_default_locale("zh_CN")
    assert i18n.current_locale() == "zh_CN"
    i18n.set_default_locale("klingon")
    assert i18n.current_locale() == "zh_CN"


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("zh-CN", "zh_CN"),
        ("zh_CN.UTF-8", "zh_CN"),
        ("zh-Hans-SG", "zh_CN"),
        ("ZH", "zh_CN"),
        ("en-GB", "en"),
        ("C.UTF-8", None),
        ("", None),
    ],
)
def test_languages_are_read_in_every_spelling(text, locale):
    assert parse_locale(text) == locale


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh_CN"),
        ("en;q=0.5, zh;q=0.7", "zh_CN"),
        ("fr,en;q=0.1", "en"),
        ("zh;q=0, en", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        (";;;q=,", "en"),
    ],
)
def test_the_best_of_our_languages_is_negotiated(header, locale):
    assert negotiate(header) == locale


@given(st.text())
def test_no_header_breaks_the_negotiation(header):
    assert negotiate(header) in i18n.LOCALES


def test_the_command_line_follows_its_own_variable_before_the_shells():
    assert i18n.locale_from_environment({"TOCSIN_LANGUAGE": "zh_CN", "LANG": "en_US.UTF-8"}) == "zh_CN"
    assert i18n.locale_from_environment({"LANG": "zh_CN.UTF-8"}) == "zh_CN"
    assert i18n.locale_from_environment({"LANG": "C"}) == "en"


def test_times_are_written_in_the_divisions_zone():
    assert format_time(NOON) == "4 May 2026, 12:03"
    assert format_time(NOON, "Asia/Urumqi", seconds=True) == "4 May 2026, 10:03:07"
    with use_locale("zh_CN"):
        assert format_time(NOON) == "2026年5月4日 12:03"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0秒"),
        (59.6, "1 min", "1分钟"),
        (61, "1 min 1 s", "1分钟1秒"),
        (3600, "1 h", "1小时"),
        (7500, "2 h 5 min", "2小时5分钟"),
        (86_401, "1 d", "1天"),
        (200_000, "2 d 7 h", "2天7小时"),
        (-90, "−1 min 30 s", "−1分钟30秒"),
        (-0.2, "0 s", "0秒"),
    ],
)
def test_durations_have_their_two_largest_units(seconds, english, chinese):
    assert format_duration(seconds) == english
    with use_locale("zh_CN"):
        assert format_duration(seconds) == chinese


def test_a_broken_catalogue_is_refused(tmp_path):
    broken = tmp_path / "zh_CN.po"
    broken.write_text('msgid "a"\nmsgstr "b"\nnonsense\n', encoding="utf-8")
    with pytest.raises(PoFileError, match="on 2"):
        read(broken)
