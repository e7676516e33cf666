"""When an officer is called beside the SMS, as the policy says: at once, or after a part of the silence.

A call goes to the accountable rung only: whoever is told beside it reads. It changes nothing by itself: the rung's window runs as
before, an answer by key is an answer like any other, and whether an officer can be reached at all, the SMS tells.
"""

from typing import TYPE_CHECKING, Literal

from libs.terms import Purpose, Step
from services.router.rules.case import Assignment, Deadline, Kind
from services.router.rules.ladder import Seat

if TYPE_CHECKING:
    from services.router.rules.draft import Draft

ByChannel = Literal["sms", "voice"]
_ASKS = frozenset({Purpose.ASSIGN, Purpose.ESCALATE})
_FOR_AN_ANSWER = frozenset({Step.ACKNOWLEDGE, Step.DISPATCH})


def channels(draft: "Draft", at: Assignment | Seat, purpose: Purpose, step: Step | None) -> tuple[ByChannel, ...]:
    """On which channels a message goes out: by SMS always; the accountable officer who is asked to answer is called as well."""
    post_id = at.post.post_id if isinstance(at, Seat) else at.post_id
    is_owner = (post_id, at.officer_id) == (draft.case.owner_post_id, draft.case.owner_officer_id)
    called = is_owner and purpose in _ASKS and step in _FOR_AN_ANSWER and draft.policy.calls(draft.band).at_start
    return ("sms", "voice") if called else ("sms",)


def arm_calls(draft: "Draft", asked: Deadline) -> None:
    """Starts the parts of a rung's window after which its officer is called; a part that has passed already is left out."""
    if asked.tier is None or not draft.policy.calls(draft.band).in_silence:
        return
    window = draft.ack_window(asked.tier, asked.started_at)
    for part in draft.policy.calls(draft.band).in_silence:
        if draft.due_at(asked.started_at, window * part) > draft.now:
            draft.arm(Kind.CALL, Step.ACKNOWLEDGE, asked.started_at, window * part, tier=asked.tier)


def call_owner(draft: "Draft") -> None:
    """A part of the window has passed in silence: whoever is accountable by now is called."""
    asked = next((one for one in draft.case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    owner = draft.owner_assignment
    if asked is not None and owner is not None:
        draft.notify(Purpose.REMIND, owner, step=Step.ACKNOWLEDGE, deadline_at=asked.due_at, by=("voice",))


def keep_calls(draft: "Draft") -> None:
    """The grade or the policy has changed: the calls of the running window are those of the new one (promise 9)."""
    draft.disarm(Kind.CALL)
    asked = next((one for one in draft.case.deadlines if one.armed and one.kind is Kind.ACKNOWLEDGE), None)
    if asked is not None:
        arm_calls(draft, asked)
