"""What another policy would do differently."""

from libs.terms import Grade, Situation, Tier
from services.router.rules.compare import changes, samples, tally
from services.router.rules.simulate import assumed_route
from tests.unit.router.town import BOOK, CALENDAR, COMMUNITY, FUTIAN, T0

(NATIONAL,) = [policy for policy in BOOK.policies if policy.id == "national"]


def both(policy):
    return policy, assumed_route(policy, COMMUNITY)


def test_a_policy_does_nothing_differently_from_itself() -> None:
    assert not any(changes(report, both(FUTIAN), both(FUTIAN), CALENDAR) for report in samples(COMMUNITY, T0))


def test_each_difference_is_named_with_both_sides() -> None:
    hurried = NATIONAL.grades[Grade.II].model_copy(
        update={"ack_windows": dict.fromkeys(NATIONAL.tiers, NATIONAL.ack_window(Grade.I, Tier.STREET))}
    )
    other = NATIONAL.model_copy(update={"grades": {**NATIONAL.grades, Grade.II: hurried}})
    found = {
        report.situations[0]: changes(report, both(NATIONAL), both(other), CALENDAR)
        for report in samples(COMMUNITY, T0)
        if report.received_at == T0 and not report.danger and report.age_bands[0] == "14_17"
    }
    assert {(one.what, one.before, one.after) for one in found[Situation.MR6_ABANDONED]} == {
        ("escalated:street", "30", "10"),
        ("escalated:district", "60", "20"),
        ("supervised", "120", "30"),
    }
    assert found[Situation.MR7_MISSING_TRAFFICKED] == ()
    assert next(iter(tally(list(found.values())))) == "escalated:district"


def test_samples_are_every_situation_and_always_the_same() -> None:
    first = list(samples(COMMUNITY, T0))
    assert {report.situations[0] for report in first} == set(Situation)
    assert first == list(samples(COMMUNITY, T0))
