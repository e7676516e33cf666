"""A real Apache Kafka from its Maven artifacts, for development, tests and small installations: one or three nodes on this machine.

Each node is broker and controller (KRaft). Data, configuration and log of node N stand under <folder>/node-N, the jars in `lib`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from libs.clock.patience import wait_until

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
LOG4J = HERE / "log4j2.properties"
CLUSTER_ID = "VG9jc2luS2Fma2FDbHVzdA"
"""16 bytes in base64, as KRaft wants them; the same for every cluster that is made here, since they never meet."""
START_S = 90.0
STOP_S = 30.0
INSTALL_S = 600
FORMAT_S = 60
HEAP = "384m"


class KafkaServerError(Exception):
    """It cannot be installed or started; the message says why and what to do, in one line."""


def version() -> str:
    """The version of Apache Kafka that the POM names."""
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = ET.parse(POM).find("m:dependencies/m:dependency[m:artifactId='kafka_2.13']/m:version", space)  # noqa: S314 - our own file
    assert found is not None, "the POM names kafka_2.13"
    assert found.text, "the POM names a version"
    return found.text


def lacking() -> list[str]:
    """The programs that are needed and not there."""
    return [program for program in ("java", "mvn") if shutil.which(program) is None]


def install(lib: Path) -> None:
    """Brings the jars, if they are not there yet. `KafkaServerError` says what is missing."""
    if (lib / f"kafka_2.13-{version()}.jar").exists():
        return
    if missing := lacking():
        raise KafkaServerError(
            f"{' and '.join(missing)} not found: install a Java 17 runtime and Maven (Debian: default-jre-headless maven)"
        )
    lib.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(f"{lib}.{os.getpid()}")
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fresh.resolve()}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)  # noqa: S603 - constants
    if done.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise KafkaServerError(f"Maven could not bring Apache Kafka: {(done.stdout + done.stderr).strip().splitlines()[0]}")
    shutil.rmtree(lib, ignore_errors=True)
    with contextlib.suppress(OSError):  # another one may have been quicker
        fresh.rename(lib)
    shutil.rmtree(fresh, ignore_errors=True)


@dataclass
class Node:
    """One broker and controller. `prefix` are words before `java`, as `ip netns exec NAME`."""

    number: int
    host: str
    port: int
    controller_port: int
    folder: Path
    lib: Path
    prefix: tuple[str, ...] = ()
    heap: str = HEAP
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs; whoever started it."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "pid").read_text())
            if str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    def configure(self, nodes: Sequence["Node"]) -> None:
        """Writes its configuration and formats its storage, once."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        file = self.folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in self._properties(nodes).items()))
        if (self.folder / "data/meta.properties").exists():
            return
        command = [*self._java(), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(file), "--ignore-formatted"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_S, check=False)  # noqa: S603 - constants
        if done.returncode:
            raise KafkaServerError(f"node {self.number} could not be formatted: {(done.stdout + done.stderr).strip()[-300:]}")

    def start(self) -> None:
        """Starts its process; `Cluster.start` waits until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - constants, and words of whoever starts it
                [*self.prefix, *self._java(), "kafka.Kafka", str(self.folder / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(self.process.pid))

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Sends it a signal and waits for its end; SIGKILL follows when it does not."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, how)
        if not wait_until(lambda: self.pid is None, timeout_s=STOP_S):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: self.pid is None, timeout_s=STOP_S)

    @property
    def listens(self) -> bool:
        """Whether it takes connections (from here)."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _java(self) -> list[str]:
        flags = [f"-Xmx{self.heap}", f"-Xms{self.heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *flags, f"-Dlog4j2.configurationFile={LOG4J}", "-cp", f"{self.lib}/*"]

    def _properties(self, nodes: Sequence["Node"]) -> dict[str, object]:
        copies, majority = len(nodes), len(nodes) // 2 + 1
        return {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "controller.quorum.voters": ",".join(f"{one.number}@{one.host}:{one.controller_port}" for one in nodes),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{self.port}",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": majority,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": majority,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": majority,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "controller.quorum.election.timeout.ms": 1000,
            "controller.quorum.fetch.timeout.ms": 2000,
            "replica.lag.time.max.ms": 5000,
            "controlled.shutdown.enable": "true",
        }


@dataclass
class Cluster:
    """The nodes of one cluster."""

    nodes: list[Node]

    @classmethod
    def under(cls, folder: Path, count: int, *, lib: Path | None = None, port: int = 9092, ports: Sequence[int] = ()) -> "Cluster":
        """`count` nodes on 127.0.0.1, with data under `folder`, on `port`, +1 (controller), +2 … unless `ports` says otherwise."""
        chosen = list(ports) or list(range(port, port + 2 * count))
        lib = (lib or folder / "lib").resolve()
        return cls(
            [Node(n + 1, "127.0.0.1", chosen[2 * n], chosen[2 * n + 1], (folder / f"node-{n + 1}").resolve(), lib) for n in range(count)]
        )

    @property
    def bootstrap_servers(self) -> str:
        """For `TOCSIN_KAFKA_BOOTSTRAP_SERVERS`."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Starts those that do not run, and returns when all take connections."""
        install(self.nodes[0].lib)
        for node in self.nodes:
            if node.pid is None:
                node.configure(self.nodes)
                node.start()
        for node in self.nodes:
            if not wait_until(lambda node=node: node.listens or node.pid is None, timeout_s=START_S) or node.pid is None:  # type: ignore[misc]
                words = node.last_words()
                self.stop()
                raise KafkaServerError(f"node {node.number} did not start; the end of {node.log}: {words}")

    def stop(self) -> None:
        """Stops all; data stays."""
        for node in self.nodes:
            if (pid := node.pid) is not None:
                os.kill(pid, signal.SIGTERM)  # at once, so that none looks for a new home for what it leads
        for node in self.nodes:
            node.end()
