"""How much of the machine others used meanwhile: on a machine that is shared, a figure means little without it."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Cores:
    """Measures from when it is made; `roots` are processes of ours whose descendants are ours too, as are this process's own."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = {os.getpid(), *roots}
        self._began_s = time.monotonic()
        self._busy, self._ours = _busy_s(), self._ours_s()

    def of_others(self) -> float:
        """Cores that others kept busy, on average; processes that ended meanwhile count as others."""
        elapsed_s = max(time.monotonic() - self._began_s, 0.001)
        ours = self._ours_s()
        ours_s = sum(seconds - self._ours.get(pid, 0.0) for pid, seconds in ours.items())
        return max((_busy_s() - self._busy - ours_s) / elapsed_s, 0.0)

    def _ours_s(self) -> dict[int, float]:
        parents: dict[int, int] = {}
        seconds: dict[int, float] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            pid = int(stat.parent.name)
            parents[pid] = int(fields[1])
            seconds[pid] = (int(fields[11]) + int(fields[12])) / TICKS
        return {pid: used for pid, used in seconds.items() if self._is_ours(pid, parents)}

    def _is_ours(self, pid: int, parents: dict[int, int]) -> bool:
        while pid > 1:
            if pid in self._roots:
                return True
            pid = parents.get(pid, 0)
        return False


def _busy_s() -> float:
    """Seconds that all cores together were busy since the machine started."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = (int(word) for word in Path("/proc/stat").read_text().split(maxsplit=10)[1:10])
    return (user + nice + system + irq + softirq) / TICKS
