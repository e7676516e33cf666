"""`tocsin policy` as somebody at a terminal meets it."""

from datetime import date
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from deploy.cli_policy import app
from libs.settings import SettingsError
from services.router.rules.policy_files import FOLDER, load_calendar, load_notices

AT = ("--at", "2026-03-04T10:00:00+08:00", "--assume")


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def simulated(*arguments: str):
    found = run("simulate", *arguments, *AT, "--json")
    assert found.exit_code == 0, found.output
    return orjson.loads(found.stdout)


def test_the_built_in_files_are_right() -> None:
    found = run("check", *(str(path) for path in sorted(FOLDER.glob("*.yaml"))))
    assert found.exit_code == 0
    assert found.stdout.count("✓") == 6
    assert "national@1 ✓" in found.stdout


def test_a_wrong_file_is_told_with_its_line_and_the_others_are_checked_all_the_same(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("extends: national\nid: wrong\nversion: one\n", encoding="utf-8")
    found = run("check", str(wrong), str(FOLDER / "national.yaml"))
    assert found.exit_code == 1
    assert "wrong.yaml:3: version" in found.stderr
    assert "national@1 ✓" in found.stdout


def test_the_timeline_has_the_promised_fields() -> None:
    answer = simulated("--division", "440304001020", "--situation", "MR4_ABUSE_INJURY")
    assert answer["policy"] == {"id": "futian_2022", "version": 1}
    for line in answer["timeline"]:
        assert set(line) >= {"at", "minute", "action", "tier", "post", "channel"}
    told = [
        (line["minute"], line["action"], line["tier"]) for line in answer["timeline"] if line["minute"] <= 30 and not line["department"]
    ]
    assert told == [
        (0, "notify", "community"),
        (0, "notify", "street"),
        (15, "remind", "community"),
        (24, "remind", "community"),
        (30, "deadline", "community"),
        (30, "escalate", "street"),
    ]


@pytest.mark.parametrize(("division", "policy"), [("510101", "national"), ("440304", "futian_2022"), ("44", "national")])
def test_any_place_has_a_policy_and_somebody(division, policy) -> None:
    answer = simulated("--division", division, "--grade", "I")
    assert (answer["policy"]["id"], answer["grade"]) == (policy, "I")
    assert answer["timeline"][0]["action"] == "notify"


def test_another_policy_can_be_asked() -> None:
    assert simulated("--division", "440304001020", "--policy", "national")["policy"]["id"] == "national"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--division", "4403040"), "--division: 4403040 is not a division code"),
        (("--division", "440304", "--situation", "MR44"), "--situation: MR44 is not one of"),
        (("--division", "440304", "--grade", "V"), "--grade: These rules have no such grade. Choose one of I, II, III, IV."),
        (
            ("--division", "440304", "--policy", "mine"),
            "--policy: mine is not one of futian_2022, guandu_2022, mca_2014, national, xiantao_2021, zhengzhou_2014",
        ),
        (("--division", "440304", "--danger", "rain"), "--danger: rain is not one of"),
    ],
)
def test_a_wrong_option_is_named(arguments, complaint) -> None:
    found = run("simulate", *arguments, *AT)
    assert isinstance(found.exception, SettingsError)
    assert str(found.exception).startswith(complaint)


def test_a_time_that_is_none_is_named() -> None:
    found = run("simulate", "--division", "440304", "--at", "tomorrow", "--assume")
    assert "--at: tomorrow is not a time" in str(found.exception)


def test_the_schema_is_json() -> None:
    assert orjson.loads(run("schema").stdout)["title"] == "Policy"


def test_answers_stop_the_climb_from_their_minute_on() -> None:
    place = ("--division", "440304001020", "--situation", "MR4_ABUSE_INJURY")
    answer = simulated(*place, "--answer", "35:acknowledge:street", "--answer", "100:on_site")
    done = [(line["minute"], line["tier"], line["answer"]) for line in answer["timeline"] if line["action"] == "answer"]
    assert done == [(35, "street", "acknowledge"), (100, "street", "on_site")]
    escalated = [(line["minute"], line["tier"]) for line in answer["timeline"] if line["action"] == "escalate"]
    assert escalated == [(30, "street"), (24 * 60, "district")]  # acknowledged, been there, and then never written up
    assert not [line for line in answer["timeline"] if line["step"] == "on_site" and line["action"] == "deadline"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("5:acknowledge:district", "At minute 5 nobody has been told"),
        ("x:acknowledge", "does not begin with a number of minutes"),
        ("5:nonsense", "nonsense is not one of"),
        ("5:close", "At minute 5 this answer is not possible"),
    ],
)
def test_an_impossible_answer_is_named(answer: str, why: str) -> None:
    found = run("simulate", "--division", "440304001020", "--situation", "MR4_ABUSE_INJURY", *AT, "--answer", answer)
    assert isinstance(found.exception, SettingsError)
    assert str(found.exception).startswith("--answer: ")
    assert why in str(found.exception)


def test_an_administrator_adds_the_notice_of_a_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config" / "holidays.yaml"
    monkeypatch.setenv("TOCSIN_ROUTER_CALENDAR_FILE", str(path))
    # Spring Festival of 2099 is on 21 January by the statute; the notice is made up.
    before = orjson.loads(run("holidays", "list", "--json").stdout)
    assert (before["file"], [year for year in before["years"] if year["source"]]) == (str(path), [])
    found = run("holidays", "add", "2099", "--off", "01-01,2099-01-20..01-27", "--worked", "01-18", "--src", "国办发明电〔2098〕1号")
    assert found.exit_code == 0, found.output
    calendar = load_calendar(path)
    assert not calendar.is_provisional(2099)
    assert [calendar.is_working(date(2099, 1, day)) for day in (16, 17, 18, 19, 20, 27, 28)] == [
        True,
        False,
        True,
        True,
        False,
        False,
        True,
    ]
    (added,) = [year for year in orjson.loads(run("holidays", "list", "--json").stdout)["years"] if year["source"]]
    assert (added["known"], added["source"], added["worked"]) == (True, "国办发明电〔2098〕1号", ["2099-01-18"])
    again = run("holidays", "add", "2099", "--off", "01-01", "--src", "again")
    assert "--replace" in str(again.exception)
    assert run("holidays", "add", "2099", "--off", "01-01", "--src", "again", "--replace").exit_code == 0
    assert load_notices(path)[2099].worked == ()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--off", "02-30"), "--off: 02-30 is not a day"),
        (("--off", "02-05..02-01"), "--off: 02-05..02-01 ends before it begins"),
        (("--off", "2098-12-31"), "2098-12-31 lies in another year"),
        (("--off", ""), "a year without a day off is none"),
        (("--off", "01-01", "--worked", "01-05"), "2099-01-05 is no Saturday or Sunday"),
        (("--off", "01-03", "--worked", "01-03"), "2099-01-03 is both off and worked"),
    ],
)
def test_a_notice_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch, arguments, complaint) -> None:
    path = tmp_path / "holidays.yaml"
    monkeypatch.setenv("TOCSIN_ROUTER_CALENDAR_FILE", str(path))
    found = run("holidays", "add", "2099", "--src", "notice", *arguments)
    assert isinstance(found.exception, SettingsError)
    assert complaint in str(found.exception)
    assert not path.exists()
