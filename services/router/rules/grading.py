"""How urgent a report is, and why: the highest match wins (rules.yaml grade_rules)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.terms import AgeBand, Answer, Danger, Department, Grade, Situation
from services.router.rules.policy import Flag, Policy, SituationRule

UNCLASSIFIED = "unclassified"
CATEGORY_PREFIX = "category:"
_YES = Answer.YES
_INJURIES = frozenset({"physical", "self_harm_suicide", "unexplained_injury_or_death", "head_or_organ_injury"})
_BELOW_14 = frozenset({AgeBand.UNDER_8, AgeBand.FROM_8_TO_13, AgeBand.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says, as far as grading needs it."""

    situations: Sequence[Situation] = ()
    categories: Sequence[str] = ()
    danger: Mapping[Danger, Answer] | None = None
    age_bands: Sequence[AgeBand] = ()
    any_disability: Answer = Answer.UNKNOWN
    harms: Sequence[str] = ()
    settings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Grading:
    """The grade and its reason, as `RULE` or `RULE+flag`. `mandatory`: one of the nine situations of mandatory reporting.

    `band` is what the policy calls the grade, `grade` which of the four it counts as. `floor`: nobody may lower the case below this
    band: the base grade of its mandatory situations.
    """

    grade: Grade
    band: str
    reason: str
    mandatory: bool
    floor: str | None
    departments: tuple[Department, ...]


def grade(facts: Facts, policy: Policy) -> Grading:
    """The highest grade that any rule gives; of several rules with that grade, the first one that matched is the reason."""
    raised_by = flags(facts)
    best = policy.band(policy.unclassified)
    reason = UNCLASSIFIED
    floor: str | None = None
    position = policy.position
    departments: dict[Department, None] = {}
    found = False
    for situation in _situations(facts, policy, raised_by):
        rule = policy.situations[situation]
        base = policy.band(rule.grade)
        given, flag = _with_raise(rule, raised_by, policy)
        if not found or position(given) < position(best):
            found, best, reason = True, given, f"{situation}+{flag}" if flag else str(situation)
        if rule.mandatory and (floor is None or position(base) < position(floor)):
            floor = base
        departments |= dict.fromkeys(rule.departments)
        for circumstance in circumstances(facts):
            departments |= dict.fromkeys(rule.add_if.get(circumstance, ()))
    for category in facts.categories:
        category_rule = policy.categories.get(category)
        if category_rule and (not found or position(policy.band(category_rule.grade)) < position(best)):
            found, best, reason = True, policy.band(category_rule.grade), f"{CATEGORY_PREFIX}{category}"
    return Grading(policy.severity(best), best, reason, floor is not None, floor, tuple(departments))


def circumstances(facts: Facts) -> tuple[str, ...]:
    """What adds departments to a situation (`add_if`): the settings themselves, and family, work injury and medical care by their facts."""
    danger = facts.danger or {}
    means = {
        "family": "home" in facts.settings or "domestic_violence_exposure" in facts.harms,
        "work_injury": "workplace" in facts.settings,
        "medical": danger.get(Danger.NEEDS_MEDICAL_NOW) == _YES,
    }
    return (*facts.settings, *(name for name, true in means.items() if true))


def flags(facts: Facts) -> frozenset[Flag]:
    """The raise flags that hold. A flag needs its fact; only "under 14" also holds for an unknown age (rules.yaml grade_rules)."""
    danger = facts.danger or {}
    harms = facts.harms
    yes = {question for question, answer in danger.items() if answer is _YES or answer == _YES}
    under_8 = AgeBand.UNDER_8 in facts.age_bands or Danger.UNDER_8 in yes
    alone = Danger.CHILD_ALONE in yes
    holds = {
        Flag.UNCONSCIOUS: Danger.UNCONSCIOUS in yes,
        Flag.PERPETRATOR_HAS_ACCESS_NOW: Danger.PERPETRATOR_HAS_ACCESS in yes,
        Flag.AGE_LT_8: under_8,
        Flag.AGE_LT_14: under_8 or not facts.age_bands or not _BELOW_14.isdisjoint(facts.age_bands),
        Flag.HEAD_OR_ORGAN_INJURY: "head_or_organ_injury" in harms,
        Flag.INJURY: Danger.NEEDS_MEDICAL_NOW in yes or not _INJURIES.isdisjoint(harms),
        Flag.AGE_LT_8_ALONE_NOW: under_8 and alone,
        Flag.DISABLED_ALONE_NOW: facts.any_disability == _YES and alone,
        Flag.NO_FOOD_OR_SHELTER: "no_food_or_shelter" in harms,
        Flag.CONTROLLER_PRESENT: Danger.PERPETRATOR_HAS_ACCESS in yes,
        Flag.DANGER_NOW: Danger.DANGER_NOW in yes,
    }
    return frozenset(flag for flag, true in holds.items() if true)


def _situations(facts: Facts, policy: Policy, holding: frozenset[Flag]) -> list[Situation]:
    """What was ticked, what categories amount to, and what the facts imply; each once, in that order."""
    found = dict.fromkeys(facts.situations)
    for category in facts.categories:
        rule = policy.categories.get(category)
        if rule and rule.situation:
            found[rule.situation] = None
    for implied in policy.implied:
        if implied.flag in holding:
            found[implied.situation] = None
    return list(found)


def _with_raise(rule: SituationRule, holding: frozenset[Flag], policy: Policy) -> tuple[str, Flag | None]:
    base, raised = policy.band(rule.grade), rule.raised
    to = policy.band(raised.to) if raised else base
    if raised and policy.position(to) < policy.position(base):
        flag = next((flag for flag in raised.any_of if flag in holding), None)
        if flag:
            return to, flag
    return base, None
