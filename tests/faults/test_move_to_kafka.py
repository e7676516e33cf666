"""Moving a running system: to another database and to Kafka, back to the bus in PostgreSQL, and to Kafka again. Nothing is lost on the way.

The commands are those of docs/operations.md, read out of it. Another cluster of PostgreSQL stands for the data centre's server.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from libs.db.embedded import EmbeddedPostgres, database_url
from libs.events.kafka.settings import KafkaSettings
from tests.faults.intake_storm import Storm
from tests.faults.questions import CASES_OF_REPORTS, OWNERS_NOT_TOLD
from tests.faults.test_kill import SENT, UNDER_WAY, UNREAD, messages
from tests.support import guide
from tests.support.kafka import on_kafka
from tests.support.process import ROOT, START_S, Process, System, running_system, until

pytestmark = [on_kafka, pytest.mark.slow]

DONE, UNSENT, UNREAD_AT_STOP = 12, 20, 12
"""Reports before the move: dealt with, waiting for a gateway that takes nothing, and not read by anybody yet."""
SETTLE_S = 60
COMMAND_S = 120
BUSY_MACHINE_S = 5
"""How late a deadline may be noticed where everything runs at once; the move itself takes longer."""
PATIENT = {"TOCSIN_TWILIO_RETRY_GIVE_UP_S": "600"}
"""With a gateway that is busy for as long as the move takes."""
BUSY = {"items": [{"http_status": 429, "error_code": 20429}]}

_DUE = "UPDATE router.deadlines SET due_at = $2, reminders = '{}' WHERE case_id = $1 AND kind = 'acknowledge' AND state = 'armed'"
_WAKE = "UPDATE router.cases SET wakes_at = $2, next_due_at = $2 WHERE case_id = $1"
_WAITS_FOR_AN_ANSWER = """
    SELECT case_id FROM router.deadlines WHERE kind = 'acknowledge' AND state = 'armed' AND case_id <> ALL ($1::uuid[])
    ORDER BY due_at DESC LIMIT 1
"""
_REFUSED = "SELECT count(*) FROM notifier.attempts WHERE error_code = 20429"
_MISSED = """
    SELECT count(*) AS times, max((payload ->> 'late_s')::float8) AS late_s FROM audit.ledger
    WHERE event_type = 'tocsin.deadline.missed.v1' AND case_id = $1
"""
_NOT_IN_THE_LEDGER = """
    SELECT count(*) FROM bus.outbox AS event WHERE NOT EXISTS (SELECT 1 FROM audit.ledger WHERE ledger.event_id = event.event_id)
"""


async def test_a_running_system_moves_to_kafka_and_back_and_nothing_is_lost(kafka_settings: KafkaSettings) -> None:
    setup, starts = guide.script("moving to Kafka")
    back, starts_back = guide.script("moving back to PostgreSQL")
    assert guide.commands("moving to Kafka", "zh-CN") == guide.commands("moving to Kafka")
    assert guide.commands("moving back to PostgreSQL", "zh-CN") == guide.commands("moving back to PostgreSQL")
    async with running_system(environment=PATIENT) as system, another_postgresql(system) as url:
        storms = await in_the_middle_of_work(system)
        overdue = await a_deadline_passes_meanwhile(system)

        moved = Moved(system, url, kafka_settings)
        await moved.prepare(setup)
        async with moved.running(starts):
            await settled(url)
            due = await a_deadline_comes(url, besides=[overdue])
            await everything_goes_on(system, moved, storms)
            assert await missed(url, overdue) > BUSY_MACHINE_S  # fired at once, and recorded as late
            assert await missed(url, due) < BUSY_MACHINE_S
            storms.append(await stopped_in_the_middle(system, moved, seed=7))

        kafka = dict(moved.environment)
        await moved.prepare(back)
        async with moved.running(starts_back):
            await settled(url)
            await everything_goes_on(system, moved, storms)
            async with connected(url) as db:
                assert await db.fetchval("SELECT count(*) FROM bus.cursors WHERE grp = 'relay'") == 0
            storms.append(await stopped_in_the_middle(system, moved, seed=8))

        # The bus alone, on the same database: what was not read before is relayed now.
        moved.environment = kafka
        async with moved.running(starts_back):
            await settled(url)
            await everything_goes_on(system, moved, storms)


async def in_the_middle_of_work(system: System) -> list[Storm]:
    """Stops the system while events are unread, messages unsent and deadlines armed; answers what it has accepted."""
    done = Storm(system, DONE, 4)
    await done.run()
    url = embedded_url(system)
    await settled(url)
    await faults(system, BUSY)
    unsent = Storm(system, UNSENT, 5)
    await unsent.run()
    await until(lambda: count(url, _REFUSED), "the gateway refuses", timeout_s=30)
    unread = Storm(system, UNREAD_AT_STOP, 6)
    async with connected(url) as db:
        # As long as a transaction is open, nobody may read what others commit after it.
        await db.execute("BEGIN; SELECT pg_current_xact_id()")
        await unread.run()
        assert await system.process.end(signal.SIGTERM) == 0
    await faults(system, {"items": []})
    return [done, unsent, unread]


async def a_deadline_passes_meanwhile(system: System) -> Any:
    """While nothing runs, a window ends; and what was left undone is what we wanted to leave."""
    server = EmbeddedPostgres(system.var_dir / "postgres")
    url = database_url(await asyncio.to_thread(server.start), "tocsin")
    try:
        async with connected(url) as db:
            assert await db.fetchval(UNREAD) > 0
            assert await db.fetchval(UNDER_WAY) > 0
            return await move_deadline(db, seconds=0, besides=[])
    finally:
        await asyncio.to_thread(server.stop)


async def a_deadline_comes(url: str, besides: list[Any]) -> Any:
    async with connected(url) as db:
        case_id = await move_deadline(db, seconds=2, besides=besides)

        async def fired() -> bool:
            return bool(await db.fetchval(_MISSED, case_id))

        await until(fired, "the deadline has fired", timeout_s=20)
    await settled(url)
    return case_id


async def move_deadline(db: "asyncpg.Connection[Any]", *, seconds: int, besides: list[Any]) -> Any:
    case_id = await db.fetchval(_WAITS_FOR_AN_ANSWER, besides)
    due_at = await db.fetchval("SELECT clock_timestamp() + make_interval(secs => $1)", seconds)
    async with db.transaction():
        await db.execute(_DUE, case_id, due_at)
        await db.execute(_WAKE, case_id, due_at)
    return case_id


async def missed(url: str, case_id: Any) -> float:
    """How many seconds late the case's deadline was noticed; it was noticed once."""
    async with connected(url) as db:
        row = await db.fetchrow(_MISSED, case_id)
    assert row is not None
    assert row["times"] == 1
    return float(row["late_s"])


