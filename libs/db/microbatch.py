"""Many small writes that arrive together become one statement; each caller is answered after the commit."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from libs.db import TRANSIENT
from libs.errors import Unavailable
from libs.i18n import gettext as _

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class MicroBatch(Generic[ItemT, ResultT]):
    """Gathers what waits while an earlier batch is being written; under no load a batch is one item and nobody waits.

    `flush` writes a batch in one transaction and answers one result per item, in order. When a batch fails, its items are
    written one by one, so that a poison item fails alone. A full queue is `Unavailable`: the sender tries again with its key.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        items_max: int = 128,
        queue_max: int = 4096,
        writers_max: int = 2,
    ) -> None:
        self._flush = flush
        self._items_max = items_max
        self._queue_max = queue_max
        self._writers_max = writers_max
        self._waiting: deque[tuple[ItemT, asyncio.Future[ResultT]]] = deque()
        self._writers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many items wait to be written."""
        return len(self._waiting)

    async def submit(self, item: ItemT) -> ResultT:
        """Answers once `item` is committed; raises what its write raised."""
        if len(self._waiting) >= self._queue_max:
            raise Unavailable("overloaded", _("Too many requests are waiting. Send it again in a few seconds, with the same key."))
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._writers) < self._writers_max:
            self._writers.add(asyncio.create_task(self._write(), name="microbatch"))
        return await future

    async def drain(self) -> None:
        """Waits until everything accepted so far is written (for shutting down)."""
        while self._writers:
            await asyncio.wait(self._writers)

    async def _write(self) -> None:
        try:
            await self._write_all()
        finally:
            # At once, not in a callback of the task: what is submitted in between would wait for a writer that has gone.
            self._writers.discard(asyncio.current_task())

    async def _write_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._items_max, len(self._waiting)))]
            try:
                results = await self._flush([item for item, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is handed to those who wait
                await self._write_singly(batch, error)
                continue
            for (_item, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _write_singly(self, batch: list[tuple[ItemT, "asyncio.Future[ResultT]"]], error: Exception) -> None:
        alone = len(batch) == 1 or isinstance(error, TRANSIENT)
        for item, future in batch:
            if future.done():
                continue
            if alone:
                future.set_exception(error)
                continue
            try:
                future.set_result((await self._flush([item]))[0])
            except Exception as single:  # noqa: BLE001 - as above
                future.set_exception(single)
