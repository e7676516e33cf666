"""The faults: what is broken, for how long, and how it is mended. A seed decides the order, the moments and the victims."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from deploy.kafka import Node
from tests.faults.cluster.network import DATABASE, KAFKA
from tests.faults.cluster.system import NODES, SERVICES, TWICE, ClusterSystem, Member
from tests.support.process import until

PAST_LEASE_S = 12.0
"""Longer than a consumer's session (6 s), a broker's (3 s), an attempt's lease (8 s) and what a transaction may idle (10 s)."""
KILLED_S = (0.5, 3.0)

Act: TypeAlias = Callable[[ClusterSystem, "Fault"], Awaitable[None]]


@dataclass
class Fault:
    """`act` breaks something and mends it: it returns at the moment of mending (`back` then waits until the victim is there again)."""

    name: str
    act: Act
    victim: str = ""
    down_s: float = 0.0
    back: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)


def every_fault(chance: random.Random, *, can_cut: bool) -> list[Fault]:
    """One of each, in an order of chance."""
    faults = [Fault(f"kill -9 {service}", kill, _one_of(chance, service), chance.uniform(*KILLED_S)) for service in SERVICES]
    faults += [Fault(f"stop {service}", stop, _one_of(chance, service), PAST_LEASE_S) for service in SERVICES]
    faults += [Fault(f"SIGTERM {service}", restart, _one_of(chance, service), chance.uniform(*KILLED_S)) for service in SERVICES]
    faults += [Fault(f"kill -9 kafka{n}", kill_node, str(n), chance.uniform(*KILLED_S)) for n in range(1, NODES + 1)]
    faults += [
        Fault("stop a broker", stop_node, str(chance.randint(1, NODES)), PAST_LEASE_S),
        Fault("lose the leading broker", lose_leader, down_s=PAST_LEASE_S),
        Fault("all brokers killed", kill_all_nodes, down_s=2.0),
        Fault("both routers killed", kill_both, "router", 5.0),
        Fault("both notifiers killed", kill_both, "notifier", 5.0),
        Fault("PostgreSQL restarted", restart_postgres, "fast"),
        Fault("PostgreSQL restarted at once", restart_postgres, "immediate"),
        Fault("kill -9 PostgreSQL", kill_postgres, down_s=chance.uniform(*KILLED_S)),
    ]
    if can_cut:
        faults += [
            Fault("router without Kafka", cut_from_kafka, _one_of(chance, "router"), PAST_LEASE_S),
            Fault("router without PostgreSQL", cut_from_database, _one_of(chance, "router"), PAST_LEASE_S),
            Fault("notifier without Kafka", cut_from_kafka, _one_of(chance, "notifier"), PAST_LEASE_S),
            Fault("notifier without PostgreSQL and gateway", cut_from_database, _one_of(chance, "notifier"), PAST_LEASE_S),
            Fault("a broker alone", isolate_node, str(chance.randint(1, NODES)), PAST_LEASE_S),
            Fault("everybody without Kafka", cut_all_from_kafka, down_s=PAST_LEASE_S),
        ]
    chance.shuffle(faults)
    return faults


def few_faults(chance: random.Random, *, can_cut: bool) -> list[Fault]:
    """A selection for every day."""
    faults = [
        Fault("kill -9 router", kill, _one_of(chance, "router"), 1.0),
        Fault("lose the leading broker", lose_leader, down_s=2.0),
        Fault("kill -9 notifier", kill, _one_of(chance, "notifier"), 1.0),
    ]
    if can_cut:
        faults.append(Fault("router without Kafka", cut_from_kafka, _one_of(chance, "router"), 7.0))
    else:
        faults.append(Fault("PostgreSQL restarted at once", restart_postgres, "immediate"))
    chance.shuffle(faults)
    return faults


async def nothing(system: ClusterSystem, fault: Fault) -> None:
    """For comparison: how long it takes when nothing is wrong."""


async def kill(system: ClusterSystem, fault: Fault) -> None:
    await _kill(system, fault, [system.members[fault.victim]])


async def kill_both(system: ClusterSystem, fault: Fault) -> None:
    await _kill(system, fault, system.of(fault.victim))


