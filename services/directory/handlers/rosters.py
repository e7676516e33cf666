"""Rosters as they are looked at, and as files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.db import Tx
from libs.directory.duty import Plan, Shift
from libs.directory.read import plans_of
from libs.i18n import current_locale
from libs.i18n import gettext as _
from libs.workdays import WorkCalendar
from services.directory.errors import LineError, RosterInvalid
from services.directory.handlers.changes import Actor, changed
from services.directory.handlers.duty import not_a_holder, set_roster
from services.directory.handlers.order import refresh
from services.directory.rules.roster_csv import from_csv, row_of, to_csv
from services.directory.rules.roster_ics import PostRoster, to_ics
from services.directory.rules.roster_ics_read import from_ics, posts_named
from services.directory.rules.roster_rows import ERRORS_MAX, FileWrong, PostKey, RosterRow
from services.directory.rules.shifts import check_shifts
from services.directory.store import duty as store
from services.directory.store.changes import hold_version, version

Format = Literal["csv", "ics"]
MEDIA: dict[Format, str] = {"csv": "text/csv", "ics": "text/calendar"}
DOWNLOAD: dict[Format, dict[str, str]] = {
    kind: {
        "Content-Type": f"{media}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="roster.{kind}"',
        "Cache-Control": "no-store",
    }
    for kind, media in MEDIA.items()
}
"""The headers under which a browser stores a roster file."""
POSTS_MAX = 2_000
FILE_CHARS_MAX = 8_000_000
STANDARD_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class RosterView:
    """What decides who is on duty on a post, as of a version of the directory."""

    post_id: UUID
    plan: Plan
    version: int


@dataclass(frozen=True, slots=True)
class ImportedRosters:
    """What an import did: how many posts the file names, and how many have another roster now."""

    posts: int
    changed: int


async def roster(tx: Tx, post_id: UUID, now: datetime) -> RosterView:
    """The roster of a post that exists, with the overrides and leaves that are not over at `now`."""
    seen = await version(tx)  # before the rest: what changes in between is a conflict later, never overwritten
    return RosterView(post_id, (await plans_of(tx, [post_id], now))[post_id], seen)


async def export_rosters(
    tx: Tx, calendar: WorkCalendar, kind: Format, *, division_code: str, post_id: UUID | None = None, now: datetime
) -> str:
    """The rosters at and under a division (or of one post) as a file; at most POSTS_MAX posts."""
    rows = await store.rosters_under(tx, division_code, post_id, POSTS_MAX)
    names = await _names(tx, [row["post_id"] for row in rows])
    title = "title_zh" if current_locale() == "zh_CN" else "title_en"
    rosters = [
        PostRoster(
            PostKey(row["division_code"], row["role"], row["position"]),
            f"{row['name']} {row[title]}",
            row["zone"],
            [Shift.from_json(shift) for shift in row["shifts"]],
            names.get(row["post_id"], {}),
        )
        for row in rows
    ]
    if kind == "ics":
        return to_ics(rosters, calendar, now)
    return to_csv([(one.post, one.shifts) for one in rosters], {one.post: one.names for one in rosters})


def as_bytes(text: str, kind: Format) -> bytes:
    """A file as it is stored: CSV with a mark that lets spreadsheets see that it is UTF-8."""
    return text.encode("utf-8-sig" if kind == "csv" else "utf-8")


async def import_rosters(
    tx: Tx,
    calendar: WorkCalendar,
    content: bytes,
    kind: Format,
    *,
    require_place: Callable[[str], None],
    post_id: UUID | None = None,
    now: datetime,
    actor: Actor,
) -> ImportedRosters:
    """Gives each post that the file names the shifts that it has for it; posts that it does not name keep theirs.

    `post_id`: whose shifts those are that name no post. `require_place` raises for a division that the caller may not change.
    Raises `RosterInvalid` with the wrong lines, and then nothing has changed.
    """
    await hold_version(tx)
    default = await store.key_of(tx, post_id) if post_id else None
    rows = await _read(tx, _text(content), kind, default["zone"] if default else STANDARD_ZONE)
    own = PostKey(default["division_code"], default["role"], default["position"]) if default else None
    by_post: dict[PostKey, list[RosterRow]] = {}
    errors: list[LineError] = []
    for row in rows:
        post = row.post or own
        if post is None:
            errors.append(
                LineError(row.line, "no_post", _("X-TOCSIN-POST: the event names no post. Import the file for one post instead."))
            )
        else:
            by_post.setdefault(post, []).append(row)
    if len(by_post) > POSTS_MAX:
        errors.append(LineError(1, "too_long", _("At most %(max)s posts at once. Split the file.", max=POSTS_MAX)))
    _raise(errors)
    posts = {PostKey(row["division_code"], row["role"], row["position"]): row for row in await store.posts_named(tx, list(by_post))}
    for key, given in by_post.items():
        if key not in posts:
            errors.append(LineError(given[0].line, "unknown_post", _("There is no post %(post)s. Add it first.", post=key)))
        else:
            require_place(key.division_code)
    names = await _names(tx, [row["post_id"] for row in posts.values()])
    meant: dict[PostKey, list[Shift]] = {}
    for key, row in posts.items():
        meant[key] = _looked_up(by_post[key], names.get(row["post_id"], {}), errors)
    _raise(errors)
    new = {key: shifts for key, shifts in meant.items() if [shift.to_json() for shift in shifts] != (posts[key]["shifts"] or [])}
    for key, shifts in new.items():
        await store.set_roster(tx, posts[key]["post_id"], [shift.to_json() for shift in shifts], now)
    await refresh(tx, calendar, [posts[key]["post_id"] for key in new], now)
    for key, shifts in new.items():
        details = {"shifts": len(shifts), "from": kind}
        what = "roster.set" if shifts else "roster.removed"
        await changed(tx, actor, what, now, division_code=key.division_code, subject_id=posts[key]["post_id"], details=details)
    return ImportedRosters(len(posts), len(new))


async def set_from_fields(
    tx: Tx,
    calendar: WorkCalendar,
    *,
    post_id: UUID,
    fields: Sequence[Mapping[str, str]],
    seen: int | None,
    now: datetime,
    actor: Actor,
) -> None:
    """Gives a post the shifts of a form, whose empty ones are left out. Raises `RosterInvalid` with the wrong ones, counted from 1."""
    key = await store.key_of(tx, post_id)
    post = PostKey(key["division_code"], key["role"], key["position"])
    rows: list[RosterRow] = []
    errors: list[LineError] = []
    for number, cells in enumerate(fields, start=1):
        try:
            rows.append(row_of(number, post, cells))
        except FileWrong as wrong:
            errors.append(wrong.error)
    _raise(errors)
    shifts = _looked_up(rows, (await _names(tx, [post_id])).get(post_id, {}), errors)
    _raise(errors)
    await set_roster(tx, calendar, post_id=post_id, shifts=shifts, seen=seen, now=now, actor=actor)


def _text(content: bytes) -> str:
    if len(content) > FILE_CHARS_MAX:
        raise RosterInvalid([LineError(1, "too_long", _("The file is too large. Split it."))])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = _("The file is not UTF-8. Save it as “CSV UTF-8” (in WPS or Excel: Save As).")
        raise RosterInvalid([LineError(content[: error.start].count(b"\n") + 1, "not_utf8", detail)]) from None


async def _read(tx: Tx, text: str, kind: Format, zone: str) -> list[RosterRow]:
    if kind == "csv":
        rows, errors = from_csv(text)
    else:
        named = [tuple(name.split("/")) for name in posts_named(text)]
        keys = [
            PostKey(parts[0], parts[1], int(parts[2]))
            for parts in named
            if len(parts) == 3 and parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 6
        ]
        zones = {
            PostKey(row["division_code"], row["role"], row["position"]): row["zone"]
            for row in await store.posts_named(tx, keys[:POSTS_MAX])
        }
        rows, errors = from_ics(text, zones, zone)
    _raise(errors)
    return rows


def _looked_up(rows: Sequence[RosterRow], names: Mapping[UUID, str], errors: list[LineError]) -> list[Shift]:
    """The shifts of a post with the officers that are meant; what is wrong goes to `errors`."""
    known: dict[str, list[UUID]] = {}
    for officer, name in names.items():
        known.setdefault(str(officer), []).append(officer)
        known.setdefault(name, []).append(officer)
    shifts: list[Shift] = []
    lines: list[int] = []
    for row in rows:
        if row.shift is None:
            continue
        officers: list[UUID | None] = []
        for written in row.officers:
            name = written or ""
            found = known.get(name, [])
            if name and len(found) != 1:
                detail = (
                    not_a_holder(name)
                    if not found
                    else _("Several officers of this post are called %(name)s. Write the id instead.", name=name)
                )
                errors.append(LineError(row.line, "not_a_holder", f"officers: {detail}"))
            officers.append(found[0] if found else None)
        shifts.append(replace(row.shift, officers=tuple(officers)))
        lines.append(row.line)
    if not errors:
        errors += [LineError(lines[one.shift], one.code, f"{one.field}: {one.detail}") for one in check_shifts(shifts)[:ERRORS_MAX]]
    return shifts


def _raise(errors: Sequence[LineError]) -> None:
    if errors:
        raise RosterInvalid(sorted(errors, key=lambda error: error.line)[:ERRORS_MAX])


async def _names(tx: Tx, post_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, str]]:
    found: dict[UUID, dict[UUID, str]] = {}
    for row in await store.holders(tx, post_ids):
        found.setdefault(row["post_id"], {})[row["officer_id"]] = row["name"]
    return found
