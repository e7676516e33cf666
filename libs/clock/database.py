"""Keeps the system clock on the database's time, so that replicas on different machines agree (DESIGN section 6)."""

from datetime import timedelta
from typing import Protocol

from prometheus_client import Gauge

from libs.clock import SystemClock
from libs.log import get_logger

SKEW_ALARM = timedelta(seconds=1)
ROUND_TRIP_MAX_S = 0.5
"""A slower answer says too little about when it was given."""

SKEW = Gauge("tocsin_clock_skew_seconds", "How far this machine's own clock is from the database's.")

log = get_logger("clock")


class _Asks(Protocol):
    async def fetchval(self, query: str, *, timeout: float) -> object: ...


async def follow(connection: _Asks, clock: SystemClock) -> timedelta | None:
    """Measures the database's clock once and moves `clock` onto it; None when the answer took too long to mean anything."""
    began_s = clock.elapsed_s()
    before = clock.now() - clock.offset
    theirs = await connection.fetchval("SELECT clock_timestamp()", timeout=5)
    round_trip_s = clock.elapsed_s() - began_s
    if round_trip_s > ROUND_TRIP_MAX_S:
        return None
    offset: timedelta = theirs - (before + timedelta(seconds=round_trip_s / 2))  # type: ignore[operator]
    clock.offset = offset
    SKEW.set(offset.total_seconds())
    if abs(offset) > SKEW_ALARM:
        log.error("clock.skew", skew_s=offset.total_seconds())
    return offset
