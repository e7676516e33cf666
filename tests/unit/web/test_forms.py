"""Our forms are those of the standard library."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.web import forms

TEXTS = st.text(max_size=30)
BODIES = st.text(alphabet="aZ09%&=+ 的é\x00;/?~_.-EeBbFf", max_size=60)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_what_is_written(fields):
    assert forms.encode(fields) == urlencode(fields).encode()


@given(BODIES)
def test_what_is_read(body):
    assert forms.decode(body, fields_max=100) == parse_qsl(body, keep_blank_values=True)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_there_and_back(fields):
    assert forms.decode(forms.encode(fields).decode(), fields_max=100) == fields


@pytest.mark.parametrize("body", ["a=1&b=2&c=3", "&&&"])
def test_too_many_fields(body):
    with pytest.raises(ValueError, match="fields"):
        forms.decode(body, fields_max=2)
    with pytest.raises(ValueError, match="fields"):
        parse_qsl(body, keep_blank_values=True, max_num_fields=2)
