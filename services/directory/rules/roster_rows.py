"""What roster files have in common: which post, and who, before anybody has looked them up."""

from dataclasses import dataclass
from typing import NamedTuple

from libs.directory.duty import DAY_KINDS, WEEKDAYS, Shift
from libs.i18n import gettext as _
from services.directory.errors import LineError

ERRORS_MAX = 50
"""How many wrong lines a file is read for before it is given up."""
ROWS_MAX = 20_000
NOBODY = "-"
"""A turn of nobody."""


class PostKey(NamedTuple):
    """What names a post in a file: its place, its role and its position there."""

    division_code: str
    role: str
    position: int

    def __str__(self) -> str:
        return f"{self.division_code}/{self.role}/{self.position}"


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One shift of a file. `officers` are as they were written (id or name; None: nobody's turn); those of `shift` are still empty.

    `shift` None: the file says that the post has no roster. `post` None: the file does not say which post.
    """

    line: int
    post: PostKey | None
    shift: Shift | None
    officers: tuple[str | None, ...] = ()


class FileWrong(Exception):
    """A file cannot be read at this line; `field` is the column or property."""

    def __init__(self, line: int, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.error = LineError(line, code, f"{field}: {detail}" if field else detail)


def days_of(text: str, line: int, field: str) -> frozenset[str]:
    """`MO TU`, `WORKDAY`, …; empty: every day."""
    found = frozenset(text.upper().replace(",", " ").replace(";", " ").split())
    unknown = sorted(found - {*WEEKDAYS, *DAY_KINDS})
    if unknown:
        detail = _("“%(found)s” is no day. Days are: %(known)s.", found=unknown[0][:20], known=", ".join((*WEEKDAYS, *DAY_KINDS)))
        raise FileWrong(line, field, "unknown_day", detail)
    return found


def post_key_of(code: str, role: str, position: str, line: int, field: str) -> PostKey:
    """The post that three texts name; `position` may be empty: the first."""
    if not (code.isascii() and code.isdigit()) or not role:
        raise FileWrong(line, field, "bad_post", _("Name the post by its division code, its role and its position, as an export does."))
    if position and not (position.isascii() and position.isdigit() and len(position) < 6):
        raise FileWrong(line, field, "bad_post", _("The position of a post is a number: 1 for the first."))
    return PostKey(code, role, int(position or 1))
