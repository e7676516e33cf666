"""Work that time brings, as a value: what services, the bus and the doctor hand to the loops that run it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

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
