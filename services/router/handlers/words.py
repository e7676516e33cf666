"""The router's own codes in the reader's words."""

from collections.abc import Mapping
from typing import Final

from libs.i18n import N_, current_locale, format_duration
from libs.i18n import gettext as _
from libs.terms import Situation, labels
from services.router.rules.acts import PLACED, RegradeReason
from services.router.rules.case import Status
from services.router.rules.grading import CATEGORY_PREFIX, UNCLASSIFIED
from services.router.rules.lane_values import ACCEPT, LaneRule
from services.router.rules.machine import SECOND_REPORT
from services.router.rules.policy import Flag, Policy

STATUSES: Final[Mapping[str, str]] = {
    Status.NEEDS_PLACING: N_("Needs a place"),
    Status.OPEN: N_("Waiting for an answer"),
    Status.ACKNOWLEDGED: N_("Acknowledged"),
    Status.CLOSED: N_("Closed"),
}
FLAGS: Final[Mapping[str, str]] = {
    Flag.UNCONSCIOUS: N_("the child is unconscious"),
    Flag.PERPETRATOR_HAS_ACCESS_NOW: N_("the suspected person can reach the child now"),
    Flag.AGE_LT_8: N_("under 8 years old"),
    Flag.AGE_LT_14: N_("under 14 years old, or age unknown"),
    Flag.HEAD_OR_ORGAN_INJURY: N_("injury of the head or an organ"),
    Flag.INJURY: N_("injured"),
    Flag.AGE_LT_8_ALONE_NOW: N_("under 8 years old and alone now"),
    Flag.DISABLED_ALONE_NOW: N_("disabled and alone now"),
    Flag.NO_FOOD_OR_SHELTER: N_("without food or shelter"),
    Flag.CONTROLLER_PRESENT: N_("whoever controls the child is there"),
    Flag.DANGER_NOW: N_("in danger right now"),
}
REASONS: Final[Mapping[str, str]] = {
    RegradeReason.NEW_FACTS: N_("New facts are known"),
    RegradeReason.FOUND_ON_SITE: N_("Found so on site"),
    RegradeReason.MISJUDGED: N_("The first grading was wrong"),
    RegradeReason.ORDERED: N_("Ordered from above"),
    PLACED: N_("The rules of its place have other grades"),
    SECOND_REPORT: N_("A second report on the same matter"),
    UNCLASSIFIED: N_("Nothing was ticked: treated as urgent until somebody has looked at it"),
}


def grade_reason(code: str) -> str:
    """Why a case has its grade: the rule that matched, and the fact that raised it."""
    if code in REASONS:
        return _(REASONS[code])
    rule, _plus, flag = code.partition("+")
    if rule.startswith(CATEGORY_PREFIX):
        return labels.code_label("category", rule.removeprefix(CATEGORY_PREFIX))
    name = labels.label(Situation(rule)) if rule in Situation.__members__ else rule
    return _("%(rule)s (raised: %(flag)s)", rule=name, flag=_(FLAGS[flag])) if flag in FLAGS else name


def grades(policy: Policy) -> list[tuple[str, str]]:
    """The grades of a policy with what they are called, the most urgent first; its own ones with the one of the four they count as."""
    locale = current_locale()
    if policy.plain:
        return [(band, labels.label(policy.severity(band))) for band in policy.bands]
    return [(band, f"{policy.grades[band].name.of(locale)} ({labels.label(policy.severity(band))})") for band in policy.bands]


def period(code: str) -> str:
    """A period such as P3D or P1M as people say it."""
    number, unit = int("".join(letter for letter in code if letter.isdigit())), code[-1]
    if code.startswith("PT"):
        return format_duration(number * (3600 if unit == "H" else 60))
    match unit:
        case "M":
            return _("%(n)s months", n=number) if number > 1 else _("a month")
        case "Y":
            return _("%(n)s years", n=number) if number > 1 else _("a year")
        case _:
            return format_duration(number * (7 if unit == "W" else 1) * 86_400)


def clock(code: str, rule: LaneRule) -> str:
    """What a clock of a department is called; one that the policy does not know any more is its own name."""
    if code == ACCEPT:
        return _("Time to accept")
    known = rule.clocks.get(code)
    return known.name.of(current_locale()) if known else code


def status(code: str) -> str:
    """Where a case stands."""
    return _(STATUSES.get(code, code))
