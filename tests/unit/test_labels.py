"""Every term has a name in both languages."""

from enum import StrEnum

import pytest

import libs.terms
from libs.directory.permissions import Role
from libs.directory.roles import POST_ROLES
from libs.i18n import use_locale
from libs.terms import Grade, Situation
from libs.terms.labels import CODES, GRADE_COLOURS, GRADE_URGENCY, SITUATIONS, code_label, label, situation_text

TERMS = [term for kind in vars(libs.terms).values() if isinstance(kind, type) and issubclass(kind, StrEnum) for term in kind]


@pytest.mark.parametrize("term", TERMS, ids=repr)
def test_every_term_is_called_something_in_chinese_and_english(term):
    chinese, english = label(term, "zh_CN"), label(term, "en")
    assert any("一" <= letter <= "鿿" for letter in chinese)
    assert english.isascii()
    assert english.strip()


def test_all_situations_have_their_full_wording_and_all_grades_colour_and_word():
    assert list(SITUATIONS) == list(Situation)
    assert situation_text(Situation.MR8_BEGGING, "zh_CN") == "发现未成年人被组织乞讨的"
    assert set(GRADE_COLOURS) == set(GRADE_URGENCY) == set(Grade)


def test_codes_of_data_have_names_and_unknown_ones_name_themselves():
    assert code_label("harm", "neglect", "en") == "Neglect"
    assert code_label("grade", "II", "zh_CN") == "Ⅱ级"
    assert code_label("role", "community_officer", "zh_CN") == "儿童主任"
    assert code_label("harm", "from-the-future", "en") == "from-the-future"
    assert code_label("no-such-kind", "x", "en") == "x"
    assert all(code_label("role", role, "en").strip() for role in POST_ROLES)
    assert set(CODES["staff_role"]) == {role.value for role in Role}


def test_a_label_follows_the_language_of_the_work_at_hand():
    with use_locale("zh_CN"):
        assert label(Grade.I) == "Ⅰ级"
    with use_locale("en"):
        assert label(Grade.I) == "Grade I"
