"""The hand-calculated tables of tests/data/presets: reading them, and the places and people that they speak of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import yaml

from libs.directory.model import CODE_LENGTHS, Division, Holder, Post, Route, ancestor_codes
from libs.directory.roles import DISPATCH_DESK, POST_ROLES
from libs.events.catalogue import ReportReceived
from libs.terms import AgeBand, Answer, Channel, Danger, Grade, Situation, Step
from services.router.rules.policy import Policy
from services.router.rules.policy_files import load, load_book

FOLDER = Path(__file__).parents[1] / "data" / "presets"
PRESETS = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
ZONE = ZoneInfo("Asia/Shanghai")
NAMES = UUID(int=11)
BOOK = load_book()
_LEVELS = {length: level for level, length in CODE_LENGTHS.items()}
KINDS = ("notify", "escalate", "supervise", "remind")
"""In the order in which things happen that are due at one instant (DESIGN section 7)."""

Told = tuple[float, str, str, str, str]
"""minute, local time, kind, role, step"""


@dataclass(frozen=True)
class Expected:
    """One report and its table."""

    preset: str
    name: str
    report: ReportReceived
    grade: Grade
    reason: str
    provisional: tuple[Step, ...]
    told: tuple[Told, ...]
    lanes: tuple[Told, ...]
    """The departments told beside the rungs; in the place of the step stands the department."""

    @property
    def until(self) -> datetime:
        """The last instant of the table."""
        return self.report.received_at + timedelta(minutes=self.told[-1][0])

    def __str__(self) -> str:
        return f"{self.preset}: {self.name}"


@dataclass(frozen=True)
class Preset:
    """A policy, people on posts, and reports with their tables. `bound_to`: where a test binds a policy that is bound nowhere."""

    policy_id: str
    bound_to: str | None
    posts: dict[str, tuple[str, ...]]
    reports: tuple[Expected, ...] = field(default=())

    def policy(self, folder: Path) -> Policy:
        """The policy as it is in force; a template is bound by a file of three lines."""
        if self.bound_to is None:
            found = BOOK.get(self.policy_id)
            assert found is not None
            return found
        return load(bind(folder, self.policy_id, self.bound_to))

    def divisions(self) -> dict[str, Division]:
        """Every place that the tables speak of, and what it lies in."""
        codes = [one.report.division_code for one in self.reports] + [code for codes in self.posts.values() for code in codes]
        return {code: division(code) for one in codes for code in ancestor_codes(one)}

    def everybody(self) -> list[Post]:
        """One reachable person on each post; the order within a division is that of the roles, not that of the policy."""
        roles = list(POST_ROLES)
        return [post(role, code, roles.index(role)) for role, codes in self.posts.items() for code in codes]

    def route(self, code: str) -> Route:
        """Who could answer for a place."""
        ancestors = tuple(division(one) for one in ancestor_codes(code))
        nearest_first = sorted(self.everybody(), key=lambda one: (-len(one.division_code), one.order))
        posts = [one for one in nearest_first if code.startswith(one.division_code)]
        desks = [one for one in nearest_first if one.role == DISPATCH_DESK and one not in posts]
        return Route(ancestors[0], ancestors, tuple(posts if any(one.role == DISPATCH_DESK for one in posts) else [*posts, *desks]), 1)


def bind(folder: Path, policy_id: str, division_code: str) -> Path:
    """A policy file that puts a template in force somewhere."""
    path = folder / f"{policy_id}_here.yaml"
    lines = (f"extends: {policy_id}", f"id: {policy_id}_here", "version: 1", f"bind: [{{division: '{division_code}', since: 2026-01-01}}]")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@cache
def preset(name: str) -> Preset:
    """The tables of one preset."""
    document = yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    places = document["places"]
    reports = tuple(_expected(name, places, one) for one in document["reports"])
    posts = {role: tuple(codes) for role, codes in document["posts"].items()}
    return Preset(document["policy"], document.get("bound_to"), posts, reports)


def told_of(lines: Iterator[tuple[datetime, str, str, str]], t0: datetime) -> list[Told]:
    """`(at, kind, role, step)` as lines of a table. What falls on one instant stands in the order of its kinds, and of words within one."""
    found = [
        (
            round((at - t0).total_seconds() / 60, 4),
            _clock(at),
            kind,
            role,
            "" if step == Step.ACKNOWLEDGE else step,
        )
        for at, kind, role, step in lines
    ]
    return sorted(found, key=lambda one: (one[0], KINDS.index(one[2]), one[3:]))


def division(code: str) -> Division:
    return Division(code, code, _LEVELS[len(code)], next(iter(ancestor_codes(code)[1:]), None))


def post(role: str, code: str, order: int) -> Post:
    known = POST_ROLES[role]
    holder = Holder(uuid5(NAMES, f"holder {role} {code}"), "primary", reachable=True)
    return Post(uuid5(NAMES, f"{role} {code}"), code, role, known.tier, known.zh, known.en, order, (holder,))


def _expected(name: str, places: dict[str, str], given: dict[str, Any]) -> Expected:
    said = given["report"]
    at = datetime.strptime(given["at"], "%Y-%m-%d %H:%M").replace(tzinfo=ZONE).astimezone(UTC)
    report = ReportReceived(
        report_id=uuid5(NAMES, f"{name} {given['name']}"),
        received_at=at,
        channel=Channel.HOTLINE,
        division_code=places[given["place"]],
        situations=tuple(Situation(one) for one in said.get("situations", ())),
        categories=tuple(said.get("categories", ())),
        danger={Danger(question): Answer(answer) for question, answer in said.get("danger", {}).items()},
        age_bands=tuple(AgeBand(one) for one in said.get("age_bands", ["unknown"])),
    )
    provisional = tuple(Step(one) for one in given.get("provisional", ()))
    told = tuple(one for line in given["told"] for one in _told(line))
    lanes = tuple(one for line in given.get("lanes", ()) for one in _told(line))
    return Expected(name, given["name"], report, Grade(given["grade"]), given["reason"], provisional, told, lanes)


def _told(line: str) -> Iterator[Told]:
    """`+30  03-04 10:30  supervise a+b; remind c on_site`."""
    minute, day, clock, words = line.split(maxsplit=3)
    entries: list[Told] = []
    for part in words.split("; "):
        kind, roles, step = (*part.split(), "")[:3]
        entries += [(float(minute), f"{day} {clock}", kind, role, step) for role in roles.split("+")]
    yield from sorted(entries, key=lambda one: (KINDS.index(one[2]), one[3:]))


def _clock(at: datetime) -> str:
    local = at.astimezone(ZONE)
    return local.strftime("%m-%d %H:%M:%S" if local.second else "%m-%d %H:%M")
