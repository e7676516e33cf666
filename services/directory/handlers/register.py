"""Importing a register of divisions, and asking who could be reached from where."""

import codecs
import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO

from libs.db import Database, Tx
from libs.directory.model import CODE_LENGTHS, LEVELS
from libs.directory.read import Directory
from libs.directory.roles import DISPATCH_DESK, LADDER_ROLES, POST_ROLES, STANDARD_POSTS
from libs.errors import Conflict, Invalid, NotFound
from libs.i18n import gettext as _
from libs.terms import Department
from services.directory.errors import LineError, RegisterInvalid
from services.directory.handlers.changes import Actor, changed, check_unchanged
from services.directory.rules import Coverage, DeadEnd, DepartmentGap, Entry, Gap, RegisterCheck, parent_of
from services.directory.store import register as store
from services.directory.store.changes import bump_version, hold_version

BATCH_MAX = 5_000
TAKEN_AT_ONCE_MAX = 5_000
"""A fifth of a second or so, during which others wait for what is published meanwhile."""
LINE_LENGTH_MAX = 4_096
ZONE = "Asia/Shanghai"
"""All of China keeps one time (GB/T 7408); a register of elsewhere would name its zones."""

Progress = Callable[[int], None]
"""Called with the number of lines read so far."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did; `version` is None when nothing was new."""

    lines: int
    new: int
    changed: int
    posts: int
    version: int | None


async def import_register(
    database: Database,
    file: IO[bytes],
    *,
    now: datetime,
    actor: Actor,
    with_posts: bool = False,
    progress: Progress = lambda _lines: None,
) -> Imported:
    """Reads a register into the directory. Running it again changes nothing (`Imported.version` is None).

    `file` is CSV `code,name,level,parent_code` in UTF-8, opened for reading bytes. Divisions that it does not name stay as they are.
    Raises `RegisterInvalid` with the wrong lines, and then nothing has changed. A register that is right is taken over in parts, parents
    first: one long transaction would hold back every event of the system until its end. After an interruption, run it again.
    """
    async with database.connection() as connection:
        await store.begin_import(connection)
        try:
            lines = await _stage(connection, file, progress)
            return await _take_over(connection, lines, now, actor, with_posts=with_posts)
        finally:
            await store.end_import(connection)


async def _stage(connection: Tx, file: IO[bytes], progress: Progress) -> int:
    """Reads and checks all of it; answers the number of lines."""
    check = RegisterCheck()
    rows = _rows(file, check)
    _line, header = next(rows, (1, ()))
    if check.errors or not check.header(header):
        raise RegisterInvalid(check.errors)
    lines = 0
    entries = check.entries(rows)
    while batch := list(islice(entries, BATCH_MAX)):
        lines += len(batch)
        if not check.errors:
            await store.stage(connection, [_staged(entry) for entry in batch])
        progress(lines)
    if not check.errors:
        missing = check.missing_parents()
        check.unknown_parents(await store.unknown_codes(connection, missing) if missing else [])
    if check.errors:
        raise RegisterInvalid(check.errors)
    return lines


async def _take_over(connection: Tx, lines: int, now: datetime, actor: Actor, *, with_posts: bool) -> Imported:
    new = renewed = posts = 0
    version = None
    parts = await store.all_staged(connection, TAKEN_AT_ONCE_MAX)
    for number, (first, last) in enumerate(parts, start=1):
        async with connection.transaction():
            added, changed_here = await store.take_over(connection, first, last)
            made = await _add_standard_posts(connection, (first, last)) if with_posts else 0
            new, renewed, posts = new + added, renewed + changed_here, posts + made
            if number == len(parts) and (new or renewed or posts):
                details = {"lines": lines, "new": new, "changed": renewed, "posts": posts}
                version = await changed(connection, actor, "register.imported", now, details=details)
            elif added or changed_here or made:
                await bump_version(connection)  # whoever remembers places by the version must not miss these, should we end here
    return Imported(lines, new, renewed, posts, version)


async def add_division(tx: Tx, directory: Directory, *, code: str, name: str, now: datetime, actor: Actor) -> None:
    """A place that no register has yet; it lies in the smallest registered place that its code starts with."""
    parent = await directory.nearest(tx, parent_of(code)) if len(code) > CODE_LENGTHS["province"] else None
    entry = _checked(code, name, parent.code if parent else "")
    if not await store.add_division(tx, _staged(entry)):
        raise Conflict("division_exists", _("There is a place of this code already: %(code)s.", code=code))
    await changed(tx, actor, "division.added", now, division_code=code, subject_id=code)


