"""What the stand-ins for the APIs of Aliyun and Tencent Cloud are built on: an account, phones to deliver to, and faults to play."""

from collections.abc import Callable
from datetime import datetime

from starlette.responses import Response

from deploy.sandbox import china
from deploy.sandbox.api import BrokenAnswer
from deploy.sandbox.config import ProviderAccount
from deploy.sandbox.courier import Courier
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.phones import Phones
from libs.clock import Clock

BODY_BYTES_MAX = 64 * 1024


class Endpoint:
    """One account at one provider."""

    def __init__(
        self, account: ProviderAccount, clock: Clock, phones: Phones, faults: Faults, courier: Courier, *, hang_s_max: float
    ) -> None:
        self._account = account
        self._clock = clock
        self._phones = phones
        self._faults = faults
        self._courier = courier
        self._hang_s_max = hang_s_max

    async def _answered(
        self,
        provider: str,
        to: str,
        now: datetime,
        *,
        accept: Callable[[Fault | None], Response],
        refuse: Callable[[str], Response],
        throttled: str,
    ) -> Response:
        """The answer to a message to `to`, with what a fault does to it."""
        return await china.answered(
            self._faults.strike(to, now, provider),
            self._clock,
            hang_s_max=self._hang_s_max,
            accept=accept,
            refuse=refuse,
            throttled=throttled,
            broken=BrokenAnswer,
        )
