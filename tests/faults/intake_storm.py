"""A storm of reports from clients that do as they are told: each report has its own key, and is sent again with it until it is accepted."""

import asyncio
import contextlib
import csv
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

from deploy.demo.directory import REGISTER
from libs.terms import Situation
from tests.support.process import System

AT_ONCE = 48
TRIES_MAX = 200
PAUSE_S = 0.25
REQUEST_S = 15


@dataclass
class Storm:
    """Sends `count` reports to `system`; `answers` holds the 202 of each report by its key, the first one that arrived."""

    system: System
    count: int
    seed: int
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    retries: int = 0
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        with REGISTER.open(encoding="utf-8") as file:
            communities = [row["code"] for row in csv.DictReader(file) if row["level"] == "community"]
        situations = [str(one) for one in Situation]
        self.reports = {
            str(UUID(int=chance.getrandbits(128), version=4)): {
                "channel": "school_api",
                "situations": [chance.choice(situations)],
                "narrative": f"【测试】合成的叙述 {number}",
                "children": [{"current_location": {"division_code": chance.choice(communities)}}],
                "danger": {"danger_now": chance.choice(["unknown", "unknown", "no", "yes"])},
            }
            for number in range(self.count)
        }

    async def run(self) -> None:
        """Until every report has its 202."""
        bearer = self.system.bearer
        waiting = iter(self.reports.items())
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=bearer, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:

            async def sender() -> None:
                for key, report in waiting:
                    self.answers[key] = await self._send(http, key, report)
                    async with self.moved:
                        self.moved.notify_all()

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(sender())

    async def again(self, count: int) -> None:
        """Some of them once more: the same key gets the same answer."""
        async with aiohttp.ClientSession(headers=self.system.bearer) as http:
            for key in random.Random(self.seed).sample(sorted(self.reports), count):
                assert await self._send(http, key, self.reports[key]) == self.answers[key]

    async def accepted(self, count: int) -> None:
        """Waits until so many are accepted."""
        async with self.moved:
            await self.moved.wait_for(lambda: len(self.answers) >= count)

    async def _send(self, http: aiohttp.ClientSession, key: str, report: dict[str, Any]) -> dict[str, Any]:
        for _ in range(TRIES_MAX):
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with http.post(f"{self.system.url}/v1/reports", json=report, headers={"Idempotency-Key": key}) as answer:
                    if answer.status == 202:
                        return await answer.json()
                    assert answer.status >= 500, f"{answer.status} {await answer.text()}"
            self.retries += 1
            await asyncio.sleep(PAUSE_S)
        raise AssertionError(f"report {key} was not accepted in {TRIES_MAX} tries")