async def _kill(system: ClusterSystem, fault: Fault, victims: list[Member]) -> None:
    for victim in victims:
        await victim.end(signal.SIGKILL)
    await asyncio.sleep(fault.down_s)
    for victim in victims:
        victim.start()

    async def back() -> None:
        await asyncio.gather(*(system.ready(victim) for victim in victims))

    fault.back = back


async def restart(system: ClusterSystem, fault: Fault) -> None:
    """As an upgrade does: it drains, ends by itself with exit code 0, and comes back."""
    victim = system.members[fault.victim]
    code = await victim.end(signal.SIGTERM)
    assert code == 0, f"{victim.name} ended with {code}:\n{victim.last_words()}"
    await asyncio.sleep(fault.down_s)
    victim.start()
    fault.back = partial(system.ready, victim)


async def stop(system: ClusterSystem, fault: Fault) -> None:
    victim = system.members[fault.victim]
    victim.send(signal.SIGSTOP)
    await asyncio.sleep(fault.down_s)
    victim.send(signal.SIGCONT)


async def kill_node(system: ClusterSystem, fault: Fault) -> None:
    node = _node(system, fault)
    assert node.process is not None
    node.process.kill()
    await asyncio.to_thread(node.process.wait, 10)
    await asyncio.sleep(fault.down_s)
    node.start()
    fault.back = _listening(node)


async def kill_all_nodes(system: ClusterSystem, fault: Fault) -> None:
    for node in system.kafka.nodes:
        assert node.process is not None
        node.process.kill()
        await asyncio.to_thread(node.process.wait, 10)
    await asyncio.sleep(fault.down_s)
    for node in system.kafka.nodes:
        node.start()

    async def back() -> None:
        await asyncio.gather(*(_listening(node)() for node in system.kafka.nodes))

    fault.back = back


async def lose_leader(system: ClusterSystem, fault: Fault) -> None:
    """The broker that leads most partitions."""
    led = await system.leaders()
    fault.victim = str(max(led, key=lambda number: led[number]))
    await kill_node(system, fault)


async def stop_node(system: ClusterSystem, fault: Fault) -> None:
    node = _node(system, fault)
    assert node.process is not None
    node.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(fault.down_s)
    node.process.send_signal(signal.SIGCONT)


async def restart_postgres(system: ClusterSystem, fault: Fault) -> None:
    await system.postgres.restart(fault.victim)


async def kill_postgres(system: ClusterSystem, fault: Fault) -> None:
    await system.postgres.kill()
    await asyncio.sleep(fault.down_s)
    await system.postgres.start()


async def cut_from_kafka(system: ClusterSystem, fault: Fault) -> None:
    await _cut(system, fault, [fault.victim], KAFKA)


async def cut_from_database(system: ClusterSystem, fault: Fault) -> None:
    await _cut(system, fault, [fault.victim], DATABASE)


async def isolate_node(system: ClusterSystem, fault: Fault) -> None:
    await _cut(system, fault, [f"kafka{fault.victim}"], KAFKA)


async def cut_all_from_kafka(system: ClusterSystem, fault: Fault) -> None:
    await _cut(system, fault, list(system.members), KAFKA)


async def _cut(system: ClusterSystem, fault: Fault, victims: list[str], side: str) -> None:
    for victim in victims:
        system.network.cut(system.places[victim], side)
    await asyncio.sleep(fault.down_s)
    for victim in victims:
        system.network.mend(system.places[victim], side)


def _one_of(chance: random.Random, service: str) -> str:
    return f"{service}{chance.randint(1, 2)}" if service in TWICE else service


def _node(system: ClusterSystem, fault: Fault) -> Node:
    return system.kafka.nodes[int(fault.victim) - 1]


def _listening(node: Node) -> Callable[[], Awaitable[None]]:
    async def back() -> None:
        async def listens() -> bool:
            return await asyncio.to_thread(lambda: node.listens)

        await until(listens, f"node {node.number} listens", timeout_s=90)

    return back


@dataclass
class Outcome:
    """What a fault did. All in seconds; `drained_s` is counted from the mending."""

    at_s: float
    name: str
    victim: str
    down_s: float
    ready_s: float = 0.0
    drained_s: float = 0.0
    others: float = 0.0
    """Cores that other work on this machine kept busy meanwhile."""
    backlog: str = ""
    last: str = ""
