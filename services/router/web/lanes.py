"""The part of the case page on departments beside the ladder (属事属管)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.db import Tx
from libs.directory.permissions import StaffPrincipal, may
from libs.i18n import N_, current_locale
from libs.i18n import gettext as _
from libs.terms import DeclineReason, Department, LaneResult, labels
from services.router.handlers import beside, words
from services.router.handlers.acting import Actor
from services.router.handlers.desk import Desk
from services.router.handlers.views import View
from services.router.rules.case import CaseState
from services.router.rules.conflicts import barred_posts
from services.router.rules.lane_acts import answers_for
from services.router.rules.lane_values import Lane, LaneClock, LaneMode, LaneState

Doing = Callable[[Desk, Tx, Actor, UUID], Awaitable[CaseState]]
STATES = {
    LaneState.UNREACHED: (N_("nobody there can be reached"), "warn"),
    LaneState.TOLD: (N_("told"), "busy"),
    LaneState.ACCEPTED: (N_("accepted"), "ok"),
    LaneState.DECLINED: (N_("declined"), "bad"),
    LaneState.DONE: (N_("done"), "ok"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What the forms of a department send."""

    reason: str
    result: str
    clock: str
    what: str


def act(name: str, department: str, said: Said) -> Doing | None:
    """What a form asks for; None for a form that does not exist. `ValueError`, when it is done, for a choice that does not exist."""
    which = Department(department) if department in set(Department) else None
    if which is None:
        return None
    doings: dict[str, Doing] = {
        "refer": lambda desk, tx, actor, case_id: beside.refer(desk, tx, actor, case_id, which),
        "accept": lambda desk, tx, actor, case_id: beside.accept(desk, tx, actor, case_id, which),
        "decline": lambda desk, tx, actor, case_id: beside.decline(desk, tx, actor, case_id, which, reason=DeclineReason(said.reason)),
        "done": lambda desk, tx, actor, case_id: beside.done(desk, tx, actor, case_id, which, result=LaneResult(said.result)),
        "clock": lambda desk, tx, actor, case_id: beside.record_clock(
            desk, tx, actor, case_id, which, clock=said.clock, what="started" if said.what == "started" else "done", at=None
        ),
    }
    return doings.get(name)


def shown(view: View, who: StaffPrincipal) -> list[dict[str, Any]]:
    """The departments of a case, and what the reader may do about each; the handlers decide for good."""
    return [_lane(one, view, who) for one in view.case.lanes]


def referable(view: View) -> list[tuple[str, str]]:
    """The departments that the case may be referred to: those that do not have it as their task already."""
    busy = {one.department for one in view.case.lanes if one.mode is LaneMode.ACT and one.state in {LaneState.TOLD, LaneState.ACCEPTED}}
    return [(one, labels.label(one)) for one in Department if one not in busy]


def transfer(view: View, who: StaffPrincipal) -> dict[str, Any] | None:
    """A transfer that is waited for, and whether the reader may answer it; the handlers decide for good."""
    pending = view.case.handover.pending
    if pending is None:
        return None
    post = view.post(pending.post_id)
    return {
        "place": pending.division_code,
        "post": post.title(current_locale()) if post else "",
        "reason": labels.label(pending.reason),
        "accept_by": pending.accept_by,
        "answers": may(who, "case.act")
        and who.officer_id is not None
        and (
            pending.officer_id == who.officer_id
            or (post is not None and any(holder.officer_id == who.officer_id for holder in post.holders))
        ),
    }


def posts(view: View) -> list[tuple[str, str]]:
    """The posts that may turn out to have a conflict of interest: those that answer for the place."""
    found = ((post, view.route.name_of(post.division_code)) for post in view.route.posts)
    return [(str(post.post_id), f"{post.title(current_locale())} · {name or post.division_code}") for post, name in found]


def skipped(view: View) -> list[str]:
    """The posts that are passed over because of a conflict of interest, with the reason."""
    found = barred_posts(view.route, view.case.conflicts)
    return [f"{post.title(current_locale())} ({labels.label(why.reason)})" for post, why in found]


def _lane(lane: Lane, view: View, who: StaffPrincipal) -> dict[str, Any]:
    text, look = STATES[lane.state]
    rule = view.policy.lane(lane.department)
    post = view.post(lane.post_id)
    opened = view.case.open and may(who, "case.act")
    speaks = opened and answers_for(lane, who.officer_id, view.route)
    records = speaks or (opened and who.officer_id is not None and view.case.assignment_of(who.officer_id) is not None)
    undone = [code for code in rule.clocks if (known := lane.clock(code)) is None or known.done_at is None]
    return {
        "department": lane.department,
        "name": labels.label(lane.department),
        "acts": lane.mode is LaneMode.ACT,
        "post": post.title(current_locale()) if post else "",
        "tier": lane.tier,
        "text": _(text),
        "look": look,
        "result": labels.label(lane.result) if lane.result else "",
        "at": lane.answered_at or lane.told_at or lane.opened_at,
        "clocks": [_clock(one, lane, words.clock(one.code, rule)) for one in lane.clocks],
        "accept": speaks and lane.state is LaneState.TOLD,
        "decline": speaks and lane.state in {LaneState.TOLD, LaneState.ACCEPTED},
        "done": records and lane.state in {LaneState.TOLD, LaneState.ACCEPTED, LaneState.UNREACHED, LaneState.DECLINED},
        "record": [(code, words.clock(code, rule)) for code in undone] if records and lane.state is not LaneState.DONE else [],
    }


def _clock(one: LaneClock, lane: Lane, name: str) -> dict[str, Any]:
    running = one in tuple(lane.armed)
    if one.done_at is not None:
        text, look = (N_("done late"), "warn") if one.due_at and one.done_at > one.due_at else (N_("done"), "ok")
    elif one.fired_at is not None:
        text, look = N_("passed"), "bad"
    else:
        text, look = (N_("running"), "busy") if running else (N_("no longer needed"), "idle")
    return {"name": name, "due_at": one.due_at, "running": running, "done_at": one.done_at, "text": _(text), "look": look}
