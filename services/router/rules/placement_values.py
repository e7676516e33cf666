"""Placing a child who cannot stay at home (安置) as values: what a policy says of it, and how it stands on a case."""

from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from libs.terms import Department, Household, PlacementNeed
from services.router.rules.policy_values import Role, Source, Strict, Text

OptionCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class BranchRule(Strict):
    """Who is asked to place a child whose household is registered so.

    SEED_X X12: 有户籍的联系流出地政府安置，无户籍的由街道民社办报请区民政局.
    `origin`: the place where the household is registered, if it can be asked here, takes the case as a transfer: accepted or it comes
    back. Otherwise, or when it does not take it, `department` has to accept on its lane: first its posts of `roles`, then its usual ones.
    `through`: posts that are told so that they make the request (报请).
    """

    name: Text
    origin: bool = False
    department: Department = Department.CIVIL
    roles: tuple[Role, ...] = ()
    through: tuple[Role, ...] = ()
    src: Source


_ANY = BranchRule(name=Text(zh="联系民政部门安置", en="Ask civil affairs for a placement"), src="UMPL arts 92-93")


class PlacementRule(Strict):
    """`branches` by where the household is registered; one that is left out is as `unknown`, and without that civil affairs are asked.

    `options`: the ways of placing a child that the place has, by a code of its own.
    """

    branches: dict[Household, BranchRule] = Field(default_factory=dict)
    options: dict[OptionCode, Text] = Field(default_factory=dict, max_length=20)
    src: Source = "ADVL art 15; UMPL arts 92-93"

    def branch(self, household: Household) -> BranchRule:
        """Who is asked; there is always somebody."""
        return self.branches.get(household) or self.branches.get(Household.UNKNOWN) or _ANY


class Placement(NamedTuple):
    """A child of the case cannot stay: why, where its household is registered, since when that is known; the option taken, and when."""

    reason: PlacementNeed
    household: Household
    asked_at: datetime
    option: str = ""
    made_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether the child still has to be placed."""
        return self.made_at is None
