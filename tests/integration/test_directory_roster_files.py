"""Rosters as files, through the API, the command line and the page: all of a file or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli_directory import app
from tests.integration.directory_desk import COMMUNITY, MASTER_KEYS, STREET, Desk, deputy, directory_desk, primary
from tests.integration.test_directory_duty import ANNA, BEN, TWO_SHIFTS, asked, post_of, send

RUNNER = CliRunner()
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
EN = {"lang": "en"}


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def rosters(desk: Desk) -> list[Any]:
    async with desk.root.connection() as connection:
        rows = await connection.fetch("SELECT post_id, shifts FROM directory.rosters ORDER BY post_id")
    return [(row["post_id"], row["shifts"]) for row in rows]


@pytest.mark.parametrize("kind", ["csv", "ics"])
async def test_what_was_exported_can_be_imported_elsewhere(desk: Desk, kind: str) -> None:
    post = await post_of(desk)
    await send(desk, "PUT", f"/v1/posts/{post.post_id}/roster", 204, shifts=TWO_SHIFTS)
    before = await rosters(desk)
    exported = await desk.http.get("/v1/rosters", params={"format": kind}, headers=desk.bearer)
    assert exported.status_code == 200
    assert exported.headers["content-disposition"] == f'attachment; filename="roster.{kind}"'
    content = exported.content.decode()
    await send(desk, "PUT", f"/v1/posts/{post.post_id}/roster", 204, shifts=[])
    assert await send(desk, "POST", "/v1/rosters/import", 200, format=kind, content=content) == {"posts": 1, "changed": 1}
    if kind == "csv":
        assert await rosters(desk) == before
        assert await send(desk, "POST", "/v1/rosters/import", 200, format=kind, content=content) == {"posts": 1, "changed": 0}
    desk.clock.advance(hours=15)
    await desk.job("directory-roster")
    assert await asked(desk) == [BEN, ANNA]  # it is 03:00


async def test_a_wrong_line_lets_nothing_in_and_is_named(desk: Desk) -> None:
    street = f"{STREET},street_officer,1,week,,08:00,08:00"
    first, second = primary(STREET, "street_officer"), deputy(STREET, "street_officer")
    content = f"""division_code,role,position,shift,days,start,end,officers,turn_days,since
{street},{first}; {second},7,2026-11-02
{COMMUNITY},community_officer,1,day,,08:00,20:00,{ANNA},,
{COMMUNITY},community_officer,1,night,,20:00,08:00,谁,,
{COMMUNITY},community_officer,9,night,,20:00,08:00,{ANNA},,
{COMMUNITY},community_officer,1,turns,,20:00,08:00,{ANNA},3,
"""
    refused = await send(desk, "POST", "/v1/rosters/import", 422, format="csv", content=content)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [("line 4", "not_a_holder"), ("line 5", "unknown_post")]
    assert "Put them on the post first" in refused["errors"][0]["detail"]
    content = "\n".join(line for line in content.splitlines() if "谁" not in line and "officer,9" not in line)
    refused = await send(desk, "POST", "/v1/rosters/import", 422, format="csv", content=content)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [("line 4", "missing")]
    assert await rosters(desk) == []
    right = content.replace(",3,", ",3,2026-11-20")
    assert await send(desk, "POST", "/v1/rosters/import", 200, format="csv", content=right) == {"posts": 2, "changed": 2}
    assert await desk.value("SELECT count(*) FROM directory.changes WHERE what = 'roster.set'") == 2


async def test_a_calendar_of_another_program_is_imported_for_one_post(desk: Desk) -> None:
    name = await desk.value("SELECT name FROM directory.officers WHERE officer_id = $1", BEN)
    content = f"""BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:night
