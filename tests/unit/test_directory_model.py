"""Codes, phones, words to search for, roles: what needs no database."""

import pytest

from libs.directory.model import CODE_LENGTHS, ancestor_codes, contains
from libs.directory.phones import masked_phone, normalise_phone
from libs.directory.roles import LADDER_ROLES, POST_ROLES, STANDARD_POSTS
from libs.directory.search import splits_of, words_of
from libs.errors import Invalid


def test_a_code_lies_in_what_it_starts_with() -> None:
    assert ancestor_codes("440304001020") == ("440304001020", "440304001", "440304", "4403", "44")
    assert ancestor_codes("440304001020003")[:2] == ("440304001020003", "440304001020")
    assert ancestor_codes("44") == ("44",)
    assert ancestor_codes("4") == ()
    assert ancestor_codes("") == ()
    assert contains("", "44")
    assert contains("4403", "440304")
    assert not contains("440304", "4403")


@pytest.mark.parametrize("phone", ["+8613800000000", "13800000000", "0086 138 0000 0000", "+86 (138) 0000-0000", "+86.138.0000.0000"])
def test_one_spelling_per_number(phone: str) -> None:
    assert normalise_phone(phone) == "+8613800000000"


@pytest.mark.parametrize("phone", ["", "110", "hello", "+86", "+861380000000a", "１３８００００００００", "000", "+" + "1" * 16, "1" * 200])
def test_what_is_no_number(phone: str) -> None:
    with pytest.raises(Invalid) as caught:
        normalise_phone(phone)
    assert caught.value.errors[0].field == "phone"


def test_lists_show_the_country_and_two_digits() -> None:
    assert masked_phone("+8600100000001") == "+86*********01"
    assert masked_phone("+8613800000000").count("*") == 9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  南园 ", ["南园"]),
        ("ＮＹ", ["ny"]),
        ("Nan'yuan", ["nanyuan"]),
        ("福田区, 南园", ["福田区", "南园"]),
        ("100%_\\", ["100"]),
        ("a b c d e f", ["a", "b", "c", "d"]),
        ("\x00';--", []),
        ("园" * 100, ["园" * 40]),
    ],
)
def test_what_is_looked_for(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_place_said_in_one_breath() -> None:
    assert splits_of("福田区南园") == [("福田区", "南园"), ("福田", "区南园")]
    assert splits_of("nanyuan") == []
    assert splits_of("南园") == []


def test_roles_and_the_standard_posts_fit_together() -> None:
    for level, roles in STANDARD_POSTS.items():
        for role in roles:
            assert POST_ROLES[role].level == level
    assert {"community_officer", "street_officer", "district_center"} <= set(LADDER_ROLES)
    assert not {"procurator", "police_branch", "dispatch_desk", "district_office"} & set(LADDER_ROLES)
    assert all(role.level in CODE_LENGTHS and role.basis for role in POST_ROLES.values())
