"""Who may do what, and where. A decision table without I/O: read it, and you know every right there is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from libs.directory.model import CODE_LENGTHS, contains
from libs.errors import Forbidden
from libs.i18n import gettext as _


class Role(StrEnum):
    """What an account is for."""

    OPERATOR = "operator"
    """Takes calls: files reports, sees that they move, places what has no place."""
    OFFICER = "officer"
    """Holds posts: answers for children (UMPL arts 43, 81; MF34)."""
    SUPERVISOR = "supervisor"
    """Watches a division's work and steps in (督办)."""
    AUDITOR = "auditor"
    """Reads the record, never the child's file."""
    ADMIN = "admin"
    """Keeps the directory; sees no personal content either."""


Action = Literal[
    "report.create",
    "report.read",
    "case.read",
    "case.act",
    "case.manage",
    "audit.read",
    "directory.read",
    "directory.manage",
    "notification.read",
    "policy.read",
    "policy.manage",
]
"""report.read is the personal content; case.act is answering for a case; case.manage is to regrade, place and take over.

policy.manage is to add and bind policies, and to move running cases to other ones.
"""

Scope = Literal["report", "read", "act", "audit", "admin"]
"""What an API key may be good for."""

SCOPES: tuple[Scope, ...] = ("report", "read", "act", "audit", "admin")


@dataclass(frozen=True, slots=True)
class StaffPrincipal:
    """Somebody who logged in. `division_code` is where their rights end: a prefix of division codes, "" for everywhere."""

    account_id: UUID
    username: str
    role: Role
    officer_id: UUID | None
    division_code: str
    language: str


@dataclass(frozen=True, slots=True)
class ClientPrincipal:
    """A program with an API key. `channel` is the report channel it files under, if it is bound to one."""

    client_id: str
    name: str
    scopes: frozenset[str]
    channel: str | None

    @property
    def division_code(self) -> str:
        """Keys are not bound to a place."""
        return ""


Principal = StaffPrincipal | ClientPrincipal

_BY_ROLE: dict[Role, frozenset[Action]] = {
    Role.OPERATOR: frozenset(
        {
            "report.create",
            "report.read",
            "case.read",
            "case.act",
            "case.manage",
            "notification.read",
            "policy.read",
            "directory.read",
        }
    ),
    Role.OFFICER: frozenset({"report.create", "report.read", "case.read", "case.act", "case.manage", "notification.read", "policy.read"}),
    Role.SUPERVISOR: frozenset(
        {
            "report.create",
            "report.read",
            "case.read",
            "case.act",
            "case.manage",
            "audit.read",
            "notification.read",
            "policy.read",
            "directory.read",
        }
    ),
    Role.AUDITOR: frozenset({"case.read", "audit.read", "notification.read", "policy.read"}),
    Role.ADMIN: frozenset({"case.read", "notification.read", "policy.read", "policy.manage", "directory.read", "directory.manage"}),
}

_BY_SCOPE: dict[str, frozenset[Action]] = {
    "report": frozenset({"report.create", "policy.read"}),
    "read": frozenset({"case.read", "notification.read", "policy.read"}),
    "act": frozenset({"case.read", "case.act", "case.manage", "report.read", "policy.read"}),
    "audit": frozenset({"audit.read", "case.read", "policy.read"}),
    "admin": frozenset({"directory.read", "directory.manage", "policy.read", "policy.manage"}),
}


def may(principal: Principal, action: Action, division_code: str | None = None) -> bool:
    """Whether `principal` may do `action` on something at `division_code`; None: on nothing that has a place.

    Beyond the table: only who is an officer can act on a case (an operator of the dispatch desk may be one); an officer below the
    street may not manage one, since lowering a grade or moving a case needs the street officer or above (rules.yaml grade_rules).
    """
    if isinstance(principal, ClientPrincipal):
        return any(action in _BY_SCOPE.get(scope, ()) for scope in principal.scopes)
    if action not in _BY_ROLE[principal.role]:
        return False
    if action == "case.act" and principal.officer_id is None:
        return False
    if action == "case.manage" and principal.role is Role.OFFICER and len(principal.division_code) > CODE_LENGTHS["street"]:
        return False
    return division_code is None or contains(principal.division_code, division_code)


def require(principal: Principal, action: Action, division_code: str | None = None) -> None:
    """Raises `Forbidden` unless `may`."""
    if not may(principal, action, division_code):
        raise Forbidden("not_permitted", _("You may not do this here. Ask your supervisor or administrator."))
