"""Events in their traces: one goes on where the event that caused it was handled, whichever bus brought that one, and in batches too."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from libs import trace
from libs.events.envelope import Event


@contextmanager
def handling(group: str, events: Sequence[Event[Any]]) -> Iterator[Sequence[Event[Any]]]:
    """While `group` handles `events`; gives the events to handle.

    While spans are exported each event has one, as long as its batch, and carries that span as its context: what is made because of it
    (`new_event(cause=…)`) belongs under it, however many share the batch. A batch of one is also the work at hand (`trace.current`).
    """
    if not trace.recording():
        with trace.within(events[0].traceparent if len(events) == 1 else ""):
            yield events
        return
    spans = [trace.span(f"process {event.type}", "consumer", event.traceparent) for event in events]
    for span, event in zip(spans, events, strict=True):
        span.note({"messaging.consumer.group.name": group, **_attributes(event.type, str(event.id), str(event.key))})
    with _ending(spans), trace.within(spans[0].traceparent if len(spans) == 1 else ""):
        yield [replace(event, traceparent=span.traceparent) for span, event in zip(spans, events, strict=True)]


@contextmanager
def publishing(system: str, letters: Sequence[Any]) -> Iterator[None]:
    """While `letters` (libs/events/inbox.py) are handed over to `system`."""
    if not trace.recording():
        yield
        return
    spans = []
    for letter in letters:
        parent = trace_of(letter["envelope"])
        if trace.is_sampled(parent):
            span = trace.span(f"publish {letter['event_type']}", "producer", parent)
            span.note({"messaging.system": system, **_attributes(letter["event_type"], str(letter["event_id"]), str(letter["key"]))})
            spans.append(span)
    with _ending(spans):
        yield


def trace_of(envelope: str) -> str:
    """The W3C trace context that an envelope carries, without reading all of it."""
    _, found, rest = envelope.partition('"traceparent":"')
    return rest[: rest.index('"')] if found else ""


@contextmanager
def _ending(spans: Sequence[trace.Span]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.fail(type(error).__name__)
        raise
    finally:
        for span in spans:
            span.end()


def _attributes(event_type: str, event_id: str, key: str) -> Mapping[str, str]:
    return {"tocsin.event_type": event_type, "messaging.message.id": event_id, "tocsin.key": key}
