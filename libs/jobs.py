"""Work that time brings, as a value: what services, the bus and the doctor hand to the loops that run it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from libs.clock import Clock

Wake: TypeAlias = asyncio.Event
"""Set it to let a job run now instead of at its next time."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one run of a job did: `worked` > 0 lets it run again at once; `next_at` is when it next has something to do."""

    worked: int = 0
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Work that time brings. `run_once` is called again after at most `idle_s`; every replica may run it."""

    name: str
    run_once: Callable[[], Awaitable[Tick]]
    idle_s: float = 1.0
    wake: Wake | None = None


def at_intervals(name: str, every_s: float, clock: Clock, work: Callable[[], Awaitable[None]]) -> Job:
    """A job that does `work` every `every_s` seconds of `clock`, however often it is asked, and no sooner again when it fails."""
    next_at: datetime | None = None

    async def run_once() -> Tick:
        nonlocal next_at
        now = clock.now()
        if next_at is None or now >= next_at:
            next_at = now + timedelta(seconds=every_s)
            await work()
        return Tick(next_at=next_at)

    return Job(name, run_once, idle_s=every_s)
