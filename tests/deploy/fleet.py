"""The containers of compose.yaml or of the chart as plain processes on loopback: their commands, their environment, the image's files.

Only what is about places is changed: addresses, ports, folders, and how many Kafka nodes there are.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo.directory import DemoAccess, load_demo
from libs.clock import SystemClock
from libs.crypto import KeyRing
from libs.events.postgres import PostgresBus
from libs.service import Context
from libs.settings import CommonSettings
from tests.deploy import chart, compose, image, nginx
from tests.deploy.compose import Container
from tests.deploy.nginx import Nginx
from tests.deploy.tools import attempt
from tests.support.folders import quick_folder
from tests.support.process import NO_BOUNDS, Process, free_port, until

ROOMS = ("directory", "intake", "router", "notifier", "audit")
START_S = 120
STEP_S = 120
PASSWORD = "demo-password-1"
CHEAP_PASSWORDS = {"TOCSIN_DIRECTORY_PASSWORD_MEMORY_KIB": "1024", "TOCSIN_DIRECTORY_PASSWORD_ROUNDS": "1"}


@dataclass(frozen=True)
class Plan:
    """Where the containers come from: `container(room, number)`, the door's site and command, and which bus they are told to use."""

    containers: Callable[[int], Mapping[str, Container]]
    bus: str
    https: bool
    site: nginx.Site
    nginx_command: list[str]


def of_compose() -> Plan:
    """compose.yaml, filled in."""
    command = compose.services(compose.SECRETS)["nginx"]["entrypoint"]
    return Plan(lambda _number: compose.containers(compose.SECRETS), "kafka", https=True, site=nginx.site_of_compose, nginx_command=command)


def of_chart(values: dict[str, Any]) -> Plan:
    """The chart, rendered with `values`."""
    command = chart.pods(values)["gateway"]["containers"][0]["command"]
    return Plan(
        lambda number: chart.containers(values, f"pod-{number}"),
        values.get("bus", "kafka"),
        https=False,
        site=lambda upstreams: chart.site(values, upstreams),
        nginx_command=command,
    )


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The image in a folder: its working folder, and the Python with its packages."""

    app: Path
    python: Path


def unpack(folder: Path) -> Unpacked:
    """Lays out the image below `folder`."""
    return Unpacked(image.lay_out(folder), image.packages(folder / "packages"))


@dataclass
class Contained(Process):
    """A process in the working folder of the image."""

    place: Path = Path()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                list(self.arguments), cwd=self.place, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


@dataclass
class Fleet:
    """Everything that runs."""

    folder: Path
    image: Unpacked
    plan: Plan
    places: dict[str, str]
    door: Nginx
    sandbox_url: str
    processes: list[tuple[Container, int, Contained]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.door.https if self.plan.https else self.door.http

    def process(self, container: Container, name: str, port: int) -> Contained:
        """A container as a process; `places` win over what it was told."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"PORT": str(port), "TOCSIN_VAR_DIR": str(self.folder / name)}
        environment = {**container.environment, **self.places, **own, "TOCSIN_PUBLIC_BASE_URL": self.url, **kept}
        return Contained(
            tuple(image.interpreter(container.command, self.image.python)), environment, self.folder / f"{name}.log", place=self.image.app
        )

    async def step(self, name: str) -> None:
        """Runs a container to its end."""
        code, said = await self.command(self.plan.containers(0)[name])
        assert code == 0, said

    async def command(self, container: Container) -> tuple[int, str]:
        """Runs a command in a container; answers its exit code and what it said."""
        process = self.process(container, f"{container.name}-{len(container.command)}", 0)
        process.start()
        assert process.running is not None
        return await asyncio.to_thread(process.running.wait, STEP_S), process.last_words()

    async def well(self) -> bool:
        """Whether `tocsin doctor`, called in a container of the audit, finds every promise kept."""
        audit = self.plan.containers(0)["audit"]
        code, _said = await self.command(replace(audit, command=(*image.read().entrypoint, "doctor")))
        return code == 0

    async def start(self, ports: Mapping[str, list[int]]) -> None:
        """Starts every service on its ports, and waits until each is ready."""
        for room, taken in ports.items():
            for number, port in enumerate(taken):
                container = self.plan.containers(number)[room]
                process = self.process(container, f"{room}-{number}", port)
                process.start()
                self.processes.append((container, port, process))
        async with aiohttp.ClientSession() as http:
            for _container, port, process in self.processes:

                async def ready(port: int = port, process: Contained = process) -> bool:
                    assert process.alive, process.last_words()
                    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                        async with http.get(f"http://127.0.0.1:{port}/readyz", timeout=aiohttp.ClientTimeout(total=8)) as answer:
                            return answer.status == 200
                    return False

                await until(ready, f"{process.arguments[-3:]} is ready", timeout_s=START_S)

    async def healthy(self, container: Container, port: int) -> bool:
        """What the healthcheck or the probes say about a process on `port`."""
        if container.healthcheck is not None:
            command = image.interpreter(container.healthcheck, self.image.python)
            return (await asyncio.to_thread(attempt, *command, environment={"PORT": str(port)})).returncode == 0
        assert container.probes
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(total=8)) as http:
                for path in container.probes:
                    async with http.get(path) as answer:
                        if answer.status != 200:
                            return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        return True

    async def demo(self) -> DemoAccess:
        """The demo's divisions, posts, people and API key, put into the database as an administrator would."""
        environment = self.plan.containers(0)["directory"].environment
        url = self.places["TOCSIN_DATABASE_URL"]
        settings = CommonSettings(database_url=url, public_base_url=self.url, var_dir=self.folder / "demo")
        cheap = {"directory": {"password_memory_kib": 1024, "password_rounds": 1}}
        keyring = KeyRing.parse(environment["TOCSIN_MASTER_KEYS"])
        return await load_demo(Context(SystemClock(), settings, keyring, url, PostgresBus(url), given=cheap), password=PASSWORD)

    async def stop(self) -> dict[str, int]:
        """SIGTERM to all of them at once; answers their exit codes, each within the time that its container is given."""
        codes = await asyncio.gather(*(one.end(signal.SIGTERM, timeout_s=container.grace_s) for container, _port, one in self.processes))
        return {f"{container.name}:{port}": code for (container, port, _one), code in zip(self.processes, codes, strict=True)}

    async def end_everything(self) -> None:
        for _container, _port, process in self.processes:
            if process.running is not None:
                with contextlib.suppress(AssertionError):
                    await process.end(signal.SIGKILL)


