"""Calls to the outside that do not wait for each other: what sending messages and telling webhooks have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from libs.log import get_logger

LOOK_AGAIN_S = 0.5

HeardT = TypeVar("HeardT")

log = get_logger("notifier")


class Calling(ABC, Generic[HeardT]):
    """Claims, calls and records: a call that hangs keeps one place busy, never the others.

    What a call brought and could not be recorded (database away) is kept for the next round.
    """

    def __init__(self, *, at_once_max: int, finish_s: float) -> None:
        self.wake = asyncio.Event()
        self._at_once_max = at_once_max
        self._finish_s = finish_s
        self._calls: set[asyncio.Task[None]] = set()
        self._heard: deque[HeardT] = deque()
        self._more = True

    def work_arrived(self) -> None:
        """Something was queued: look at once."""
        self._more = True
        self.wake.set()

    @property
    def _free(self) -> int:
        return self._at_once_max - len(self._calls)

    @abstractmethod
    async def _launch(self, free: int) -> int:
        """Claims what is due and begins at most `free` calls; sets `_more`. Answers how much it moved."""

    @abstractmethod
    async def _record(self) -> int:
        """Records what was heard, in batches, and takes it from `_heard` only then. Answers how much."""

    @abstractmethod
    def _place_is_free(self) -> None:
        """A call has ended: whether to look for more is decided here."""

    def _wait_s(self) -> float:
        """How long to wait at most before looking again."""
        return LOOK_AGAIN_S

    async def _work(self) -> int:
        """Works until nothing is due and every call has ended.

        When it is ended it lets the calls under way end and records them, so that a restart has nothing to look up.
        """
        worked = 0
        self._more = True
        try:
            while self._more or self._calls or self._heard:
                worked += await self._record()
                if self._more and self._free > 0:
                    worked += await self._launch(self._free)
                elif self._calls and not self._heard:
                    await self._wait()
        except asyncio.CancelledError:
            if self._calls:
                await asyncio.wait(self._calls, timeout=self._finish_s)
            while self._heard:
                await self._record()
            raise
        return worked

    def _begin(self, call: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(call, name=name)
        self._calls.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("notifier.outside_call_failed", error=type(error).__name__, exc_info=error)  # made up for after its lease
        self._place_is_free()
        self.wake.set()

    async def _wait(self) -> None:
        """Until a call ends or work arrives; in real time, since it waits for the network."""
        self.wake.clear()
        try:
            async with asyncio.timeout(self._wait_s()):
                await self.wake.wait()
        except TimeoutError:
            self._more = True
