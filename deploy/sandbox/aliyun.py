"""A stand-in for Aliyun's SMS API (dysmsapi, 2017-05-25): SendSms and QuerySendDetails, with its signature ACS3-HMAC-SHA256.

The signature is verified as documented ("V3版本请求体&签名机制"), and not by the SDK, so that both are proven to mean the same. Its time is
not: the SDK takes the machine's, a test's clock stands still.
"""

import hashlib
import hmac
import re
import secrets
from collections import deque
from datetime import datetime
from urllib.parse import parse_qsl, quote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from deploy.sandbox import china
from deploy.sandbox.config import ProviderAccount
from deploy.sandbox.courier import Courier
from deploy.sandbox.endpoint import BODY_BYTES_MAX, Endpoint
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.phones import Message, Phones
from libs.clock import Clock

NONCES_MAX = 100_000
PAGE_SIZE_MAX = 50
_VARIABLE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9]*)\}")
_CREDENTIAL = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})")
_STATUS = {"delivered": 3, "undelivered": 2, "failed": 2}
_HTTP = {"InvalidAccessKeyId.NotFound": 404, "SignatureDoesNotMatch": 400, "SignatureNonceUsed": 400, "Throttling.User": 400}
"""Codes that come with an HTTP status; all others stand in an answer with 200."""


