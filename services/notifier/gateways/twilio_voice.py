"""Calls over Twilio Voice, through its official SDK and our own HTTP client: no retries, explicit timeouts, no SDK session.

The text of a call is asked for by Twilio when somebody answers (TwiML), at an address that carries the attempt's id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from libs.log import get_logger
from services.notifier.gateways import Capabilities, Outgoing, Sought
from services.notifier.gateways.session import NEVER_SENT
from services.notifier.gateways.twilio import UNCLEAR, HttpClient, client_of, fetched, found_in, refused
from services.notifier.rules.calls import VOICE, CallOutcome
from services.notifier.rules.speech import Spoken
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered
from services.notifier.rules.times import Language

NAME = "twilio_voice"
CALL_S_MAX = 180
"""No call lasts longer, whatever happens on the line."""
EVENTS = ("ringing", "answered", "completed")

log = get_logger("notifier")

_RINGING = {
    "queued": AttemptState.SUBMITTED,
    "initiated": AttemptState.SUBMITTED,
    "ringing": AttemptState.SENT,
    "in-progress": AttemptState.SENT,
    "answered": AttemptState.SENT,
}
_NOBODY = {
    "busy": CallOutcome.BUSY,
    "no-answer": CallOutcome.NO_ANSWER,
    "failed": CallOutcome.FAILED,
    "canceled": CallOutcome.FAILED,
}
_SPEAKERS: dict[Language, tuple[str, str]] = {"zh_CN": ("cmn-CN", "Polly.Zhiyu"), "en": ("en-US", "Polly.Joanna")}
"""Language and voice as Twilio names them (twilio.com/docs/voice/twiml/say)."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where Twilio asks for the text and reports to, without a trailing slash; the attempt's id follows."""

    text_url: str
    status_url: str


class TwilioVoiceGateway:
    """Calls from one number. A phone rings for `ring_s` seconds; Twilio listens whether a human or a machine answers."""

    def __init__(self, client: Client, http: HttpClient, hooks: Hooks, *, from_number: str, ring_s: int) -> None:
        self.name = NAME
        self._client = client
        self._http = http
        self._hooks = hooks
        self._from_number = from_number
        self._ring_s = ring_s
        self.capabilities = Capabilities(channels=frozenset({VOICE}), links=False, replies=False, templates=False, max_chars=4096)

    async def send(self, message: Outgoing) -> Accepted | Rejected | Ambiguous:
        url = f"{self._hooks.text_url}/{message.attempt_id}"
        try:
            made = await self._client.calls.create_async(
                to=message.to,
                from_=self._from_number,
                url=url,
                fallback_url=url,
                status_callback=f"{self._hooks.status_url}/{message.attempt_id}",
                status_callback_event=list(EVENTS),
                machine_detection="Enable",
                timeout=self._ring_s,
                time_limit=CALL_S_MAX,
            )
        except (TwilioRestException, TwilioServiceException) as error:
            return refused(int(error.status), int(error.code or error.status))
        except NEVER_SENT:
            return Rejected(Refusal.BUSY, 0)
        except UNCLEAR as error:
            return Ambiguous(type(error).__name__)
        return _seen(made) if made.sid else Ambiguous("no sid")

    async def find(self, sought: Sought) -> Accepted | Missing | Unanswered:
        """An officer is called by one attempt at a time: of the calls to that number, the one that no attempt has is this one's."""
        return await found_in(self._client.calls, sought, _seen, gateway=self.name)

    async def fetch(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await fetched(self._client.calls(str(sought.provider_id)), _seen, gateway=self.name)

    async def close(self) -> None:
        await self._http.close()


def make_voice_gateway(
    *, account_sid: str, auth_token: str, api_base_url: str, http: HttpClient, hooks: Hooks, from_number: str, ring_s: int
) -> TwilioVoiceGateway:
    """The gateway on an account."""
    return TwilioVoiceGateway(client_of(account_sid, auth_token, api_base_url, http), http, hooks, from_number=from_number, ring_s=ring_s)


class Heard(NamedTuple):
    """What Twilio says of a call: what it means for the attempt, and what came of the call if it is over or was taken."""

    observation: Accepted
    outcome: CallOutcome | None
    over: bool


def taken_by(sid: str, answered_by: str) -> Heard:
    """Somebody, or something, has taken the call, and Twilio asks what to say."""
    if is_machine(answered_by):
        return Heard(Accepted(sid, AttemptState.UNDELIVERED, code=CallOutcome.MACHINE), CallOutcome.MACHINE, over=True)
    if answered_by == "human":
        return Heard(Accepted(sid, AttemptState.DELIVERED), CallOutcome.ANSWERED, over=False)
    return Heard(Accepted(sid, AttemptState.SENT), None, over=False)


def told_of(sid: str, status: str, answered_by: str) -> Heard | None:
    """What a status callback, or the provider's list, says; None when it says nothing that we know."""
    if status in _RINGING:
        return Heard(Accepted(sid, _RINGING[status]), None, over=False)
    if status in _NOBODY:
        outcome = _NOBODY[status]
        return Heard(Accepted(sid, AttemptState.UNDELIVERED, code=outcome), outcome, over=True)
    if status != "completed":
        return None
    if is_machine(answered_by):
        return taken_by(sid, answered_by)
    if answered_by == "human":
        return Heard(Accepted(sid, AttemptState.DELIVERED), CallOutcome.HUNG_UP, over=True)
    # Nobody knows who was there, and no key was pressed, or the attempt would be delivered by now.
    return Heard(Accepted(sid, AttemptState.UNDELIVERED, code=CallOutcome.NO_KEY), CallOutcome.NO_KEY, over=True)


def is_machine(answered_by: str) -> bool:
    """Whether Twilio heard a mailbox or a fax."""
    return answered_by.startswith("machine") or answered_by == "fax"


def spoken_twiml(spoken: Spoken | None, action_url: str = "", wait_s: int = 5) -> str:
    """The TwiML document that says `spoken`, and waits for one key, which goes to `action_url`; that hangs up when there is nothing to say.

    Without a key for `wait_s` seconds the address is asked as well, with no digits. `#` is a key as any other: unless told, Twilio takes it
    for the end of the digits and says that none was pressed.
    """
    if spoken is None:
        return _document("<Hangup/>")
    if not spoken.ask:
        return _document(_says(spoken.language, spoken.sentences) + "<Hangup/>")
    how = f'input="dtmf" numDigits="1" finishOnKey="" timeout="{wait_s}" actionOnEmptyResult="true" method="POST"'
    return _document(f"<Gather {how} action={quoteattr(action_url)}>{_says(spoken.language, spoken.sentences)}</Gather>")


def _says(language: Language, sentences: Sequence[str]) -> str:
    code, voice = _SPEAKERS[language]
    return "".join(f'<Say language="{code}" voice="{voice}">{escape(one)}</Say>' for one in sentences)


def _document(content: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{content}</Response>'


def _seen(call: Any) -> Accepted:
    heard = told_of(str(call.sid), str(call.status), str(call.answered_by or ""))
    return heard.observation if heard else Accepted(str(call.sid))
