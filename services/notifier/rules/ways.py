"""Which contact is tried next, and through which gateway: in the officer's order of contacts and the deployment's order of gateways."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.directory.model import Contact
from services.notifier.rules.breaker import Breaker, Health
from services.notifier.rules.states import Notification

ALL_REFUSED_PAUSE = timedelta(seconds=1)
PATIENCE = timedelta(seconds=90)
"""How long a contact is waited for whose gateways are left alone, while another contact can be reached (default)."""
PATIENCE_OF_ALARMS = timedelta(seconds=5)
"""The same where a child may be in danger now: as long as a gateway is left alone at first (default)."""

VALID_S_MIN = 60
VALID_S_MAX = 36_000
"""The longest that Twilio takes."""


@dataclass(frozen=True, slots=True)
class Way:
    """A contact, and the gateway that is to carry the message there."""

    contact: Contact
    gateway: str


@dataclass(frozen=True, slots=True)
class Wait:
    """No gateway for the next contact can be tried before `until`. `since`: since when that is so, where it is known."""

    contact: Contact
    until: datetime
    since: datetime | None = None


def choose(
    contacts: Sequence[Contact],
    carriers: Callable[[Contact], Sequence[str]],
    notification: Notification,
    breakers: Mapping[str, Breaker],
    now: datetime,
    *,
    critical: bool = False,
    patience: timedelta = PATIENCE,
) -> Way | Wait | None:
    """The next way; None when there is no contact left.

    `carriers` names the gateways that serve a contact, the preferred one first. One that has just refused this message is left out
    while another has not; one whose breaker is open is left out while it is. To ask a gateway whether it is back, a message is
    taken that is not `critical`, as long as that one has another way. A contact whose gateways cannot be tried now is waited for
    as long as `patience` lasts; then a contact behind it is taken that can be reached now, and it is not given up for that.
    """
    waits: Wait | None = None
    impatient_at = (notification.contact_since or now) + patience
    for contact in contacts:
        if contact.contact_id in notification.tried:
            continue
        names = carriers(contact)
        if not names:
            continue
        found = _through(names, contact, notification, breakers, now, critical=critical)
        if isinstance(found, Wait):
            waits = waits or found
        elif waits is None or now >= impatient_at:
            return found
        else:
            return Wait(waits.contact, min(waits.until, impatient_at), waits.since)
    return waits


def _through(
    names: Sequence[str], contact: Contact, notification: Notification, breakers: Mapping[str, Breaker], now: datetime, *, critical: bool
) -> Way | Wait:
    """The gateway for a contact, or when there may be one."""
    fresh = [name for name in names if name not in notification.refused]
    if not fresh:
        return Wait(contact, now + ALL_REFUSED_PAUSE)
    usable = [(name, health) for name in fresh if (health := _of(breakers, name).health(now)) is not Health.OPEN]
    if critical:
        usable.sort(key=lambda one: one[1] is Health.HALF_OPEN)
    if usable:
        return Way(contact, usable[0][0])
    left_alone = [_of(breakers, name) for name in fresh]
    since = max((one.since for one in left_alone if one.since is not None), default=None)
    return Wait(contact, min(one.free_at(now) for one in left_alone), since)


def others(
    contact_gateway: str, carriers: Sequence[str], notification: Notification, breakers: Mapping[str, Breaker], now: datetime
) -> bool:
    """Whether another gateway than the one that has just refused is worth a try at once."""
    done = {contact_gateway, *notification.refused}
    return any(name not in done and _of(breakers, name).health(now) is Health.CLOSED for name in carriers)


def _of(breakers: Mapping[str, Breaker], name: str) -> Breaker:
    return breakers.get(name, _UNKNOWN)


_UNKNOWN = Breaker()


def valid_s(deadline_at: datetime | None, now: datetime, default_s: int) -> int:
    """For how many seconds a message is of use: until the deadline. One that comes later would only confuse, and has failed by then."""
    if deadline_at is None:
        return default_s
    return max(VALID_S_MIN, min(int((deadline_at - now).total_seconds()), VALID_S_MAX))
