"""A service is a value; running one or all five is the same code path."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import APIRouter

from libs.clock import Clock
from libs.crypto import KeyRing
from libs.db import Database
from libs.events import Bus, Subscription
from libs.jobs import Job, Tick, Wake
from libs.settings import CommonSettings

__all__ = ["Builder", "Context", "Job", "Service", "Tick", "Wake"]


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
