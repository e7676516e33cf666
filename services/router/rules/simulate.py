"""What would happen: the very same machine, driven by a virtual clock, with everybody silent (DESIGN section 7)."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from libs.directory.model import CODE_LENGTHS, Division, Holder, Post, Route, ancestor_codes
from libs.directory.roles import DISPATCH_DESK, POST_ROLES
from libs.events.catalogue import DeadlineMissed, NotificationRequested, ReportReceived
from libs.events.envelope import EventData
from libs.terms import Grade, Purpose, Step, Tier
from services.router.rules.calendar import WorkCalendar
from services.router.rules.case import CaseState, Kind, Moment
from services.router.rules.ladder import post_of
from services.router.rules.machine import fire, open_case
from services.router.rules.policy import Policy

ROUNDS_MAX = 500
"""A silent case comes to an end long before: a handful of windows, reminders and steps."""

Action = Literal["notify", "remind", "escalate", "deadline", "supervise"]
_ACTIONS: dict[Purpose, Action] = {
    Purpose.ASSIGN: "notify",
    Purpose.RECALL: "notify",
    Purpose.OVERDUE: "notify",
    Purpose.REMIND: "remind",
    Purpose.ESCALATE: "escalate",
    Purpose.SUPERVISE: "supervise",
}


_WIDE = ("city", "province")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that would happen. `minute` counts from the report; `channel` is None for what nobody is told by itself."""

    at: datetime
    minute: float
    action: Action
    tier: Tier | None
    post: str
    channel: str | None
    step: Step | None
    post_id: UUID | None
    division_code: str


class Numbered:
    """Ids in the order of asking: the same every time."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self) -> UUID:
        """The next number."""
        return UUID(int=next(self._numbers))

    def code(self) -> str:
        """A code that is no case's."""
        return "222222"


def simulate(
    report: ReportReceived, route: Route, policy: Policy, calendar: WorkCalendar, *, at_grade: Grade | None = None, locale: str = "zh_CN"
) -> list[Line]:
    """Who is told what, and when, if everybody stays silent, until nothing more happens but the weekly review of a forgotten case."""
    moment = Moment(report.received_at, policy, route, calendar, Numbered())
    outcome = open_case(report, moment, at_grade=at_grade)
    lines = list(_lines(outcome.events, moment, report.received_at, locale))
    for _round in range(ROUNDS_MAX):
        at = _next(outcome.after)
        if at is None:
            break
        moment = replace(moment, now=max(at, moment.now))
        outcome = fire(outcome.after, moment)
        lines += _lines(outcome.events, moment, report.received_at, locale)
    return lines


def assumed_route(policy: Policy, division_code: str, zone: str = "Asia/Shanghai") -> Route:
    """A place as it should be: somebody reachable on every post that the policy names, and on a dispatch desk. For planning only."""
    levels = {length: level for level, length in CODE_LENGTHS.items()}
    codes = ancestor_codes(division_code)
    divisions = tuple(Division(code, code, levels[len(code)], parent, zone) for code, parent in zip(codes, (*codes[1:], None), strict=True))
    roles = [role for rung in policy.ladder for role in rung.roles]
    roles += [*policy.recipient_roles, *policy.supervise.roles, DISPATCH_DESK]
    posts: list[Post] = []
    for division in divisions:
        for role in dict.fromkeys(roles):
            known = POST_ROLES.get(role)
            wide = role == DISPATCH_DESK and division is divisions[0] and division.level in _WIDE
            if known and (known.level == division.level or wide):
                names = policy.aliases.get(role, known)
                holder = Holder(uuid5(NAMESPACE_OID, f"{role} {division.code} holder"), "primary", reachable=True)
                post_id = uuid5(NAMESPACE_OID, f"{role} {division.code}")
                posts.append(Post(post_id, division.code, role, known.tier, names.zh, names.en, len(posts), (holder,)))
    return Route(divisions[0], divisions, tuple(posts), 0)


def _next(state: CaseState) -> datetime | None:
    return min((one.wakes_at for one in state.deadlines if one.armed and one.kind is not Kind.REVIEW), default=None)


def _lines(events: Sequence[EventData], moment: Moment, t0: datetime, locale: str) -> Iterator[Line]:
    minute = round((moment.now - t0).total_seconds() / 60, 4)
    for event in events:
        if isinstance(event, NotificationRequested):
            action, channel = _ACTIONS[event.purpose], "sms"
        elif isinstance(event, DeadlineMissed):
            action, channel = "deadline", None
        else:
            continue
        post = post_of(moment.route, event.post_id)
        yield Line(
            at=moment.now,
            minute=int(minute) if minute == int(minute) else minute,
            action=action,
            tier=event.tier,
            post=post.title(locale) if post else "",
            channel=channel,
            step=event.step,
            post_id=event.post_id,
            division_code=post.division_code if post else "",
        )
