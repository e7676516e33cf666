"""Spans through the OpenTelemetry SDK to a collector. Only imported where an endpoint is set.

Exporting happens in a thread of its own, behind a bounded queue: a collector that is slow, hangs or is gone costs spans, and nothing else.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as SdkSpan
from prometheus_client import Counter

from libs.log import get_logger
from libs.trace import Attributes, Kind, Recorded, given, is_sampled
from libs.trace.settings import TraceSettings

BATCH_MAX = 256
CLOSE_S = 3.0
"""How long a process that stops waits for its last spans."""

SPANS = Counter("tocsin_trace_spans_total", "Spans by what became of them: exported, failed, dropped (too many waited).", ["outcome"])

_KINDS: dict[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "internal": SpanKind.INTERNAL,
}

log = get_logger("trace")


class OpenTelemetry:
    """The recorder of a process."""

    def __init__(self, settings: TraceSettings, service: str) -> None:
        # Its own lines come once for each batch that fails; one of ours comes when it begins and one when it ends.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._exporter = OTLPSpanExporter(settings.endpoint, headers=settings.header_pairs, timeout=settings.timeout_s)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
            resource=Resource.create({"service.name": service, "service.namespace": "tocsin"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(_Bounded(_Counted(self._exporter), settings))
        self._tracer = self._provider.get_tracer("tocsin")

    def begin(self, name: str, kind: Kind, parent: str) -> Recorded | None:
        if parent and not is_sampled(parent):
            return None
        begun = self._tracer.start_span(name, _context_of(parent), _KINDS[kind])
        return _Recorded(begun) if begun.is_recording() else _Unsampled(begun)

    async def close(self) -> None:
        """Exports what waits, for `CLOSE_S` at most; then nothing more is tried.

        The threads are daemons: nobody waits for a collector that hangs.
        """
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=work, name="trace-close", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_S):
                await done.wait()
        except TimeoutError:
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Recorded:
    def __init__(self, begun: SdkSpan) -> None:
        self._span = begun
        self.traceparent = _traceparent_of(begun)

    def end(self, name: str, attributes: Attributes, failure: str | None) -> None:
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        if failure is not None:
            self._span.set_attribute("error.type", failure)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _Unsampled:
    """A trace that begins here and is not to be exported: its context says so to whoever goes on with it."""

    def __init__(self, begun: SdkSpan) -> None:
        self.traceparent = _traceparent_of(begun)

    def end(self, name: str, attributes: Attributes, failure: str | None) -> None:
        pass


class _Bounded(BatchSpanProcessor):
    """Drops what is too much and counts it: the SDK alone would push out what waits the longest, with a log line for each."""

    def __init__(self, exporter: "_Counted", settings: TraceSettings) -> None:
        super().__init__(exporter, settings.queue_max, settings.every_s * 1000, min(BATCH_MAX, settings.queue_max))
        self._exporter = exporter
        self._queue_max = settings.queue_max
        self._queued = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self._queued - self._exporter.taken >= self._queue_max:
            SPANS.labels("dropped").inc()
            return
        self._queued += 1
        super().on_end(span)


class _Counted(SpanExporter):
    """Counts what the collector took. `taken` is how many spans have left the queue."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.taken = 0
        self._exporter = exporter
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong on the way to a collector is no more than that
            log.debug("trace.export_raised", error=type(error).__name__)
            result = SpanExportResult.FAILURE
        works = result is SpanExportResult.SUCCESS
        SPANS.labels("exported" if works else "failed").inc(len(spans))
        if works != self._works:
            self._works = works
            (log.info if works else log.warning)("trace.export_works_again" if works else "trace.export_fails")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _context_of(traceparent: str) -> Context:
    context = Context()
    if not given(traceparent.encode()):
        return context
    _version, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), context)


def _traceparent_of(begun: Any) -> str:
    context = begun.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"
