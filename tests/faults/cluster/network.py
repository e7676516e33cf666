"""Where processes stand. As root each has a network namespace and two links, so that one can be cut; else all share the loopback.

One link goes to PostgreSQL, the SMS gateway and the clients, the other to Kafka; the brokers have only the latter. A link that is down
loses every packet in silence, as a broken cable does.
"""

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.process import free_port

DATABASE, KAFKA = "database", "kafka"
LOCALHOST = "127.0.0.1"
COMMAND_S = 20
NETWORKS_MAX = 250


@dataclass(frozen=True)
class Place:
    """Where one process stands: its addresses towards either side, the words that start it there, and its links by side."""

    name: str
    host: str
    kafka_host: str
    prefix: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)


class Network(Protocol):
    """Gives out places. `host` and `allowed` are PostgreSQL's: where it listens, and from where it may be reached."""

    host: str
    allowed: str
    can_cut: bool

    def place(self, name: str, *, broker: bool = False) -> Place: ...

    def port(self, usual: int) -> int: ...

    def cut(self, place: Place, side: str) -> None: ...

    def mend(self, place: Place, side: str) -> None: ...


class Loopback:
    """Everything on 127.0.0.1."""

    host = LOCALHOST
    allowed = "127.0.0.1/32"
    can_cut = False

    def place(self, name: str, *, broker: bool = False) -> Place:
        return Place(name, LOCALHOST, LOCALHOST)

    def port(self, usual: int) -> int:
        return free_port()

    def cut(self, place: Place, side: str) -> None:
        raise NotImplementedError

    def mend(self, place: Place, side: str) -> None:
        raise NotImplementedError


class Namespaces:
    """Network `number` of this machine: 10.231.<number>.0/25 towards PostgreSQL, .128/25 towards Kafka, a bridge for each."""

    can_cut = True

    def __init__(self, number: int) -> None:
        self._number = number
        self._names: list[str] = []
        self.host = f"10.231.{number}.1"
        self.allowed = f"10.231.{number}.0/24"

    def place(self, name: str, *, broker: bool = False) -> Place:
        space = f"{self._bridge('n')}-{name}"
        index = len(self._names) + 2
        self._names.append(space)
        ip("netns", "add", space)
        ip("-n", space, "link", "set", "lo", "up")
        links: dict[str, str] = {}
        hosts: dict[str, str] = {}
        for side, letter, offset in ((DATABASE, "d", 0), (KAFKA, "k", 128)):
            if side == DATABASE and broker:
                continue
            link = f"{self._bridge(letter)}{index}"
            hosts[side] = f"10.231.{self._number}.{offset + index}"
            ip("link", "add", link, "type", "veth", "peer", "name", side, "netns", space)
            ip("link", "set", link, "master", self._bridge(letter), "up")
            ip("-n", space, "addr", "add", f"{hosts[side]}/25", "dev", side)
            ip("-n", space, "link", "set", side, "up")
            links[side] = link
        return Place(name, hosts.get(DATABASE, ""), hosts[KAFKA], ("ip", "netns", "exec", space), links)

    def port(self, usual: int) -> int:
        return usual  # every place has addresses of its own

    def cut(self, place: Place, side: str) -> None:
        ip("link", "set", place.links[side], "down")

    def mend(self, place: Place, side: str) -> None:
        ip("link", "set", place.links[side], "up")

    def make(self) -> bool:
        """Whether this number was free, and is ours now."""
        if not ip("link", "add", self._bridge("d"), "type", "bridge", check=False):
            return False
        ip("link", "add", self._bridge("k"), "type", "bridge")
        for letter, address in (("d", 1), ("k", 129)):
            ip("addr", "add", f"10.231.{self._number}.{address}/25", "dev", self._bridge(letter))
            ip("link", "set", self._bridge(letter), "up")
        return True

    def remove(self) -> None:
        """Leaves nothing behind; to be called once its processes have ended."""
        for space in self._names:
            ip("netns", "delete", space, check=False)
        for letter in "dk":
            ip("link", "delete", self._bridge(letter), check=False)

    def _bridge(self, letter: str) -> str:
        return f"tocs{self._number}{letter}"


@contextmanager
def network() -> Iterator[Network]:
    """Namespaces where that is possible, else the loopback."""
    if why := impossible():
        print(f"!! {why}: NO LINK IS CUT, everything runs on the loopback.")  # noqa: T201 - one loud line
        yield Loopback()
        return
    for number in random.SystemRandom().sample(range(NETWORKS_MAX), NETWORKS_MAX):
        spaces = Namespaces(number)
        if spaces.make():
            break
    else:
        raise AssertionError("no network number is free")
    try:
        yield spaces
    finally:
        spaces.remove()


def impossible() -> str:
    """Why there can be no namespaces here; empty when there can."""
    if os.environ.get("FAULT_NETWORK") == "loopback":
        return "FAULT_NETWORK=loopback"
    if os.geteuid() != 0:
        return "Not root"
    if shutil.which("ip") is None:
        return "No `ip` (install iproute2)"
    probe = f"tocs-probe-{os.getpid()}"
    possible = ip("netns", "add", probe, check=False) and ip("netns", "exec", probe, "true", check=False)
    with contextlib.suppress(subprocess.SubprocessError):
        ip("netns", "delete", probe, check=False)
    return "" if possible else "This machine makes no network namespaces"


def ip(*words: str, check: bool = True) -> bool:
    """Runs `ip`; answers whether it succeeded."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if check and done.returncode:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.returncode == 0
