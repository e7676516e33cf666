"""Every service in processes of its own, two of those that share work, on a cluster of three Kafka nodes."""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient

from deploy.demo.directory import load_demo
from deploy.kafka import Cluster, Node
from libs.clock import SystemClock
from libs.crypto import KeyRing
from libs.db.migrations import migrate
from libs.events.kafka.settings import KafkaSettings
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.settings import CommonSettings
from tests.faults.cluster.database import Server
from tests.faults.cluster.network import Network, Place, network
from tests.support.folders import make_folder
from tests.support.kafka import LIB
from tests.support.process import ACCOUNT, NO_BOUNDS, NUMBER, ROOT, TOKEN, Process, free_port, until

SERVICES = ("intake", "router", "notifier", "audit", "directory")
TWICE = ("intake", "router", "notifier")
NODES = 3
PARTITIONS = 8
READY_S = 60
ASK_AGAIN_S = 0.3


@dataclass
class Member(Process):
    """One process of one service, at its place."""

    place: Place = field(kw_only=True)
    service: str = field(kw_only=True)
    port: int = field(kw_only=True)
    starts: int = 0

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def url(self) -> str:
        return f"http://{self.place.host}:{self.port}"

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [*self.place.prefix, sys.executable, *self.arguments],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def send(self, how: signal.Signals) -> None:
        assert self.running is not None
        self.running.send_signal(how)


