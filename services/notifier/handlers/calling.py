"""What happens in a call: somebody takes it, presses keys, hangs up (DESIGN section 8; what counts as delivered: rules/calls.py)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.db import Tx
from services.notifier import store
from services.notifier.gateways.twilio_voice import Heard
from services.notifier.handlers.replying import tell
from services.notifier.handlers.sending import Means, observe
from services.notifier.rules import speech
from services.notifier.rules.calls import TRIES_MAX, CallOutcome, can_answer
from services.notifier.rules.speech import Spoken
from services.notifier.rules.states import Accepted, AttemptState
from services.notifier.rules.times import Language
from services.notifier.store import calls, replies
from services.notifier.store.calls import Call


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key, or none ("") after the text was read out for the `tries`-th time."""

    sid: str
    digits: str
    tries: int


async def hear_of(tx: Tx, means: Means, attempt_id: UUID, heard: Heard, now: datetime) -> bool:
    """Records how a call is; whether there is such a call."""
    if await calls.call_of(tx, attempt_id) is None:
        return False
    await observe(tx, means, [(attempt_id, heard.observation)], now)
    if heard.outcome is not None:
        await calls.note(tx, attempt_id, heard.outcome, now, over=heard.over)
    return True


async def take(tx: Tx, means: Means, attempt_id: UUID, heard: Heard, now: datetime) -> Spoken | None:
    """The call was taken: what to say. None for a machine, which is told nothing, and for a call that is none of ours."""
    if not await hear_of(tx, means, attempt_id, heard, now) or heard.over:
        return None
    call = await calls.call_of(tx, attempt_id)
    assert call is not None, "it was there a moment ago, and nothing is ever deleted"
    language = speech.language_of(call.template_id)
    if not _asks(call):
        return speech.opening(language, call.text, asks=False)
    if await _waiting(tx, call) is None:
        return speech.needless(language, call.subject.code)
    return speech.opening(language, call.text, asks=True)


async def press(tx: Tx, means: Means, attempt_id: UUID, pressed: Pressed, now: datetime) -> Spoken | None:
    """A key, or silence: what to say next. "1" accepts, "2" declines, as a reply by SMS does; told twice, it has one effect."""
    await store.lock_attempts(tx, [attempt_id])  # the same key told twice at once is heard one after the other
    call = await calls.call_of(tx, attempt_id)
    if call is None:
        return None
    language, code = speech.language_of(call.template_id), call.subject.code
    if pressed.digits:  # only a human presses keys
        await observe(tx, means, [(attempt_id, Accepted(pressed.sid, AttemptState.DELIVERED))], now)
        await calls.note(tx, attempt_id, CallOutcome.ANSWERED, now, over=False)
    if call.outcome in {CallOutcome.ACKNOWLEDGED, CallOutcome.DECLINED}:
        return _answered(language, code, call.outcome)
    asks = _asks(call)
    if asks and pressed.digits in {"1", "2"}:
        waiting = await _waiting(tx, call)
        if waiting is None:
            return speech.needless(language, code)
        outcome = CallOutcome.ACKNOWLEDGED if pressed.digits == "1" else CallOutcome.DECLINED
        await tell(tx, waiting, "acknowledge" if pressed.digits == "1" else "decline", "keypad", now)
        await calls.note(tx, attempt_id, outcome, now, over=False)
        return _answered(language, code, outcome)
    if not asks and pressed.digits == "1":
        await calls.note(tx, attempt_id, CallOutcome.HEARD, now, over=False)
        return speech.heard(language)
    if pressed.tries >= TRIES_MAX:
        await calls.note(tx, attempt_id, CallOutcome.NO_KEY, now, over=False)
        return speech.unanswered(language, code)
    return speech.again(language, call.text, asks=asks, pressed=bool(pressed.digits))


def _answered(language: Language, code: str, outcome: CallOutcome) -> Spoken:
    return speech.accepted(language, code) if outcome is CallOutcome.ACKNOWLEDGED else speech.declined(language, code)


def _asks(call: Call) -> bool:
    return can_answer(call.subject.purpose, call.subject.step)


async def _waiting(tx: Tx, call: Call) -> replies.Waiting | None:
    return await replies.waiting_of(tx, call.subject.officer_id, call.subject.case_id)
