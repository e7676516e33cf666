"""How the gateways are, as far as this process has seen: a breaker for each, its metric, and the one line when it opens or closes."""

from collections import Counter as Counts
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge

from libs.log import get_logger
from services.notifier.rules.breaker import Breaker, Health
from services.notifier.rules.states import Accepted, Ambiguous, Observation, Refusal, Rejected

MINUTES = 15
"""How far back calls are counted for people to see."""

log = get_logger("notifier")

OPEN = Gauge("tocsin_notifier_gateway_open", "1 while a gateway is left alone after several failures in a row.", ["gateway"])
OPENED = Counter(
    "tocsin_notifier_gateway_opened_total", "Times that a gateway was left alone after several failures in a row.", ["gateway"]
)


@dataclass
class _Calls:
    """How calls ended, by minute, the latest minute last."""

    minutes: deque[tuple[datetime, Counts[str]]] = field(default_factory=lambda: deque(maxlen=MINUTES))

    def note(self, outcome: str, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if not self.minutes or self.minutes[-1][0] != minute:
            self.minutes.append((minute, Counts()))
        self.minutes[-1][1][outcome] += 1

    def since(self, at: datetime) -> Counts[str]:
        return sum((counts for minute, counts in self.minutes if minute >= at), Counts())


@dataclass(frozen=True, slots=True)
class Condition:
    """How a gateway is: what its breaker lets through, until when it is left alone, and how its last calls ended."""

    name: str
    health: Health
    until: datetime | None
    accepted: int
    rejected: int
    ambiguous: int


class Gates:
    """The breakers of this process. Each process finds out by itself: nothing is shared that could be wrong for all."""

    def __init__(self, names: Iterable[str]) -> None:
        self.breakers = {name: Breaker() for name in names}
        self._calls = {name: _Calls() for name in self.breakers}
        for name in self.breakers:
            OPEN.labels(name).set(0)

    def begun(self, name: str, now: datetime) -> None:
        """A message goes out through `name`."""
        self.breakers[name] = self.breakers[name].begun(now)

    def heard(self, name: str, seen: Observation, now: datetime) -> bool:
        """What a call came to; answers whether the gateway is back by that.

        A number that cannot be reached is no fault of the gateway's, and one that has too much to do, or refuses a text, is there.
        """
        before = self.breakers[name]
        self._calls[name].note(type(seen).__name__.lower(), now)
        match seen:
            case Rejected(refusal=Refusal.GATEWAY) | Rejected(refusal=Refusal.BUSY, error_code=0) | Ambiguous():
                after = before.failed(now)
            case Rejected() | Accepted():
                after = before.worked()
            case _:
                after = before
        self.breakers[name] = after
        if (after.until is None) == (before.until is None):
            return False
        OPEN.labels(name).set(0 if after.until is None else 1)
        if after.until is None:
            log.warning("notifier.gateway_back", gateway=name)
        else:
            OPENED.labels(name).inc()
            log.error("notifier.gateway_left_alone", gateway=name, failures=after.failures, until=after.until.isoformat(), pages=True)
        return after.until is None

    def room(self, now: datetime, wanted: int) -> int:
        """How many messages may be taken up at `now`, at most `wanted`: one where every gateway has yet to show that it is back."""
        healths = {breaker.health(now) for breaker in self.breakers.values()}
        if Health.CLOSED in healths:
            return wanted
        return min(wanted, 1) if Health.HALF_OPEN in healths else 0

    def usable(self, now: datetime) -> list[str]:
        """The gateways through which something may go at `now`."""
        return [name for name, breaker in self.breakers.items() if breaker.health(now) is not Health.OPEN]

    @property
    def down_since(self) -> datetime | None:
        """Since when none works; None while one does."""
        opened = [breaker.since for breaker in self.breakers.values()]
        return max((at for at in opened if at is not None), default=None) if None not in opened else None

    def free_at(self, now: datetime) -> datetime:
        """When the next message may be taken up; `now` if that is at once."""
        return min(breaker.free_at(now) for breaker in self.breakers.values())

    def conditions(self, now: datetime) -> list[Condition]:
        """Each gateway, for people to see; calls are those of the last quarter of an hour."""
        found = []
        for name, breaker in self.breakers.items():
            calls = self._calls[name].since(now - timedelta(minutes=MINUTES))
            until = breaker.until if breaker.health(now) is Health.OPEN else None
            found.append(Condition(name, breaker.health(now), until, calls["accepted"], calls["rejected"], calls["ambiguous"]))
        return found
