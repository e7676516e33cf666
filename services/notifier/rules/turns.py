"""Who goes first when not everything can go at once: by importance, and yet nobody waits for ever.

A notification gets its turn once, when it is requested, as an instant: that of the request, moved by how important it is. The
smallest turn goes first. So what is critical goes before all else that was requested within two days, grade I before everything
lower within a day, and the lower grades age: one of grade IV is passed only by what is urgent, and by what was requested at most
an hour after it. That bound is the distance between two handicaps, whatever comes in behind (`tests/unit/test_notifier_storm.py`).
"""

from datetime import datetime, timedelta

from services.notifier.rules.states import CRITICAL

URGENT_MAX = 1
"""The highest number of a priority that no bound of our own holds back: what is critical, and grade I."""

HANDICAPS = {
    CRITICAL: timedelta(days=-2),
    1: timedelta(days=-1),
    2: timedelta(0),
    3: timedelta(minutes=30),
    4: timedelta(hours=1),
}
"""By priority (0 critical, then grade I to IV); default, no document says how alarms queue. Of the size of the windows: a backlog of half
an hour must not keep a message of grade II, whose answer is waited for so long, behind those of which an answer is due in a day."""


def turn_of(priority: int, requested_at: datetime) -> datetime:
    """When a notification's turn is: the earlier, the sooner it goes."""
    return requested_at + HANDICAPS.get(priority, HANDICAPS[4])


def is_urgent(priority: int) -> bool:
    """Whether it is never held back by a bound of our own: no budget, no bundle, no reserve, no quiet hours."""
    return priority <= URGENT_MAX
