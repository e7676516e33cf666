"""What administrators do to the rules: add a policy version, bind it to a place from a day on, end a binding. Running cases stay."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from libs.db import Tx
from libs.directory.permissions import Principal, StaffPrincipal, may, require
from libs.errors import Conflict, Invalid
from libs.events import new_event, publish
from libs.events.catalogue import PolicyAdded, PolicyBound, PolicyUnbound
from libs.events.envelope import EventData, new_id
from libs.i18n import current_locale
from libs.i18n import gettext as _
from services.router.errors import AlreadyInForce, NoSuchBinding, NotCompared, PolicyFileWrong, UnknownDivision, UnknownPolicy
from services.router.handlers.desk import Desk
from services.router.handlers.policies import Comparison, compared, compared_on
from services.router.rules.book import STANDARD_ZONE
from services.router.rules.policy import Policy
from services.router.rules.policy_files import PolicyFileError, parse
from services.router.store import bindings as store
from services.router.store import past

REASON_MIN, REASON_MAX = 2, 300
PAST_MAX = 100
"""On so many of the latest reports of a place a policy is tried before it is bound there."""
AHEAD_MAX = timedelta(days=3660)
"""Nobody plans further than ten years: a later day is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class By:
    """Who changes the rules: as recorded in events (an account's id; None for a program or a command), and as shown in the history."""

    principal: Principal | None
    account_id: UUID | None
    name: str

    def require(self, division_code: str) -> None:
        """Whether they may change the rules of a place; `Forbidden` otherwise. A command on the server may."""
        if self.principal is not None:
            require(self.principal, "policy.manage", division_code)

    @property
    def scope(self) -> str:
        """Within which divisions they may."""
        return self.principal.division_code if self.principal is not None else ""


def by(principal: Principal) -> By:
    """Whoever is logged in, or the API client."""
    require(principal, "policy.manage")
    if isinstance(principal, StaffPrincipal):
        return By(principal, principal.account_id, principal.username)
    return By(principal, None, principal.name)


def check(desk: Desk, name: str, text: str) -> Policy:
    """The policy that a text says; `PolicyFileWrong` names file, line and reason of every mistake."""
    try:
        policy = parse(name, text.encode(), desk.book.get)
    except PolicyFileError as error:
        raise PolicyFileWrong(str(error).splitlines()) from None
    of_files = {known.id for known in desk.files.policies}
    if policy.id in of_files:
        detail = _("id: %(id)s belongs to a policy that comes with the software or its files; choose another and extend it", id=policy.id)
        raise PolicyFileWrong([f"{name}:1: {detail}"])
    return policy


async def add(desk: Desk, tx: Tx, who: By, name: str, text: str) -> Policy:
    """Keeps a policy version for good. It is in force nowhere until it is bound. The same text again changes nothing.

    Whoever administers a part of the country may add to a policy of their own part only.
    """
    await store.lock(tx)
    await desk.refresh(tx)
    policy = check(desk, name, text)
    elsewhere = [one.division for one in desk.book.bindings if one.policy_id == policy.id and not one.division.startswith(who.scope)]
    if elsewhere:
        who.require(min(elsewhere, key=len))
    known = desk.book.named(policy.stamp)
    if known is not None:
        if known == policy:
            return known
        raise Conflict(
            "version_exists",
            _("%(stamp)s exists already, and says something else. A version is never changed: raise `version`.", stamp=policy.stamp),
            field="text",
        )
    if (await store.counts(tx))[0] >= store.POLICIES_MAX:
        raise Conflict("too_many", _("There are %(count)s policy versions already: no more can be kept.", count=store.POLICIES_MAX))
    now = desk.clock.now()
    await store.add_policy(tx, policy, text, at=now, by=who.account_id, by_name=who.name)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    await _changed(tx, now, PolicyAdded(policy_id=policy.id, policy_version=policy.version, sha256=sha256, by=who.account_id), new_id())
    return policy


