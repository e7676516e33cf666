"""What can go wrong here beyond libs.errors.

TocsinError
├── Invalid
│   ├── RegisterInvalid   a register has wrong lines; nothing was imported
│   └── RosterInvalid     a roster file has wrong lines; nothing was imported
├── Unauthorised
│   └── LoginFailed       name or password is wrong, or the account is not active: never told apart
└── TooMany
    └── LoginPaused       too many wrong passwords; `until` says when the next may be tried
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.errors import FieldError, Invalid, TooMany, Unauthorised
from libs.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class LineError:
    """One wrong line of a file. `detail` names the way out, in the user's language."""

    line: int
    code: str
    detail: str


class RegisterInvalid(Invalid):
    """Nothing was imported: the register has wrong lines."""

    def __init__(self, lines: Sequence[LineError]) -> None:
        super().__init__(
            "register_invalid",
            _("The register has errors; nothing was imported."),
            errors=[FieldError(f"line {line.line}", line.code, line.detail) for line in lines],
        )
        self.lines = tuple(lines)


class RosterInvalid(Invalid):
    """Nothing was imported: the roster file has wrong lines."""

    def __init__(self, lines: Sequence[LineError]) -> None:
        super().__init__(
            "roster_invalid",
            _("The roster has errors; nothing was imported."),
            errors=[FieldError(f"line {line.line}", line.code, line.detail) for line in lines],
        )
        self.lines = tuple(lines)


class LoginFailed(Unauthorised):
    """Name or password is wrong."""

    def __init__(self) -> None:
        super().__init__("login_failed", _("Username or password is wrong."))


class LoginPaused(TooMany):
    """Too many wrong passwords in a row."""

    def __init__(self, until: datetime, seconds: int) -> None:
        super().__init__("login_paused", _("Too many wrong passwords. Try again in %(seconds)s seconds.", seconds=seconds))
        self.until = until
