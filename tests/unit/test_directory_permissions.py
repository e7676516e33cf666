"""Who may do what: the whole matrix, so that no right is given or taken by accident."""

from uuid import uuid4

import pytest

from libs.directory.permissions import SCOPES, Action, ClientPrincipal, Role, StaffPrincipal, may, require
from libs.errors import Forbidden

ACTIONS: tuple[Action, ...] = (
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
)

#                          create read  case  act   manage audit dir.r dir.m notif pol.r pol.m
MATRIX: dict[Role, str] = {
    Role.OPERATOR:        "yes    yes   yes   yes   yes    no    yes   no    yes   yes   no",
    Role.OFFICER:         "yes    yes   yes   yes   yes    no    no    no    yes   yes   no",
    Role.SUPERVISOR:      "yes    yes   yes   yes   yes    yes   yes   no    yes   yes   no",
    Role.AUDITOR:         "no     no    yes   no    no     yes   no    no    yes   yes   no",
    Role.ADMIN:           "no     no    yes   no    no     no    yes   yes   yes   yes   yes",
}  # fmt: skip

SCOPE_MATRIX: dict[str, str] = {
    "report":             "yes    no    no    no    no     no    no    no    no    yes   no",
    "read":               "no     no    yes   no    no     no    no    no    yes   yes   no",
    "act":                "no     yes   yes   yes   yes    no    no    no    no    yes   no",
    "audit":              "no     no    yes   no    no     yes   no    no    no    yes   no",
    "admin":              "no     no    no    no    no     no    yes   yes   no    yes   yes",
}  # fmt: skip


def staff(role: Role, division_code: str = "440304", *, officer: bool = True) -> StaffPrincipal:
    return StaffPrincipal(uuid4(), "somebody", role, uuid4() if officer else None, division_code, "zh_CN")


@pytest.mark.parametrize("role", Role)
def test_what_a_role_may_do(role: Role) -> None:
    allowed = [word == "yes" for word in MATRIX[role].split()]
    assert [may(staff(role), action, "440304001") for action in ACTIONS] == allowed


@pytest.mark.parametrize("scope", SCOPES)
def test_what_an_api_key_may_do(scope: str) -> None:
    allowed = [word == "yes" for word in SCOPE_MATRIX[scope].split()]
    client = ClientPrincipal("school", "School", frozenset({scope}), None)
    assert [may(client, action, "440304001") for action in ACTIONS] == allowed


def test_a_key_with_every_scope_may_do_everything_and_one_with_none_nothing() -> None:
    every = ClientPrincipal("demo", "Demo", frozenset(SCOPES), None)
    none = ClientPrincipal("old", "Old", frozenset({"scope of yesterday"}), None)
    assert all(may(every, action, "53") for action in ACTIONS)
    assert not any(may(none, action) for action in ACTIONS)


def test_rights_end_at_the_division() -> None:
    officer = staff(Role.OFFICER, "440304001")
    assert may(officer, "case.read", "440304001020")
    assert may(officer, "case.read", "440304001")
    assert not may(officer, "case.read", "440304002")
    assert not may(officer, "case.read", "440304")
    assert not may(officer, "case.read", "")
    assert may(officer, "case.read")
    assert may(staff(Role.AUDITOR, ""), "audit.read", "")


def test_only_an_officer_acts_on_a_case() -> None:
    assert not may(staff(Role.SUPERVISOR, officer=False), "case.act", "440304001")
    assert not may(staff(Role.OPERATOR, officer=False), "case.act", "440304001")


def test_cases_are_managed_from_the_street_up() -> None:
    assert not may(staff(Role.OFFICER, "440304001020"), "case.manage", "440304001020")
    assert may(staff(Role.OFFICER, "440304001020"), "case.act", "440304001020")
    assert may(staff(Role.OFFICER, "440304001"), "case.manage", "440304001020")


def test_require_raises_what_the_door_understands() -> None:
    require(staff(Role.ADMIN, ""), "directory.manage", "440304")
    with pytest.raises(Forbidden):
        require(staff(Role.ADMIN), "report.read", "440304")
