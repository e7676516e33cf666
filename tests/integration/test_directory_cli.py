"""`tocsin directory` and `tocsin keys` as an administrator types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli_directory import app, keys_app
from deploy.demo.directory import REGISTER
from tests.integration.directory_desk import MASTER_KEYS

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def installation(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_MASTER_KEYS": MASTER_KEYS,
        "TOCSIN_VAR_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)


def test_a_register_is_imported_and_its_dead_ends_are_listed(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["import", str(REGISTER), "--with-posts"])
    assert (done.exit_code, done.stdout.strip()) == (0, "107 lines: 107 new, 0 changed, 109 posts made.")
    again = RUNNER.invoke(app, ["import", str(REGISTER), "--with-posts"])
    assert again.stdout.strip() == "107 lines: 0 new, 0 changed, 0 posts made."
    told = RUNNER.invoke(app, ["coverage"])
    assert told.exit_code == 1
    assert "DEAD END  440304001020 南园社区居委会" in told.stdout
    assert "no dispatch desk can be reached" in told.stdout
    assert told.stdout.strip().endswith("105 places, 109 posts, 105 dead ends, 109 gaps.")
    for_programs = RUNNER.invoke(app, ["coverage", "--json"])
    assert for_programs.exit_code == 1
    found = json.loads(for_programs.stdout)
    assert len(found["dead_ends"]) == 105
    assert found["gaps"][0]["problem"] == "no_holder"


def test_wrong_lines_are_told_with_file_and_line(tmp_path: Path) -> None:
    register = tmp_path / "register.csv"
    register.write_text("code,name,level,parent_code\n44,广东省,province,\n4403,,city,44\n4404,珠海市,city,45\n", encoding="utf-8")
    done = RUNNER.invoke(app, ["import", str(register)])
    assert done.exit_code == 2
    assert f"{register}:3: Division 4403 has no name." in done.stderr
    assert f"{register}:4: The parent of 4404" in done.stderr
    assert "nothing was imported" in done.stderr


def test_a_key_is_made_rotated_and_revoked() -> None:
    made = RUNNER.invoke(
        keys_app, ["create", "school-1", "--scope", "report", "--scope", "read", "--channel", "school_api", "--days", "30"]
    )
    assert made.exit_code == 0, made.output
    key_id, _dot, secret = made.stdout.strip().partition(".")
    assert len(secret) == 43
    assert RUNNER.invoke(keys_app, ["create", "school-1", "--scope", "read"]).exit_code == 2
    rotated = RUNNER.invoke(keys_app, ["rotate", "school-1"])
    assert rotated.exit_code == 0
    listed = RUNNER.invoke(keys_app, ["list"]).stdout
    assert listed.count("live") == 2
    assert secret not in listed
    revoked = RUNNER.invoke(keys_app, ["revoke", key_id])
    assert revoked.stdout.strip() == f"Revoked: {key_id}"
    assert RUNNER.invoke(keys_app, ["list"]).stdout.count("live") == 1
    unknown = RUNNER.invoke(keys_app, ["revoke", "nobody"])
    assert (unknown.exit_code, unknown.stderr.strip()) == (2, "tocsin: There is no client or key of this name.")


def test_an_account_is_made_with_a_password_from_standard_input() -> None:
    made = RUNNER.invoke(app, ["add-account", "chief", "--role", "supervisor"], input="a long enough password\na long enough password\n")
    assert made.exit_code == 0, made.output
    assert RUNNER.invoke(app, ["add-account", "x", "--role", "king"], input="y\ny\n").exit_code == 2
    short = RUNNER.invoke(app, ["add-account", "other", "--role", "admin"], input="short\nshort\n")
    assert short.exit_code == 2
    assert "10 to 256 characters" in short.stderr


def test_a_master_key_can_be_made() -> None:
    made = RUNNER.invoke(keys_app, ["master", "--version", "2"])
    assert made.stdout.startswith("2:")
    assert len(made.stdout.strip()) == 46
