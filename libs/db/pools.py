"""How busy the pools of this process are, for Prometheus; asked when somebody looks, and not before."""

import weakref
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector


class Pool(Protocol):
    """What a pool of asyncpg's tells about itself."""

    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...


class _Pools(Collector):
    def __init__(self) -> None:
        self.watched: weakref.WeakKeyDictionary[object, tuple[str, Pool]] = weakref.WeakKeyDictionary()

    def collect(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily(
            "tocsin_database_connections", "Connections to PostgreSQL by role, busy or idle.", labels=["role", "state"]
        )
        bound = GaugeMetricFamily("tocsin_database_connections_max", "How many connections each role's pools may open.", labels=["role"])
        busy, idle, most = Counter[str](), Counter[str](), Counter[str]()
        for role, pool in self.watched.values():
            idle[role] += pool.get_idle_size()
            busy[role] += pool.get_size() - pool.get_idle_size()
            most[role] += pool.get_max_size()
        for role in most:
            connections.add_metric([role, "busy"], busy[role])
            connections.add_metric([role, "idle"], idle[role])
            bound.add_metric([role], most[role])
        return connections, bound


_POOLS = _Pools()
REGISTRY.register(_POOLS)


def watch(owner: object, role: str, pool: Pool) -> None:
    """Counts `pool` among those of `role` until `owner` is forgotten or gone."""
    _POOLS.watched[owner] = (role, pool)


def forget(owner: object) -> None:
    """It is closed."""
    _POOLS.watched.pop(owner, None)