class AliyunApi(Endpoint):
    """The endpoint, which has one path."""

    def __init__(
        self, account: ProviderAccount, clock: Clock, phones: Phones, faults: Faults, courier: Courier, *, hang_s_max: float
    ) -> None:
        super().__init__(account, clock, phones, faults, courier, hang_s_max=hang_s_max)
        self._nonces: set[str] = set()
        self._nonces_in_order: deque[str] = deque()

    def routes(self, router: APIRouter) -> None:
        """Adds the endpoint to `router`."""
        router.add_route("/aliyun/", self.ask, methods=["POST"], include_in_schema=False)

    async def ask(self, request: Request) -> Response:
        """Any action."""
        body = (await request.body())[:BODY_BYTES_MAX]
        if code := self._stranger(request, body):
            return _refused(code)
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        match request.headers.get("x-acs-action"):
            case "SendSms":
                return await self._send(query)
            case "QuerySendDetails":
                return self._details(query)
            case _:
                return _refused("InvalidAction.NotFound")

    async def _send(self, query: dict[str, str]) -> Response:
        to = china.national(query.get("PhoneNumbers", ""))
        now = self._clock.now()
        if to is None:
            return _refused("isv.MOBILE_NUMBER_ILLEGAL")
        return await self._answered(
            "aliyun",
            f"+86{to}",
            now,
            accept=lambda fault: self._accept(f"+86{to}", query, fault, now),
            refuse=_refused,
            throttled="Throttling.User",
        )

    def _accept(self, to: str, query: dict[str, str], fault: Fault | None, now: datetime) -> Response:
        template = query.get("TemplateCode", "")
        text = self._account.templates.get(template)
        if text is None:
            return _refused("isv.SMS_TEMPLATE_ILLEGAL")
        if query.get("SignName") != self._account.signature:
            return _refused("isv.SMS_SIGNATURE_ILLEGAL")
        names = _VARIABLE.findall(text)
        try:
            given = orjson.loads(query.get("TemplateParam") or "{}")
        except orjson.JSONDecodeError:
            return _refused("isv.INVALID_JSON_PARAM")
        if not isinstance(given, dict) or set(given) != set(names):
            return _refused("isv.TEMPLATE_MISSING_PARAMETERS")
        if any(not isinstance(value, str) or china.refused_value(value) for value in given.values()):
            return _refused("isv.TEMPLATE_PARAMS_ILLEGAL")
        if china.over_the_limit(self._account, self._phones, to, template, now):
            return _refused("isv.BUSINESS_LIMIT_CONTROL")
        message = self._phones.add_from(
            "aliyun",
            "aliyun",
            to,
            f"【{self._account.signature}】" + _VARIABLE.sub(lambda found: given[found[1]], text),
            now,
            reference=query.get("OutId", ""),
            template=template,
            variables=tuple(f"{name}={given[name]}" for name in names),
            code="MOBILE_IN_BLACK" if self._phones.is_stopped(to) else "",
        )
        self._courier.accept(message, fault)
        return _answer({"Code": "OK", "Message": "OK", "BizId": message.sid})

    def _details(self, query: dict[str, str]) -> Response:
        to = china.national(query.get("PhoneNumber", ""))
        page, size = int(query.get("CurrentPage", "1")), min(int(query.get("PageSize", "10")), PAGE_SIZE_MAX)
        found = [
            one
            for one in self._phones.newest_first(f"+86{to}")
            if one.provider == "aliyun"
            and one.to == f"+86{to}"
            and f"{one.created_at.astimezone(china.BEIJING):%Y%m%d}" == query.get("SendDate")
            and query.get("BizId") in {None, one.sid}
        ]
        shown = [_detail(one) for one in found[(page - 1) * size : page * size]]
        return _answer({"Code": "OK", "Message": "OK", "TotalCount": len(found), "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown}})

    def _stranger(self, request: Request, body: bytes) -> str | None:
        """The code of the refusal, unless the request is signed by a key of the account."""
        credential = _CREDENTIAL.fullmatch(request.headers.get("authorization", ""))
        if credential is None:
            return "IncompleteSignature"
        key_id, signed, signature = credential.groups()
        secret = self._account.keys.get(key_id)
        if secret is None:
            return "InvalidAccessKeyId.NotFound"
        digest = hashlib.sha256(body).hexdigest()
        needed = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}
        if request.headers.get("x-acs-content-sha256") != digest or not needed <= set(signed.split(";")):
            return "SignatureDoesNotMatch"
        if not hmac.compare_digest(_signature(request, signed, digest, secret), signature):
            return "SignatureDoesNotMatch"
        return self._seen_before(request.headers["x-acs-signature-nonce"])

    def _seen_before(self, nonce: str) -> str | None:
        if nonce in self._nonces:
            return "SignatureNonceUsed"
        self._nonces.add(nonce)
        self._nonces_in_order.append(nonce)
        if len(self._nonces_in_order) > NONCES_MAX:
            self._nonces.discard(self._nonces_in_order.popleft())
        return None


def _signature(request: Request, signed: str, digest: str, secret: str) -> str:
    pairs = sorted(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in signed.split(";"))
    canonical = f"{request.method}\n/\n{query}\n{headers}\n{signed}\n{digest}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(secret.encode(), to_sign.encode(), "sha256").hexdigest()


def _detail(message: Message) -> dict[str, object]:
    status = _STATUS.get(message.status, 1)
    return {
        "PhoneNum": china.national(message.to),
        "OutId": message.reference,
        "SendStatus": status,
        "ErrCode": {1: "", 2: message.code or "MOBILE_NOT_ON_SERVICE", 3: "DELIVERED"}[status],
        "TemplateCode": message.template,
        "Content": message.body,
        "SendDate": f"{message.created_at.astimezone(china.BEIJING):%Y-%m-%d %H:%M:%S}",
        "ReceiveDate": f"{message.updated_at.astimezone(china.BEIJING):%Y-%m-%d %H:%M:%S}",
    }


def _refused(code: str) -> Response:
    status = _HTTP.get(code, 400 if not code.startswith(("isv.", "isp.")) else 200)
    return _answer({"Code": code, "Message": f"sandbox: {code}"}, status)


def _answer(document: dict[str, object], status: int = 200) -> Response:
    document = {"RequestId": secrets.token_hex(16).upper(), **document}
    return Response(orjson.dumps(document), status, media_type="application/json;charset=utf-8")
