"""One chain for all lines, and nothing personal in any of them (promise 7)."""

import json
import logging
import traceback
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from libs import log, trace
from libs.clock import FakeClock
from libs.log.redaction import REDACTED, redact, redact_text

CLOCK = FakeClock(datetime(2026, 5, 4, 8, 0, tzinfo=UTC))
ID = UUID("01890a5d-ac96-774b-8cce-139000000001")


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], level, config = before
    root.setLevel(level)
    structlog.configure(**config)
    logging.captureWarnings(False)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_its_fields_level_time_and_context(capsys):
    log.configure("INFO", json=True, clock=CLOCK)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        log.get_logger("libs.x").info("case opened", case_id=ID, grade="I")
    (line,) = lines(capsys)
    assert line == {
        "event": "case opened",
        "case_id": str(ID),
        "grade": "I",
        "level": "info",
        "logger": "libs.x",
        "timestamp": "2026-05-04T08:00:00.000+00:00",
        "request_id": "r1",
    }


def test_lines_of_libraries_pass_the_same_chain(capsys):
    log.configure("INFO", json=True, clock=CLOCK)
    logging.getLogger("asyncpg").warning("lost the connection of %s", "+8613812345678")
    logging.getLogger("uvicorn.error").warning("started")
    first, second = lines(capsys)
    assert first["event"] == f"lost the connection of {REDACTED}"
    assert (first["level"], first["logger"]) == ("warning", "asyncpg")
    assert second["event"] == "started"


def test_access_lines_and_the_sms_client_are_silent(capsys):
    log.configure("DEBUG", json=True, clock=CLOCK)
    logging.getLogger("uvicorn.access").info("GET /v1/reports/ABCD-EFGH")
    logging.getLogger("twilio.http_client").info("To=+8613812345678&Body=…")
    assert lines(capsys) == []


def test_the_level_is_obeyed_and_an_unknown_one_refused(capsys):
    log.configure("WARNING", json=True, clock=CLOCK)
    log.get_logger("x").info("quiet")
    log.get_logger("x").warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]
    with pytest.raises(ValueError, match="unknown log level 'LOUD'"):
        log.configure("LOUD")


def test_configuring_again_does_not_double_the_lines(capsys):
    log.configure("INFO", json=True, clock=CLOCK)
    log.configure("INFO", json=False, clock=CLOCK)
    log.get_logger("x").info("once", case_id="c")
    out = capsys.readouterr().err
    assert out.count("once") == 1
    assert "case_id=c" in out


def test_tracebacks_show_no_local_variables_and_no_quoted_input(capsys):
    class Child(BaseModel):
        sex: int

    log.configure("INFO", json=True, clock=CLOCK)
    secret = "Xiao Ming 13812345678"
    for error in (RuntimeError, ValidationError):
        try:
            if error is RuntimeError:
                raise RuntimeError(f"could not call {secret[-11:]}")
            Child.model_validate({"sex": secret[:9]})
        except error:
            log.get_logger("x").exception("request failed")
    first, second = lines(capsys)
    assert "RuntimeError" in first["exception"]
    assert "13812345678" not in first["exception"]
    assert "ValidationError" in second["exception"]
    assert "Xiao Ming" not in first["exception"] + second["exception"]


def test_nothing_personal_gets_out_before_the_log_is_configured(capsys):
    structlog.reset_defaults()
    name = "13812345678"
    try:
        int(name + "x")
    except ValueError:
        log.get_logger("fresh").exception("early")
    captured = capsys.readouterr()
    assert name not in captured.err + captured.out


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "child_name",
        "reporter_phone",
        "phone",
        "Narrative",
        "current_address",
        "school",
        "api_key",
        "Authorization",
        "set-cookie",
        "body",
        "to",
    ],
)
def test_suspicious_keys_lose_their_value(key):
    assert redact(None, "info", {"event": "x", key: "value"})[key] == REDACTED


@pytest.mark.parametrize(
    "key", ["case_id", "division_name", "job_name", "event", "grade", "tier", "key", "route", "post_id", "status", "channel"]
)
def test_harmless_keys_keep_it(key):
    assert redact(None, "info", {key: "value"})[key] == "value"


def test_nested_values_are_searched_too_and_numbers_stay_numbers():
    fields = {
        "event": "x",
        "detail": {"phone": "1", "tier": "street", "n": 3},
        "many": [{"name": "a"}, ("b", 2.5)],
        "ok": True,
        "none": None,
    }
    clean = redact(None, "info", fields)
    assert clean["detail"] == {"phone": REDACTED, "tier": "street", "n": 3}
    assert clean["many"] == [{"name": REDACTED}, ["b", 2.5]]
    assert (clean["ok"], clean["none"]) == (True, None)


def test_endless_nesting_ends():
    deep: dict[str, object] = {}
    deep["x"] = deep
    assert REDACTED in str(redact(None, "info", {"event": deep}))


@pytest.mark.parametrize(
    "number",
    [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "+86 138 1234 5678",
        "008613812345678",
        "+860010000001",
        "+1 (415) 555-2671",
        "0755-12345678",
        "44030420120101123X",
        "110101199003078888",
    ],
)
def test_phone_and_identity_numbers_are_taken_out_of_texts(number):
    for text in (number, f"电话{number}。", f"call {number} now"):
        assert number not in redact_text(text)
        assert REDACTED in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        str(ID),
        "440304001020",
        "2026-05-04T08:00:00.123456+08:00",
        "took 12.5 ms",
        "12345 rows",
        "127.0.0.1:8000",
        "port 54321",
        "3fa85f64",
        "v1.10.2",
    ],
)
def test_ids_places_and_times_stay(text):
    assert redact_text(text) == text


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(alphabet=st.characters(exclude_categories=["Nd"]), max_size=20))
def test_no_mobile_number_survives_in_any_surrounding(number, around):
    assert number not in redact_text(f"{around}{number}{around}")


def test_lines_carry_the_id_of_the_trace_they_belong_to_even_when_it_looks_like_a_number(capsys):
    log.configure("INFO", json=True, clock=CLOCK)
    trace_id = "a13812345678b00000000000000000ff"
    with trace.within(f"00-{trace_id}-00f067aa0ba902b7-01"):
        log.get_logger("test").info("inside")
    log.get_logger("test").info("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == trace_id
    assert "trace_id" not in outside


def test_what_postgresql_quotes_of_a_row_is_not_logged():
    error = asyncpg.CheckViolationError("new row for relation “officers” violates a check constraint")
    error.detail = "Failing row contains (1, 张小明,\n南园小学 …)."
    said = redact_text("".join(traceback.format_exception(error)))
    assert "violates a check constraint" in said
    assert "张小明" not in said
    assert "南园" not in said