DTSTART:20261101T200000
DTEND:20261102T080000
RRULE:FREQ=DAILY
ATTENDEE;CN={name}:mailto:someone@example.org
END:VEVENT
END:VCALENDAR
"""
    refused = await send(desk, "POST", "/v1/rosters/import", 422, format="ics", content=content)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [("line 2", "no_post")]
    post = str((await post_of(desk)).post_id)
    await send(desk, "POST", "/v1/rosters/import", 200, format="ics", content=content, post_id=post)
    night = await send(desk, "GET", f"/v1/posts/{post}/duty?at=2026-11-25T03:00:00%2B08:00", 200)
    assert (night["items"][0]["officer_id"], night["items"][0]["reason"]) == (str(BEN), "shift")
    noon = await send(desk, "GET", f"/v1/posts/{post}/duty?at=2026-11-25T12:00:00%2B08:00", 200)
    assert [item["reason"] for item in noon["items"]] == ["nobody", "nobody"]


async def test_an_administrator_edits_a_roster_on_its_page(desk: Desk) -> None:
    post = (await post_of(desk)).post_id
    path = f"/directory/posts/{post}"
    await desk.log_in("supervisor")
    assert '<form method="post" action="/directory' not in (await desk.http.get(path, params=EN, headers=HTML)).text
    refused = await desk.http.post(f"{path}/roster", params=EN, data={"shift": ["x"]}, headers=HTML)
    assert refused.status_code == 403
    await desk.http.post("/logout", headers=HTML)
    await desk.log_in("admin")
    page = (await desk.http.get(path, params=EN, headers=HTML)).text
    assert "primary holder, no roster" in page
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    names = {officer: await desk.value("SELECT name FROM directory.officers WHERE officer_id = $1", officer) for officer in (ANNA, BEN)}
    empty = {column: ["", "", ""] for column in ("turn_days", "since", "until", "skip")}
    form = {
        **empty, "seen": seen, "shift": ["day", "night", ""], "start": ["08:00", "20:00", "08:00"], "end": ["20:00", "08:00", "20:00"],
        "officers": [names[ANNA], names[BEN], ""], "days-2": ["MO", "DAYOFF", "WORKDAY"],
    }  # fmt: skip
    wrong = await desk.http.post(f"{path}/roster", params=EN, data={**form, "turn_days": ["", "often", ""]}, headers=HTML)
    assert wrong.status_code == 422
    assert "<strong>Shift 2</strong> turn_days: Write a number of days, or nothing." in wrong.text
    assert 'value="often"' in wrong.text  # what was typed is still there
    saved = await desk.http.post(f"{path}/roster", params=EN, data=form, headers=HTML)
    assert (saved.status_code, saved.headers["location"]) == (303, path)
    assert "shift: day" in (await desk.http.get(path, params=EN, headers=HTML)).text
    late = await desk.http.post(f"{path}/roster", params=EN, data=form, headers=HTML)
    assert late.status_code == 409
    assert "admin has changed this meanwhile" in late.text
    left = {"officer_id": str(ANNA), "ends_at": "2026-11-23T18:00"}
    assert (await desk.http.post(f"{path}/leaves", data=left, headers=HTML)).status_code == 303
    assert await asked(desk) == [BEN, ANNA]
    page = (await desk.http.get(path, params=EN, headers=HTML)).text
    assert f"replaces {names[ANNA]}, who is on leave" in page
    assert "leave.added" in page
    end = page.partition(f"{path}/leaves/")[2].partition('"')[0]
    assert (await desk.http.post(f"{path}/leaves/{end}", headers=HTML)).status_code == 303
    assert (await desk.http.post(f"{path}/hand-over", data={"to_officer": str(BEN)}, headers=HTML)).status_code == 303
    assert await asked(desk) == [BEN, ANNA]
    file = await desk.http.get(f"{path}/roster/csv", headers=HTML)
    back = await desk.http.post(f"{path}/roster/file", params=EN, files={"file": ("roster.csv", file.content)}, headers=HTML)
    assert back.status_code == 303, back.text
    bad = await desk.http.post(f"{path}/roster/file", params=EN, files={"file": ("roster.csv", b"hello")}, headers=HTML)
    assert bad.status_code == 422
    assert "<strong>Line 1</strong> The first line must be" in bad.text


def test_the_command_line_tells_file_line_and_column(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_MASTER_KEYS": MASTER_KEYS, "TOCSIN_VAR_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    async def demo() -> None:
        async with directory_desk(database_url, tmp_path):
            pass

    asyncio.run(demo())
    good, bad = tmp_path / "roster.csv", tmp_path / "bad.csv"
    header = "division_code,role,position,shift,days,start,end,officers"
    good.write_text(f"{header}\n{COMMUNITY},community_officer,1,day,,08:00,20:00,{ANNA}\n", encoding="utf-8")
    bad.write_text(f"{header}\n{COMMUNITY},community_officer,1,day,,8,20:00,{ANNA}\n", encoding="utf-8")
    wrong = RUNNER.invoke(app, ["roster", "import", str(bad)])
    assert wrong.exit_code == 2
    assert f"{bad}:2: start: “8” is no time of day. Write it like 08:00." in wrong.stderr
    done = RUNNER.invoke(app, ["roster", "import", str(good)])
    assert (done.exit_code, done.stdout.strip()) == (0, "1 posts in the file, 1 with a new roster.")
    assert COMMUNITY in RUNNER.invoke(app, ["roster", "export"]).stdout
    assert RUNNER.invoke(app, ["roster", "export", str(tmp_path / "all.ics")]).exit_code == 0
    assert (tmp_path / "all.ics").read_text("utf-8").startswith("BEGIN:VCALENDAR")
    assert RUNNER.invoke(app, ["roster", "export", str(tmp_path / "all.txt")]).exit_code == 2
    told = RUNNER.invoke(app, ["reachability"])
    assert (told.exit_code, "the roster has nobody on duty within a week" in told.stdout) == (0, True)
