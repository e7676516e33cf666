"""One trace from the HTTP request to the SMS attempt, in the terms of W3C Trace Context; our thin door to OpenTelemetry.

The context is always there, as the text of a `traceparent`: it travels in events and rows, and its trace id stands on log lines. Spans
are recorded only while they are exported (`exporting`, TOCSIN_OTLP_ENDPOINT); as long as they are not, nothing of OpenTelemetry is even
imported. Their attributes are ids, codes and numbers (promise 7): never the text of an error, never a path as it came in.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import ClassVar, Literal, Protocol, Self, TypeAlias

from libs.trace.settings import TraceSettings

__all__ = ["Span", "TraceSettings", "current", "exporting", "given", "is_sampled", "new", "span", "trace_id_of", "within"]

Kind: TypeAlias = Literal["server", "client", "producer", "consumer", "internal"]
Attributes: TypeAlias = Mapping[str, str | int | float | bool]

current: ContextVar[str] = ContextVar("traceparent", default="")
"""The traceparent of the work at hand; empty where none has begun."""

# Of a later version only what version 00 has is read (W3C Trace Context, section 3.2); ids that are all zeros are invalid.
_TRACEPARENT = re.compile(rb"(?:00|(?!ff)[0-9a-f]{2}(?=.{53}(?:-|$)))-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def given(header: bytes | None) -> str:
    """The traceparent in a request's header; empty when there is none, or none that is valid."""
    found = _TRACEPARENT.fullmatch(header) if header else None
    if found is None or (found[4] is not None and header is not None and header.startswith(b"00")):
        return ""
    return f"00-{found[1].decode()}-{found[2].decode()}-{found[3].decode()}"


def new() -> str:
    """A context of its own, of which nothing is recorded: no trace that anybody exports begins here."""
    ids = os.urandom(24).hex()
    return f"00-{ids[:32]}-{ids[32:]}-00"


def trace_id_of(traceparent: str) -> str:
    """The trace's id, 32 hexadecimal digits; empty for an empty context."""
    return traceparent[3:35]


def is_sampled(traceparent: str) -> bool:
    """Whether whoever began the trace wants it recorded."""
    return traceparent[-1:] in {"1", "3", "5", "7", "9", "b", "d", "f"}


class Recorded(Protocol):
    """A span that will be exported."""

    traceparent: str

    def end(self, name: str, attributes: Attributes, failure: str | None) -> None:
        """The work is done; `failure` is the code of what went wrong, if anything did."""
        ...


class Recorder(Protocol):
    """Where spans go."""

    def begin(self, name: str, kind: Kind, parent: str) -> Recorded | None:
        """A span under `parent` (empty: of a new trace); None where `parent` is not sampled."""
        ...

    async def close(self) -> None:
        """Hands over what is recorded, within a bound."""
        ...


_recorder: Recorder | None = None


class Span:
    """A stretch of work: a `with` block in which `current` is its context. This one is not recorded."""

    __slots__ = ("_token", "name", "traceparent")
    recorded: ClassVar[bool] = False
    """Whether anybody will see it: what takes time to find out need not be found out otherwise."""
    _token: Token[str]

    def __init__(self, traceparent: str, name: str = "") -> None:
        self.traceparent = traceparent
        self.name = name

    def note(self, attributes: Attributes) -> None:
        """Ids, codes and numbers only, under names of OpenTelemetry's conventions or beginning with `tocsin.`."""

    def fail(self, code: str) -> None:
        """What went wrong, as a code or the name of an error's class."""

    def end(self) -> None:
        """The work is done; leaving the block says the same."""

    def __enter__(self) -> Self:
        self._token = current.set(self.traceparent)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        current.reset(self._token)


class _RecordedSpan(Span):
    __slots__ = ("_attributes", "_failure", "_recorded")
    recorded = True

    def __init__(self, name: str, recorded: Recorded) -> None:
        super().__init__(recorded.traceparent, name)
        self._recorded: Recorded | None = recorded
        self._attributes: dict[str, str | int | float | bool] = {}
        self._failure: str | None = None

    def note(self, attributes: Attributes) -> None:
        self._attributes.update(attributes)

    def fail(self, code: str) -> None:
        self._failure = code

    def end(self) -> None:
        recorded, self._recorded = self._recorded, None
        if recorded is not None:
            recorded.end(self.name, self._attributes, self._failure)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        super().__exit__(kind, error, where)
        if kind is not None and self._failure is None:
            self._failure = kind.__name__
        self.end()


def span(name: str, kind: Kind, parent: str | None = None, *, record: bool = True) -> Span:
    """A span under `parent` (None: the work at hand; empty: of a new trace); with `record=False` only its context."""
    above = current.get() if parent is None else parent
    if _recorder is not None and record:
        recorded = _recorder.begin(name, kind, above)
        if recorded is not None:
            return _RecordedSpan(name, recorded)
    return Span(above or new())


def within(traceparent: str) -> Span:
    """Work in a context that is there already: a `with` block, no span."""
    return Span(traceparent)


def recording() -> bool:
    """Whether spans are exported at the moment."""
    return _recorder is not None


@asynccontextmanager
async def exporting(settings: TraceSettings, service: str) -> AsyncIterator[None]:
    """Spans of `service` (the process's name among others) are exported while inside; does nothing where no endpoint is set."""
    global _recorder  # noqa: PLW0603 - one process has one place where its spans go
    if not settings.endpoint:
        yield
        return
    from libs.trace.export import OpenTelemetry

    before, _recorder = _recorder, await asyncio.to_thread(OpenTelemetry, settings, service)
    ours = _recorder
    try:
        yield
    finally:
        _recorder = before
        await ours.close()
