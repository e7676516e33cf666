"""Reports at a steady pace, to either intake in turn; what is not accepted is sent again, with its key, until it is."""

import asyncio
import time

import aiohttp

from tests.faults.intake_storm import Storm

SENDERS = 240
"""Enough that those who wait for an intake that was stopped do not slow down the others."""
REQUEST_S = 5


class SteadyStorm(Storm):
    """`per_second` reports each second, as long as the system takes them."""

    per_second: float = 20.0

    async def run(self) -> None:
        waiting = iter(enumerate(self.reports.items()))
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        began_s = time.monotonic()
        async with aiohttp.ClientSession(
            timeout=timeout, headers=self.system.bearer, connector=aiohttp.TCPConnector(limit=SENDERS)
        ) as http:

            async def sender() -> None:
                for number, (key, report) in waiting:
                    await asyncio.sleep(max(began_s + number / self.per_second - time.monotonic(), 0))
                    self.answers[key] = await self._send(http, key, report)
                    async with self.moved:
                        self.moved.notify_all()

            async with asyncio.TaskGroup() as group:
                for _ in range(SENDERS):
                    group.create_task(sender())
