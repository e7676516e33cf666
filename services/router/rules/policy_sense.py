"""What a right-looking policy file cannot mean. Asked when somebody writes one; what is in use already goes on as it is."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from libs.directory.model import CODE_LENGTHS
from libs.directory.roles import POST_ROLES
from libs.terms import Step
from services.router.rules.calendar import period_end
from services.router.rules.policy import Policy
from services.router.rules.policy_values import LONGEST, SOME_DAY

SHORTEST_REVIEW = timedelta(hours=1)
"""A forgotten case is told of again and again: more often than this would be a storm of messages."""
_DAY = timedelta(days=1)


def senseless(policy: Policy) -> Iterator[str]:
    """Each thing that cannot be meant, as `path.in.the.file: reason`."""
    yield from _bindings(policy)
    yield from _rungs(policy)
    yield from _grades(policy)
    yield from _lengths(policy)


def clashes(policy: Policy, others: Iterable[Policy]) -> Iterator[str]:
    """Where another policy is bound to the same place from the same day on in the same version: nobody could say which one holds."""
    taken = {(one.division, one.since, other.version): other for other in others if other.id != policy.id for one in other.bind}
    for number, one in enumerate(policy.bind):
        other = taken.get((one.division, one.since, policy.version))
        if other is not None:
            yield f"bind.{number}.since: {other.stamp} is bound to {one.division or 'everywhere'} from the same day on; choose another day"


def _bindings(policy: Policy) -> Iterator[str]:
    lengths = {0, *CODE_LENGTHS.values()}
    for number, one in enumerate(policy.bind):
        if len(one.division) not in lengths:
            yield f"bind.{number}.division: {one.division} is no division's code; those have 2, 4, 6, 9, 12 or 15 digits"
        if one.until is not None and one.until <= one.since:
            yield f"bind.{number}.until: {one.until} does not lie after {one.since}, so it would never be in force"


def _rungs(policy: Policy) -> Iterator[str]:
    for number, rung in enumerate(policy.ladder):
        for place, role in enumerate(rung.roles):
            tier = POST_ROLES[role].tier
            if tier is not rung.tier:
                yield f"ladder.{number}.roles.{place}: {role} stands on the tier {tier}, so nobody would ever answer on {rung.tier} as one"


def _grades(policy: Policy) -> Iterator[str]:
    for band, rules in policy.grades.items():
        for step, window in rules.steps.items():
            if step is not Step.DISPATCH and not window.d:
                yield f"grades.{band}.steps.{step}.d: would be missed as soon as a case is opened"
            yield from _too_long(f"grades.{band}.steps.{step}.d", window.d)
        for tier, length in rules.ack_windows.items():
            yield from _too_long(f"grades.{band}.ack_windows.{tier}", length)
        yield from _too_long(f"grades.{band}.stale_after", rules.stale_after)
        yield from _too_long(f"grades.{band}.deputy_after", rules.deputy_after)
    for number, shift in enumerate(policy.shifts):
        for band, own in shift.grades.items():
            for tier, length in own.ack_windows.items():
                yield from _too_long(f"shifts.{number}.grades.{band}.ack_windows.{tier}", length)


def _lengths(policy: Policy) -> Iterator[str]:
    if policy.supervise.review < SHORTEST_REVIEW:
        yield "supervise.review: must be an hour at least, or the supervising posts would be told without an end"
    yield from _too_long("supervise.review", policy.supervise.review)
    yield from _too_long("second_report.within", policy.second_report.within)
    windows = {"handover.accept": policy.handover.accept, **{f"lanes.{name}.accept": rule.accept for name, rule in policy.lanes.items()}}
    for where, window in windows.items():
        if window is not None and not window:
            yield f"{where}: leaves no time to accept"
        yield from _too_long(where, window)
    for name, rule in policy.lanes.items():
        for code, clock in rule.clocks.items():
            yield from _too_long(f"lanes.{name}.clocks.{code}.d", clock.d)
    periods = {"feedback.procedural": policy.feedback.procedural, "feedback.substantive": policy.feedback.substantive}
    if policy.follow_up is not None:
        every = {f"follow_up.every.{band}": period for band, period in policy.follow_up.every.items()}
        for where, period in every.items():
            if _length(period) < _DAY:
                yield f"{where}: visits more often than daily cannot be meant"
        periods |= {"follow_up.during": policy.follow_up.during, **every}
    for where, period in periods.items():
        yield from _too_long(where, _length(period))


def _length(period: str) -> timedelta:
    """About how long a span by the calendar is."""
    try:
        return period_end(SOME_DAY, period, "UTC") - SOME_DAY
    except (OverflowError, ValueError):
        return timedelta.max


def _too_long(where: str, length: timedelta | None) -> Iterator[str]:
    if length is not None and length > LONGEST:
        yield f"{where}: is longer than ten years"
