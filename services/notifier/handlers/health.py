"""How the gateways are, as far as this process has seen: a breaker for each, its metric, and the one line when it opens or closes."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import Counter, Gauge

from libs.log import get_logger
from services.notifier.rules.breaker import Breaker, Health
from services.notifier.rules.states import Accepted, Ambiguous, Observation, Refusal, Rejected

log = get_logger("notifier")

OPEN = Gauge("tocsin_notifier_gateway_open", "1 while a gateway is left alone after several failures in a row.", ["gateway"])
OPENED = Counter(
    "tocsin_notifier_gateway_opened_total", "Times that a gateway was left alone after several failures in a row.", ["gateway"]
)


class Gates:
    """The breakers of this process. Each process finds out by itself: nothing is shared that could be wrong for all."""

    def __init__(self, names: Iterable[str]) -> None:
        self.breakers = {name: Breaker() for name in names}
        for name in self.breakers:
            OPEN.labels(name).set(0)

    def begun(self, name: str, now: datetime) -> None:
        """A message goes out through `name`."""
        self.breakers[name] = self.breakers[name].begun(now)

    def heard(self, name: str, seen: Observation, now: datetime) -> None:
        """What a call came to. A number that cannot be reached is no fault of the gateway's, and one that has too much to do is there."""
        before = self.breakers[name]
        match seen:
            case Rejected(refusal=Refusal.GATEWAY) | Rejected(refusal=Refusal.BUSY, error_code=0) | Ambiguous():
                after = before.failed(now)
            case Rejected() | Accepted():
                after = before.worked()
            case _:
                after = before
        self.breakers[name] = after
        if (after.until is None) == (before.until is None):
            return
        OPEN.labels(name).set(0 if after.until is None else 1)
        if after.until is None:
            log.warning("notifier.gateway_back", gateway=name)
        else:
            OPENED.labels(name).inc()
            log.error("notifier.gateway_left_alone", gateway=name, failures=after.failures, until=after.until.isoformat(), pages=True)

    def room(self, now: datetime, wanted: int) -> int:
        """How many messages may be taken up at `now`, at most `wanted`: one where every gateway has yet to show that it is back."""
        healths = {breaker.health(now) for breaker in self.breakers.values()}
        if Health.CLOSED in healths:
            return wanted
        return min(wanted, 1) if Health.HALF_OPEN in healths else 0

    def free_at(self, now: datetime) -> datetime:
        """When the next message may be taken up; `now` if that is at once."""
        return min(breaker.free_at(now) for breaker in self.breakers.values())
