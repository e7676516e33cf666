"""Aliyun's SDK, with an HTTP client of our own.

The SDK's makes a session and a TLS context for each request (40 ms of CPU), and does not tell a connection that was refused from an
answer that did not come. It does not retry unless it is given retry options, and bounds no answer's size.
"""

import logging
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from alibabacloud_dysmsapi20170525 import models
from alibabacloud_dysmsapi20170525.client import Client
from alibabacloud_tea_openapi import client as openapi
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.response import DaraResponse
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import UnretryableException

from services.notifier.gateways.domestic import Bounds, Key, NotReached, Refused, Unclear
from services.notifier.gateways.wire import Wire

logging.getLogger("darabonba-core").handlers.clear()  # it writes to stderr by itself

_wire: ContextVar[tuple[Wire, str]] = ContextVar("aliyun_wire")
"""The connections of the client that is calling, and where to: the SDK has no place to put them."""


class AliyunSdk:
    """The calls of one key. Raises `NotReached`, `Refused` or `Unclear`."""

    def __init__(self, key: Key, base_url: str, bounds: Bounds) -> None:
        address = urlsplit(base_url)
        self._wire = Wire(bounds)
        self._base_url = base_url.rstrip("/")
        self._runtime = RuntimeOptions(autoretry=False, ignore_ssl=False)
        self._client = Client(
            Config(
                access_key_id=key.id,
                access_key_secret=key.secret,
                endpoint=address.netloc,
                protocol=address.scheme.upper(),
                connect_timeout=int(bounds.connect_timeout_s * 1000),
                read_timeout=int(bounds.request_timeout_s * 1000),
            )
        )

    async def send_sms(self, *, phone: str, signature: str, template: str, variables: dict[str, str], out_id: str) -> str:
        """Sends; answers the BizId."""
        request = models.SendSmsRequest(
            phone_numbers=phone,
            sign_name=signature,
            template_code=template,
            template_param=orjson.dumps(variables).decode() if variables else None,
            out_id=out_id,
        )
        body = await self._ask(self._client.send_sms_with_options_async, request)
        if not body.biz_id:
            raise Unclear("no BizId")
        return str(body.biz_id)

    async def query_send_details(self, *, phone: str, day: str, biz_id: str | None, page: int, page_size: int) -> tuple[int, list[Any]]:
        """How many messages went to a number on a day, and one page of them."""
        request = models.QuerySendDetailsRequest(phone_number=phone, send_date=day, biz_id=biz_id, current_page=page, page_size=page_size)
        body = await self._ask(self._client.query_send_details_with_options_async, request)
        listed = body.sms_send_detail_dtos
        try:
            return int(body.total_count or 0), list(listed.sms_send_detail_dto or ()) if listed is not None else []
        except ValueError as error:
            raise Unclear("no TotalCount") from error

    async def close(self) -> None:
        """Gives the connections back."""
        await self._wire.close()

    async def _ask(self, call: Any, request: Any) -> Any:
        token = _wire.set((self._wire, self._base_url))
        try:
            answer = await call(request, self._runtime)
        except AlibabaCloudException as error:
            raise Refused(int(error.status_code or 400), str(error.code or ""), str(error.message or "")) from None
        except UnretryableException as error:
            inner = error.inner_exception
            if isinstance(inner, NotReached):
                raise NotReached from None
            raise Unclear(type(inner).__name__) from None
        finally:
            _wire.reset(token)
        body = answer.body
        if body is None or not body.code:
            raise Unclear("no code")
        if body.code != "OK":
            raise Refused(200, str(body.code), str(body.message or ""))
        return body


class _Core(DaraCore):  # type: ignore[misc] # the SDK is not typed
    """The SDK's core, whose requests go over `_wire`. Nothing else in this house calls it."""

    @staticmethod
    async def async_do_action(request: Any, runtime_option: Any = None) -> DaraResponse:  # noqa: ARG004 - the shape that the SDK calls
        wire, base_url = _wire.get()
        query = urlencode({name: str(value) for name, value in request.query.items() if value is not None})
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        made = DaraResponse()
        url = f"{base_url}{request.pathname}?{query}"
        made.status_code, made.headers, made.body = await wire.ask(request.method, url, request.headers, body)
        return made


openapi.DaraCore = _Core