@dataclass(frozen=True, slots=True)
class Plan:
    """A binding that somebody thinks of: which policy, where, from which day on, until before which (None: for good)."""

    policy: str
    division_code: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a planned binding would do: `present` is in force there that day without it; `inside` keep rules of their own."""

    plan: Plan
    policy: Policy
    present: Policy
    comparison: Comparison
    example: str
    inside: tuple[tuple[str, Policy], ...]
    past: "Past"


@dataclass(frozen=True, slots=True)
class Past:
    """What the policy would have done differently with the latest reports of the place, with the people of today.

    `reports` were looked at, which came in from `since` to `until` (None: there are none); those that come from places with rules of
    their own stay as they are.
    """

    reports: int = 0
    since: datetime | None = None
    until: datetime | None = None
    comparison: Comparison | None = None

    @property
    def changed(self) -> int:
        """How many would be treated differently."""
        return len(self.comparison.changes) if self.comparison else 0


async def forecast(desk: Desk, tx: Tx, who: By, plan: Plan, *, past_max: int = PAST_MAX) -> Forecast:
    """Compares the policy with what is in force there on its first day: on sample reports from a place within it that has people.

    And on the latest reports that came from there, at most `past_max`.
    """
    who.require(plan.division_code)
    book = await desk.refresh(tx)
    policy = book.named(plan.policy)
    if policy is None:
        raise UnknownPolicy(book.ids)
    zone = await _zone(desk, tx, plan.division_code)
    now = desk.clock.now()
    _sensible(plan, now.astimezone(ZoneInfo(zone)).date())
    at = max(now, datetime.combine(plan.since, time(9), ZoneInfo(zone)))
    present = book.in_force(plan.division_code, at, zone)
    if present.stamp == policy.stamp:
        raise AlreadyInForce(present.stamp)
    example = await desk.directory.example(tx, plan.division_code) or plan.division_code
    found = await compared(desk, tx, (present.stamp, policy.stamp), example, at=at, locale=current_locale())
    inside = tuple((place, one) for place, one in book.inside(plan.division_code, at, zone) if one.stamp != policy.stamp)
    before = await _past(desk, tx, plan, (present, policy), at=at, most=past_max)
    return Forecast(plan, policy, present, found, example, inside, before)


async def _past(desk: Desk, tx: Tx, plan: Plan, pair: tuple[Policy, Policy], *, at: datetime, most: int) -> Past:
    reports = await past.reports(tx, plan.division_code, most) if most else []
    if not reports:
        return Past()
    zones = {code: route.division.zone for code, route in (await desk.routes(tx, {one.division_code for one in reports})).items()}
    concerned = [one for one in reports if desk.book.in_force(one.division_code, at, zones[one.division_code]).stamp == pair[0].stamp]
    found = await compared_on(desk, tx, (pair[0].stamp, pair[1].stamp), concerned, locale=current_locale())
    times = [one.received_at for one in reports]
    return Past(len(reports), min(times), max(times), found)


async def bind(desk: Desk, tx: Tx, who: By, plan: Plan, *, reason: str, instead_of: str) -> UUID:
    """Binds a policy, after a comparison with what it replaces: `instead_of` (`id@version`) is what was compared with.

    A day that has passed is refused; a binding from today on counts for reports that come in from now on.
    """
    reason = reason_of(reason)
    await store.lock(tx)
    foretold = await forecast(desk, tx, who, plan, past_max=0)
    if instead_of != foretold.present.stamp:
        raise NotCompared(foretold.present.stamp)
    if (await store.counts(tx))[1] >= store.BINDINGS_MAX:
        raise Conflict("too_many", _("There are %(count)s bindings already: no more can be kept.", count=store.BINDINGS_MAX))
    now, binding_id, policy = desk.clock.now(), new_id(), foretold.policy
    made: dict[str, Any] = {
        "binding_id": binding_id,
        "division_code": plan.division_code,
        "policy_id": policy.id,
        "policy_version": policy.version,
        "since": plan.since,
        "until": plan.until,
        "instead_of": foretold.present.stamp,
        "reports": foretold.comparison.reports,
        "changed": len(foretold.comparison.changes),
    }
    await store.bind(tx, {**made, "reason": reason, "made_at": now, "made_by": who.account_id, "made_by_name": who.name})
    await _changed(tx, now, PolicyBound(**made, by=who.account_id), binding_id)
    return binding_id


async def withdraw(desk: Desk, tx: Tx, who: By, binding_id: UUID, reason: str) -> None:
    """Ends a binding, at once or before it has begun: the place has again what it had without it. Running cases stay as they are."""
    reason = reason_of(reason)
    await store.lock(tx)
    row = await store.binding(tx, binding_id)
    if row is None or (who.principal is not None and not may(who.principal, "policy.manage", row["division_code"])):
        raise NoSuchBinding
    if row["withdrawn_at"] is not None:
        raise Conflict("already_withdrawn", _("This binding was ended before."))
    now = desk.clock.now()
    await store.withdraw(tx, binding_id, at=now, by=who.account_id, by_name=who.name, reason=reason)
    event = PolicyUnbound(
        binding_id=binding_id,
        policy_id=row["policy_id"],
        policy_version=row["policy_version"],
        division_code=row["division_code"],
        by=who.account_id,
    )
    await _changed(tx, now, event, binding_id)


def today(desk: Desk) -> date:
    """The day that it is for most of the country."""
    return desk.clock.now().astimezone(ZoneInfo(STANDARD_ZONE)).date()


async def source(tx: Tx, policy: Policy) -> asyncpg.Record | None:
    """The text that a policy was added as, when, and by whom; None for one that comes with the software or its files."""
    return await store.source(tx, policy.id, policy.version)


async def history(tx: Tx, principal: Principal, *, division: str, before: int | None, limit: int) -> Sequence[asyncpg.Record]:
    """What was bound in a place, within it and around it, the last act first; within the reader's divisions."""
    require(principal, "policy.read")
    scope = division if division.startswith(principal.division_code) else principal.division_code
    return await store.history(tx, scope, before=before, limit=limit)


async def _zone(desk: Desk, tx: Tx, division_code: str) -> str:
    if not division_code:
        return STANDARD_ZONE
    found = await desk.directory.division(tx, division_code)
    if found is None:
        raise UnknownDivision
    return found.zone


def _sensible(plan: Plan, day: date) -> None:
    if plan.since < day:
        detail = _("A policy cannot be bound in the past: the first day is today, %(day)s, or later.", day=day)
        raise Invalid("in_past", detail, field="since")
    if plan.since - day > AHEAD_MAX:
        raise Invalid("too_far", _("This day is more than ten years ahead."), field="since")
    if plan.until is not None and plan.until <= plan.since:
        raise Invalid("until_before_since", _("The day on which it ends must come after the first one."), field="until")


def reason_of(text: str) -> str:
    """Why somebody changes the rules, in one line; `Invalid` when it says nothing or too much."""
    kept = " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
    if not REASON_MIN <= len(kept) <= REASON_MAX:
        detail = _("Say why, in %(least)s to %(most)s characters: it stands in the history.", least=REASON_MIN, most=REASON_MAX)
        raise Invalid("reason_missing", detail, field="reason")
    return kept


async def _changed(tx: Tx, now: datetime, data: EventData, key: UUID) -> None:
    """The last act of a change: replicas learn that there is one when it commits, and the ledger hears what it was."""
    await publish(tx, [new_event(data, key=key, time=now)])
    await store.bump(tx)