async def rename_division(
    tx: Tx, directory: Directory, code: str, *, name: str, seen: int | None = None, now: datetime, actor: Actor
) -> None:
    """Gives a place another name, under which it is found from now on."""
    await hold_version(tx)
    known = await directory.division(tx, code)
    if known is None:
        raise NotFound("division_not_found", _("This division code is not in the register."))
    await check_unchanged(tx, code, seen)
    entry = _checked(code, name, known.parent_code or "")
    if entry.name == known.name:
        return
    pinyin, initials = pinyin_of(entry.name)
    await store.rename_division(tx, code, entry.name, pinyin, initials)
    await changed(tx, actor, "division.renamed", now, division_code=code, subject_id=code)


def _checked(code: str, name: str, parent: str) -> Entry:
    """The place as a register would have it. Raises `Invalid` for what a register may not say."""
    level = next((level for level, length in CODE_LENGTHS.items() if length == len(code)), None)
    if level is None:
        raise Invalid("code_length", _("A code has 2, 4, 6, 9, 12 or 15 digits."), field="code")
    check = RegisterCheck()
    entries = list(check.entries([(1, [code, " ".join(name.split()), level, parent])]))
    if not entries:
        raise Invalid(check.errors[0].code, check.errors[0].detail, field="name" if "name" in check.errors[0].code else "code")
    return entries[0]


async def coverage(tx: Tx) -> Coverage:
    """Every place from which nobody would be reached, and every rung on which nobody would."""
    counts = await store.coverage_counts(tx, DISPATCH_DESK)
    ends = await store.dead_ends(tx, LADDER_ROLES)
    gaps = await store.gaps(tx)
    roles = {role.code: role.department for role in POST_ROLES.values() if role.department}
    departments = await store.department_gaps(tx, list(roles), list(roles.values()))
    return Coverage(
        version=counts["version"],
        places=counts["places"],
        posts=counts["posts"],
        dispatch_desk=counts["desk"],
        dead_ends=tuple(DeadEnd(row["code"], row["name"]) for row in ends),
        gaps=tuple(
            Gap(
                row["division_code"],
                row["name"],
                row["role"],
                row["title_zh"],
                row["title_en"],
                "no_channel" if row["held"] else "no_holder",
            )
            for row in gaps
        ),
        departments=tuple(DepartmentGap(Department(row["department"]), row["districts"], row["without"]) for row in departments),
    )


async def _add_standard_posts(tx: Tx, staged: tuple[str, str]) -> int:
    made = 0
    for level in LEVELS:
        for position, role in enumerate(STANDARD_POSTS.get(level, ()), start=1):
            made += await store.add_standard_posts(tx, level, POST_ROLES[role], position, staged)
    return made


def _rows(file: IO[bytes], check: RegisterCheck) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows; what cannot be read at all becomes an error of `check` and ends the reading."""
    reader = csv.reader(_lines(file), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError:
            detail = _("The file is not UTF-8. Save it as “CSV UTF-8” (in WPS or Excel: Save As).")
            check.errors.append(LineError(reader.line_num + 1, "not_utf8", detail))
            return
        except csv.Error as error:
            detail = _("The line cannot be read as CSV (%(error)s). Check its quotes.", error=str(error))
            check.errors.append(LineError(reader.line_num, "not_csv", detail))
            return
        yield reader.line_num, row


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Decoded line by line, so that a wrong byte is reported in its own line."""
    for number, line in enumerate(iter(lambda: file.readline(LINE_LENGTH_MAX), b"")):
        if len(line) >= LINE_LENGTH_MAX:
            raise csv.Error("line too long")
        yield (line.removeprefix(codecs.BOM_UTF8) if number == 0 else line).decode()


def _staged(entry: Entry) -> tuple[str | None, ...]:
    pinyin, initials = pinyin_of(entry.name)
    return entry.code, entry.name, entry.level, entry.parent_code, ZONE, pinyin, initials


@functools.lru_cache(maxsize=50_000)
def pinyin_of(name: str) -> tuple[str, str]:
    """How a name is typed on a keyboard: 南园街道 → nanyuanjiedao, nyjd. Common endings are read once."""
    for ending in _ENDINGS:
        if name.endswith(ending) and len(name) > len(ending):
            start, end = _read(name[: -len(ending)]), _read_ending(ending)
            return start[0] + end[0], start[1] + end[1]
    return _read(name)


_ENDINGS = ("社区居民委员会", "社区居委会", "村民委员会", "居民委员会", "村委会", "居委会", "街道办事处", "街道", "社区")


@functools.lru_cache(maxsize=32)
def _read_ending(ending: str) -> tuple[str, str]:
    return _read(ending)


def _read(name: str) -> tuple[str, str]:
    from pypinyin import lazy_pinyin  # its dictionaries take a third of a second: only importing needs them

    syllables = ["".join(char for char in syllable.lower() if char.isalnum()) for syllable in lazy_pinyin(name)]
    spoken = [syllable for syllable in syllables if syllable]
    return "".join(spoken), "".join(syllable if syllable.isdigit() else syllable[0] for syllable in spoken)