@dataclass
class ClusterSystem:
    """All processes; `url` is that of either intake in turn, as a client that knows both would choose."""

    folder: Path
    network: Network
    postgres: Server
    kafka: Cluster
    places: dict[str, Place]
    members: dict[str, Member] = field(default_factory=dict)
    sandbox: Process | None = None
    sandbox_url: str = ""
    api_key: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._intakes = itertools.cycle(("intake1", "intake2"))

    @property
    def url(self) -> str:
        return self.members[next(self._intakes)].url

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.kafka.bootstrap_servers, partitions=PARTITIONS)

    def of(self, service: str) -> list[Member]:
        return [member for member in self.members.values() if member.service == service]

    async def ready(self, member: Member, *, timeout_s: float = READY_S) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:

            async def answers() -> bool:
                if not member.alive:
                    raise AssertionError(f"{member.name} ended by itself:\n{member.last_words()}")
                with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                    async with http.get(f"{member.url}/readyz") as answer:
                        if answer.status == 200:
                            return True
                await asyncio.sleep(ASK_AGAIN_S)
                return False

            await until(answers, f"{member.name} is ready", timeout_s=timeout_s)

    async def leaders(self) -> dict[int, int]:
        """How many partitions each node leads, as any node that answers says."""
        admin = AIOKafkaAdminClient(**self.settings.client(timeout_s=5))
        async with asyncio.timeout(20):
            await admin.start()
            try:
                (topic,) = await admin.describe_topics([self.settings.events.name])
            finally:
                await admin.close()
        led = dict.fromkeys(range(1, NODES + 1), 0)
        for partition in topic["partitions"]:
            if partition["leader"] in led:
                led[partition["leader"]] += 1
        return led

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Another command of `tocsin`, from outside of all namespaces: exit code, what it prints, what it says aside."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "deploy.cli", *arguments],
            cwd=ROOT, env={**self.environment, "TOCSIN_VAR_DIR": str(self.folder / "command")},
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    async def start(self) -> None:
        """PostgreSQL with the demo data and Kafka beside each other, then all services at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(self.kafka.start))
            group.create_task(self._prepare_database())
        for member in self.members.values():
            member.start()
        async with asyncio.TaskGroup() as group:
            for member in self.members.values():
                group.create_task(self.ready(member, timeout_s=180))

    async def _prepare_database(self) -> None:
        await self.postgres.make()
        master = KeyRing.generate()
        self.environment |= {"TOCSIN_DATABASE_URL": self.postgres.url, "TOCSIN_MASTER_KEYS": master}
        await migrate(self.postgres.url)
        context = Context(
            clock=SystemClock(),
            settings=CommonSettings(database_url=self.postgres.url, var_dir=self.folder),
            keyring=KeyRing.parse(master),
            database_url=self.postgres.url,
            bus=PostgresBus(self.postgres.url),
        )
        self.api_key = (await load_demo(context, password="a-password-of-the-tests")).api_key
        for member in self.members.values():
            # Both intakes are one address to the world; a notifier is told by the gateway where it was asked from.
            public = self.members["intake1"].url if member.service == "intake" else member.url
            member.environment.update(self.environment, TOCSIN_PUBLIC_BASE_URL=public)

    def end_everything(self) -> None:
        """Whatever state they are in: no process of ours stays behind."""
        for process in [*self.members.values(), self.sandbox]:
            if process is not None and process.running is not None and process.alive:
                process.running.kill()
                process.running.wait(10)
        for node in self.kafka.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait(10)
        self.postgres.end()


@asynccontextmanager
async def running_cluster() -> AsyncIterator[ClusterSystem]:
    """The system, ready, with the Futian demo data."""
    # A long run writes gigabytes, and is the one that shall meet a real disk.
    folder = Path(tempfile.mkdtemp(prefix="tocsin-cluster-")) if "FAULT_REPORTS" in os.environ else make_folder("tocsin-cluster-")
    folder.chmod(0o755)  # PostgreSQL runs as another user where root runs the tests
    with network() as net:
        system = _planned(folder, net)
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGTERM, task.cancel)  # who is told to end tidies up first
        try:
            await system.start()
            yield system
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            system.end_everything()
            if not os.environ.get("FAULT_KEEP"):
                shutil.rmtree(folder, ignore_errors=True)


def _planned(folder: Path, net: Network) -> ClusterSystem:
    nodes: list[Node] = []
    places: dict[str, Place] = {}
    for number in range(1, NODES + 1):
        place = places[f"kafka{number}"] = net.place(f"kafka{number}", broker=True)
        ports = net.port(9092), net.port(9093)
        nodes.append(Node(number, place.kafka_host, *ports, folder / f"node-{number}", LIB.resolve(), prefix=place.prefix))
    postgres = Server(folder / "postgres", net.host, net.port(5432), net.allowed)
    system = ClusterSystem(folder, net, postgres, Cluster(nodes), places)
    gateway_port = free_port()
    system.sandbox_url = f"http://{net.host}:{gateway_port}"
    system.environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "PORT"))},
        "PYTHONPATH": str(ROOT),
        "TOCSIN_LOG_LEVEL": os.environ.get("FAULT_LOG_LEVEL", "WARNING"),
        "TOCSIN_LOG_FORMAT": "json",
        "TOCSIN_LANGUAGE": "en",
        "TOCSIN_BUS": "kafka",
        "TOCSIN_KAFKA_BOOTSTRAP_SERVERS": system.kafka.bootstrap_servers,
        "TOCSIN_KAFKA_PARTITIONS": str(PARTITIONS),
        "TOCSIN_TWILIO_ACCOUNT_SID": ACCOUNT,
        "TOCSIN_TWILIO_AUTH_TOKEN": TOKEN,
        "TOCSIN_TWILIO_FROM_NUMBER": NUMBER,
        "TOCSIN_TWILIO_API_BASE_URL": system.sandbox_url,
        **NO_BOUNDS,
    }
    for service in SERVICES:
        for name in (f"{service}1", f"{service}2") if service in TWICE else (service,):
            place = places[name] = net.place(name)
            port = net.port(8000)
            environment = {"TOCSIN_HOST": place.host, "PORT": str(port), "TOCSIN_VAR_DIR": str(folder / name)}
            if os.environ.get("FAULT_STATIC") == "1":
                environment["TOCSIN_KAFKA_INSTANCE_ID"] = name
            arguments = ("-m", "deploy.cli", "run", "--services", service, "--no-demo")
            system.members[name] = Member(
                arguments, {**system.environment, **environment}, folder / f"{name}.log", place=place, service=service, port=port
            )
    system.sandbox = Process(
        ("-m", "tests.support.process", str(gateway_port), f"{system.members['notifier1'].url}/v1/twilio/inbound", net.host),
        dict(system.environment), folder / "sandbox.log",
    )  # fmt: skip
    system.sandbox.start()
    return system
