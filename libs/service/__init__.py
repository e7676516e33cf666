"""A service is a value; running one or all five is the same code path."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import APIRouter

from libs.clock import Clock
from libs.crypto import KeyRing
from libs.db import Database
from libs.events import Bus, Subscription
from libs.settings import CommonSettings

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


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a service is: HTTP routes, what it hears, what it does by itself, and what it needs held open."""

    name: str
    database: Database
    routers: tuple[APIRouter, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    jobs: tuple[Job, ...] = ()
    resources: tuple[AbstractAsyncContextManager[Any], ...] = ()
    static: Path | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What `build(context)` of a service is given."""

    clock: Clock
    settings: CommonSettings
    keyring: KeyRing
    database_url: str
    bus: Bus
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings that the embedding mode decides, by service: they win over the environment."""

    async def database(self, room: str, *, size_max: int = 8, by_key: bool = False) -> Database:
        """A pool that works as the role of `room`; `by_key` for rooms that never read a whole table (see `Database.open`)."""
        return await Database.open(self.database_url, role=f"tocsin_{room}", announce=self.bus.announce, size_max=size_max, by_key=by_key)


Builder: TypeAlias = Callable[[Context], Awaitable[Service]]
