"""`tocsin policy add|bind|bindings|unbind|move` as an administrator types them on the server."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.cli_policy import app
from libs.clock import SystemClock
from libs.db import Database
from libs.settings import SettingsError
from tests.integration.router_town import desk, opened, received
from tests.integration.test_router_bindings import FILE
from tests.support.postgres import fresh_database
from tests.unit.router.town import GRADE_II, STREET

TOMORROW = (SystemClock().now() + timedelta(days=1, hours=8)).date().isoformat()


@pytest.fixture(autouse=True)
def installation(demo_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_DATABASE_URL", demo_database_url)
    monkeypatch.setenv("TOCSIN_VAR_DIR", str(tmp_path))


def run(*arguments: str) -> Result:
    found = CliRunner().invoke(app, list(arguments))
    if isinstance(found.exception, SettingsError):
        return found
    assert found.exit_code == 0, found.output
    return found


def test_from_a_file_to_rules_in_force_and_running_cases_under_them(demo_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "nanyuan.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert run("add", str(file)).stdout.strip() == "nanyuan@1 ✓"
    place = ("--division", STREET)
    only_shown = run("bind", "nanyuan", *place, "--since", TOMORROW)
    assert only_shown.stdout.startswith(f"futian_2022@1 → nanyuan@1  {STREET}  ")
    assert "Nothing was changed" in only_shown.stdout
    assert not run("bindings").stdout
    refused = run("bind", "nanyuan", *place, "--since", TOMORROW, "--yes")
    assert "Say why" in str(refused.exception)
    bound = run("bind", "nanyuan", *place, "--since", TOMORROW, "--yes", "--reason", "decision of the street")
    binding = bound.stdout.strip().rpartition(" ")[2]
    assert f"{binding}  {STREET}     nanyuan@1  {TOMORROW} …" in run("bindings", *place).stdout
    assert run("unbind", binding, "--reason", "a mistake").stdout.strip() == "Ended."
    assert "a mistake" in run("bindings").stdout

    async def cases() -> int:
        database = await Database.open(demo_database_url, role="tocsin_router", size_max=1)
        try:
            return len(await opened(desk(), database, received(GRADE_II), received(GRADE_II)))
        finally:
            await database.close()

    assert asyncio.run(cases()) == 2
    move = ("move", "futian_2022@1", "nanyuan@1", *place)
    assert run(*move).stdout.startswith("2 open cases would be moved.")
    done = run(*move, "--yes", "--reason", "the pilot begins")
    assert done.stdout.strip().endswith("2 of 2 moved  done")
    assert run(*move).stdout.startswith("0 open cases would be moved.")


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("extends: national\nid: own\nversion: one\n", encoding="utf-8")
    assert str(run("add", str(tmp_path / "wrong.yaml")).exception).startswith("wrong.yaml:3: version: ")
    assert "cannot be read" in str(run("add", str(tmp_path / "none.yaml")).exception)
    assert "--since: soon is not a day" in str(run("bind", "national", "--since", "soon").exception)
    assert "no such policy" in str(run("move", "nobody", "national").exception)


def test_a_database_that_was_never_set_up_is_one_line_with_the_way_out(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def with_empty() -> None:
        async with fresh_database(postgres_url, None) as url:
            monkeypatch.setenv("TOCSIN_DATABASE_URL", url)
            refused = await asyncio.to_thread(run, "bindings")
            assert str(refused.exception).endswith("Run: tocsin migrate")

    asyncio.run(with_empty())
