"""The trace context itself: what is taken from a request, what is made, and what it costs when nobody looks."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from libs import trace
from libs.trace import TraceSettings

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (GIVEN, GIVEN),
        (GIVEN[:-1] + "0", GIVEN[:-1] + "0"),
        ("cc" + GIVEN[2:], GIVEN),  # a later version: what we know of it
        ("cc" + GIVEN[2:] + "-more", GIVEN),
        ("cc" + GIVEN[2:] + "more", ""),
        ("ff" + GIVEN[2:], ""),
        (GIVEN + "-more", ""),
        (GIVEN.upper(), ""),
        (GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), ""),
        (GIVEN.replace("00f067aa0ba902b7", "0" * 16), ""),
        (GIVEN[:-1], ""),
        ("张三 13812345678", ""),
        ("", ""),
    ],
)
def test_only_a_valid_context_is_taken_from_a_request(header: str, taken: str) -> None:
    assert trace.given(header.encode()) == taken


def test_a_context_of_ones_own_is_valid_new_and_not_sampled() -> None:
    one, other = trace.new(), trace.new()
    assert trace.given(one.encode()) == one
    assert trace.trace_id_of(one) != trace.trace_id_of(other)
    assert not trace.is_sampled(one)
    assert trace.is_sampled(GIVEN)


def test_work_has_a_context_while_it_lasts() -> None:
    assert trace.current.get() == ""
    with trace.span("outer", "server", GIVEN) as outer:
        assert trace.current.get() == outer.traceparent == GIVEN
        with trace.span("inner", "internal"):
            assert trace.current.get() == GIVEN
        with trace.span("of its own", "internal", ""):
            assert trace.trace_id_of(trace.current.get()) not in {"", trace.trace_id_of(GIVEN)}
    assert trace.current.get() == ""


@pytest.mark.parametrize(
    ("endpoint", "full"),
    [
        ("", ""),
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector:4318/", "https://collector:4318/v1/traces"),
        ("https://example.org/otlp/v1/traces", "https://example.org/otlp/v1/traces"),
    ],
)
def test_an_endpoint_is_completed(endpoint: str, full: str) -> None:
    assert TraceSettings(endpoint=endpoint).endpoint == full


@pytest.mark.parametrize("wrong", [{"endpoint": "collector:4318"}, {"headers": "secret"}, {"sample_ratio": 1.5}])
def test_a_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TraceSettings.model_validate(wrong)


def test_headers_are_pairs() -> None:
    assert TraceSettings.model_validate({"headers": "Authorization=Basic a=b, x-team = 9"}).header_pairs == {
        "authorization": "Basic a=b",
        "x-team": "9",
    }


def test_the_sdk_is_not_loaded_while_nothing_is_exported() -> None:
    program = """
import asyncio, sys
from deploy.embedded import SERVICES, builder
from libs import trace

assert all(builder(name) for name in SERVICES)

async def main():
    async with trace.exporting(trace.TraceSettings(endpoint=""), "tocsin"):
        with trace.span("work", "internal", "") as span:
            span.note({"tocsin.case_id": "1"})
            assert len(trace.current.get()) == 55

asyncio.run(main())
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf"))])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "[]"
