"""Policy files: the built-in ones say what rules.yaml says; a wrong one is named with file, line and reason; the nearest ancestor wins."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from libs.terms import Department, Grade, Step, Tier
from services.router.rules.policy import FanOut
from services.router.rules.policy_files import FOLDER, PolicyFileError, load, load_book, load_calendar
from services.router.rules.policy_values import format_duration, parse_duration

NOW = datetime(2026, 3, 4, tzinfo=UTC)
BOOK = load_book()


def test_the_nearest_ancestor_wins() -> None:
    assert BOOK.in_force("440304001020", NOW).id == "futian_2022"
    assert BOOK.in_force("440304", NOW).id == "futian_2022"
    assert BOOK.in_force("440305001001", NOW).id == "national"
    assert BOOK.in_force("4403", NOW).id == "national"
    assert BOOK.in_force("", NOW).id == "national"


@pytest.mark.parametrize(
    ("place", "policy"),
    [
        ("410103001001", "zhengzhou_2014"),  # 二七区: a pilot area of Z25
        ("410182101", "zhengzhou_2014"),  # 荥阳市
        ("410122208", "zhengzhou_2014"),  # 中牟县
        ("410105560", "zhengzhou_2014"),  # 如意湖 of 郑东新区
        ("410105001", "national"),  # 金水区 itself is no pilot area
        ("4101", "national"),
        ("500112023001", "xiantao_2021"),
        ("500112022", "national"),  # the next street of the same district
        ("530111402", "guandu_2022"),
    ],
)
def test_each_preset_is_in_force_in_its_own_place(place, policy) -> None:
    assert BOOK.in_force(place, NOW).id == policy


def test_a_template_is_in_force_nowhere_until_a_file_binds_it(tmp_path: Path) -> None:
    assert all(policy.bind for policy in BOOK.policies if policy.id != "mca_2014")
    assert BOOK.get("mca_2014", 1).bind == ()  # type: ignore[union-attr]
    (tmp_path / "here.yaml").write_text(
        "extends: mca_2014\nid: here\nversion: 1\nbind: [{division: '3301', since: 2026-01-01}]\n", encoding="utf-8"
    )
    book = load_book([tmp_path])
    assert book.in_force("330101001", NOW).tiers[-1] is Tier.CITY
    assert book.in_force("3302", NOW).id == "national"


def test_a_policy_is_in_force_from_its_first_day_in_the_divisions_zone() -> None:
    new_year_in_shenzhen = datetime(2021, 12, 31, 16, 0, tzinfo=UTC)
    assert BOOK.in_force("440304", new_year_in_shenzhen).id == "futian_2022"
    assert BOOK.in_force("440304", new_year_in_shenzhen - timedelta(seconds=1)).id == "national"


def test_a_case_finds_its_own_version_or_the_newest_there_is() -> None:
    for version in (1, 99):
        found = BOOK.get("futian_2022", version)
        assert found is not None
        assert found.stamp == "futian_2022@1"
    assert BOOK.get("unheard_of") is None


def test_futian_has_the_numbers_of_the_sources() -> None:
    policy = BOOK.get("futian_2022")
    assert policy is not None
    assert policy.tiers == (Tier.COMMUNITY, Tier.STREET, Tier.DISTRICT)
    assert policy.remind_at == (0.5, 0.8)
    assert [policy.grades[grade].fan_out for grade in Grade] == [FanOut.ALL_TIERS, FanOut.FIRST_AND_NEXT, FanOut.FIRST, FanOut.FIRST]
    minutes = {grade: [policy.ack_window(grade, tier).total_seconds() / 60 for tier in policy.tiers] for grade in Grade}
    assert minutes == {Grade.I: [10, 10, 10], Grade.II: [30, 30, 60], Grade.III: [240, 240, 480], Grade.IV: [1440, 1440, 2880]}
    hours = {grade: [policy.grades[grade].steps[step].d.total_seconds() / 3600 for step in policy.grades[grade].steps] for grade in Grade}
    assert hours[Grade.I] == [0, 1, 2, 24, 72, 360]
    assert hours[Grade.II] == [1, 4, 24, 72, 168, 360]
    assert hours[Grade.III] == [2, 24, 72, 168, 720]
    assert hours[Grade.IV] == [24, 72, 168, 360, 1440]
    assert Step.CASE_CONFERENCE not in policy.grades[Grade.III].steps
    assert (policy.supervise.roles, policy.supervise.rounds) == (("district_office", "procurator"), 3)


def test_presets_differ_by_what_their_documents_say_and_share_the_numbers() -> None:
    tiers = {policy.id: " ".join(policy.tiers) for policy in BOOK.policies}
    assert tiers == {
        "national": "community street district",
        "zhengzhou_2014": "community street district",
        "xiantao_2021": "grid community street",
        "guandu_2022": "community street district",
        "futian_2022": "community street district",
        "mca_2014": "community street district city",
    }
    national = BOOK.get("national")
    assert all(policy.grades == national.grades for policy in BOOK.policies)  # type: ignore[union-attr] # no founding document gives a window
    beside = {policy.id: [(one.roles, str(one.when)) for one in policy.recipients] for policy in BOOK.policies if policy.recipients}
    assert beside == {
        "zhengzhou_2014": [(("street_officer",), "always")],  # Z01
        "xiantao_2021": [(("community_officer", "street_civil_office"), "always")],  # X02
    }
    police = {policy.id: (str(policy.lanes[Department.POLICE].when), str(policy.lanes[Department.POLICE].mode)) for policy in BOOK.policies}
    assert police == {
        "national": ("situation", "act_if_mandatory"),  # OPINION2020 arts 2, 8
        "futian_2022": ("situation", "act_if_mandatory"),
        "zhengzhou_2014": ("always", "act_if_mandatory"),  # Z01
        "xiantao_2021": ("always", "act_if_mandatory"),  # X02
        "guandu_2022": ("mandatory", "act_if_mandatory"),  # G08
        "mca_2014": ("mandatory", "act_if_mandatory"),  # M04
    }
    report = BOOK.get("zhengzhou_2014").monthly_report  # type: ignore[union-attr]
    assert report is not None
    assert (report.day, report.to) == (15, "district_office")  # Z16


@pytest.mark.parametrize("text", ["PT0S", "PT10M", "PT1H", "PT24H", "PT72H", "P5D", "P15D", "PT1H30M"])
def test_durations_read_back(text) -> None:
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "10M", "P1M", "P1Y", "PT1.5H", "-PT1H", "P1DT", 10, None])
def test_lengths_that_are_none_are_refused(text) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


STREET = "  - {tier: street, name: {zh: 街, en: S}, roles: [street_officer]}\n"
COMMUNITY = "  - {tier: community, name: {zh: 社, en: C}, roles: [community_officer]}\n"
START = "extends: national\nid: mine\nversion: 1\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "mine.yaml:1: must hold"),
        ("a: [", "mine.yaml:2: did not find"),
        ("extends: national\nid: mine\nversion: 1\nversion: 2\n", "mine.yaml:4: 'version' is given twice"),
        ("extends: nobody\nid: mine\n", "mine.yaml:1: extends: there is no nobody.yaml"),
        ("id: mine\nextends: ../secrets\n", "mine.yaml:2: extends: must be the name"),
        (START + "colour: red\n", "mine.yaml:4: colour: is not a key that a policy knows"),
        (START + "remind_at: [0.8, 0.5]\n", "remind_at: fractions must ascend"),
        (START + "remind_at:\n  - 0.5\n  - 1.5\n", "mine.yaml:6: remind_at.1: Input should be less than 1"),
        (
            START + "grades:\n  I:\n    steps:\n      on_site: {d: soon, src: default}\n",
            "mine.yaml:7: grades.I.steps.on_site.d: must be an ISO 8601 duration",
        ),
        (START + "grades:\n  I:\n    steps:\n      acknowledge: {d: PT1H, src: default}\n", "acknowledge has no step deadline"),
        (START + "grades:\n  V: {}\n", "mine.yaml:5: grades.V.name: is missing"),
        (START + "grades:\n  I: {}\n  低: {severity: IV}\n", "mine.yaml:6: grades.低: a grade of your own needs severity"),
        (START + "grades:\n  I: {}\n  低: {severity: V, rank: 2}\n", "mine.yaml:6: grades.低.severity: Input should be 'I'"),
        (START + "grades:\n  I: {}\n  低: {severity: IV, rank: 1}\n", "mine.yaml:4: grades: each needs a rank of its own"),
        (START + "grades:\n  高: {severity: I, rank: 2}\n  低: {severity: IV, rank: 1}\n", "a grade of higher rank cannot have a lower"),
        (
            START + "grades:\n  高: {severity: II, rank: 1}\n  低: {severity: IV, rank: 2}\n",
            "mine.yaml:5: grades.高: the most",
        ),
        (START + "grades:\n  II: {severity: I}\n  III: {}\n", "grades.II: has the severity II by its name"),
        (START + "grades:\n  红 1: {severity: I, rank: 1}\n", "mine.yaml:5: grades.红 1: String should match"),
        (START + "unclassified: 急\n", "mine.yaml:4: unclassified: 急 is not a grade of this policy; those are I, II, III, IV"),
        (
            START + "situations:\n  GC1_NEGLECT:\n    grade: 9\n",
            "mine.yaml:6: situations.GC1_NEGLECT.grade: 9 is not a grade of this policy",
        ),
        (
            START + "ladder:\n  - {tier: street, name: {zh: 街, en: S}, roles: [street_officer]}\n  - {tier: community}\n",
            "mine.yaml:6: ",
        ),
        (START + "ladder:\n" + STREET + COMMUNITY, "rungs must stand from the lowest"),
        (START + "bind: [{division: futian, since: 2022-01-01}]\n", "mine.yaml:4: bind.0.division"),
        (START + "supervise: {roles: [], rounds: 3}\n", "mine.yaml:4: supervise.roles"),
        (
            START + "supervise:\n  roles: [mayor]\n",
            "mine.yaml:5: supervise.roles.0: is not a role that a post can have; those are grid_worker",
        ),
        (START + "recipients:\n  - {roles: [mayor], src: default}\n", "mine.yaml:5: recipients.0.roles.0: is not a role"),
        (START + "recipients:\n  - {roles: [police_station]}\n", "mine.yaml:5: recipients.0.src: is missing"),
        (
            START + "recipients:\n  - {roles: [police_station], when: nights, src: default}\n",
            "mine.yaml:5: recipients.0.when: Input should be",
        ),
        (START + "aliases: {mayor: {zh: 市长, en: Mayor, src: default}}\n", "mine.yaml:4: aliases.mayor: is not a role"),
        (START + "monthly_report: {day: 31, to: district_office, src: default}\n", "mine.yaml:4: monthly_report.day: Input should be less"),
        (START + "oversight: [street]\n", "oversight: street does not lie above the ladder, whose top is district"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_reason(tmp_path: Path, text, complaint) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyFileError) as refused:
        load(path)
    assert complaint in str(refused.value)


def test_files_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("extends: two\n", encoding="utf-8")
    (tmp_path / "two.yaml").write_text("extends: one\n", encoding="utf-8")
    with pytest.raises(PolicyFileError, match="circle"):
        load(tmp_path / "one.yaml")


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyFileError, match=r"mine.yaml:1: is not UTF-8"):
        load(tmp_path / "mine.yaml")
    with pytest.raises(PolicyFileError, match=r"gone.yaml:1: cannot be read"):
        load(tmp_path / "gone.yaml")


def test_further_policies_join_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "pilot.yaml").write_text(
        "extends: futian_2022\nid: pilot\nversion: 1\nbind:\n  - {division: '440304001020', since: 2026-01-01, until: 2026-07-01}\n",
        encoding="utf-8",
    )
    book = load_book([tmp_path])
    assert book.in_force("440304001020", NOW).id == "pilot"
    assert book.in_force("440304001021", NOW).id == "futian_2022"
    assert book.in_force("440304001020", NOW + timedelta(days=180)).id == "futian_2022"


def test_two_files_with_one_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "again.yaml").write_text((FOLDER / "futian_2022.yaml").read_text("utf-8"), encoding="utf-8")
    with pytest.raises(PolicyFileError, match="already defined"):
        load_book([tmp_path])


def test_a_wrong_calendar_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cn.yaml"
    path.write_text("notices:\n  2027:\n    src: somewhere\n    holidays: [2027-13-01]\n", encoding="utf-8")
    with pytest.raises(PolicyFileError, match=r"cn.yaml:4: notices.2027.holidays.0"):
        load_calendar(path)


def test_the_notice_of_a_year_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cn.yaml"
    path.write_text("notices:\n  2027:\n    src: 通知\n    holidays: [2027-01-01]\n    worked: [2027-01-09]\n", encoding="utf-8")
    calendar = load_calendar(path)
    assert not calendar.is_provisional(2027)
    assert calendar.is_working(date(2027, 1, 9))
