"""`python -m benchmarks [B1 B6 …]`: prints one table."""

import sys

import uvloop

from benchmarks.ground import ground
from benchmarks.table import render

PARTS = {
    "intake": ("B1", "B2"),
    "deadlines": ("B6",),
    "pipeline": ("B7", "B8"),
    "kafka": ("B5",),
    "register": ("B9",),
    "storm": ("B12",),
    "notifier": ("B13",),
}


async def main(wanted: set[str]) -> None:
    """Runs what was asked for, each part on a ground of its own."""
    import importlib

    from libs import log

    log.configure("ERROR", json=False)
    rows = []
    for part, names in PARTS.items():
        if wanted and not wanted & set(names):
            continue
        print(f"measuring {', '.join(names)} …", file=sys.stderr, flush=True)
        async with ground() as prepared:
            rows += await importlib.import_module(f"benchmarks.{part}").measure(prepared)
    print(render(rows))


if __name__ == "__main__":
    uvloop.run(main(set(sys.argv[1:])))