async def everything_goes_on(system: System, moved: "Moved", storms: list[Storm]) -> None:
    """Every 202 is one case, everybody was told once, the ledger has every event, receipts and accounts and keys are good."""
    answers = [answer for storm in storms for answer in storm.answers.values()]
    async with connected(moved.url) as db:
        cases = {row["report_id"]: row["cases"] for row in await db.fetch(CASES_OF_REPORTS)}
        assert cases == {answer["report_id"]: 1 for answer in answers}
        assert await db.fetchval("SELECT count(*) FROM router.cases") == len(answers)
        assert await db.fetchval(OWNERS_NOT_TOLD) == 0
        assert await db.fetchval("SELECT count(*) FROM bus.parked") == 0
        assert await db.fetchval(_NOT_IN_THE_LEDGER) == 0
        wanted: dict[str, int] = {row["body"]: row["notifications"] for row in await db.fetch(SENT)}
    assert Counter(message["body"] for message in await messages(system)) == wanted  # none missing, none twice
    await storms[0].again(3)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        for storm in storms:
            key, answer = next(iter(storm.answers.items()))
            async with http.get(f"{system.url}/v1/reports/{answer['receipt']}") as status:
                assert status.status == 200, await status.text()
            async with http.get(f"{system.url}/v1/reports/{answer['report_id']}/content", headers=system.bearer) as content:
                assert str(storm.reports[key]["narrative"]) in await content.text()
        account = {"username": "supervisor", "password": system.account("supervisor")}
        async with http.post(f"{system.url}/login", data=account, allow_redirects=False) as entered:
            assert entered.status == 303
            assert len(entered.cookies) == 1
    code, said = await system.command("doctor", "--json", **moved.environment)
    assert code == 0, [promise for promise in json.loads(said)["promises"] if not promise["ok"]]


async def stopped_in_the_middle(system: System, moved: "Moved", *, seed: int) -> Storm:
    """Reports are accepted, and everything is stopped at once."""
    storm = Storm(system, DONE, seed)
    await storm.run()
    await moved.stop()
    return storm


async def settled(url: str) -> None:
    async def done() -> bool:
        return not (await count(url, UNREAD) or await count(url, UNDER_WAY) or await count(url, _NOT_IN_THE_LEDGER))

    try:
        await until(done, "everything is dealt with", timeout_s=SETTLE_S)
    except AssertionError:
        async with connected(url) as db:
            rows = await db.fetch("SELECT state, attempts_made, next_at FROM notifier.notifications WHERE state IN ('queued', 'sending')")
        raise AssertionError(f"{await count(url, UNREAD)} unread; {[tuple(row) for row in rows][:5]}") from None


