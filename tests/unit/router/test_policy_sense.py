"""A policy file that looks right and cannot be meant is refused with its line; what is in use already goes on being read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.router.rules.policy_files import PolicyFileError, load, load_book, parse
from services.router.rules.policy_sense import senseless
from tests.unit.router.town import BOOK

HEAD = "extends: national\nid: own\nversion: 1\ntitle: {zh: 某区, en: Some district}\n"
"""Four lines: what follows begins on line 5."""

NONSENSE = {
    "review every second": (
        "supervise: {review: PT1S}",
        "own.yaml:5: supervise.review: must be an hour at least, or the supervising posts would be told without an end",
    ),
    "a rung where nobody can answer": (
        "ladder:\n  - {tier: community, name: {zh: 社区, en: C}, roles: [street_officer]}",
        "own.yaml:6: ladder.0.roles.0: street_officer stands on the tier street, so nobody would ever answer on community as one",
    ),
    "a window beyond the calendar": (
        "grades: {IV: {ack_windows: {community: P99999D}}}",
        "own.yaml:5: grades.IV.ack_windows.community: is longer than ten years",
    ),
    "a step beyond the calendar": (
        "grades:\n  II:\n    steps: {close: {d: P4000D, src: the place}}",
        "own.yaml:7: grades.II.steps.close.d: is longer than ten years",
    ),
    "a step without time": (
        "grades: {I: {steps: {on_site: {d: PT0S, src: the place}}}}",
        "own.yaml:5: grades.I.steps.on_site.d: would be missed as soon as a case is opened",
    ),
    "a night of centuries": (
        "shifts:\n  - {name: {zh: 夜, en: n}, since: '20:00', until: '08:00', src: xx, grades: {II: {ack_windows: {street: P9999D}}}}",
        "own.yaml:6: shifts.0.grades.II.ack_windows.street: is longer than ten years",
    ),
    "no time to accept": ("lanes: {police: {accept: PT0S}}", "own.yaml:5: lanes.police.accept: leaves no time to accept"),
    "no time to answer": ("handover: {accept: PT0S}", "own.yaml:5: handover.accept: leaves no time to accept"),
    "word in ten thousand years": (
        "feedback: {substantive: P9999Y}",
        "own.yaml:5: feedback.substantive: is longer than ten years",
    ),
    "visits by the minute": (
        "follow_up:\n  every: {I: PT1M}",
        "own.yaml:6: follow_up.every.I: visits more often than daily cannot be meant",
    ),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_cannot_be_meant_is_refused_where_it_stands(name: str) -> None:
    text, reason = NONSENSE[name]
    with pytest.raises(PolicyFileError) as refused:
        parse("own.yaml", (HEAD + text + "\n").encode(), BOOK.get)
    assert str(refused.value) == reason


def test_a_binding_that_never_holds_and_a_place_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        HEAD + "bind:\n  - {division: '44030', since: 2026-01-01}\n  - {division: '440304', since: 2026-05-01, until: 2026-05-01}\n",
        "utf-8",
    )
    with pytest.raises(PolicyFileError) as refused:
        load(path)
    assert str(refused.value).splitlines() == [
        "own.yaml:6: bind.0.division: 44030 is no division's code; those have 2, 4, 6, 9, 12 or 15 digits",
        "own.yaml:7: bind.1.until: 2026-05-01 does not lie after 2026-05-01, so it would never be in force",
    ]
    assert load_book([tmp_path]).get("own") is not None, "a service starts with the rules that it has had"


@pytest.mark.parametrize("given", ["20:00", "'20:00+08:00'", "1200", "'8 pm'"])
def test_a_time_of_the_day_that_would_be_misread_is_refused(given: str) -> None:
    """An unquoted 20:00 is 1200 in YAML; read as seconds it was twenty past midnight."""
    text = f"shifts: [{{name: {{zh: 夜, en: n}}, since: '08:00', until: {given}, src: xx}}]\n"
    with pytest.raises(PolicyFileError, match=r'own\.yaml:5: shifts\.0\.until: must be a time of the day in quotes, such as "20:00"'):
        parse("own.yaml", (HEAD + text).encode(), BOOK.get)


@pytest.mark.parametrize("given", ["P9999999999999D", "P" + "9" * 5000 + "D"])
def test_a_number_that_no_clock_can_hold_is_a_mistake_and_no_crash(given: str) -> None:
    with pytest.raises(PolicyFileError, match=r"own\.yaml:5: second_report\.within: "):
        parse("own.yaml", (HEAD + f"second_report: {{within: {given}}}\n").encode(), BOOK.get)


def test_the_presets_make_sense() -> None:
    assert [reason for policy in BOOK.policies for reason in senseless(policy)] == []


def test_a_file_of_a_place_goes_before_the_preset_that_began_earlier(tmp_path: Path) -> None:
    """With equal versions the preset won, and the place's own rules were in force nowhere, without a word."""
    path = tmp_path / "own.yaml"
    path.write_text(HEAD + "bind: [{division: '440304', since: 2026-01-01}]\n", "utf-8")
    book = load_book([tmp_path])
    assert [book.in_force("440304001020", datetime(year, 3, 4, tzinfo=UTC)).id for year in (2025, 2026)] == ["futian_2022", "own"]
    path.write_text(HEAD + "bind: [{division: '440304', since: 2022-01-01}]\n", "utf-8")
    with pytest.raises(PolicyFileError) as refused:
        load(path, others=BOOK.policies)
    assert str(refused.value) == "own.yaml:5: bind.0.since: futian_2022@1 is bound to 440304 from the same day on; choose another day"
