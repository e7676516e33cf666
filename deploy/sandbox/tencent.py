"""A stand-in for Tencent Cloud's SMS API (2021-01-11): SendSms and PullSmsSendStatusByPhoneNumber, with its signature TC3-HMAC-SHA256.

The signature is verified as documented ("签名方法 v3"), and not by the SDK. Its time is not: the SDK takes the machine's.
"""

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from deploy.sandbox import china
from deploy.sandbox.endpoint import BODY_BYTES_MAX, Endpoint
from deploy.sandbox.faults import Fault
from deploy.sandbox.phones import FINAL, Message

LIMIT_MAX = 100
_VARIABLE = re.compile(r"\{([1-9][0-9]*)\}")
_CREDENTIAL = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/(\d{4}-\d{2}-\d{2})/sms/tc3_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
_OF_THE_REQUEST = ("RequestLimitExceeded", "InternalError", "AuthFailure", "UnauthorizedOperation", "InvalidAction")
"""Codes that refuse the whole request; the others are said of the number."""


class TencentApi(Endpoint):
    """The endpoint, which has one path."""

    def routes(self, router: APIRouter) -> None:
        """Adds the endpoint to `router`."""
        router.add_route("/tencent/", self.ask, methods=["POST"], include_in_schema=False)

    async def ask(self, request: Request) -> Response:
        """Any action."""
        body = (await request.body())[:BODY_BYTES_MAX]
        if code := self._stranger(request, body):
            return _refused(code)
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _refused("InvalidParameter")
        if asked.get("SmsSdkAppId") != self._account.app_id:
            return _refused("UnauthorizedOperation.SmsSdkAppIdVerifyFail")
        match request.headers.get("x-tc-action"):
            case "SendSms":
                return await self._send(asked)
            case "PullSmsSendStatusByPhoneNumber":
                return self._pull(asked)
            case _:
                return _refused("InvalidAction")

    async def _send(self, asked: dict[str, Any]) -> Response:
        numbers = asked.get("PhoneNumberSet") or []
        if len(numbers) != 1:
            return _refused("MissingParameter.EmptyPhoneNumberSet")
        to = china.national(numbers[0])
        now = self._clock.now()
        if to is None:
            return _said(numbers[0], asked, "InvalidParameterValue.IncorrectPhoneNumber")
        return await self._answered(
            "tencent",
            f"+86{to}",
            now,
            accept=lambda fault: self._accept(f"+86{to}", asked, fault, now),
            refuse=lambda code: _refused(code) if code.startswith(_OF_THE_REQUEST) else _said(f"+86{to}", asked, code),
            throttled="RequestLimitExceeded",
        )

    def _accept(self, to: str, asked: dict[str, Any], fault: Fault | None, now: datetime) -> Response:
        template = str(asked.get("TemplateId", ""))
        text = self._account.templates.get(template)
        if text is None:
            return _said(to, asked, "FailedOperation.TemplateIncorrectOrUnapproved")
        if asked.get("SignName") != self._account.signature:
            return _said(to, asked, "FailedOperation.SignatureIncorrectOrUnapproved")
        given = asked.get("TemplateParamSet") or []
        if len(given) != len(_VARIABLE.findall(text)):
            return _said(to, asked, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate")
        if any(not isinstance(value, str) or china.refused_value(value) for value in given):
            return _said(to, asked, "InvalidParameterValue.TemplateParameterFormatError")
        if self._phones.is_stopped(to):
            return _said(to, asked, "FailedOperation.PhoneNumberInBlacklist")
        if china.over_the_limit(self._account, self._phones, to, template, now):
            return _said(to, asked, "LimitExceeded.PhoneNumberDailyLimit")
        message = self._phones.add_from(
            "tencent",
            "tencent",
            to,
            f"【{self._account.signature}】" + _VARIABLE.sub(lambda found: given[int(found[1]) - 1], text),
            now,
            reference=str(asked.get("SessionContext") or ""),
            template=template,
            variables=tuple(given),
        )
        self._courier.accept(message, fault)
        return _said(to, asked, "Ok", serial=message.sid)

    def _pull(self, asked: dict[str, Any]) -> Response:
        begin, end = datetime.fromtimestamp(asked["BeginTime"], UTC), datetime.fromtimestamp(asked["EndTime"], UTC)
        to = f"+86{china.national(asked['PhoneNumber'])}"
        found = [
            one
            for one in self._phones.messages(to)
            if one.provider == "tencent" and one.status in FINAL and one.to == to and begin <= one.created_at <= end
        ]
        first = int(asked.get("Offset", 0))
        shown = [self._receipt(one) for one in found[first : first + min(int(asked["Limit"]), LIMIT_MAX)]]
        return _answer({"PullSmsSendStatusSet": shown})

    def _receipt(self, message: Message) -> dict[str, object]:
        arrived = message.status == "delivered"
        return {
            "UserReceiveTime": int(message.updated_at.timestamp()),
            "CountryCode": "86",
            "SubscriberNumber": china.national(message.to),
            "PhoneNumber": message.to,
            "SerialNo": message.sid,
            "ReportStatus": "SUCCESS" if arrived else "FAIL",
            "Description": "DELIVRD" if arrived else message.code or "UNDELIV",
            "SessionContext": message.reference if self._account.returns_context else "",
        }

    def _stranger(self, request: Request, body: bytes) -> str | None:
        """The code of the refusal, unless the request is signed by a key of the account."""
        credential = _CREDENTIAL.fullmatch(request.headers.get("authorization", ""))
        if credential is None:
            return "AuthFailure.InvalidAuthorization"
        key_id, day, signed, signature = credential.groups()
        secret = self._account.keys.get(key_id)
        if secret is None:
            return "AuthFailure.SecretIdNotFound"
        if not {"content-type", "host"} <= set(signed.split(";")):
            return "AuthFailure.InvalidAuthorization"
        made = _signature(request, day, signed, body, secret)
        return None if hmac.compare_digest(made, signature) else "AuthFailure.SignatureFailure"


def _signature(request: Request, day: str, signed: str, body: bytes, secret: str) -> str:
    headers = "".join(f"{name}:{request.headers.get(name, '').strip().lower()}\n" for name in signed.split(";"))
    query = request.scope["query_string"].decode("latin-1")
    canonical = "\n".join((request.method, request.url.path, query, headers, signed, hashlib.sha256(body).hexdigest()))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{request.headers.get('x-tc-timestamp', '')}\n{day}/sms/tc3_request\n{digest}"
    key = f"TC3{secret}".encode()
    for part in (day, "sms", "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def _said(to: str, asked: dict[str, Any], code: str, serial: str = "") -> Response:
    status = {
        "SerialNo": serial,
        "PhoneNumber": to,
        "Fee": 1 if serial else 0,
        "SessionContext": str(asked.get("SessionContext") or ""),
        "Code": code,
        "Message": "send success" if serial else f"sandbox: {code}",
        "IsoCode": "CN",
    }
    return _answer({"SendStatusSet": [status]})


def _refused(code: str) -> Response:
    return _answer({"Error": {"Code": code, "Message": f"sandbox: {code}"}})


def _answer(document: dict[str, object]) -> Response:
    return Response(orjson.dumps({"Response": {**document, "RequestId": secrets.token_hex(16)}}), media_type="application/json")
