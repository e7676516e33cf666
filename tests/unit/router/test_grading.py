"""Every situation and category by itself, everything that raises, and which of several wins (rules.yaml)."""

from datetime import UTC, datetime

import pytest

from libs.terms import AgeBand, Answer, Danger, Grade, Situation
from services.intake.rules.terms import Category, HarmType, Setting
from services.router.rules.grading import Facts, circumstances, flags, grade
from services.router.rules.policy import Flag
from services.router.rules.policy_files import load_book

NATIONAL = load_book().in_force("", datetime(2026, 3, 4, tzinfo=UTC))
YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
OLD = (AgeBand.FROM_14_TO_17,)

BASE = {
    "MR1_GENITAL_INJURY": "I",
    "MR2_U14_SEXUAL": "I",
    "MR3_O14_SEXUAL": "I",
    "MR4_ABUSE_INJURY": "II",
    "MR5_ABNORMAL_HARM": "I",
    "MR6_ABANDONED": "II",
    "MR7_MISSING_TRAFFICKED": "I",
    "MR8_BEGGING": "II",
    "MR9_OTHER_OR_IMMINENT": "II",
    "GC1_NEGLECT": "III",
    "GC2_NO_GUARDIAN": "II",
    "GC3_LIVING_ALONE": "III",
    "GC4_IMPROPER_GUARDIANSHIP": "III",
    "GC5_DROPOUT": "III",
    "GC6_SCHOOL_BULLYING": "III",
    "GC7_SUDDEN_EVENT": "II",
}
CATEGORIES = {
    "mental_disorder": "IV",
    "intellectual_disability": "IV",
    "serious_illness": "IV",
    "orphan": "IV",
    "parent_in_prison": "III",
    "single_parent": "IV",
    "street_begging": "II",
    "domestic_violence": "II",
    "chronic_neglect": "III",
    "abandoned": "II",
    "trafficked": "I",
    "poverty": "IV",
    "hiv_affected": "IV",
    "left_behind": "IV",
}


def graded(*situations: str, **facts):
    return grade(Facts(**{"situations": [Situation(one) for one in situations], "age_bands": OLD, **facts}), NATIONAL)


def test_the_tables_are_complete() -> None:
    assert set(BASE) == {str(one) for one in Situation}
    assert set(CATEGORIES) == set(NATIONAL.categories)


@pytest.mark.parametrize(("situation", "expected"), BASE.items())
def test_each_situation_by_itself(situation, expected) -> None:
    found = graded(situation)
    assert (found.grade, found.reason) == (Grade(expected), situation)
    assert found.mandatory == situation.startswith("MR")
    assert found.floor == (Grade(expected) if situation.startswith("MR") else None)


@pytest.mark.parametrize(("category", "expected"), CATEGORIES.items())
def test_each_category_by_itself(category, expected) -> None:
    assert graded(categories=(category,)).grade == Grade(expected)


@pytest.mark.parametrize(
    ("situation", "facts", "flag"),
    [
        ("MR4_ABUSE_INJURY", {"danger": {Danger.UNCONSCIOUS: YES}}, "unconscious"),
        ("MR4_ABUSE_INJURY", {"danger": {Danger.PERPETRATOR_HAS_ACCESS: YES}}, "perpetrator_has_access_now"),
        ("MR4_ABUSE_INJURY", {"danger": {Danger.UNDER_8: YES}}, "age_lt_8"),
        ("MR4_ABUSE_INJURY", {"age_bands": (AgeBand.FROM_14_TO_17, AgeBand.UNDER_8)}, "age_lt_8"),
        ("MR4_ABUSE_INJURY", {"harms": ("head_or_organ_injury",)}, "head_or_organ_injury"),
        ("MR6_ABANDONED", {"danger": {Danger.UNDER_8: YES, Danger.CHILD_ALONE: YES}}, "age_lt_8_alone_now"),
        ("MR6_ABANDONED", {"any_disability": YES, "danger": {Danger.CHILD_ALONE: YES}}, "disabled_alone_now"),
        ("MR6_ABANDONED", {"harms": ("no_food_or_shelter",)}, "no_food_or_shelter"),
        ("MR8_BEGGING", {"danger": {Danger.PERPETRATOR_HAS_ACCESS: YES}}, "controller_present"),
        ("MR8_BEGGING", {"age_bands": (AgeBand.FROM_8_TO_13,)}, "age_lt_14"),
        ("MR8_BEGGING", {"age_bands": (AgeBand.UNKNOWN,)}, "age_lt_14"),
        ("MR8_BEGGING", {"harms": ("physical",)}, "injury"),
        ("MR8_BEGGING", {"danger": {Danger.NEEDS_MEDICAL_NOW: YES}}, "injury"),
        ("MR9_OTHER_OR_IMMINENT", {"danger": {Danger.DANGER_NOW: YES}}, "danger_now"),
    ],
)
def test_what_raises_to_grade_one(situation, facts, flag) -> None:
    found = graded(situation, **facts)
    assert (found.grade, found.reason, found.floor) == (Grade.I, f"{situation}+{flag}", Grade.II)


