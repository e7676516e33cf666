"""What may go wrong when people act on a case. Each message says what is the matter and the way out.

TocsinError
├── Forbidden
│   └── NotAssigned       the officer was never told of this case
├── NotFound
│   └── NoSuchCase        unknown, or outside the reader's divisions
├── Conflict
│   ├── CaseIsClosed      nothing more can be done to it
│   ├── AlreadyTaken      another officer is the owner
│   ├── OfficerIsGone     the officer is not active any more
│   ├── NotYours          only the owner may do that
│   ├── NotAcknowledged   somebody must acknowledge first
│   └── NotReadyToClose   a step is missing
└── Invalid
    ├── UnknownDivision   a code that is not in the register
    └── NoPolicyThen      no policy was, or will be, in force
"""

from collections.abc import Sequence

from libs.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from libs.i18n import gettext as _


class NotAssigned(Forbidden):
    def __init__(self) -> None:
        super().__init__(
            "not_assigned",
            _("This officer was not told of this case. Whoever may manage cases here can take it over (take-over)."),
            field="on_behalf_of",
        )


class NoSuchCase(NotFound):
    def __init__(self) -> None:
        super().__init__("no_such_case", _("There is no such case in your divisions."))


class CaseIsClosed(Conflict):
    def __init__(self) -> None:
        super().__init__("case_closed", _("This case is closed. A new report on the same matter opens a new case."))


class AlreadyTaken(Conflict):
    def __init__(self) -> None:
        super().__init__("already_acknowledged", _("Another officer has acknowledged this case. To take it over from them, use take-over."))


class OfficerIsGone(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "officer_gone",
            _("This officer is not active any more, so nothing can rest on them. Act for somebody who is."),
            field="on_behalf_of",
        )


class NotYours(Conflict):
    def __init__(self) -> None:
        super().__init__("not_owner", _("Another officer owns this case: only they, or whoever takes it over, can close it."))


class NotAcknowledged(Conflict):
    def __init__(self) -> None:
        super().__init__("not_acknowledged", _("Nobody has acknowledged this case yet. Acknowledge it first."))


class NotReadyToClose(Conflict):
    def __init__(self, missing: Sequence[FieldError]) -> None:
        super().__init__("steps_missing", " ".join(error.detail for error in missing), errors=missing)


class TooLateToLower(Conflict):
    def __init__(self) -> None:
        super().__init__(
            "too_late_to_lower",
            _("Somebody has been on site, or should have been by now: the grade can be raised, but not lowered any more."),
            field="grade",
        )


class UnknownDivision(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "unknown_division", _("This code is not in the register. Search the place under /v1/divisions?q=."), field="division_code"
        )


class NoPolicyThen(Invalid):
    def __init__(self) -> None:
        super().__init__(
            "no_policy_then", _("No policy is in force there at that time. Name one with policy, or ask for another time."), field="at"
        )