@asynccontextmanager
async def fleet(unpacked: Unpacked, plan: Plan, places: Mapping[str, str], ports: Mapping[str, list[int]]) -> AsyncIterator[Fleet]:
    """The door, the virtual phones, and a fleet that is yet to be started."""
    upstreams = {room: ",".join(f"127.0.0.1:{port}" for port in taken) for room, taken in ports.items()}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(quick_folder("tocsin-fleet-"))
        door = await stack.enter_async_context(nginx.running(upstreams, site=plan.site, command=plan.nginx_command))
        phones = free_port()
        made = Fleet(folder, unpacked, plan, {**places, **CHEAP_PASSWORDS, **NO_BOUNDS}, door, f"http://127.0.0.1:{phones}")
        made.places["TOCSIN_TWILIO_API_BASE_URL"] = made.sandbox_url
        trusting = {**os.environ, "SSL_CERT_FILE": str(door.certificate)}
        sandbox = Process(("-m", "tests.support.process", str(phones), f"{made.url}/v1/twilio/inbound"), trusting, folder / "sandbox.log")
        sandbox.start()
        stack.push_async_callback(sandbox.end, signal.SIGKILL)
        stack.push_async_callback(made.end_everything)
        yield made


def written(folder: Path) -> dict[str, int]:
    """Every file below a folder, with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def complaints(process: Contained) -> list[dict[str, Any]]:
    """The errors in its log.

    Not those of the Kafka client, which complains of every group that a new cluster has yet to make; nor those of the doctor, who looks
    at what waits before anybody has begun to work: he is asked in the end.
    """
    found = []
    for line in process.log.read_text("utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    records = [one for one in found if isinstance(one, dict)]
    return [one for one in records if one["level"] in ("error", "critical") and not one["logger"].startswith(("aiokafka", "doctor"))]
