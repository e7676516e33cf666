"""Which policy is in force: what administrators bind wins over the files in its place, not over a nearer one, and never in the past."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from services.router.rules.book import Bound, PolicyBook
from services.router.rules.policy import Policy
from services.router.rules.policy_files import PolicyFileError, load_book, parse

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
TODAY = date(2026, 3, 4)
FILES = load_book()
OWN = parse(
    "own.yaml",
    b"extends: futian_2022\nid: own\nversion: 3\ntitle: {zh: a, en: b}\ngrades: {II: {ack_windows: {community: PT20M}, ack_src: test}}\n",
    FILES.get,
)
NUMBERS = iter(range(1, 1000))


def bound(division: str, policy: str = "own@3", *, since: date = TODAY, **more: object) -> Bound:
    policy_id, _at, version = policy.partition("@")
    made = Bound(uuid4(), division, policy_id, int(version), since, None, NOW - timedelta(hours=1), None, next(NUMBERS))
    return made._replace(**more)  # type: ignore[arg-type]


def book(*bindings: Bound) -> PolicyBook:
    return FILES.with_added([OWN], bindings, 1)


def changed(**fields: object) -> Policy:
    """The policy with other fields; a copy would remember what it was called."""
    return Policy.model_validate(OWN.model_dump() | fields)


def stamp(known: PolicyBook, division: str, at: datetime = NOW) -> str:
    return known.in_force(division, at).stamp


def test_what_is_bound_wins_over_the_files_in_its_place_and_not_over_a_nearer_one() -> None:
    known = book(bound("44"), bound("440304"))
    assert stamp(known, "440304001020") == "own@3"
    assert stamp(known, "440305001001") == "own@3"
    assert stamp(known, "310101") == "national@1"
    assert stamp(book(bound("4403"), bound("")), "440304001020") == "futian_2022@1", "the file of the nearer place"
    assert stamp(book(bound("")), "310101") == "own@3"
    assert [place for place, _policy in known.inside("4403", NOW)] == ["440304"]


def test_the_last_word_counts_and_an_end_brings_back_what_was_before() -> None:
    first, second = bound("440304"), bound("440304", "national@1")
    assert stamp(book(second, first), "440304") == "national@1", "whatever the order in which they are read"
    ended = second._replace(withdrawn_at=NOW)
    assert stamp(book(first, ended), "440304") == "own@3"
    assert stamp(book(first._replace(until=TODAY + timedelta(days=1))), "440304") == "own@3"
    assert stamp(book(first._replace(until=TODAY + timedelta(days=1))), "440304", NOW + timedelta(days=1)) == "futian_2022@1"


def test_no_later_act_changes_what_was_in_force_at_an_instant() -> None:
    """A report that is handled late is answered by the rules of the moment when it came in."""
    just_made = bound("440304", made_at=NOW)
    assert stamp(book(just_made), "440304", NOW - timedelta(seconds=1)) == "futian_2022@1"
    assert stamp(book(just_made), "440304", NOW) == "own@3"
    ended = just_made._replace(withdrawn_at=NOW + timedelta(hours=2))
    assert stamp(book(ended), "440304", NOW + timedelta(hours=1)) == "own@3"
    assert stamp(book(ended), "440304", NOW + timedelta(hours=2)) == "futian_2022@1"
    tomorrow = bound("440304", since=TODAY + timedelta(days=1))
    midnight = datetime(2026, 3, 4, 16, 0, tzinfo=UTC)
    assert stamp(book(tomorrow), "440304", midnight - timedelta(seconds=1)) == "futian_2022@1"
    assert stamp(book(tomorrow), "440304", midnight) == "own@3"


def test_a_policy_is_named_by_its_id_or_with_a_version() -> None:
    known = FILES.with_added([OWN, changed(version=4)], [], 1)
    assert known.named("own").stamp == "own@4"  # type: ignore[union-attr]
    assert known.named("own@3") == OWN
    for name in ("own@9", "own@", "own@x", "other", "", "@"):
        assert known.named(name) is None
    assert stamp(book(bound("440304", "own@9")), "440304") == "futian_2022@1", "what is bound and not known binds nothing"


def test_a_version_that_a_file_defines_stays_as_the_file_says() -> None:
    other = replace(FILES).with_added([changed(id="national", version=1)], [], 1)
    assert other.named("national@1") == FILES.named("national@1")
    assert stamp(other, "310101") == "national@1"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("extends: futian_2022\nid: own\nversion: 1\nbind: [{division: '44', since: 2026-01-01}]\n", 4, "bind: leave it out"),
        ("id: own\nextends: nobody\n", 2, "extends: there is no policy of that id"),
        ("id: own\nextends: [national]\n", 2, "extends: there is no policy of that id"),
        ("extends: national\nid: own\nversion: two\n", 3, "version: "),
        ("extends: national\nid: own\nversion: 1\ngrades: {II: {ack_windows: {street: soon}}}\n", 4, "must be an ISO 8601 duration"),
        ("id: own\nid: other\n", 2, "given twice"),
        ("- a list\n", 1, "must hold"),
        ("? [a]\n: b\n", 1, "is not a policy"),
        ("a: " + "9" * 5000, 1, "is not a policy"),
        ("[" * 20_000, 1, ""),
    ],
)
def test_a_mistake_is_named_with_file_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(PolicyFileError) as found:
        parse("own.yaml", text.encode(), FILES.get)
    assert any(one.startswith(f"own.yaml:{line}: ") and reason in one for one in str(found.value).splitlines()) or not reason


def test_what_a_file_extends_is_taken_over_whole_but_for_where_it_was_in_force() -> None:
    futian = FILES.named("futian_2022")
    assert futian is not None
    assert OWN.bind == ()
    windows = OWN.grades["II"].ack_windows
    assert {tier: str(window) for tier, window in windows.items() if window != futian.grades["II"].ack_windows[tier]} == {
        "community": "0:20:00"
    }
    same = OWN.model_copy(update={"grades": futian.grades, "id": futian.id, "version": futian.version, "title": futian.title})
    assert same == futian.model_copy(update={"bind": ()})