async def count(url: str, query: str) -> int:
    async with connected(url) as db:
        return int(await db.fetchval(query))


async def faults(system: System, what: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as http, http.put(f"{system.sandbox_url}/faults", json=what) as answer:
        assert answer.status == 200, await answer.text()


class Moved:
    """Where the system moves to: the environment that the guide's commands make, and the processes that they start."""

    def __init__(self, system: System, url: str, kafka: KafkaSettings) -> None:
        self.system = system
        self.url = url
        self._in_the_guide = {
            "postgresql://tocsin:PASSWORD@db.example.org:5432/tocsin": url,
            "kafka-1.example.org:9092,kafka-2.example.org:9092,kafka-3.example.org:9092": kafka.bootstrap_servers,
        }
        self.environment = {
            **{name: value for name, value in system.environment.items() if name != "PORT"},
            "PATH": f"{ROOT}{os.pathsep}{os.environ['PATH']}",
            "TOCSIN_PUBLIC_BASE_URL": system.url,
            "TOCSIN_KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
            "TOCSIN_KAFKA_PARTITIONS": str(kafka.partitions),
            "TOCSIN_KAFKA_REPLICATION": str(kafka.replication),
            "TOCSIN_KAFKA_SESSION_TIMEOUT_S": str(kafka.session_timeout_s),
        }
        self._processes: list[Process] = []

    async def prepare(self, script: str) -> None:
        """Runs the guide's commands up to the first that starts services, and keeps what they exported."""
        for there, here in self._in_the_guide.items():
            script = script.replace(there, here)
        shell = await asyncio.create_subprocess_exec(
            "bash", "-euc", f"{script}\nenv -0 > {shlex.quote(str(self.system.folder / 'environment'))}",
            cwd=self.system.folder, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(COMMAND_S):
            said, _ = await shell.communicate()
        assert shell.returncode == 0, said.decode()
        keys = next(self.system.folder.glob("*.keys")).read_text().partition(":")[2].strip().strip("'")
        assert keys not in said.decode(), "secrets are not said"
        pairs = (self.system.folder / "environment").read_text().split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if pair)

    @asynccontextmanager
    async def running(self, starts: list[tuple[dict[str, str], list[str]]]) -> AsyncIterator[None]:
        """The processes that the guide starts, each on the port that stands there (8000 is the system's own)."""
        ports = {"8000": str(self.system.port), "8001": str(self.system.port + 1), "8002": str(self.system.port + 2)}
        try:
            for given, arguments in starts:
                environment = {**self.environment, **given, "PORT": ports[given["PORT"]]}
                process = Process(("-m", "deploy.cli", *arguments), environment, self.system.folder / f"moved-{given['PORT']}.log")
                process.start()
                self._processes.append(process)
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
                for process in self._processes:
                    await until(lambda process=process: ready(http, process), "a process is ready", timeout_s=START_S)  # type: ignore[misc]
            yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        """All at once, in order."""
        processes, self._processes = self._processes, []
        codes = await asyncio.gather(*(process.end(signal.SIGTERM) for process in processes))
        assert set(codes) <= {0}, "\n".join(process.last_words() for process in processes)


async def ready(http: aiohttp.ClientSession, process: Process) -> bool:
    if not process.alive:
        raise AssertionError(f"{process.arguments} ended by itself:\n{process.last_words()}")
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with http.get(f"http://127.0.0.1:{process.environment['PORT']}/readyz") as answer:
            return answer.status == 200
    return False


@asynccontextmanager
async def another_postgresql(system: System) -> AsyncIterator[str]:
    """A server as a data centre has it: a database of our own, and a role that may make roles and nothing else."""
    server = EmbeddedPostgres(system.folder / "data-centre")
    maintenance = await asyncio.to_thread(server.start)
    try:
        async with connected(maintenance) as db:
            await db.execute("CREATE ROLE tocsin LOGIN CREATEROLE PASSWORD 'of the tests'")
            await db.execute("CREATE DATABASE tocsin OWNER tocsin")
        yield database_url(maintenance, "tocsin").replace("postgres:@", "tocsin:of%20the%20tests@", 1)
    finally:
        await asyncio.to_thread(server.stop)


def embedded_url(system: System) -> str:
    socket_dir = Path((system.var_dir / "postgres/postmaster.pid").read_text().splitlines()[4])
    return f"postgresql://postgres:@/tocsin?host={socket_dir}"


@asynccontextmanager
async def connected(url: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    connection = await asyncpg.connect(url, timeout=30, command_timeout=60, server_settings={"jit": "off"})
    try:
        yield connection
    finally:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await connection.close(timeout=10)
