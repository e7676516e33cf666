"""Lines of the case page: a deadline, and somebody who was told."""

from typing import Any

from libs.i18n import N_, current_locale
from libs.i18n import gettext as _
from services.router.handlers.views import View
from services.router.rules.case import Answered, Assignment, Deadline, Kind, State

STATES = {
    State.ARMED: (N_("running"), "busy"),
    State.MET: (N_("met"), "ok"),
    State.FIRED: (N_("missed"), "bad"),
    State.CANCELLED: (N_("no longer needed"), "idle"),
}
ANSWERS = {
    Answered.TOLD: (N_("no answer yet"), "warn"),
    Answered.ACKNOWLEDGED: (N_("acknowledged"), "ok"),
    Answered.DECLINED: (N_("declined"), "bad"),
    Answered.UNREACHABLE: (N_("could not be reached"), "bad"),
    Answered.RECALLED: (N_("need not come"), "idle"),
    Answered.CONFLICTED: (N_("passed over: conflict of interest"), "idle"),
}
NOTES = {
    Kind.STALE: N_("or the acknowledgement is void"),
    Kind.QUORUM: N_("by further officers, as the rules want"),
}


def deadline(one: Deadline) -> dict[str, Any]:
    """A deadline as the page shows it."""
    text, look = STATES[one.state]
    if one.state is State.FIRED and one.done_at is not None:
        text, look = N_("done late"), "warn"
    return {
        "step": one.step,
        "note": _(NOTES[one.kind]) if one.kind in NOTES else "",
        "tier": one.tier,
        "due_at": one.due_at,
        "armed": one.armed,
        "done_at": one.done_at,
        "provisional": one.provisional,
        "overdue": one.state is State.FIRED and one.done_at is None and one.kind is Kind.STEP,
        "text": _(text),
        "look": look,
    }


def told_line(one: Assignment, view: View) -> dict[str, Any]:
    """Somebody who was told, as the page shows it."""
    post = view.post(one.post_id)
    text, look = ANSWERS[one.answer]
    if one.beside:
        text, look = (N_("told beside the ladder"), "idle") if one.answer is Answered.TOLD else (text, look)
    return {
        "tier": one.tier,
        "title": post.title(current_locale()) if post else "",
        "text": _(N_("told to supervise")) if one.supervising and one.answer is Answered.TOLD else _(text),
        "look": look,
        "at": one.answered_at or one.told_at,
    }
