"""How far each group has read, as Kafka itself says."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from libs.events.kafka.guard import Guard
from libs.events.kafka.settings import KafkaSettings

ASK_S = 8.0


class Unknown(ConnectionError):
    """Kafka did not say. Transient, like any connection that fails."""


class Survey:
    """Asks for lags; clients that failed are thrown away."""

    def __init__(self, settings: KafkaSettings, guard: Guard | None = None) -> None:
        self._settings = settings
        self._guard = guard
        self._admin: AIOKafkaAdminClient | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def lags(self, group: str) -> dict[int, int]:
        """How many events of each partition the group has not committed; `Unknown` when Kafka does not say."""
        return await self._ask(partial(self._lags, group))

    async def answers(self) -> bool:
        """Whether Kafka says how much there is to read: for those who read nothing themselves."""
        try:
            return bool(await self._ask(self._ends))
        except Unknown:
            return False

    async def _ask(self, question: Callable[[], Awaitable[dict[Any, int]]]) -> dict[Any, int]:
        if self._guard is not None and not self._guard.sure:
            raise Unknown("the topics are yet to be looked at")
        async with self._lock:
            try:
                async with asyncio.timeout(ASK_S):
                    return await question()
            except BaseException as error:
                await self._discard()
                # aiokafka's own mistakes while a broker goes away (KeyError, AttributeError …) are no different to us
                if isinstance(error, Exception):
                    raise Unknown(type(error).__name__) from error
                raise

    async def close(self) -> None:
        """Ends its clients."""
        async with self._lock:
            await self._discard()

    async def _lags(self, group: str) -> dict[int, int]:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**self._settings.client(timeout_s=5))
            await self._admin.start()
        # Ends first: what is committed afterwards can only be further on, and a lag of 0 means that all of it was read.
        ends = await self._ends()
        assert self._reader is not None
        places = list(ends)
        begins: dict[Any, int] = await self._reader.beginning_offsets(places)
        committed = await self._admin.list_consumer_group_offsets(self._settings.group_id(group), partitions=places)
        lags: dict[int, int] = {}
        for place in places:
            offset = committed[place].offset if place in committed else -1
            read = offset if begins[place] <= offset <= ends[place] else begins[place]
            lags[place.partition] = ends[place] - read
        return lags

    async def _ends(self) -> dict[Any, int]:
        if self._reader is None:
            self._reader = AIOKafkaConsumer(**self._settings.client(timeout_s=5), enable_auto_commit=False)
            await self._reader.start()
        topic = self._settings.events
        ends: dict[Any, int] = await self._reader.end_offsets([TopicPartition(topic.name, number) for number in range(topic.partitions)])
        return ends

    async def _discard(self) -> None:
        admin, self._admin = self._admin, None
        reader, self._reader = self._reader, None
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(2):
                if admin is not None:
                    await admin.close()
                if reader is not None:
                    await reader.stop()
