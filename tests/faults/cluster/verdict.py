"""What must hold when everything is mended, whatever happened on the way.

The system goes on meanwhile: nobody acknowledges anything, so officers are reminded and cases climb. What is judged is what had begun by
a moment after the last report.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg

from libs.events.kafka.survey import Survey
from tests.faults.cluster.storm import SteadyStorm
from tests.faults.cluster.system import ClusterSystem
from tests.faults.questions import CASES_OF_REPORTS, OWNERS_NOT_TOLD
from tests.support.process import until

SOON_S = 60
OUT_OF_ORDER = """
WITH lines AS (
    SELECT row_number() OVER (PARTITION BY line.key ORDER BY line.seq) AS by_seq,
           row_number() OVER (PARTITION BY line.key ORDER BY line.xid, line.seq) AS by_xid,
           row_number() OVER (PARTITION BY line.key ORDER BY event.xid, event.id) AS in_log
    FROM audit.ledger AS line JOIN bus.outbox AS event USING (event_id))
SELECT count(*) FROM lines WHERE by_seq <> in_log OR by_xid <> in_log
"""
NOT_IN_LEDGER = """
SELECT count(*) FROM bus.outbox AS event
WHERE event.created_at <= $1 AND NOT EXISTS (SELECT 1 FROM audit.ledger AS line WHERE line.event_id = event.event_id)
"""
SENT = """
SELECT body, count(DISTINCT notification_id) AS notifications, count(*) FILTER (WHERE possible_duplicate) AS again,
       max(started_at) <= $1 AS over
FROM notifier.attempts GROUP BY body
"""
AMBIGUOUS = "SELECT count(*) FROM notifier.attempts WHERE possible_duplicate"
WAITS = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM told - report.received_at))
FROM intake.reports AS report JOIN router.case_reports AS filed USING (report_id)
JOIN (SELECT notification.case_id, min(attempt.submitted_at) AS told
      FROM notifier.notifications AS notification JOIN notifier.attempts AS attempt USING (notification_id)
      GROUP BY notification.case_id) AS first USING (case_id)
"""


@dataclass(frozen=True)
class Verdict:
    """Figures of a run that kept its promises."""

    reports: int
    retries: int
    events: int
    messages: int
    doubled: int
    ambiguous: int
    waits_s: tuple[float, float, float]

    def __str__(self) -> str:
        p50, p99, most = self.waits_s
        return (
            f"{self.reports} reports accepted ({self.retries} sent again) = {self.reports} cases; {self.events} events, each in the "
            f"ledger, in order; {self.messages} SMS, {self.doubled} doubled ({self.ambiguous} ambiguous sends); "
            f"report to SMS: p50 {p50:.2f} s, p99 {p99:.1f} s, at most {most:.1f} s, outages included"
        )


async def judge(system: ClusterSystem, storm: SteadyStorm, at: datetime) -> Verdict:
    """Nothing is lost, nothing is doubled without need, nothing is out of order, nothing waits."""
    assert [member.name for member in system.members.values() if not member.alive] == []
    async with system.postgres.connected() as db:
        cases = {row["report_id"]: row["cases"] for row in await db.fetch(CASES_OF_REPORTS)}
        accepted = {answer["report_id"]: 1 for answer in storm.answers.values()}
        assert len(accepted) == storm.count
        assert cases == accepted, f"{len(accepted.keys() - cases.keys())} lost, {len(cases.keys() - accepted.keys())} of nobody's"
        assert await db.fetchval("SELECT count(*) FROM router.cases") == storm.count
        await until(lambda: _none(db, OWNERS_NOT_TOLD), "every owner is told", timeout_s=SOON_S)  # some have just become it
        parked = await db.fetch("SELECT grp, event_type, error, state FROM bus.parked LIMIT 5")
        assert parked == [], parked
        assert await db.fetchval(NOT_IN_LEDGER, at) == 0
        assert await db.fetchval(OUT_OF_ORDER) == 0
        events = await db.fetchval("SELECT count(*) FROM bus.outbox")
        waits = await db.fetchval(WAITS)
        # First what arrived, then what was sent: a second reminder has the words of the first, and may go out while we count.
        reached = await _messages(system)
        sent = {row["body"]: row for row in await db.fetch(SENT, at)}
        ambiguous = await db.fetchval(AMBIGUOUS)
    assert len({answer["receipt"] for answer in storm.answers.values()}) == storm.count
    await storm.again(20)
    doubled = _doubled(reached, sent)
    assert doubled <= ambiguous
    await _lag(system)
    code, out, aside = await system.command("doctor", "--json")
    assert code == 0, f"{out}\n{aside}"
    assert json.loads(out)["ok"]
    return Verdict(storm.count, storm.retries, events, reached.total(), doubled, ambiguous, (waits[0], waits[1], waits[2]))


async def _messages(system: ClusterSystem) -> Counter[str]:
    """How often each text has reached the gateway."""
    reached: Counter[str] = Counter()
    after = ""
    async with aiohttp.ClientSession() as http:
        while True:
            query = {"after": after, "limit": "1000"} if after else {"limit": "1000"}
            async with http.get(f"{system.sandbox_url}/messages", params=query) as answer:
                page = await answer.json()
            reached.update(message["body"] for message in page["items"])
            if page["next"] is None:
                return reached
            after = page["items"][-1]["sid"]


def _doubled(reached: Counter[str], sent: dict[str, Any]) -> int:
    """How many SMS arrived twice, of those whose last sending had begun before we judge; each of them must be marked as possible."""
    over = {body: row for body, row in sent.items() if row["over"]}
    missing = [(reached[body], dict(row)) for body, row in over.items() if reached[body] < row["notifications"]]
    assert missing == [], f"{len(missing)} SMS missing: {missing[:5]}"
    more = {body: reached[body] - row["notifications"] for body, row in over.items()}
    unmarked = [(reached[body], dict(over[body])) for body, count in more.items() if count > over[body]["again"]]
    assert unmarked == [], f"{len(unmarked)} SMS doubled and not marked: {unmarked[:5]}"
    return sum(more.values())


async def _lag(system: ClusterSystem) -> None:
    """Kafka itself says that every group has read everything that was there."""
    survey = Survey(system.settings)
    try:
        async with system.postgres.connected() as db:
            groups = [row["grp"] for row in await db.fetch("SELECT DISTINCT grp FROM bus.cursors WHERE grp <> 'relay'")]
        goal = await _ends(survey)
        for group in groups:

            async def read(group: str = group) -> bool:
                ends = await _ends(survey)
                lags = await survey.lags(group)
                return all(ends[partition] - lag >= goal[partition] for partition, lag in lags.items())

            await until(read, f"{group} has read everything in Kafka", timeout_s=SOON_S)
    finally:
        await survey.close()


async def _ends(survey: Survey) -> dict[int, int]:
    return {place.partition: end for place, end in (await survey._ask(survey._ends)).items()}


async def _none(db: "asyncpg.Connection[Any]", query: str) -> bool:
    return await db.fetchval(query) == 0
