"""What the directory decides, without I/O: what a register may say, how long a name is locked, where nobody would be reached."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, cast
from uuid import UUID

from libs.directory.model import CODE_LENGTHS, LEVELS, Level
from libs.errors import Invalid
from libs.i18n import gettext as _
from libs.terms import Department
from services.directory.errors import LineError

HEADER = ("code", "name", "level", "parent_code")
NAME_LENGTH_MAX = 100
ERRORS_MAX = 50
"""How many wrong lines a register is read for before it is given up."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One right line of a register."""

    code: str
    name: str
    level: Level
    parent_code: str | None


@dataclass(slots=True)
class RegisterCheck:
    """Reads a register's rows one by one; keeps the codes seen, not the rows. Parents may stand behind their children."""

    errors: list[LineError] = field(default_factory=list)
    _lines: dict[str, int] = field(default_factory=dict)
    _wanted: dict[str, int] = field(default_factory=dict)

    def header(self, row: Sequence[str]) -> bool:
        """Whether the first row names the four columns; what is wrong is in `errors`."""
        if tuple(cell.strip().lower() for cell in row) == HEADER:
            return True
        self._wrong(1, "wrong_header", _("The first line must be: %(header)s", header=",".join(HEADER)))
        return False

    def entries(self, rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[Entry]:
        """The right ones of numbered `rows`; stops early after `ERRORS_MAX` wrong ones. Empty lines are skipped."""
        for line, row in rows:
            if not any(cell.strip() for cell in row):
                continue
            entry = self._entry(line, [cell.strip() for cell in row])
            if entry is not None:
                yield entry
            elif len(self.errors) >= ERRORS_MAX:
                return

    def missing_parents(self) -> list[str]:
        """Parents that the register names but does not hold: they must be in the directory already."""
        return [code for code in self._wanted if code not in self._lines]

    def unknown_parents(self, codes: Iterable[str]) -> None:
        """Adds an error for each of the missing parents that the directory does not know either."""
        for code in codes:
            detail = _(
                "Parent %(code)s is neither in this file nor in the directory. Add its line, or import its register first.", code=code
            )
            self._wrong(self._wanted[code], "unknown_parent", detail)
            if len(self.errors) >= ERRORS_MAX:
                return

    def _entry(self, line: int, row: Sequence[str]) -> Entry | None:
        problem = _problem_of(row) or self._seen_before(row[0])
        if problem:
            self._wrong(line, *problem)
            return None
        code, name, level, parent = row
        self._lines[code] = line
        if parent:
            self._wanted.setdefault(parent, line)
        return Entry(code, name, cast("Level", level), parent or None)

    def _seen_before(self, code: str) -> "_Problem | None":
        if code not in self._lines:
            return None
        detail = _("Division %(code)s stands in line %(first)s already. Remove one of the two.", code=code, first=self._lines[code])
        return "duplicate_code", detail

    def _wrong(self, line: int, code: str, detail: str) -> None:
        self.errors.append(LineError(line, code, detail))


_Problem: TypeAlias = tuple[str, str]


def _problem_of(row: Sequence[str]) -> _Problem | None:
    if len(row) != len(HEADER):
        detail = _(
            "The line has %(found)s columns instead of %(wanted)s. Put names that contain a comma in double quotes.",
            found=len(row),
            wanted=len(HEADER),
        )
        return "wrong_columns", detail
    code, name, level, parent = row
    return _problem_of_code(code, level) or _problem_of_name(code, name) or _problem_of_parent(code, level, parent)


def _problem_of_code(code: str, level: str) -> _Problem | None:
    if not (code.isascii() and code.isdigit()):
        return "bad_code", _("The code “%(code)s” is not a number. Save the column as text.", code=code[:20])
    if level not in LEVELS:
        return "unknown_level", _("The level “%(level)s” is none of: %(known)s.", level=level[:20], known=", ".join(LEVELS))
    wanted = CODE_LENGTHS[level]
    if len(code) == wanted:
        return None
    detail = _(
        "The code %(code)s has %(found)s digits; a %(level)s has %(wanted)s. Correct the code or the level.",
        code=code[:20],
        found=len(code),
        level=level,
        wanted=wanted,
    )
    return "code_length", detail


def _problem_of_name(code: str, name: str) -> _Problem | None:
    if not name:
        return "empty_name", _("Division %(code)s has no name. Fill in the second column.", code=code)
    if len(name) > NAME_LENGTH_MAX or not _printable(name):
        return "bad_name", _("The name of %(code)s is longer than %(max)s characters or not printable.", code=code, max=NAME_LENGTH_MAX)
    return None


def _printable(name: str) -> bool:
    """Official registers write some rare characters with private-use code points: they are names all the same."""
    return name.isprintable() or all(char.isprintable() or unicodedata.category(char) == "Co" for char in name)


def _problem_of_parent(code: str, level: str, parent: str) -> _Problem | None:
    if level == "province":
        return ("bad_parent", _("A province has no parent. Leave the last column of %(code)s empty.", code=code)) if parent else None
    if parent != code and code.startswith(parent) and len(parent) in CODE_LENGTHS.values():
        return None
    detail = _("The parent of %(code)s must be the code that it starts with, such as %(likely)s.", code=code, likely=parent_of(code))
    return "bad_parent", detail


def parent_of(code: str) -> str:
    """The code of what a division usually lies in: one level up, "" for a province."""
    shorter = [length for length in CODE_LENGTHS.values() if length < len(code)]
    return code[: max(shorter)] if shorter else ""


def post_id(division_code: str, role: str, position: int) -> UUID:
    """The id of a post, from its place and role: importing again finds the same posts. SQL makes the same from md5()."""
    return UUID(hashlib.md5(f"tocsin-post:{division_code}:{role}:{position}".encode(), usedforsecurity=False).hexdigest())


FAILURES_FREE = 4
"""Wrong passwords before the first pause."""
LOCK_FIRST_S = 30
LOCK_MAX_S = 900
"""Never longer: whoever guesses on purpose must not be able to keep an officer out of a child's case."""
FAILURES_FORGOTTEN_AFTER = timedelta(days=1)
SESSION_LENGTH = timedelta(hours=12)
"""One long shift."""
KEYS_LIVE_MAX = 2
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
USERNAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
PASSWORD_LENGTH_MIN = 10
PASSWORD_LENGTH_MAX = 256
CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{1,63}")
TITLE_LENGTH_MAX = 60


def locked_until(failures: int, now: datetime) -> datetime | None:
    """Until when a name rests after its `failures`-th wrong password in a row: 30 s after the fifth, doubling up to 15 minutes."""
    if failures <= FAILURES_FREE:
        return None
    doublings = min(failures - FAILURES_FREE - 1, 16)
    return now + timedelta(seconds=min(LOCK_FIRST_S * 2**doublings, LOCK_MAX_S))


def check_username(username: str) -> str:
    """A username as it is stored; `Invalid` when it cannot be one."""
    name = username.strip().lower()
    if not USERNAME.fullmatch(name):
        raise Invalid("bad_username", _("A username has 2 to 64 of: a–z, 0–9, dot, dash, underscore, @."), field="username")
    return name


def check_password(password: str) -> str:
    """`Invalid` for a password that is too short to hold or too long to hash."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        detail = _("A password has %(min)s to %(max)s characters.", min=PASSWORD_LENGTH_MIN, max=PASSWORD_LENGTH_MAX)
        raise Invalid("bad_password", detail, field="password")
    return password


def check_quiet(quiet_from: str, quiet_to: str) -> tuple[str, str] | tuple[None, None]:
    """Quiet hours as two times of the day, or none at all; raises Invalid for half of them, or for what is no time."""
    begins, ends = quiet_from.strip(), quiet_to.strip()
    if not begins and not ends:
        return None, None
    for name, text in (("quiet_from", begins), ("quiet_to", ends)):
        if not _TIME_OF_DAY.fullmatch(text):
            raise Invalid("bad_time", _("Give both times as hours and minutes, for example 22:00; or neither."), field=name)
    if begins == ends:
        raise Invalid("bad_period", _("The end must differ from the beginning: nobody can be asleep all day."), field="quiet_to")
    return begins, ends


def check_title(name: str, field: str = "name") -> str:
    """A name or title as it is stored; `Invalid` when it is empty, too long or not printable."""
    bare = " ".join(name.split())
    if not bare or len(bare) > TITLE_LENGTH_MAX or not bare.isprintable():
        raise Invalid("bad_name", _("A name has 1 to %(max)s characters.", max=TITLE_LENGTH_MAX), field=field)
    return bare


def check_client_id(client_id: str) -> str:
    """The id of an API client; `Invalid` when it cannot be one."""
    if not CLIENT_ID.fullmatch(client_id):
        raise Invalid("bad_client_id", _("A client's name has 2 to 64 of: a–z, 0–9, dash, underscore."), field="client_id")
    return client_id


@dataclass(frozen=True, slots=True)
class Gap:
    """A rung on which nobody would be reached, though a higher one may be."""

    division_code: str
    division_name: str
    role: str
    title_zh: str
    title_en: str
    problem: Literal["no_holder", "no_channel"]


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """A place from which nobody at all would be reached: no ladder post of it or of what it lies in has a reachable holder."""

    division_code: str
    division_name: str


@dataclass(frozen=True, slots=True)
class DepartmentGap:
    """In how many of the `districts` that have any post a department has nobody who can be reached (属事属管); that stops no case."""

    department: Department
    districts: int
    without: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What `tocsin directory coverage` tells (SEED_G: every community covered; promise 4: no place is a dead end)."""

    version: int
    places: int
    posts: int
    dispatch_desk: bool
    """Whether a report without a place would find somebody."""
    dead_ends: tuple[DeadEnd, ...]
    gaps: tuple[Gap, ...]
    departments: tuple[DepartmentGap, ...] = ()

    @property
    def complete(self) -> bool:
        """Nobody would be left alone."""
        return not self.dead_ends and self.dispatch_desk

    def to_json(self) -> Mapping[str, object]:
        """The machine-readable form."""
        return {
            "version": self.version,
            "places": self.places,
            "posts": self.posts,
            "dispatch_desk": self.dispatch_desk,
            "dead_ends": [{"division_code": end.division_code, "division_name": end.division_name} for end in self.dead_ends],
            "gaps": [
                {
                    "division_code": gap.division_code,
                    "division_name": gap.division_name,
                    "role": gap.role,
                    "post_title": gap.title_zh,
                    "post_title_en": gap.title_en,
                    "problem": gap.problem,
                }
                for gap in self.gaps
            ],
            "departments": [{"department": one.department, "districts": one.districts, "without": one.without} for one in self.departments],
        }
