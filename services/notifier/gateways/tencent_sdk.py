"""Tencent Cloud's SDK, with an HTTP client of our own: the SDK's keeps no connection alive and has one timeout for everything.

It does not retry unless it is given a retryer, and its own circuit breaker is off unless it is asked for.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111 import models
from tencentcloud.sms.v20210111.sms_client_async import SmsClient

from services.notifier.gateways.domestic import Bounds, Key, NotReached, Refused, Unclear

ANSWER_BYTES_MAX = 1_000_000
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_OURS = ("ClientError", "ClientParamsError", "ServerNetworkError", "InvalidCredential")
"""Codes that the SDK makes up: no answer of the provider's."""


class TencentSdk:
    """The calls of one key. Raises `NotReached`, `Refused` or `Unclear`."""

    def __init__(self, key: Key, base_url: str, region: str, app_id: str, bounds: Bounds) -> None:
        address = urlsplit(base_url)
        self._app_id = app_id
        http = HttpProfile(protocol=address.scheme, endpoint=address.netloc, reqTimeout=bounds.request_timeout_s, keepAlive=True)
        self._client = SmsClient(Credential(key.id, key.secret), region, ClientProfile(httpProfile=http))
        self._client._requestPath = address.path.rstrip("/") + "/"  # noqa: SLF001 - a part of the address that the SDK has no setting for
        self._unused = self._client.http_client
        self._client.http_client = httpx.AsyncClient(
            timeout=httpx.Timeout(bounds.request_timeout_s, connect=bounds.connect_timeout_s),
            limits=httpx.Limits(max_connections=bounds.connections_max, max_keepalive_connections=bounds.connections_max),
            trust_env=False,
            event_hooks={"response": [_bounded]},
        )

    async def send_sms(self, *, phone: str, signature: str, template: str, variables: Sequence[str], context: str) -> tuple[str, str, str]:
        """Sends; answers SerialNo, code and message of this one number."""
        request = models.SendSmsRequest()
        request.SmsSdkAppId = self._app_id
        request.PhoneNumberSet = [phone]
        request.SignName = signature
        request.TemplateId = template
        request.TemplateParamSet = list(variables)
        request.SessionContext = context
        answer = await self._ask(self._client.SendSms, request)
        if not answer.SendStatusSet or len(answer.SendStatusSet) != 1:
            raise Unclear("no SendStatusSet")
        (sent,) = answer.SendStatusSet
        return str(sent.SerialNo or ""), str(sent.Code or ""), str(sent.Message or "")

    async def pull_by_number(self, *, phone: str, begin: int, end: int, offset: int, limit: int) -> list[Any]:
        """The receipts of a number between two instants (Unix seconds)."""
        request = models.PullSmsSendStatusByPhoneNumberRequest()
        request.SmsSdkAppId = self._app_id
        request.PhoneNumber = phone
        request.BeginTime = begin
        request.EndTime = end
        request.Offset = offset
        request.Limit = limit
        answer = await self._ask(self._client.PullSmsSendStatusByPhoneNumber, request)
        return list(answer.PullSmsSendStatusSet or ())

    async def close(self) -> None:
        """Gives the connections back."""
        await self._client.http_client.aclose()
        await self._unused.aclose()

    async def _ask(self, call: Any, request: Any) -> Any:
        try:
            return await call(request)
        except _NEVER_SENT as error:
            raise NotReached from error
        except (httpx.HTTPError, httpx.StreamError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unclear(type(error).__name__) from error
        except TencentCloudSDKException as error:
            code = str(error.code or "")
            if code in _OURS:
                raise Unclear(code) from None
            raise Refused(200, code, str(error.message or "")) from None


async def _bounded(answer: httpx.Response) -> None:
    length = answer.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and int(length) > ANSWER_BYTES_MAX:
        await answer.aclose()
        raise httpx.DecodingError("the answer is too long")
