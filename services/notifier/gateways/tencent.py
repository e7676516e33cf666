"""Tencent Cloud SMS (2021-01-11) over its official SDK: what its answers mean.

SendSms is not idempotent: SessionContext is the attempt's id, by which PullSmsSendStatusByPhoneNumber knows it again where Tencent has
switched that on for the account. The list holds receipts only: what is not there may still be under way, so nothing is ever "missing".
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from services.notifier.gateways import Outgoing, Sought
from services.notifier.gateways.domestic import Bounds, Client, DomesticGateway, Key, Meaning, Refused, e164, is_id, kept_code
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered
from services.notifier.rules.texts import Registered

NAME = "tencent"
API = "https://sms.tencentcloudapi.com"
REGION = "ap-guangzhou"
PAGE_SIZE = 100
PAGES_MAX = 10
SLACK = timedelta(minutes=2)
"""Its times are whole seconds, on its own clock."""
BACK = timedelta(hours=12)
"""How long after an attempt its receipt is looked for."""

MEANING = Meaning(
    {
        # Too much at once, of the account or to the number within 30 seconds: nothing was sent, the same works a moment later.
        "RequestLimitExceeded": Refusal.BUSY,
        "LimitExceeded.DeliveryFrequencyLimit": Refusal.BUSY,
        "LimitExceeded.GlobalSmsSendingRateLimit": Refusal.BUSY,
        "LimitExceeded.PhoneNumberThirtySecondLimit": Refusal.BUSY,
        # The limit of one number for an hour, a day, or the same text in a day: another provider counts for itself.
        "LimitExceeded.PhoneNumber": Refusal.ELSEWHERE,
        "UnsupportedOperation": Refusal.ELSEWHERE,
        "FailedOperation.PhoneNumberInBlacklist": Refusal.CONTACT,
        "FailedOperation.PhoneNumberParseFail": Refusal.CONTACT,
        "InvalidParameterValue.IncorrectPhoneNumber": Refusal.CONTACT,
        # This text: its template, what stands in its variables, a word in it. Another text works as before.
        "FailedOperation.Template": Refusal.TEXT,
        "FailedOperation.ContainSensitiveWord": Refusal.TEXT,
        "InvalidParameter.DirtyWordFound": Refusal.TEXT,
        "InvalidParameterValue.Template": Refusal.TEXT,
        "InvalidParameterValue.ContentLengthLimit": Refusal.TEXT,
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter": Refusal.TEXT,
        # All else is about us: the account's limits, balance, signature, rights.
        "LimitExceeded": Refusal.GATEWAY,
        "FailedOperation": Refusal.GATEWAY,
        "InvalidParameter": Refusal.GATEWAY,
        "InvalidParameterValue": Refusal.GATEWAY,
        "MissingParameter": Refusal.GATEWAY,
        "UnauthorizedOperation": Refusal.GATEWAY,
        "AuthFailure": Refusal.GATEWAY,
        "InvalidAction": Refusal.GATEWAY,
        "UnknownParameter": Refusal.GATEWAY,
        # Their fault: whether it was sent before that, they do not say.
        "InternalError": None,
        "FailedOperation.OtherError": None,
    }
)
"""Codes as documented at cloud.tencent.com, document 382/59177, and `tencentcloud.sms.v20210111.errorcodes`."""


class Api(Client, Protocol):
    """The two calls, as `tencent_sdk` makes them. Raise `NotReached`, `Refused` or `Unclear`."""

    async def send_sms(self, *, phone: str, signature: str, template: str, variables: Sequence[str], context: str) -> tuple[str, str, str]:
        """Sends; answers SerialNo, code and message of this one number."""
        ...

    async def pull_by_number(self, *, phone: str, begin: int, end: int, offset: int, limit: int) -> list[Any]:
        """The receipts of a number between two instants (Unix seconds)."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """A receipt that was pushed: it only knows Tencent's own id of the message."""

    serial: str
    attempt_id: UUID | None
    seen: Accepted


