"""Aliyun SMS (dysmsapi 2017-05-25) over its official SDK: what its answers mean.

SendSms is not idempotent: OutId is the attempt's id, by which the receipt and QuerySendDetails know it again.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from services.notifier.gateways import Outgoing, Sought
from services.notifier.gateways.domestic import Bounds, Client, DomesticGateway, Key, Meaning, e164, is_id, kept_code, national
from services.notifier.rules.registered import aliyun_name
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered
from services.notifier.rules.texts import Registered

NAME = "aliyun"
API = "https://dysmsapi.aliyuncs.com"
ZONE = ZoneInfo("Asia/Shanghai")
"""Its days are those of Beijing."""
PAGE_SIZE = 50
PAGES_MAX = 10
CROSSING = timedelta(minutes=1)
"""A call that began so long before midnight may have been noted on the next day."""

MEANING = Meaning(
    {
        # Too much at once for the account: nothing was sent, the same works a moment later.
        "Throttling": Refusal.BUSY,
        # The limit of one number with one signature or template (50 a day for notices): another provider counts for itself.
        "isv.BUSINESS_LIMIT_CONTROL": Refusal.ELSEWHERE,
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": Refusal.ELSEWHERE,
        "isv.MOBILE_NUMBER_ILLEGAL": Refusal.CONTACT,
        "isv.MOBILE_COUNT_OVER_LIMIT": Refusal.CONTACT,
        # This text: its template, what stands in its variables, a word in it. Another text works as before.
        "isv.SMS_TEMPLATE_ILLEGAL": Refusal.TEXT,
        "isv.SMS_CONTENT_ILLEGAL": Refusal.TEXT,
        "isv.BLACK_KEY_CONTROL_LIMIT": Refusal.TEXT,
        "isv.TEMPLATE_": Refusal.TEXT,
        "isv.PARAM_": Refusal.TEXT,
        # All else that begins so is about us: account, balance, limits of the account, signature.
        # isv.AMOUNT_NOT_ENOUGH, isv.OUT_OF_SERVICE, isv.ACCOUNT_*, isv.PRODUCT_*, isv.DAY_LIMIT_CONTROL, isv.MONTH_LIMIT_CONTROL,
        # isv.SMS_SIGNATURE_ILLEGAL, isv.DENY_IP_RANGE
        "isv.": Refusal.GATEWAY,
        "isp.RAM_PERMISSION_DENY": Refusal.GATEWAY,
        # Their fault (isp.SYSTEM_ERROR, isp.GATEWAY_ERROR): whether it was sent before that, they do not say.
        "isp.": None,
        "InvalidAccessKey": Refusal.GATEWAY,
        "SignatureDoesNotMatch": Refusal.GATEWAY,
        "SignatureNonceUsed": None,
        "IncompleteSignature": Refusal.GATEWAY,
        "InvalidTimeStamp": Refusal.GATEWAY,
        "Forbidden": Refusal.GATEWAY,
        "NoPermission": Refusal.GATEWAY,
        "Missing": Refusal.GATEWAY,
        "InvalidParameter": Refusal.GATEWAY,
        "InvalidAction": Refusal.GATEWAY,
        "InvalidVersion": Refusal.GATEWAY,
        "Unsupported": Refusal.GATEWAY,
    }
)
"""Codes as documented at help.aliyun.com, "API 错误码" of SMS, and the gateway's own before it."""
_STATES = {1: AttemptState.SUBMITTED, 2: AttemptState.UNDELIVERED, 3: AttemptState.DELIVERED}
"""QuerySendDetails, SendStatus: waits for a receipt, failed, arrived."""


class Api(Client, Protocol):
    """The two calls, as `aliyun_sdk` makes them. Raise `NotReached`, `Refused` or `Unclear`."""

    async def send_sms(self, *, phone: str, signature: str, template: str, variables: dict[str, str], out_id: str) -> str:
        """Sends; answers the BizId."""
        ...

    async def query_send_details(self, *, phone: str, day: str, biz_id: str | None, page: int, page_size: int) -> tuple[int, list[Any]]:
        """How many messages went to a number on a day, and one page of them, the newest first."""
        ...


