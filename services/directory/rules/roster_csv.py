"""Rosters as CSV: one line per shift, in the order in which they count."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from uuid import UUID

from libs.directory.duty import DAY_KINDS, WEEKDAYS, Shift
from libs.i18n import gettext as _
from services.directory.errors import LineError
from services.directory.rules.roster_rows import ERRORS_MAX, NOBODY, ROWS_MAX, FileWrong, PostKey, RosterRow, days_of, post_key_of

HEADER = (
    "division_code", "role", "position", "shift", "days", "start", "end", "officers", "turn_days", "since", "until", "skip",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@")


def to_csv(rosters: Iterable[tuple[PostKey, Sequence[Shift]]], names: Mapping[PostKey, Mapping[UUID, str]]) -> str:
    """The file. Officers are named where a name is clear on their post; otherwise their id stands there."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(HEADER)
    for post, shifts in rosters:
        for shift in shifts:
            officers = officers_written(shift, names.get(post, {}))
            writer.writerow(
                (
                    *post,
                    shift.name,
                    " ".join(day for day in (*WEEKDAYS, *DAY_KINDS) if day in shift.days),
                    f"{shift.start:%H:%M}",
                    f"{shift.end:%H:%M}",
                    officers,
                    shift.turn_days or "",
                    shift.since or "",
                    shift.until or "",
                    " ".join(str(day) for day in sorted(shift.skip)),
                )
            )
    return made.getvalue()


def officers_written(shift: Shift, names: Mapping[UUID, str]) -> str:
    """The officers of a shift as a cell has them; `names`: those of the post."""
    written = _written(names)
    return "; ".join(written.get(officer, str(officer)) if officer else NOBODY for officer in shift.officers)


def _written(names: Mapping[UUID, str]) -> dict[UUID, str]:
    """How officers of one post are written: not by a name that two have, that would not be read back, or that a spreadsheet would run."""
    said = [*names.values()]
    return {
        officer: name
        for officer, name in names.items()
        if said.count(name) == 1 and ";" not in name and not name.startswith(_FORMULA) and name == name.strip()
    }


def from_csv(text: str) -> tuple[list[RosterRow], list[LineError]]:
    """The shifts of a file, and what is wrong with it; with errors the shifts must not be used."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    found: list[RosterRow] = []
    errors: list[LineError] = []
    header: list[str] | None = None
    while len(errors) < ERRORS_MAX:
        try:
            row = next(reader)
            if header is None:
                header = _header(row)
            elif any(cell.strip() for cell in row):
                found.append(_row(reader.line_num, dict(zip(header, (cell.strip() for cell in row), strict=False)), len(row), len(header)))
        except StopIteration:
            break
        except csv.Error as error:
            errors.append(
                LineError(reader.line_num, "not_csv", _("The line cannot be read as CSV (%(error)s). Check its quotes.", error=error))
            )
            break
        except FileWrong as wrong:
            errors.append(wrong.error)
            if header is None:
                break
        if len(found) > ROWS_MAX:
            errors.append(LineError(reader.line_num, "too_long", _("At most %(max)s lines at once. Split the file.", max=ROWS_MAX)))
            break
    if header is None and not errors:
        errors.append(LineError(1, "wrong_header", _("The first line must be: %(header)s", header=",".join(HEADER))))
    return found, errors


def _header(row: Sequence[str]) -> list[str]:
    """The columns in the file's order; those at the end of HEADER may be missing."""
    given = [cell.strip().lower() for cell in row]
    if len(set(given)) != len(given) or not set(given) <= set(HEADER) or not set(HEADER[:8]) <= set(given):
        raise FileWrong(1, "", "wrong_header", _("The first line must be: %(header)s", header=",".join(HEADER)))
    return given


def _row(line: int, cells: Mapping[str, str], given: int, wanted: int) -> RosterRow:
    if given != wanted:
        detail = _(
            "The line has %(found)s columns instead of %(wanted)s. Put names that contain a comma in double quotes.",
            found=given,
            wanted=wanted,
        )
        raise FileWrong(line, "", "wrong_columns", detail)
    return row_of(line, post_key_of(cells["division_code"], cells["role"], cells["position"], line, "division_code"), cells)


def row_of(line: int, post: PostKey, cells: Mapping[str, str]) -> RosterRow:
    """A shift from the cells of a line, or the fields of a form; one with nothing in it says that there is no roster."""
    if not any(cells.get(column) for column in HEADER[3:]):
        return RosterRow(line, post, None)
    turn = cells.get("turn_days", "")
    if turn and not (turn.isascii() and turn.isdigit() and len(turn) < 6):
        raise FileWrong(line, "turn_days", "bad_number", _("Write a number of days, or nothing."))
    officers = tuple(None if name == NOBODY else name for name in (part.strip() for part in cells["officers"].split(";")) if name)
    shift = Shift(
        name=cells["shift"],
        officers=(),
        start=_time(cells["start"], line, "start"),
        end=_time(cells["end"], line, "end"),
        days=days_of(cells["days"], line, "days"),
        since=_date(cells.get("since", ""), line, "since"),
        until=_date(cells.get("until", ""), line, "until"),
        turn_days=int(turn or 0),
        skip=frozenset(day for text in cells.get("skip", "").split() if (day := _date(text, line, "skip"))),
    )
    return RosterRow(line, post, shift, officers)


def _time(text: str, line: int, field: str) -> time:
    hours, colon, minutes = text.partition(":")
    if colon and all(part.isascii() and part.isdigit() and len(part) <= 2 for part in (hours, minutes)) and len(minutes) == 2:
        if (int(hours), int(minutes)) == (24, 0):
            return time()
        if int(hours) < 24 and int(minutes) < 60:
            return time(int(hours), int(minutes))
    raise FileWrong(line, field, "bad_time", _("“%(found)s” is no time of day. Write it like 08:00.", found=text[:20]))


def _date(text: str, line: int, field: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FileWrong(line, field, "bad_date", _("“%(found)s” is no date. Write it like 2026-01-31.", found=text[:20])) from None
