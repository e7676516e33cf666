"""Quiet hours: what is not grave does not wake an officer, as long as there is time for an answer afterwards.

Of grades III and IV only; whatever is critical, and grades I and II, rings at any hour. A message waits for the end of the quiet
hours, but never longer than until shortly before its deadline: half of the time for an answer, an hour at most, is left (default). So a
quiet night ends in a message and an answer, not in an escalation by silence. The router's clock knows nothing of quiet hours. Once one
message has to go out in the night, what else waits for the officer goes along in it, if it is bundled at all.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

LOUD_MAX = 2
"""The highest number of a priority that quiet hours do not hold back: critical, grades I and II."""
MARGIN_MAX = timedelta(hours=1)
"""What is left for an answer at least, where the time for it is two hours or more."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of the day to another, each day; over midnight when the second is the smaller. Never, when both are the same."""

    begins: time
    ends: time

    @classmethod
    def of(cls, begins: str | None, ends: str | None) -> "QuietHours | None":
        """From texts such as "22:00"; None where either is missing."""
        return cls(time.fromisoformat(begins), time.fromisoformat(ends)) if begins and ends else None

    def until(self, now: datetime, zone: str) -> datetime | None:
        """When the quiet hours that `now` lies in are over, in the zone of the place; None outside of them."""
        here = now.astimezone(ZoneInfo(zone))
        at = here.time()
        over_midnight = self.ends < self.begins
        inside = at >= self.begins or at < self.ends if over_midnight else self.begins <= at < self.ends
        if not inside:
            return None
        day = here.date() + timedelta(days=1) if over_midnight and at >= self.begins else here.date()
        return datetime.combine(day, self.ends, ZoneInfo(zone)).astimezone(now.tzinfo)


def waits_until(  # noqa: PLR0917 - what it depends on
    quiet: QuietHours | None, priority: int, requested_at: datetime, deadline_at: datetime | None, now: datetime, zone: str
) -> datetime | None:
    """Until when a message waits for quiet hours to end; None when it goes now."""
    over = quiet.until(now, zone) if quiet is not None and priority > LOUD_MAX else None
    if over is None:
        return None
    if deadline_at is not None:
        margin = min(MARGIN_MAX, (deadline_at - requested_at) / 2)
        over = min(over, deadline_at - margin)
    return over if over > now else None
