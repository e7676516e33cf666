"""The same trace when the events go through Kafka: the relay is a part of it, and nothing is missing between request and SMS."""

import contextlib
from pathlib import Path

from libs.db import TRANSIENT
from libs.events.kafka import KafkaBus
from libs.events.kafka.settings import KafkaSettings
from libs.trace import exporting
from tests.integration.test_trace import SPAN, TRACE, named, send, settings_for
from tests.support.collector import collecting
from tests.support.kafka import on_kafka
from tests.support.world import World, make_world

ROUNDS_MAX = 300


async def settled(world: World) -> None:
    """Until the SMS are there, and two rounds more: what Kafka brings comes when it comes."""
    quiet = 0
    for _ in range(ROUNDS_MAX):
        with contextlib.suppress(*TRANSIENT):  # a young cluster
            await world.settle()
        quiet = quiet + 1 if await world.phones() else 0
        if quiet == 3:
            return
    raise AssertionError("no SMS")


@on_kafka
async def test_one_trace_leads_through_kafka_to_the_sms(demo_database_url: str, tmp_path: Path, kafka_settings: KafkaSettings) -> None:
    bus = KafkaBus(demo_database_url, kafka_settings, poll_s=0.05)
    async with make_world(demo_database_url, tmp_path, bus=bus) as world, bus.running(), collecting() as collector:
        async with exporting(settings_for(collector), "tocsin-test"):
            await send(world, f"00-{TRACE}-{SPAN}-01")
            await settled(world)
        figures = (await world.http.get("/metrics")).text
        for consumer in world.assembly.consumers:
            await consumer.close()
    spans = collector.of_trace(TRACE)
    by_id = {span.span_id: span for span in spans}
    (request,) = named(spans, "POST /v1/reports")
    (published,) = named(spans, "publish tocsin.report.received.v1")
    assert (request.parent_id, published.parent_id, published.kind) == (SPAN, request.span_id, "producer")
    attempts = named(spans, "attempt twilio")
    assert attempts
    for attempt in attempts:
        path = [attempt]
        while path[-1].parent_id in by_id:
            path.append(by_id[path[-1].parent_id])
        assert [span.name for span in path] == [
            "attempt twilio",
            "process tocsin.notification.requested.v1",
            "process tocsin.report.received.v1",
            "POST /v1/reports",
        ]
    assert 'tocsin_bus_relay_backlog{shard="0"}' in figures
    assert 'tocsin_bus_lag{group="router",partition="3"}' in figures
