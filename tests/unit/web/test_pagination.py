"""Lists are read page by page."""

import contextlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import Invalid
from libs.web import pagination
from tests.unit.web.app import COOKIE


async def test_a_list_is_read_to_its_end_page_by_page(http):
    seen, cursor = [], None
    while True:
        page = (await http.get("/v1/cases", params={"limit": 3} | ({"cursor": cursor} if cursor else {}), headers=COOKIE)).json()
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("cursor", ["x", "!!", "bnVsbA", "WyJ4Il0", "W10", "WzEsMl0", "W3RydWVd", "WzFlOTld", "é", "W1sxXV0"])
async def test_a_cursor_of_elsewhere_is_a_wrong_field(http, cursor):
    answer = await http.get("/v1/cases", params={"cursor": cursor}, headers=COOKIE)
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [("cursor", "bad_cursor")]


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)
def test_a_cursor_brings_back_what_was_put_in(number, uuid, at, text):
    assert pagination.decode(pagination.encode(number, uuid, at, text), int, UUID, datetime, str) == (number, uuid, at, text)


@given(st.text(max_size=80))
def test_no_cursor_crashes(text):
    with contextlib.suppress(Invalid):
        pagination.decode(text, int, datetime, UUID)
