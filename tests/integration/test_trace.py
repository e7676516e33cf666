"""One trace from the request to the SMS attempt, as a collector sees it; and nothing in it that is anybody's."""

import time
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from libs import trace
from libs.events.tracing import publishing
from libs.trace import TraceSettings, export, exporting
from tests.e2e.test_canaries import CANARY, planted
from tests.support.collector import Collector, ReceivedSpan, collecting
from tests.support.world import SMALLEST_REPORT, World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def settings_for(collector: Collector, **more: object) -> TraceSettings:
    return TraceSettings.model_validate({"endpoint": collector.url, "every_s": 0.05, "timeout_s": 2.0, **more})


async def send(world: World, traceparent: str | None, **changes: object) -> dict[str, str]:
    headers = {**world.bearer, "Idempotency-Key": str(uuid4())} | ({"traceparent": traceparent} if traceparent else {})
    answer = await world.http.post("/v1/reports", json={**SMALLEST_REPORT, **changes}, headers=headers)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, str] = answer.json()
    return accepted


def named(spans: list[ReceivedSpan], name: str, group: str | None = None) -> list[ReceivedSpan]:
    return [span for span in spans if span.name == name and group in {None, span.attributes.get("messaging.consumer.group.name")}]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("tocsin_trace_spans_total", {"outcome": outcome}) or 0.0


async def test_one_trace_leads_from_the_request_to_the_sms(world: World) -> None:
    async with collecting() as collector:
        async with exporting(settings_for(collector, headers="x-team=children"), "tocsin-test"):
            report = await send(world, f"00-{TRACE}-{SPAN}-01")
            await world.settle()
        case = await world.case_of(report)
    spans = collector.of_trace(TRACE)
    by_id = {span.span_id: span for span in spans}

    (request,) = named(spans, "POST /v1/reports")
    assert (request.parent_id, request.kind, request.attributes["http.response.status_code"]) == (SPAN, "server", 202)
    (opened,) = named(spans, "process tocsin.report.received.v1", "router")
    assert (opened.parent_id, opened.kind) == (request.span_id, "consumer")
    queued = named(spans, "process tocsin.notification.requested.v1", "notifier")
    assert {span.parent_id for span in queued} == {opened.span_id}
    attempts = named(spans, "attempt twilio")
    assert len(attempts) == len(queued) == len(await world.phones()) > 1
    assert {span.parent_id for span in attempts} == {span.span_id for span in queued}
    for attempt in attempts:
        assert attempt.kind == "client"
        assert attempt.attributes["tocsin.case_id"] == case["case_id"]
        assert (attempt.attributes["tocsin.gateway"], attempt.attributes["tocsin.outcome"]) == ("twilio", "accepted")
    assert named(spans, "process tocsin.notification.delivered.v1", "audit")

    assert all(span.parent_id in by_id or span is request for span in spans), "every other span hangs under one of the trace"
    assert not any(span.failed for span in spans)
    assert {span.service for span in spans} == {"tocsin-test"}
    assert {headers["x-team"] for headers in collector.headers} == {"children"}


async def test_a_deadline_that_fires_begins_a_trace_that_leads_to_its_sms(world: World) -> None:
    report = await send(world, None)
    await world.settle()
    before = len(await world.phones())
    async with collecting() as collector:
        async with exporting(settings_for(collector), "tocsin"):
            await world.advance(minutes=120)
        case = await world.case_of(report)
    assert len(await world.phones()) > before
    by_id = {span.span_id: span for span in collector.spans}
    attempts = named(collector.spans, "attempt twilio")
    assert attempts
    for attempt in attempts:
        top = attempt
        while top.parent_id:
            top = by_id[top.parent_id]
        assert (top.name, top.trace_id) == ("fire deadlines", attempt.trace_id)
        assert top.attributes["tocsin.case_id"] == case["case_id"]
    assert len({span.trace_id for span in named(collector.spans, "fire deadlines")}) == len(named(collector.spans, "fire deadlines"))


