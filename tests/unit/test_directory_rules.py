"""What a register may say, how long a name rests, what ids and names look like."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.errors import Invalid
from services.directory import rules
from services.directory.handlers.register import pinyin_of
from services.directory.rules import RegisterCheck

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
GOOD = [
    ["44", "广东省", "province", ""],
    ["4403", "深圳市", "city", "44"],
    ["440304", "福田区", "district", "4403"],
    ["440304001", "南园街道", "street", "440304"],
]


def check(*rows: list[str]) -> tuple[list[rules.Entry], RegisterCheck]:
    found = RegisterCheck()
    return list(found.entries(enumerate(rows, start=2))), found


def test_a_right_register_has_no_errors() -> None:
    entries, found = check(*GOOD)
    assert [entry.code for entry in entries] == ["44", "4403", "440304", "440304001"]
    assert entries[0].parent_code is None
    assert found.errors == []
    assert found.missing_parents() == []


def test_the_header_must_name_the_four_columns() -> None:
    assert RegisterCheck().header(["code", " Name", "level", "parent_code"])
    found = RegisterCheck()
    assert not found.header(["code", "name"])
    assert [(error.line, error.code) for error in found.errors] == [(1, "wrong_header")]
    assert "code,name,level,parent_code" in found.errors[0].detail


@pytest.mark.parametrize(
    ("row", "code", "way_out"),
    [
        (["440304001020", "南园社区", "community"], "wrong_columns", "double quotes"),
        (["440304001020", "南园", "社区", "community", "440304001"], "wrong_columns", "double quotes"),
        (["4403O4001", "南园街道", "street", "440304"], "bad_code", "Save the column as text"),
        (["４４０３０４００１", "南园街道", "street", "440304"], "bad_code", "Save the column as text"),
        (["4.40304E+11", "南园社区", "community", "440304001"], "bad_code", "Save the column as text"),
        (["440304001", "南园街道", "town", "440304"], "unknown_level", "street"),
        (["440304001", "南园街道", "community", "440304"], "code_length", "has 9 digits; a community has 12"),
        (["44030400", "南园街道", "street", "440304"], "code_length", "has 8 digits; a street has 9"),
        (["440304002", "", "street", "440304"], "empty_name", "440304002"),
        (["440304002", "   ", "street", "440304"], "empty_name", "440304002"),
        (["440304002", "园" * 101, "street", "440304"], "bad_name", "440304002"),
        (["440304002", "园\x07岭", "street", "440304"], "bad_name", "440304002"),
        (["440304002", "园岭街道", "street", "440305"], "bad_parent", "440304"),
        (["440304002", "园岭街道", "street", ""], "bad_parent", "440304"),
        (["440304002", "园岭街道", "street", "440304002"], "bad_parent", "440304"),
        (["440304002", "园岭街道", "street", "44030"], "bad_parent", "440304"),
        (["45", "广西", "province", "44"], "bad_parent", "province has no parent"),
        (["440304001", "南园街道", "street", "440304"], "duplicate_code", "line 5"),
    ],
)
def test_each_wrong_line_is_told_with_a_way_out(row: list[str], code: str, way_out: str) -> None:
    entries, found = check(*GOOD, row)
    assert len(entries) == len(GOOD)
    assert [(error.line, error.code) for error in found.errors] == [(6, code)]
    assert way_out in found.errors[0].detail


def test_empty_lines_are_skipped_and_reading_ends_after_too_many_errors() -> None:
    entries, found = check(*GOOD, [""], ["", "", "", ""], *([["x", "y", "z", ""]] * 60))
    assert len(entries) == len(GOOD)
    assert len(found.errors) == rules.ERRORS_MAX


def test_parents_may_stand_behind_their_children_or_in_the_directory() -> None:
    _entries, found = check(GOOD[3], GOOD[2])
    assert found.missing_parents() == ["4403"]
    found.unknown_parents(["4403"])
    assert [(error.line, error.code) for error in found.errors] == [(3, "unknown_parent")]
    assert "import its register first" in found.errors[0].detail


def test_a_parent_may_skip_a_level_where_a_city_has_no_districts() -> None:
    _entries, found = check(["4419", "东莞市", "city", "44"], ["441900003", "东城街道", "street", "4419"], GOOD[0])
    assert found.errors == []


def test_names_rest_longer_and_longer_but_never_for_long() -> None:
    assert [rules.locked_until(failures, NOW) for failures in range(1, 5)] == [None] * 4
    rests = [(rules.locked_until(failures, NOW) or NOW) - NOW for failures in range(5, 13)]
    assert rests[:3] == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert rests == sorted(rests)
    assert rests[-1] == timedelta(minutes=15)
    assert rules.locked_until(10_000, NOW) == NOW + timedelta(minutes=15)


@pytest.mark.parametrize("username", ["", "a", "has space", "名字", "-dash", "x" * 65, "a\nb"])
def test_what_cannot_be_a_username(username: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_username(username)
    assert caught.value.errors[0].field == "username"


def test_usernames_are_lower_case() -> None:
    assert rules.check_username(" Officer-Street ") == "officer-street"


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_what_cannot_be_a_password(password: str) -> None:
    with pytest.raises(Invalid):
        rules.check_password(password)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b"])
def test_what_cannot_be_an_officers_name(name: str) -> None:
    with pytest.raises(Invalid):
        rules.check_title(name)


@pytest.mark.parametrize(
    ("name", "pinyin", "initials"),
    [
        ("南园街道", "nanyuanjiedao", "nyjd"),
        ("沙埔头社区居委会", "shaputoushequjuweihui", "sptsqjwh"),
        ("重庆市", "chongqingshi", "cqs"),
        ("社区", "shequ", "sq"),
        ("第11社区", "di11shequ", "d11sq"),
    ],
)
def test_how_names_are_typed(name: str, pinyin: str, initials: str) -> None:
    assert pinyin_of(name) == (pinyin, initials)
