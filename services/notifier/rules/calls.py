"""Calls: whom to call, in which order, and what came of a call (DESIGN section 8, promise 5 in section 1).

An SMS is delivered when the handset has it; a call, when a human took it: a mailbox that was spoken to has told nobody. So a call
counts as delivered once the provider has heard a human, or once any key was pressed, whatever the provider thinks it heard. Who hangs
up without a key has been reached and has not acknowledged: the rung's window goes on, and its end climbs. Where a mailbox answered, or
nobody pressed a key and nobody knows who listened, the next way is tried at once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from libs.directory.model import Contact
from libs.terms import Grade, Purpose, Step
from services.notifier.rules.states import Limits, Notification, next_contact

VOICE = "voice"
NUMBERS_CALLED_MAX = 2
"""So many numbers that are kept for SMS are called when no SMS arrives: the climb waits while they ring (default)."""
TRIES_MAX = 3
"""So often the text is read out before an unanswering listener is left alone (default)."""
LINE_PAUSE = timedelta(seconds=10)
LINE_WAIT_MAX = timedelta(minutes=3)
"""So long a second call waits for the first one to end; then this contact counts as one that cannot be reached."""
LINE_STALE = timedelta(minutes=4)
"""A call of whose end nobody has told us so long after it began stands in nobody's way any more."""
CALL_CONFIRM_S = 40.0
"""A phone rings for less: without word from the provider for so long, it is asked."""
CALL_GIVE_UP_S = 240.0
THROTTLED_TRIES_MAX = 240
"""About an hour."""

ALARMS = frozenset({Grade.I, Grade.II})
"""The grades that are worth a call."""
_ANSWERABLE = frozenset({Purpose.ASSIGN, Purpose.ESCALATE, Purpose.REMIND})
_WORTH_WAKING = _ANSWERABLE | {Purpose.SUPERVISE, Purpose.OVERDUE, Purpose.REFER, Purpose.TRANSFER}


class CallOutcome(StrEnum):
    """What came of a call. `ANSWERED` is the only one that another may follow."""

    ANSWERED = "answered"
    """A human took it and has not hung up yet."""
    ACKNOWLEDGED = "acknowledged"
    DECLINED = "declined"
    HEARD = "heard"
    """A key was pressed where nothing can be accepted."""
    NO_KEY = "no_key"
    """Listened to the end as often as it was read out, and pressed nothing that means anything."""
    HUNG_UP = "hung_up"
    """A human took it and hung up without a key: not acknowledged."""
    MACHINE = "machine"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"


def worth_a_call(grade: Grade, purpose: Purpose) -> bool:
    """Whether an officer whom no SMS reaches is called: grades I and II, and never just for their information (default)."""
    return grade in ALARMS and purpose in _WORTH_WAKING


def can_answer(purpose: Purpose, step: Step | None) -> bool:
    """Whether "1" and "2" mean anything after this message: it asks for the acknowledgement itself."""
    return purpose in _ANSWERABLE and step in {None, Step.ACKNOWLEDGE, Step.DISPATCH}


def call_id(contact_id: UUID) -> UUID:
    """What calling a number is known by that the directory keeps for SMS."""
    return uuid5(contact_id, VOICE)


def numbers_to_call(contacts: Sequence[Contact]) -> list[Contact]:
    """A call to each number that is kept for SMS only, in the officer's order."""
    called = {contact.phone for contact in contacts if contact.channel == VOICE}
    found: list[Contact] = []
    for contact in contacts:
        if contact.channel != VOICE and contact.phone not in called:
            called.add(contact.phone)
            found.append(Contact(call_id(contact.contact_id), "voice", contact.phone, contact.priority))
    return found[:NUMBERS_CALLED_MAX]


def in_order(contacts: Sequence[Contact], channel: str, grade: Grade, purpose: Purpose) -> Sequence[Contact]:
    """The ways to an officer for a message that was asked for on `channel`.

    An SMS goes the officer's own ways; where none works, it is called about what is urgent. A call that a policy asks for stays a call:
    its SMS was asked for beside it, and tells the router by itself when it does not arrive.
    """
    if channel == VOICE:
        return [*(contact for contact in contacts if contact.channel == VOICE), *numbers_to_call(contacts)]
    return [*contacts, *numbers_to_call(contacts)] if worth_a_call(grade, purpose) else contacts


def limits_for(limits: Limits, channel: str, grade: Grade) -> Limits:
    """The bounds of an attempt: a call is over within minutes, or we have not been told.

    What is no alarm waits for a gateway that has too much to do: whoever would be told instead is reached over it no sooner.
    """
    limits = limits if grade in ALARMS else replace(limits, throttled_tries_max=THROTTLED_TRIES_MAX)
    return replace(limits, confirm_s=CALL_CONFIRM_S, confirm_give_up_s=CALL_GIVE_UP_S) if channel == VOICE else limits


def wait_for_line(notification: Notification, contact_id: UUID, now: datetime) -> Notification:
    """The officer is on the phone with us: this call comes after that one, as long as it is waited for at all."""
    since = notification.contact_since or now
    if now - since >= LINE_WAIT_MAX:
        return next_contact(notification, contact_id, "line_busy", now)
    return replace(notification, next_at=now + LINE_PAUSE, contact_since=since, reason="line_busy")
