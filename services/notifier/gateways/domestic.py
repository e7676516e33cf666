"""What the gateways of mainland China have in common: registered texts only, keys that are rotated, and codes that are texts.

A provider's SDK is imported by the gateway that uses it (`aliyun_sdk`, `tencent_sdk`), and only where it is configured: it costs a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from libs.log import get_logger
from services.notifier.gateways import Capabilities
from services.notifier.rules.states import Ambiguous, Refusal, Rejected, Unanswered
from services.notifier.rules.texts import Registered

MAINLAND = "+86"
CODE_CHARS_MAX = 64


class Client(Protocol):
    """What every client of a provider's API can do."""

    async def close(self) -> None:
        """Gives its connections back."""
        ...


ClientT = TypeVar("ClientT", bound=Client)
AnswerT = TypeVar("AnswerT")

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class Key:
    """An access key of an account."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long one call may take, and how many may be under way. Seconds."""

    request_timeout_s: float
    connect_timeout_s: float
    connections_max: int


class NotReached(Exception):
    """No connection: it is certain that the provider has seen nothing."""


class Refused(Exception):
    """The provider answered that it does not do it. `status` is HTTP's, 200 where the refusal stands in the answer."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code[:CODE_CHARS_MAX]
        self.message = message


class Unclear(Exception):
    """An answer came that nobody can read: what the provider did is not known."""


class Keys(Generic[ClientT]):
    """Clients, one for each key: the present one first. While keys are rotated, a refusal of the one is asked again with the other, once.

    Whichever worked last is asked first, so that a forgotten key costs one call and not one for each message.
    """

    def __init__(self, gateway: str, clients: Sequence[ClientT], is_of_the_key: Callable[[str], bool]) -> None:
        self._gateway = gateway
        self._clients = clients
        self._is_of_the_key = is_of_the_key
        self._first = 0

    async def ask(self, call: Callable[[ClientT], Awaitable[AnswerT]]) -> AnswerT:
        """Raises what `call` raises, `Refused` of the key only where no key was accepted."""
        at = self._first
        try:
            return await call(self._clients[at])
        except Refused as refused:
            if not self._is_of_the_key(refused.code):
                raise
            which = "secondary" if at else "present"
            log.error("notifier.key_refused", gateway=self._gateway, key=which, code=refused.code, pages=True)  # noqa: TRY400 - no trace
            if len(self._clients) == 1:
                raise
        other = (at + 1) % len(self._clients)
        answer = await call(self._clients[other])
        self._first = other
        return answer


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a provider's codes mean. The longest prefix that is known decides; of what is not known, nobody can say whether it was sent."""

    refusals: Mapping[str, Refusal | None]
    """By the beginning of the code; None: it may have been sent all the same."""

    def of(self, refused: Refused) -> Rejected | Ambiguous:
        """What is to be done about a refusal."""
        if refused.status >= 500:
            return Ambiguous(f"status {refused.status} {refused.code}")
        if refused.status == 429:
            return Rejected(Refusal.BUSY, None, code=refused.code)
        code = refused.code
        known = max((prefix for prefix in self.refusals if code == prefix or code.startswith(prefix)), key=len, default=None)
        refusal = self.refusals[known] if known is not None else None
        return Ambiguous(code) if refusal is None else Rejected(refusal, None, code=code)


async def outcome_of(work: Awaitable[AnswerT], meaning: Meaning, bounds: Bounds) -> AnswerT | Rejected | Ambiguous:
    """What `work` came to, within the time that one call may take."""
    try:
        async with asyncio.timeout(bounds.request_timeout_s):
            return await work
    except NotReached:
        return Rejected(Refusal.BUSY, 0)
    except Refused as refused:
        return meaning.of(refused)
    except (TimeoutError, Unclear) as error:
        return Ambiguous(str(error) or type(error).__name__)


class DomesticGateway(Generic[ClientT]):
    """SMS over one account: what does not depend on whose account it is. `apis`: one for each key, the present one first."""

    name: str
    meaning: Meaning

    def __init__(
        self, apis: Sequence[ClientT], registered: Registered, bounds: Bounds, *, is_of_the_key: Callable[[str], bool], takes_replies: bool
    ) -> None:
        self.capabilities = capabilities(takes_replies=takes_replies)
        self._apis = apis
        self._keys = Keys(self.name, apis, is_of_the_key)
        self._registered = registered
        self._bounds = bounds

    async def close(self) -> None:
        """Gives the connections back."""
        for api in self._apis:
            await api.close()

    async def _asked(self, work: Awaitable[AnswerT]) -> AnswerT | Rejected | Ambiguous:
        """What a call came to."""
        return await outcome_of(work, self.meaning, self._bounds)

    async def _looked(self, search: Awaitable[AnswerT]) -> AnswerT | Unanswered:
        """What looking into the provider's lists came to."""
        seen = await self._asked(search)
        if isinstance(seen, Rejected | Ambiguous):
            log.warning("notifier.look_unanswered", gateway=self.name, outcome=repr(seen))
            return Unanswered()
        return seen


def capabilities(*, takes_replies: bool) -> Capabilities:
    """Registered texts to mainland numbers, never a link."""
    return Capabilities(channels=frozenset({"sms"}), links=False, replies=takes_replies, templates=True, max_chars=70, prefixes=(MAINLAND,))


def national(phone: str) -> str:
    """A mainland number as the providers write it in their lists."""
    return phone.removeprefix(MAINLAND)


def is_id(text: str, chars_max: int = 64) -> bool:
    """Whether that can be an id of a provider's: what no database keeps must not make us refuse all that was pushed with it."""
    return 0 < len(text) <= chars_max and text.isprintable()


def kept_code(text: object) -> str:
    """A provider's code as it is kept."""
    return "".join(char for char in str(text or "") if char.isprintable())[:CODE_CHARS_MAX]


def e164(country: str, number: str) -> str:
    """A number as we write it. Raises ValueError for what is none."""
    digits = number.strip().removeprefix("+")
    country = country.strip().removeprefix("+") or "86"
    if not (digits.isascii() and digits.isdigit() and country.isascii() and country.isdigit() and 4 <= len(digits) <= 15):
        raise ValueError("not a phone number")
    whole = digits.removeprefix("00") if digits.startswith(f"00{country}") else digits
    return f"+{whole}" if whole.startswith(country) and len(whole) > 11 else f"+{country}{whole}"
