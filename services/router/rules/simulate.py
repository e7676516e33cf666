"""What would happen: the very same machine, driven by a virtual clock, with everybody silent (DESIGN section 7)."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from libs.directory.model import CODE_LENGTHS, Division, Holder, Post, Route, ancestor_codes
from libs.directory.roles import DISPATCH_DESK, POST_ROLES
from libs.errors import Invalid, TocsinError
from libs.events.catalogue import DeadlineMissed, NotificationRequested, ReportReceived
from libs.events.envelope import EventData
from libs.i18n import gettext as _
from libs.terms import DeclineReason, Department, Household, PlacementNeed, Purpose, Step, Tier
from services.router.rules import acts, placement_acts
from services.router.rules.calendar import WorkCalendar
from services.router.rules.case import CaseState, Kind, Moment, Outcome
from services.router.rules.ladder import post_of
from services.router.rules.machine import fire, open_case
from services.router.rules.policy import Policy

ROUNDS_MAX = 500
"""A silent case comes to an end long before: a handful of windows, reminders and steps."""

Action = Literal["notify", "remind", "escalate", "deadline", "supervise", "answer"]
_ACTIONS: dict[Purpose, Action] = {
    Purpose.ASSIGN: "notify",
    Purpose.RECALL: "notify",
    Purpose.OVERDUE: "notify",
    Purpose.REMIND: "remind",
    Purpose.ESCALATE: "escalate",
    Purpose.SUPERVISE: "supervise",
    Purpose.INFORM: "notify",
    Purpose.REFER: "notify",
    Purpose.LAPSED: "notify",
    Purpose.TRANSFER: "notify",
    Purpose.RETURNED: "notify",
    Purpose.TO_AND_FRO: "notify",
}


_WIDE = ("city", "province")
PLACEMENT = "placement-"
"""How an answer begins by which somebody records that a child has to be placed; behind it, where its household is registered."""
ACTS = ("acknowledge", "decline", *Step, *(f"{PLACEMENT}{one}" for one in Household))
"""What somebody may do in a simulation."""


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
    answer: str = ""
    department: Department | None = None
    """The lane that it belongs to; None: the ladder."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody would do, `minute` minutes after the report: whoever was told on `tier`, or (None) who is responsible then.

    A `Household`: they record that a child who is registered so has to be placed; no other place is asked then, as if none were known.
    """

    minute: float
    act: Literal["acknowledge", "decline"] | Step | Household
    tier: Tier | None = None

    @classmethod
    def of(cls, minute: float, act: str, tier: Tier | None = None) -> "Reply":
        """A reply whose act is given as text: acknowledge, decline, a step, placement-local …; `ValueError` for anything else."""
        match act:
            case "acknowledge" | "decline":
                return cls(minute, act, tier)
            case _ if act.startswith(PLACEMENT):
                return cls(minute, Household(act.removeprefix(PLACEMENT)), tier)
            case _:
                return cls(minute, Step(act), tier)


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
    report: ReportReceived,
    route: Route,
    policy: Policy,
    calendar: WorkCalendar,
    *,
    at_grade: str | None = None,
    locale: str = "zh_CN",
    replies: Sequence[Reply] = (),
) -> list[Line]:
    """Who is told what, and when, if everybody does what `replies` say and is silent otherwise.

    Ends when nothing more happens but the weekly review of a forgotten case. What is due at the instant of a reply comes before it.
    Raises `Invalid` where a reply is impossible: nobody was told there, or the case is somebody else's by then.
    """
    moment = Moment(report.received_at, policy, route, calendar, Numbered())
    return follow(open_case(report, moment, at_grade=at_grade), moment, locale=locale, replies=replies)


def follow(outcome: Outcome, moment: Moment, *, locale: str = "zh_CN", replies: Sequence[Reply] = ()) -> list[Line]:
    """The same for a case that was opened at `moment`, when its report came: `outcome` is what came of that."""
    t0 = moment.now
    lines = list(_lines(outcome.events, moment, t0, locale))
    waiting = sorted(replies, key=lambda reply: reply.minute)
    for _round in range(ROUNDS_MAX):
        at = _next(outcome.after)
        reply_at = t0 + timedelta(minutes=waiting[0].minute) if waiting else None
        if at is None and reply_at is None:
            break
        if reply_at is not None and (at is None or reply_at < at):
            reply = waiting.pop(0)
            moment = replace(moment, now=max(reply_at, moment.now))
            outcome, line = _answered(outcome.after, reply, moment, t0, locale)
            lines.append(line)
        else:
            assert at is not None, "one of the two is there"
            moment = replace(moment, now=max(at, moment.now))
            outcome = fire(outcome.after, moment)
        lines += _lines(outcome.events, moment, t0, locale)
    return lines


def _answered(state: CaseState, reply: Reply, moment: Moment, t0: datetime, locale: str) -> tuple[Outcome, Line]:
    """What comes of a reply, and the line that tells of it."""
    told = [one for one in state.assignments if not one.beside and (reply.tier is None or one.tier is reply.tier)]
    owner = (state.owner_post_id, state.owner_officer_id)
    who = next((one for one in told if (one.post_id, one.officer_id) == owner), told[0] if told and reply.tier else None)
    if who is None:
        detail = _("At minute %(minute)g nobody has been told who could answer.", minute=reply.minute)
        raise Invalid("impossible_answer", detail, field="answers")
    try:
        if reply.act == "acknowledge":
            outcome = acts.acknowledge(state, who.officer_id, moment, "workbench")
        elif reply.act == "decline":
            outcome = acts.decline(state, who.officer_id, DeclineReason.OTHER, moment, "workbench")
        elif isinstance(reply.act, Household):
            outcome = placement_acts.need(state, PlacementNeed.NO_CARE, reply.act, moment, by=who.officer_id)
        else:
            outcome = acts.step_done(state, who.officer_id, reply.act, moment, "workbench", child_sighted=True)
    except TocsinError as error:
        detail = _("At minute %(minute)g this answer is not possible: %(why)s", minute=reply.minute, why=error.detail)
        raise Invalid("impossible_answer", detail, field="answers") from None
    post = post_of(moment.route, who.post_id)
    step = reply.act if isinstance(reply.act, Step) else None if isinstance(reply.act, Household) else Step.ACKNOWLEDGE
    return outcome, Line(
        at=moment.now,
        minute=_minute(moment.now, t0),
        action="answer",
        tier=who.tier,
        post=post.title(locale) if post else "",
        channel=None,
        step=step,
        post_id=who.post_id,
        division_code=post.division_code if post else "",
        answer=f"{PLACEMENT}{reply.act}" if isinstance(reply.act, Household) else str(reply.act),
    )


def assumed_route(policy: Policy, division_code: str, zone: str = "Asia/Shanghai") -> Route:
    """A place as it should be: somebody reachable on every post that the policy names, and on a dispatch desk. For planning only."""
    levels = {length: level for level, length in CODE_LENGTHS.items()}
    codes = ancestor_codes(division_code)
    divisions = tuple(Division(code, code, levels[len(code)], parent, zone) for code, parent in zip(codes, (*codes[1:], None), strict=True))
    roles = [role for rung in policy.ladder for role in rung.roles]
    roles += [*policy.recipient_roles, *policy.supervise.roles, DISPATCH_DESK]
    roles += [role for department in policy.lanes for role in policy.lane_roles[department]]
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
    """When something happens again; None once there is nothing but the weekly review of a forgotten case."""
    armed = [one for one in state.deadlines if one.armed]
    beside = [at for lane in state.lanes if (at := lane.wakes_at)] if state.open else []
    if not beside and all(one.kind is Kind.REVIEW for one in armed):
        return None
    return min((*(one.wakes_at for one in armed), *beside))


def _lines(events: Sequence[EventData], moment: Moment, t0: datetime, locale: str) -> Iterator[Line]:
    minute = _minute(moment.now, t0)
    for event in events:
        if isinstance(event, NotificationRequested):
            action, channel = _ACTIONS[event.purpose], event.channel
        elif isinstance(event, DeadlineMissed):
            action, channel = "deadline", None
        else:
            continue
        post = post_of(moment.route, event.post_id)
        yield Line(
            at=moment.now,
            minute=minute,
            action=action,
            tier=event.tier,
            post=post.title(locale) if post else "",
            channel=channel,
            step=event.step,
            post_id=event.post_id,
            division_code=post.division_code if post else "",
            department=event.department if isinstance(event, NotificationRequested) else None,
        )


def _minute(at: datetime, t0: datetime) -> float:
    minute = round((at - t0).total_seconds() / 60, 4)
    return int(minute) if minute == int(minute) else minute
