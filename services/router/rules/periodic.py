"""What places owe by the month: a report of their work, on the policy's day, to the post that it names (SEED_Z Z16 每月15日)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.router.rules.book import STANDARD_ZONE, PolicyBook
from services.router.rules.policy import Policy


@dataclass(frozen=True, slots=True)
class MonthlyDue:
    """A place has to report on `month` (its first day), on `day` of it, to the role `to`."""

    division_code: str
    policy: Policy
    month: date
    day: date
    to: str


def monthly_due(book: PolicyBook, places: Iterable[str], now: datetime, zone: str = STANDARD_ZONE) -> Iterator[MonthlyDue]:
    """Which of `places` have to report this month, from the policy's day on: after an outage over that day they are still told."""
    today = now.astimezone(ZoneInfo(zone)).date()
    for place in sorted(set(places)):
        policy = book.in_force(place, now, zone)
        report = policy.monthly_report
        if report is not None and today.day >= report.day:
            yield MonthlyDue(place, policy, today.replace(day=1), today.replace(day=report.day), report.to)


def reporting_places(book: PolicyBook) -> set[str]:
    """The places that a policy with a monthly report is bound to: each reports for itself (试点单位)."""
    places = {binding.division for policy in book.policies if policy.monthly_report for binding in policy.bind}
    for bound in book.bindings:
        policy = book.named(f"{bound.policy_id}@{bound.policy_version}")
        if policy is not None and policy.monthly_report:
            places.add(bound.division)
    return places - {""}
