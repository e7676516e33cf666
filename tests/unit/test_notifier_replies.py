"""What an officer's SMS means: everything else is asked again, since "1" takes on a child's case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.rules.replies import Reply, understand


@pytest.mark.parametrize(
    ("text", "meaning", "code"),
    [
        ("1", "acknowledge", None),
        ("2", "decline", None),
        (" 1 ", "acknowledge", None),
        ("１", "acknowledge", None),
        ("２。", "decline", None),
        ("1.", "acknowledge", None),
        ("“1”", "acknowledge", None),
        ("【1】", "acknowledge", None),
        ("1\n", "acknowledge", None),
        ("\u30001\u3000", "acknowledge", None),
        ("1 C7H2MQ", "acknowledge", "C7H2MQ"),
        ("1 c7h2mq", "acknowledge", "C7H2MQ"),
        ("1c7h2mq", "acknowledge", "C7H2MQ"),
        ("1,C7H2MQ", "acknowledge", "C7H2MQ"),
        ("１　Ｃ７Ｈ２ＭＱ", "acknowledge", "C7H2MQ"),
        ("2：C7H2MQ！", "decline", "C7H2MQ"),
        ("C7H2MQ 1", "acknowledge", "C7H2MQ"),
        ("1 234567", "acknowledge", "234567"),
        ("1+C7H2MQ", "acknowledge", "C7H2MQ"),
        ("2＋c7h2mq", "decline", "C7H2MQ"),
        ("1 加编号 C7H2MQ", "acknowledge", "C7H2MQ"),
        ("1编号：C7H2MQ", "acknowledge", "C7H2MQ"),
        ("1/C7H2MQ", "acknowledge", "C7H2MQ"),
        ("C7H2MQ1", "acknowledge", "C7H2MQ"),
        ("2345671", "acknowledge", "234567"),
        ("2345672", "decline", "345672"),
        ("1#", "acknowledge", None),
        ("1\ufe0f\u20e3", "acknowledge", None),
        ("\ufeff1\u200b", "acknowledge", None),
        ("REVOKE", "stop", None),
        ("OptOut", "stop", None),
        ("STOP", "stop", None),
        ("stop.", "stop", None),
        ("Unsubscribe", "stop", None),
        ("td", "stop", None),
        ("退订", "stop", None),
        ("START", "start", None),
        ("", "unclear", None),
        ("3", "unclear", None),
        ("12", "unclear", None),
        ("1 2", "unclear", None),
        ("11", "unclear", None),
        ("1+1", "unclear", None),
        ("1/2", "unclear", None),
        ("加编号", "unclear", None),
        ("1 C7H2M", "unclear", None),
        ("1 C7H2MA", "unclear", None),
        ("1 C7H2MQ C7H2MQ", "unclear", None),
        ("我来处理", "unclear", None),
        ("not 1", "unclear", None),
        ("C7H2MQ", "unclear", None),
        ("1" + " " * 300, "unclear", None),
        ("①", "acknowledge", None),
    ],
)
def test_replies(text, meaning, code):
    assert understand(text) == Reply(meaning, code)


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text):
    reply = understand(text)
    assert reply.meaning in {"acknowledge", "decline", "stop", "start", "unclear"}
    assert reply.code is None or len(reply.code) == 6
