"""Small writes that become one: nobody is forgotten, and a poison item fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.db.microbatch import MicroBatch
from libs.errors import Unavailable


class Writing:
    """A flush that can be held up, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.open.wait()
        if -1 in items:
            raise ValueError("poison")
        return [item * 10 for item in items]


async def test_what_is_submitted_as_a_writer_ends_is_written():
    writing = Writing()
    batch = MicroBatch(writing.flush, writers_max=1)
    async with asyncio.timeout(5):
        for number in range(5):
            assert await batch.submit(number) == number * 10
        await batch.drain()


async def test_what_waits_is_written_together_and_answered_in_order():
    writing = Writing()
    writing.open.clear()
    batch = MicroBatch(writing.flush, writers_max=1, items_max=3)
    waiting = [asyncio.ensure_future(batch.submit(number)) for number in range(5)]
    await asyncio.sleep(0)
    writing.open.set()
    assert await asyncio.gather(*waiting) == [0, 10, 20, 30, 40]
    assert writing.batches == [[0, 1, 2], [3, 4]]


async def test_a_poison_item_fails_alone():
    batch = MicroBatch(Writing().flush, writers_max=1)
    first, poison, last = await asyncio.gather(*(batch.submit(one) for one in (1, -1, 2)), return_exceptions=True)
    assert (first, last) == (10, 20)
    assert isinstance(poison, ValueError)


async def test_a_full_queue_says_so():
    writing = Writing()
    writing.open.clear()
    batch = MicroBatch(writing.flush, writers_max=1, queue_max=2)
    waiting = [asyncio.ensure_future(batch.submit(number)) for number in range(2)]
    await asyncio.sleep(0)
    waiting += [asyncio.ensure_future(batch.submit(number)) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await batch.submit(9)
    writing.open.set()
    await asyncio.gather(*waiting)
