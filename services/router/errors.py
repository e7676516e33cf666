"""What may go wrong when people act on a case. Each message says what is the matter and the way out.

TocsinError
├── Forbidden
│   └── NotAssigned       the officer was never told of this case
├── NotFound
│   ├── NoSuchCase        unknown, or outside the reader's divisions
│   ├── NoSuchBinding     the same of where a policy is bound
│   └── NoSuchMove        and of running cases that are moved
├── Conflict
│   ├── CaseIsClosed      nothing more can be done to it
│   ├── AlreadyTaken      another officer is the owner
│   ├── OfficerIsGone     the officer is not active any more
│   ├── NotYours          only the owner may do that
│   ├── NotAcknowledged   somebody must acknowledge first
│   ├── NotReadyToClose   a step is missing
│   ├── AlreadyInForce    the policy is in force there anyway
│   ├── NotCompared       the policy was compared with another than the present one
│   └── MoveIsRunning     cases there are being moved already
└── Invalid
    ├── UnknownDivision   a code that is not in the register
    ├── NoPolicyThen      no policy was, or will be, in force
    ├── UnknownPolicy     an id or version that nobody has added
    └── PolicyFileWrong   a policy file with mistakes: file, line and reason of each
"""

from collections.abc import Iterable, Sequence

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


class NoSuchBinding(NotFound):
    def __init__(self) -> None:
        super().__init__("no_such_binding", _("There is no such binding in your divisions. See /v1/policies/bindings."))


class NoSuchMove(NotFound):
    def __init__(self) -> None:
        super().__init__("no_such_move", _("There is no such move in your divisions. See /v1/policies/moves."))


class AlreadyInForce(Conflict):
    def __init__(self, stamp: str) -> None:
        super().__init__("already_in_force", _("%(stamp)s is in force there on that day anyway.", stamp=stamp), field="policy")


class NotCompared(Conflict):
    def __init__(self, present: str) -> None:
        super().__init__(
            "not_compared",
            _("On that day %(present)s is in force there. Compare with it first, then bind instead of it.", present=present),
            field="instead_of",
        )


class MoveIsRunning(Conflict):
    def __init__(self) -> None:
        super().__init__("move_is_running", _("Cases there are being moved at this moment. Wait until that is done, then look again."))


class UnknownPolicy(Invalid):
    def __init__(self, known: Iterable[str], field: str = "policy") -> None:
        names = ", ".join(sorted(set(known)))
        super().__init__("unknown_policy", _("There is no such policy. Known are: %(known)s.", known=names), field=field)


class PolicyFileWrong(Invalid):
    """`reasons` has one line per mistake: `file:line: reason`."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("policy_file", "\n".join(reasons), errors=[FieldError("text", "policy_file", reason) for reason in reasons])
