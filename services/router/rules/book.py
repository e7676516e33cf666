"""Which policy is in force where and when: what the policy files bind, and what administrators have bound since."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from services.router.rules.policy import Policy

STANDARD_ZONE = "Asia/Shanghai"


class Bound(NamedTuple):
    """A policy version that an administrator has bound to a place ("" is everywhere).

    It is in force from the beginning of day `since` until before day `until`, for reports received after `made_at` and before
    `withdrawn_at`: what was in force at a past instant is never changed afterwards. `order`: the later made one wins.
    """

    binding_id: UUID
    division: str
    policy_id: str
    policy_version: int
    since: date
    until: date | None
    made_at: datetime
    withdrawn_at: datetime | None
    order: int


class _Claim(NamedTuple):
    """A policy's claim to a place; of those that run, the greatest `rank` wins: what was bound later before what the files say."""

    rank: tuple[int, int, int]
    policy: Policy
    since: date
    until: date | None
    made_at: datetime | None = None
    withdrawn_at: datetime | None = None

    def runs(self, at: datetime, day: date) -> bool:
        if day < self.since or (self.until is not None and day >= self.until):
            return False
        return (self.made_at is None or self.made_at <= at) and (self.withdrawn_at is None or at < self.withdrawn_at)


@dataclass(frozen=True)
class PolicyBook:
    """All policies known here, in every version, and where they are bound beside what they say themselves.

    `version` counts the changes of what administrators have added and bound; 0 is the files alone.
    """

    policies: tuple[Policy, ...] = field(repr=False)
    bindings: tuple[Bound, ...] = ()
    version: int = 0

    def in_force(self, division_code: str, at: datetime, zone: str = STANDARD_ZONE) -> Policy:
        """The policy for a place at an instant: of the nearest ancestor that has one in force.

        There, what was bound last wins; without such a binding, of what the files bind, what began last, then the highest version.
        """
        day = at.astimezone(ZoneInfo(zone)).date()
        for place in self._around(division_code):
            for claim in self._claims[place]:
                if claim.runs(at, day):
                    return claim.policy
        msg = f"no policy is in force for {division_code or 'the country'} on {day}: bind one to division '' in its policy file"
        raise LookupError(msg)

    def get(self, policy_id: str, version: int | None = None) -> Policy | None:
        """The policy of that id and version; without a version, or when that version's file is gone, the newest one."""
        known = self._by_id.get(policy_id, {})
        exact = known.get(version) if version is not None else None
        return exact or (known[max(known)] if known else None)

    @property
    def ids(self) -> list[str]:
        """The ids of all policies."""
        return sorted(self._by_id)

    def named(self, name: str) -> Policy | None:
        """The policy called `id` (its newest version) or `id@version` (exactly that one)."""
        policy_id, at, version = name.partition("@")
        if not at:
            return self.get(policy_id)
        return self._by_id.get(policy_id, {}).get(int(version)) if version.isdecimal() and len(version) <= 9 else None

    def inside(self, division_code: str, at: datetime, zone: str = STANDARD_ZONE) -> list[tuple[str, Policy]]:
        """The places within another that have a policy of their own then, with it."""
        day = at.astimezone(ZoneInfo(zone)).date()
        places = sorted(place for place in self._claims if place.startswith(division_code) and place != division_code)
        found = ((place, next((claim.policy for claim in self._claims[place] if claim.runs(at, day)), None)) for place in places)
        return [(place, policy) for place, policy in found if policy is not None]

    def with_added(self, policies: Iterable[Policy], bindings: Iterable[Bound], version: int) -> "PolicyBook":
        """This book with what administrators have added. A version that a file defines stays as the file says."""
        known = {policy.stamp for policy in self.policies}
        added = tuple(policy for policy in policies if policy.stamp not in known)
        return PolicyBook((*self.policies, *added), tuple(bindings), version)

    def _around(self, division_code: str) -> Iterator[str]:
        """The places with claims that the code lies in, nearest first."""
        for length in self._lengths:
            if length <= len(division_code) and division_code[:length] in self._claims:
                yield division_code[:length]

    @cached_property
    def _by_id(self) -> dict[str, dict[int, Policy]]:
        found: dict[str, dict[int, Policy]] = {}
        for policy in self.policies:
            found.setdefault(policy.id, {})[policy.version] = policy
        return found

    @cached_property
    def _claims(self) -> dict[str, list[_Claim]]:
        found: dict[str, list[_Claim]] = {}
        for policy in self.policies:
            for one in policy.bind:
                found.setdefault(one.division, []).append(_Claim((0, one.since.toordinal(), policy.version), policy, one.since, one.until))
        for bound in self.bindings:
            known = self._by_id.get(bound.policy_id, {}).get(bound.policy_version)
            if known is not None:
                claim = _Claim((1, 0, bound.order), known, bound.since, bound.until, bound.made_at, bound.withdrawn_at)
                found.setdefault(bound.division, []).append(claim)
        for claims in found.values():
            claims.sort(key=lambda claim: claim.rank, reverse=True)
        return found

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(place) for place in self._claims}, reverse=True)