@pytest.mark.parametrize(
    ("situation", "facts"),
    [
        ("MR4_ABUSE_INJURY", {"danger": {Danger.UNCONSCIOUS: UNKNOWN, Danger.UNDER_8: UNKNOWN}}),
        ("MR4_ABUSE_INJURY", {"age_bands": (AgeBand.UNKNOWN,)}),  # unknown counts as under 14, not as under 8
        ("MR4_ABUSE_INJURY", {"danger": {Danger.NEEDS_MEDICAL_NOW: YES}}),
        ("MR6_ABANDONED", {"danger": {Danger.CHILD_ALONE: YES}}),
        ("MR6_ABANDONED", {"danger": {Danger.UNDER_8: YES}}),
        ("MR6_ABANDONED", {"any_disability": UNKNOWN, "danger": {Danger.CHILD_ALONE: YES}}),
        ("MR8_BEGGING", {}),
        ("MR9_OTHER_OR_IMMINENT", {"danger": {Danger.DANGER_NOW: NO}}),
    ],
)
def test_what_does_not_raise(situation, facts) -> None:
    assert graded(situation, **facts).grade is Grade.II


def test_a_child_in_danger_right_now_is_the_ninth_situation_whatever_was_ticked() -> None:
    found = graded("GC1_NEGLECT", danger={Danger.DANGER_NOW: YES})
    assert (found.grade, found.reason, found.mandatory) == (Grade.I, "MR9_OTHER_OR_IMMINENT+danger_now", True)


def test_the_highest_of_several_wins_and_the_first_of_equals_is_the_reason() -> None:
    assert graded("GC1_NEGLECT", "MR4_ABUSE_INJURY", "GC2_NO_GUARDIAN").reason == "MR4_ABUSE_INJURY"
    assert graded("GC5_DROPOUT", categories=("trafficked",)).grade is Grade.I
    assert graded("GC5_DROPOUT", categories=("orphan",)).reason == "GC5_DROPOUT"


def test_a_category_that_is_a_situation_is_raised_like_it() -> None:
    found = graded(categories=("domestic_violence",), danger={Danger.UNCONSCIOUS: YES})
    assert (found.grade, found.mandatory) == (Grade.I, True)


def test_what_nobody_has_classified_is_urgent_until_somebody_looks() -> None:
    found = graded()
    assert (found.grade, found.reason, found.mandatory) == (Grade.II, "unclassified", False)


def test_an_unknown_category_does_not_lower_anything() -> None:
    assert graded(categories=("from_a_newer_version",)).reason == "unclassified"


def test_departments_are_gathered_with_those_of_the_setting() -> None:
    found = graded("MR4_ABUSE_INJURY", "GC5_DROPOUT", settings=("school",))
    assert found.departments == ("police", "procuratorate", "civil", "education")


@pytest.mark.parametrize(
    ("situation", "facts", "department"),
    [
        ("MR4_ABUSE_INJURY", {"settings": ("home",)}, "women"),
        ("MR4_ABUSE_INJURY", {"harms": ("domestic_violence_exposure",)}, "women"),
        ("MR4_ABUSE_INJURY", {"danger": {Danger.NEEDS_MEDICAL_NOW: YES}}, "health"),
        ("MR5_ABNORMAL_HARM", {"settings": ("workplace",)}, "hr"),
        ("MR5_ABNORMAL_HARM", {"settings": ("school",)}, "education"),
    ],
)
def test_the_circumstances_add_departments(situation, facts, department) -> None:
    assert department in graded(situation, **facts).departments
    assert department not in graded(situation).departments


def test_whatever_raises_or_adds_can_be_said_in_a_report() -> None:
    """A flag that no report can set would raise no case. Every one of them, and every circumstance, follows from what intake takes in."""
    everything = Facts(
        situations=list(Situation),
        danger=dict.fromkeys(Danger, YES),
        age_bands=list(AgeBand),
        any_disability=YES,
        harms=[str(harm) for harm in HarmType],
        settings=[str(setting) for setting in Setting],
    )
    assert flags(everything) == set(Flag)
    said = set(circumstances(everything))
    for policy in load_book().policies:
        assert {name for rule in policy.situations.values() for name in rule.add_if} <= said
        assert set(policy.categories) <= {str(category) for category in Category}