class TencentGateway(DomesticGateway[Api]):
    """SMS over one application of Tencent Cloud's."""

    name = NAME
    meaning = MEANING

    async def send(self, message: Outgoing) -> Accepted | Rejected | Ambiguous:
        code = self._registered.codes.get(message.template_id)
        if code is None:
            return Rejected(Refusal.ELSEWHERE, None, code="no_template")

        async def call(api: Api) -> str:
            serial, answered, text = await api.send_sms(
                phone=message.to,
                signature=self._registered.signature,
                template=code,
                variables=[value for _name, value in message.variables],
                context=str(message.attempt_id),
            )
            if answered != "Ok":
                raise Refused(200, answered, text)
            return serial

        sent = await self._asked(self._keys.ask(call))
        if not isinstance(sent, str):
            return sent
        return Accepted(sent) if sent else Ambiguous("no SerialNo")

    async def find(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await self._look(sought)

    async def fetch(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await self._look(sought)

    async def _look(self, sought: Sought) -> Accepted | Missing | Unanswered:
        if sought.to is None:
            return Unanswered()
        return await self._looked(self._search(sought))

    async def _search(self, sought: Sought) -> Accepted | Unanswered:
        for page in range(PAGES_MAX):
            receipts = await self._page(sought, page)
            for one in receipts:
                known = str(one.SerialNo) == sought.provider_id if sought.provider_id else str(one.SessionContext) == str(sought.attempt_id)
                if known:
                    return _seen(str(one.SerialNo), str(one.ReportStatus), str(one.Description or ""))
            if len(receipts) < PAGE_SIZE:
                break
        return Unanswered()

    async def _page(self, sought: Sought, page: int) -> list[Any]:
        assert sought.to is not None
        phone, begin, end = sought.to, _unix(sought.since - SLACK), _unix(sought.since + BACK)

        async def call(api: Api) -> list[Any]:
            return await api.pull_by_number(phone=phone, begin=begin, end=end, offset=page * PAGE_SIZE, limit=PAGE_SIZE)

        return await self._keys.ask(call)


def make_gateway(
    keys: Iterable[Key],
    registered: Registered,
    bounds: Bounds,
    *,
    app_id: str,
    region: str = REGION,
    api_base_url: str = API,
    takes_replies: bool = False,
) -> TencentGateway:
    """The gateway on an account. Imports the SDK: only a deployment that uses it pays for that."""
    from services.notifier.gateways.tencent_sdk import TencentSdk

    apis: list[Api] = [TencentSdk(key, api_base_url, region, app_id, bounds) for key in keys]
    return TencentGateway(apis, registered, bounds, is_of_the_key=is_of_the_key, takes_replies=takes_replies)


def is_of_the_key(code: str) -> bool:
    """Whether a refusal is about the key, so that another key may work; a clock that is wrong is not."""
    return code.startswith("AuthFailure") and code != "AuthFailure.SignatureExpire"


def reports(items: Iterable[Any]) -> list[Report]:
    """What a push of receipts says."""
    seen = []
    for item in items:
        try:
            serial, status, code = str(item["sid"]), item["report_status"], str(item.get("errmsg") or "")
            context = item.get("session_context") or item.get("ext") or ""
        except (KeyError, TypeError, AttributeError):
            continue
        if not is_id(serial) or status not in {"SUCCESS", "FAIL"}:
            continue
        seen.append(Report(serial, _uuid(context), _seen(serial, status, code)))
    return seen


def replies(items: Iterable[Any], key: str) -> list[tuple[str, str, str]]:
    """What a push of replies says: (an id that stays the same when it is told again, the number, the text).

    Tencent gives replies no id: ours is made of all that it says, under `key`, so that no number can be guessed from it.
    """
    heard = []
    for item in items:
        try:
            phone, text, at = e164(str(item.get("nationcode") or "86"), str(item["mobile"])), str(item["text"]), str(item["time"])
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        told = "\n".join((phone, at, str(item.get("extend") or ""), text))
        heard.append((f"{NAME}:{hmac.digest(key.encode(), told.encode(), 'sha256').hex()[:48]}", phone, text))
    return heard


def _seen(serial: str, status: str, code: str) -> Accepted:
    if status == "SUCCESS":
        return Accepted(serial, AttemptState.DELIVERED)
    return Accepted(serial, AttemptState.UNDELIVERED, code=kept_code(code))


def _unix(at: datetime) -> int:
    return int(at.timestamp())


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