async def test_nothing_personal_is_in_any_span(world: World) -> None:
    async with collecting() as collector, exporting(settings_for(collector), "tocsin"):
        sent = await send(world, None, **planted())
        body = {**planted(), "channel": f"{CANARY}17", "caregivers": 3}
        await world.http.post("/v1/reports", json=body, headers={**world.bearer, "Idempotency-Key": "canary-2"})
        await world.settle()
        for path in (f"/v1/reports/{sent['receipt']}", f"/r/{sent['receipt']}", f"/nowhere/{CANARY}?q={CANARY}"):
            await world.http.get(path)
        await world.get(f"/v1/reports/{sent['report_id']}/content")
        await world.advance(minutes=200)
    everything = b"".join(collector.bodies)
    assert named(collector.spans, "GET /v1/reports/{receipt}")
    for secret in (CANARY, "19876543", "19876544", "+8600", sent["receipt"], sent["receipt"].replace("-", "")):
        assert secret.encode() not in everything, secret


async def test_whoever_begins_a_trace_decides_whether_it_is_recorded(world: World) -> None:
    async with collecting() as collector, exporting(settings_for(collector, sample_ratio=0.0), "tocsin"):
        await send(world, f"00-{TRACE}-{SPAN}-00")
        await world.settle()
        stored = await world.fetch("SELECT DISTINCT traceparent FROM notifier.notifications")
        assert [row["traceparent"] for row in stored] == [f"00-{TRACE}-{SPAN}-00"]
        await send(world, None)  # begins here, where none is sampled
        await world.settle()
        sampled = await send(world, f"00-{'a' * 32}-{SPAN}-01")
        await world.settle()
    assert sampled["report_id"]
    assert {span.trace_id for span in collector.spans} == {"a" * 32}
    assert named(collector.spans, "attempt twilio")


async def test_without_export_the_trace_id_still_reaches_the_sms(world: World) -> None:
    await send(world, f"00-{TRACE}-{SPAN}-01")
    await send(world, "malformed")
    await world.settle()
    stored = {row["traceparent"] for row in await world.fetch("SELECT DISTINCT traceparent FROM notifier.notifications")}
    assert f"00-{TRACE}-{SPAN}-01" in stored
    assert len(stored) == 2
    assert all(trace.given(one.encode()) == one for one in stored)


async def test_a_collector_that_hangs_slows_nobody_and_keeps_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CLOSE_S", 0.3)
    dropped = counted("dropped")
    async with collecting() as collector:
        collector.hangs = True
        took_s = []
        async with exporting(settings_for(collector, queue_max=256, timeout_s=30), "tocsin"):
            for _ in range(30):
                began_s = time.perf_counter()
                await send(world, None)
                took_s.append(time.perf_counter() - began_s)
            await world.settle()
            stopped_s = time.perf_counter()
        stopping_s = time.perf_counter() - stopped_s
        assert collector.asked == 1
    assert sorted(took_s)[15] < 1
    assert max(took_s) < 10  # of the 30 s that an export waits
    assert stopping_s < 10
    assert counted("dropped") > dropped
    assert len(await world.phones()) >= 30


async def test_a_collector_that_is_gone_costs_spans_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with collecting() as collector:
        pass
    failed = counted("failed")
    async with exporting(settings_for(collector, timeout_s=0.2), "tocsin"):
        await send(world, None)
        await world.settle()
    assert counted("failed") > failed
    assert await world.phones()


async def test_the_relay_is_a_part_of_the_traces_it_carries() -> None:
    def letter(traceparent: str) -> dict[str, str]:
        return {
            "event_id": "e",
            "key": "k",
            "event_type": "tocsin.report.received.v1",
            "envelope": f'{{"traceparent":"{traceparent}","a":1}}',
        }

    async with collecting() as collector, exporting(settings_for(collector), "tocsin"):
        with publishing("kafka", [letter(f"00-{TRACE}-{SPAN}-01"), letter(f"00-{TRACE}-{SPAN}-00"), letter("")]):
            pass
        with pytest.raises(TimeoutError), publishing("kafka", [letter(f"00-{TRACE}-{SPAN}-01")]):
            raise TimeoutError("Xiao Ming")
    sent, failed = sorted(collector.spans, key=lambda span: span.failed)
    assert (sent.name, sent.kind, sent.trace_id, sent.parent_id) == ("publish tocsin.report.received.v1", "producer", TRACE, SPAN)
    assert failed.attributes["error.type"] == "TimeoutError"
    assert b"Xiao" not in b"".join(collector.bodies)
