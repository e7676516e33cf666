"""The guide pages of the presets say what the policy files say."""

from pathlib import Path

import pytest

from libs.directory.roles import POST_ROLES
from libs.terms import Grade, Step
from libs.terms.labels import label
from services.router.rules.policy import FanOut, Policy
from services.router.rules.policy_files import FOLDER, load, load_book
from services.router.rules.policy_values import format_duration

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "policies"
BOOK = load_book()
POLICIES = {policy.id: policy for policy in BOOK.policies}
TOLD = {FanOut.ALL_TIERS: "every rung", FanOut.FIRST_AND_NEXT: "the first rung and the next", FanOut.FIRST: "the first rung"}


def rung_rows(policy: Policy) -> list[str]:
    """One row a rung: who answers there."""
    names = {role: policy.aliases.get(role, POST_ROLES[role]) for rung in policy.ladder for role in rung.roles}
    return [
        f"| {number} | {rung.tier} | {rung.name.zh} {rung.name.en} | "
        + ", then ".join(f"{names[role].zh} `{role}`" for role in rung.roles)
        + " |"
        for number, rung in enumerate(policy.ladder, start=1)
    ]


def grade_rows(policy: Policy) -> list[str]:
    """One row a grade: who is told at once, when silence climbs, when it is supervised, and when each step is due."""
    rows = []
    for grade, rules in policy.grades.items():
        windows = [format_duration(policy.ack_window(grade, tier)) for tier in policy.tiers]
        steps = [f"{label(step, 'en')} {format_duration(window.d)}" for step, window in rules.steps.items() if step is not Step.DISPATCH]
        rows.append(
            f"| {rules.name.zh} {rules.label.zh} ({rules.colour}) | {rules.clock} | {TOLD[rules.fan_out]} | {' → '.join(windows)} | "
            f"at once, then {policy.supervise.rounds} × {windows[-1]} | {', '.join(steps)} |"
        )
    return rows


def number_rows(policy: Policy) -> list[str]:
    """One row for every number of a grade, with its source."""
    rows = []
    for grade in Grade:
        rules = policy.grades[grade]
        windows = ", ".join(f"{tier} {format_duration(window)}" for tier, window in rules.ack_windows.items())
        rows.append(f"| {grade} | acknowledge | {windows} | {rules.ack_src} |")
        rows += [f"| {grade} | {step} | {format_duration(window.d)} | {window.src} |" for step, window in rules.steps.items()]
    return rows


@pytest.mark.parametrize("policy", BOOK.policies, ids=lambda policy: policy.id)
def test_the_page_of_a_preset_is_true(policy: Policy) -> None:
    page = (GUIDES / f"{policy.id}.md").read_text("utf-8").splitlines()
    assert page[0] == f"# {policy.title.zh} · `{policy.id}`"
    missing = [row for row in rung_rows(policy) + grade_rows(policy) if row not in page]
    assert not missing, "\n".join(missing)
    assert all(any(source in line for line in page) for source in policy.basis)
    for one in policy.recipients:
        assert any(one.src in line for line in page), one.src
    for binding in policy.bind:
        assert any(f"`{binding.division}`" in line or not binding.division for line in page), binding.division


def test_every_number_stands_in_the_guide_with_its_source() -> None:
    page = (GUIDES / "national.md").read_text("utf-8").splitlines()
    missing = [row for row in number_rows(POLICIES["national"]) if row not in page]
    assert not missing, "\n".join(missing)


def test_every_key_of_a_policy_is_explained() -> None:
    guide = (GUIDES / "README.md").read_text("utf-8")
    assert not [key for key in (*Policy.model_fields, "extends") if f"`{key}`" not in guide]
    assert all(f"({path.stem}.md)" in guide for path in FOLDER.glob("*.yaml"))


def test_the_example_of_the_guide_is_a_right_policy_file(tmp_path: Path) -> None:
    guide = (GUIDES / "README.md").read_text("utf-8")
    for number, block in enumerate(guide.split("```yaml\n")[1:]):
        (tmp_path / f"example_{number}.yaml").write_text(block.split("```")[0], encoding="utf-8")
        assert load(tmp_path / f"example_{number}.yaml").bind