class AliyunGateway(DomesticGateway[Api]):
    """SMS over one account of Aliyun's."""

    name = NAME
    meaning = MEANING

    async def send(self, message: Outgoing) -> Accepted | Rejected | Ambiguous:
        code = self._registered.codes.get(message.template_id)
        if code is None:
            return Rejected(Refusal.ELSEWHERE, None, code="no_template")
        variables = {aliyun_name(name): value for name, value in message.variables}

        async def call(api: Api) -> str:
            return await api.send_sms(
                phone=national(message.to),
                signature=self._registered.signature,
                template=code,
                variables=variables,
                out_id=str(message.attempt_id),
            )

        sent = await self._asked(self._keys.ask(call))
        return Accepted(sent) if isinstance(sent, str) else sent

    async def find(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await self._look(sought, None)

    async def fetch(self, sought: Sought) -> Accepted | Missing | Unanswered:
        return await self._look(sought, None if sought.provider_id == _found_id(sought) else sought.provider_id)

    async def _look(self, sought: Sought, biz_id: str | None) -> Accepted | Missing | Unanswered:
        if sought.to is None:
            return Unanswered()
        return await self._looked(self._search(sought, biz_id))

    async def _search(self, sought: Sought, biz_id: str | None) -> Accepted | Missing | Unanswered:
        days = dict.fromkeys(f"{at.astimezone(ZONE):%Y%m%d}" for at in (sought.since, sought.since + CROSSING))
        for day in days:
            for page in range(1, PAGES_MAX + 1):
                total, details = await self._page(sought, day, biz_id, page)
                found = next((one for one in details if str(one.out_id) == str(sought.attempt_id)), None)
                if found is not None:
                    return _seen(found, sought)
                if page * PAGE_SIZE >= total:
                    break
            else:
                return Unanswered()
        return Missing()

    async def _page(self, sought: Sought, day: str, biz_id: str | None, page: int) -> tuple[int, list[Any]]:
        assert sought.to is not None
        phone = national(sought.to)

        async def call(api: Api) -> tuple[int, list[Any]]:
            return await api.query_send_details(phone=phone, day=day, biz_id=biz_id, page=page, page_size=PAGE_SIZE)

        return await self._keys.ask(call)


def make_gateway(
    keys: Iterable[Key], registered: Registered, bounds: Bounds, *, api_base_url: str = API, takes_replies: bool = False
) -> AliyunGateway:
    """The gateway on an account. Imports the SDK: only a deployment that uses it pays for that."""
    from services.notifier.gateways.aliyun_sdk import AliyunSdk

    return AliyunGateway(
        [AliyunSdk(key, api_base_url, bounds) for key in keys], registered, bounds, is_of_the_key=is_of_the_key, takes_replies=takes_replies
    )


def is_of_the_key(code: str) -> bool:
    """Whether a refusal is about the key, so that another key may work."""
    return code.startswith(("InvalidAccessKey", "SignatureDoesNotMatch", "Forbidden.AccessKey", "IncompleteSignature"))


def reports(items: Iterable[Any]) -> list[tuple[UUID, Accepted]]:
    """What a push of SmsReport says of attempts of ours; anything else in it is somebody else's (the address is the account's)."""
    seen = []
    for item in items:
        try:
            attempt_id, biz_id, arrived = UUID(str(item["out_id"])), str(item["biz_id"]), item["success"]
            code = kept_code(item.get("err_code"))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        if not is_id(biz_id) or not isinstance(arrived, bool):
            continue
        state = AttemptState.DELIVERED if arrived else AttemptState.UNDELIVERED
        seen.append((attempt_id, Accepted(biz_id, state, code="" if arrived else code)))
    return seen


def replies(items: Iterable[Any]) -> list[tuple[str, str, str]]:
    """What a push of SmsUp says: (an id that stays the same when it is told again, the number, the text)."""
    heard = []
    for item in items:
        try:
            phone, sequence, text = e164("86", str(item["phone_number"])), str(item["sequence_id"]), str(item["content"])
        except (KeyError, TypeError, ValueError):
            continue
        if is_id(sequence, 48):
            heard.append((f"{NAME}:{sequence}", phone, text))
    return heard


def _found_id(sought: Sought) -> str:
    """QuerySendDetails does not tell the BizId: a message that was found there is known by what it was found by."""
    return f"out:{sought.attempt_id}"


def _seen(detail: Any, sought: Sought) -> Accepted:
    state = _STATES.get(int(detail.send_status or 0), AttemptState.SUBMITTED)
    code = kept_code(detail.err_code) if state is AttemptState.UNDELIVERED else ""
    return Accepted(sought.provider_id or _found_id(sought), state, code=code)
