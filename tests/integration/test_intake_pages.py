"""What people see: the public form, the receipt, the operator's form, and a report's content, with its line in the ledger."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from libs.crypto import Sealer
from libs.directory.permissions import Role
from libs.events.catalogue import CaseAcknowledged, CaseClosed, CaseOpened, CaseReportAttached, CaseStepDone
from libs.terms import CloseResult, Grade, Step, Tier
from services.intake.handlers.accept import content_aad
from tests.integration.intake_desk import DISTRICT, NOW, OTHER_PLACE, PLACE, SMALLEST, STREET, Desk, make_desk

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}
SCRIPT = "<script>alert('x')</script>\"'&"


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def open_case(desk: Desk, report: dict[str, Any], division_code: str = PLACE) -> UUID:
    """The router's part of the story."""
    case_id = uuid4()
    await desk.tell(
        CaseOpened(
            case_id=case_id,
            grade=Grade.II,
            division_code=division_code,
            tier=Tier.COMMUNITY,
            report_id=report["report_id"],
            code="C2F345",
            received_at=NOW,
            policy_id="national",
            policy_version=1,
            grade_reason="MR4",
            deadlines={},
        ),
        case_id,
    )
    return case_id


async def status(desk: Desk, receipt: str) -> dict[str, Any]:
    answer = await desk.http.get(f"/v1/reports/{receipt}", headers={"Accept-Language": "en"})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def public_form(desk: Desk, **typed: str) -> httpx.Response:
    page = await desk.http.get("/", headers=BROWSER)
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    assert key is not None
    return await desk.http.post("/public", data={"key": key[1], **typed}, headers=BROWSER)


def receipt_in(page: httpx.Response) -> str:
    found = re.search(r'id="receipt">([^<]+)<', page.text)
    assert found is not None, page.text
    return found[1].strip()


async def test_the_receipt_tells_the_story_of_its_report(desk: Desk):
    report = await desk.accepted()
    told = await status(desk, report["receipt"])
    assert (told["state"], told["office"], [step["what"] for step in told["steps"]]) == ("received", None, ["received"])

    case_id = await open_case(desk, report)
    await desk.settle()
    told = await status(desk, report["receipt"])
    assert (told["state"], told["office"]) == ("assigned", "The community’s child officer")

    desk.clock.advance(minutes=5)
    about = {"case_id": case_id, "grade": Grade.II, "division_code": PLACE, "tier": Tier.STREET, "officer_id": uuid4(), "post_id": uuid4()}
    await desk.tell(CaseAcknowledged(**about, via="sms_reply"), case_id)
    await desk.settle()
    told = await status(desk, report["receipt"])
    assert (told["state"], told["office"]) == ("acknowledged", "The street office")

    await desk.tell(CaseStepDone(**about, step=Step.ON_SITE, done_at=desk.clock.now(), late=False, child_sighted=True), case_id)
    await desk.tell(CaseClosed(**about, result=CloseResult.CHILD_SAFE, reporter_informed=True), case_id)
    await desk.settle()
    told = await status(desk, report["receipt"])
    assert (told["state"], told["result"]) == ("closed", "child_safe")
    assert [step["what"] for step in told["steps"]] == ["received", "assigned", "acknowledged", "on_site", "closed"]
    assert str(about["officer_id"]) not in str(told)
    assert str(case_id) not in str(told)
    page = await desk.http.get(f"/receipt/{report['receipt'].lower().replace('-', ' ')}", headers=BROWSER)
    assert page.status_code == 200
    assert "and the child is safe" in page.text


async def test_a_report_that_joined_a_case_tells_that_cases_story(desk: Desk):
    first, second = await desk.accepted(), await desk.accepted()
    case_id = await open_case(desk, first)
    await desk.tell(CaseReportAttached(case_id=case_id, grade=Grade.II, division_code=PLACE, report_id=second["report_id"]), case_id)
    await desk.settle()
    assert (await status(desk, second["receipt"]))["state"] == "assigned"


async def test_hearing_everything_twice_changes_nothing(desk: Desk):
    report = await desk.accepted()
    await open_case(desk, report)
    await desk.settle()
    before = await desk.fetch("SELECT * FROM intake.progress")
    async with desk.db.connection() as c:
        await c.execute("DELETE FROM bus.inbox")
        await c.execute("UPDATE bus.cursors SET xid = '0', position = 0")
    await desk.settle()
    assert await desk.fetch("SELECT * FROM intake.progress") == before


async def test_wrong_receipts_are_all_alike(desk: Desk):
    report = await desk.accepted()
    nearly = report["receipt"][:-1] + ("2" if report["receipt"][-1] != "2" else "3")
    answers = [
        await desk.http.get(f"/v1/reports/{typed}", headers={"Accept-Language": "en"})
        for typed in (nearly, "x", "2222-2222-2222-2222", "😀", "a" * 300)
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert {answer.json()["type"] for answer in answers} == {"/problems/no_such_receipt"}


async def test_guessing_receipts_is_slowed_down(desk: Desk):
    report = await desk.accepted()
    answers = [await desk.http.get(f"/v1/reports/2222-2222-2222-22{n:02}") for n in range(40)]
    assert [answer.status_code for answer in answers].count(429) == 10
    assert (await desk.http.get(f"/v1/reports/{report['receipt']}")).status_code == 429
    desk.clock.advance(minutes=1)
    assert (await desk.http.get(f"/v1/reports/{report['receipt']}")).status_code == 200


async def test_sending_is_never_slowed_down(desk: Desk):
    answers = await asyncio.gather(*(desk.send() for _ in range(150)))
    assert {answer.status_code for answer in answers} == {202}


async def test_anybody_can_report_without_a_name(desk: Desk):
    sent = await public_form(desk, narrative="【测试】邻居家孩子哭喊", place="巴登社区", danger_now="yes")
    assert sent.status_code == 202
    told = await status(desk, receipt_in(sent))
    assert told["state"] == "received"
    (event,) = await desk.fetch("SELECT envelope FROM bus.outbox")
    data = orjson.loads(event["envelope"])["data"]
    assert (data["channel"], data["division_code"], data["reporter_category"]) == ("web", PLACE, "anonymous")
    assert data["danger"]["danger_now"] == "yes"
    assert data["reporter_reachable"] is False


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"place": "badeng"}, PLACE),
        ({"place": "园岭街道"}, "440304002"),
        ({"place": "somewhere by the river"}, DISTRICT),
        ({}, DISTRICT),
        ({"place": "x", "division_code": PLACE}, PLACE),
        ({"place": "巴登社区", "division_code": "999999"}, PLACE),
    ],
)
async def test_a_place_is_found_or_left_to_the_dispatch_desk(desk: Desk, typed: dict[str, str], code: str):
    """A place that nobody can name is no reason to send anybody away: the words are kept for whoever places the case."""
    async with desk.db.connection() as c:
        await c.execute("INSERT INTO directory.posts VALUES ($1, $2, 'y', 'street', 'y', 'y', 1)", uuid4(), OTHER_PLACE)
        await c.execute("UPDATE directory.version SET version = version + 1")
    sent = await public_form(desk, narrative="【测试】", address="by the bridge", **typed)
    assert sent.status_code == 202, sent.text
    (row,) = await desk.fetch("SELECT report_id, division_code, content_sealed FROM intake.reports")
    assert row["division_code"] == code
    content = orjson.loads(Sealer(desk.keyring).open(row["content_sealed"], content_aad(row["report_id"])))
    location = content["children"][0]["current_location"]
    assert location["address"] == " ".join(part for part in (typed.get("place", ""), "by the bridge") if part)


async def test_what_is_wrong_comes_back_at_its_field_with_everything_that_was_typed(desk: Desk):
    sent = await public_form(desk, narrative="   ", age="seven", phone="call me", name=SCRIPT, category="neighbour", sex="female")
    assert sent.status_code == 422
    for field in ("narrative", "age", "phone"):
        assert re.search(rf'id="f-{field}-error">[^<]+<', sent.text), field
    assert 'value="seven"' in sent.text
    assert 'value="call me"' in sent.text
    assert '<option value="neighbour" selected>' in sent.text
    assert re.search(r'value="female"\s+checked', sent.text)
    assert SCRIPT not in sent.text
    assert "&lt;script&gt;" in sent.text
    assert await desk.fetch("SELECT 1 FROM intake.reports") == []
    assert "Your report" not in sent.text


async def test_sending_the_form_twice_is_one_report_and_a_changed_one_another(desk: Desk):
    typed = {"narrative": "【测试】", "key": "form-1"}
    first = await desk.http.post("/public", data=typed, headers=BROWSER)
    again = await desk.http.post("/public", data=typed, headers=BROWSER)
    assert receipt_in(first) == receipt_in(again)
    changed = await desk.http.post("/public", data={**typed, "narrative": "【测试】 and more"}, headers=BROWSER)
    assert changed.status_code == 409
    assert "and more" in changed.text
    key = re.search(r'name="key" value="([^"]+)"', changed.text)
    assert key is not None
    assert key[1] != "form-1"
    further = await desk.http.post("/public", data={"narrative": "【测试】 and more", "key": key[1]}, headers=BROWSER)
    assert further.status_code == 202
    assert len(await desk.fetch("SELECT 1 FROM intake.reports")) == 2


async def test_a_flood_of_public_forms_is_slowed_down_and_nothing_typed_is_lost(desk: Desk):
    answers = [await desk.http.post("/public", data={"narrative": f"n{n}", "key": f"k{n}"}, headers=BROWSER) for n in range(25)]
    assert [answer.status_code for answer in answers].count(429) == 5
    assert "n24" in answers[-1].text
    assert "110" in answers[-1].text


@pytest.mark.parametrize("path", ["/", "/public", "/receipt", "/receipt/2222-2222-2222-2222"])
@pytest.mark.parametrize(("lang", "said"), [("en", "Call 110"), ("zh_CN", "110")])
async def test_public_pages_speak_both_languages_and_say_110(desk: Desk, path: str, lang: str, said: str):
    page = await desk.http.get(path, params={"lang": lang}, headers=BROWSER)
    assert page.status_code in {200, 404}
    assert said in page.text
    assert f'<html lang="{lang.replace("_", "-")}"' in page.text
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert " onclick=" not in page.text


async def test_the_receipt_can_be_looked_up_without_leaving_it_in_the_history(desk: Desk):
    report = await desk.accepted()
    found = await desk.http.post("/receipt", data={"code": report["receipt"]}, headers=BROWSER)
    assert (found.status_code, "Your report has arrived" in found.text) == (200, True)
    missing = await desk.http.post("/receipt", data={"code": SCRIPT}, headers=BROWSER)
    assert missing.status_code == 404
    assert SCRIPT not in missing.text
    assert "alert" in missing.text


async def test_the_operators_form_asks_for_a_login_and_for_the_right(desk: Desk):
    nobody = await desk.http.get("/report", headers=BROWSER)
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/login?next=/report")
    auditor = await desk.http.get("/report", headers={**BROWSER, **await desk.log_in(Role.AUDITOR)})
    assert auditor.status_code == 403
    for role in (Role.OPERATOR, Role.OFFICER, Role.SUPERVISOR):
        page = await desk.http.get("/report", headers={**BROWSER, **await desk.log_in(role)})
        assert page.status_code == 200
        assert "MR1_GENITAL_INJURY" in page.text
        assert "GC7_SUDDEN_EVENT" in page.text
        assert "<script>" not in page.text
        assert " style=" not in page.text


async def test_the_operators_form_sends_the_same_report(desk: Desk):
    who = await desk.log_in(Role.OPERATOR)
    headers = {**who, "Idempotency-Key": "page-1", "Accept": "application/json"}
    first = await desk.http.post("/report", json={**SMALLEST, "channel": "hotline"}, headers=headers)
    again = await desk.http.post("/report", json={**SMALLEST, "channel": "hotline"}, headers=headers)
    assert first.status_code == 202
    assert first.content == again.content
    wrong = await desk.http.post("/report", json={**SMALLEST, "narrative": ""}, headers={**headers, "Idempotency-Key": "page-2"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "narrative")
    forged = await desk.http.post("/report", json=SMALLEST, headers={**headers, "Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403


async def test_opening_a_report_is_recorded_in_the_same_transaction(desk: Desk):
    report = await desk.accepted(narrative=SCRIPT, reporter={"category": "teacher", "name": "【测试】甲"})
    who = await desk.log_in(Role.OFFICER, PLACE)
    answer = await desk.http.get(f"/v1/reports/{report['report_id']}/content", headers=who)
    assert answer.status_code == 200
    opened = answer.json()
    assert opened["content"]["narrative"] == SCRIPT
    assert opened["reporter"]["name"] == "【测试】甲"
    (viewed,) = await desk.fetch("SELECT envelope FROM bus.outbox WHERE event_type = 'tocsin.report.viewed.v1'")
    data = orjson.loads(viewed["envelope"])["data"]
    assert data["report_id"] == report["report_id"]
    assert data["purpose"] == "case_work"
    page = await desk.http.get(f"/reports/{report['report_id']}", headers={**BROWSER, **who})
    assert page.status_code == 200
    assert SCRIPT not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert len(await desk.fetch("SELECT 1 FROM bus.outbox WHERE event_type = 'tocsin.report.viewed.v1'")) == 2


async def test_a_report_opens_only_where_one_works(desk: Desk):
    report = await desk.accepted()
    path = f"/v1/reports/{report['report_id']}/content"
    assert (await desk.http.get(path)).status_code == 401
    for role, place, expected in (
        (Role.OFFICER, PLACE, 200),
        (Role.OFFICER, STREET, 200),
        (Role.SUPERVISOR, DISTRICT, 200),
        (Role.OFFICER, OTHER_PLACE, 403),
        (Role.AUDITOR, DISTRICT, 403),
        (Role.ADMIN, "", 403),
    ):
        answer = await desk.http.get(path, headers=await desk.log_in(role, place))
        assert answer.status_code == expected, (role, place)
    refused = await desk.http.get(path, headers=await desk.key("report", client_id="only-report"))
    assert refused.status_code == 403
    assert len(await desk.fetch("SELECT 1 FROM bus.outbox WHERE event_type = 'tocsin.report.viewed.v1'")) == 3


async def test_a_case_that_was_placed_elsewhere_opens_there(desk: Desk):
    report = await desk.accepted()
    await open_case(desk, report, OTHER_PLACE)
    await desk.settle()
    answer = await desk.http.get(f"/v1/reports/{report['report_id']}/content", headers=await desk.log_in(Role.OFFICER, OTHER_PLACE))
    assert answer.status_code == 200


async def test_the_same_child_is_found_again_without_its_number(desk: Desk):
    child = {"id_number": "11010519491231002x", "current_location": {"division_code": PLACE}}
    first = await desk.accepted(children=[child])
    second = await desk.accepted(children=[{**child, "id_number": "110105 19491231 002X".replace(" ", "-")}])
    await desk.accepted()
    opened = await desk.http.get(f"/v1/reports/{second['report_id']}/content", headers=await desk.log_in(Role.OPERATOR))
    assert opened.json()["same_child_report_ids"] == [first["report_id"]]


async def test_the_list_shows_what_is_ones_own_newest_first_page_by_page(desk: Desk):
    mine = [await desk.accepted() for _ in range(5)]
    await desk.accepted(children=[{"current_location": {"division_code": OTHER_PLACE}}])
    who = await desk.log_in(Role.OFFICER, STREET)
    found: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        answer = await desk.http.get("/v1/reports", params={"limit": 2, **({"cursor": cursor} if cursor else {})}, headers=who)
        assert answer.status_code == 200
        found += [item["report_id"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
    assert cursor is None
    assert found == [report["report_id"] for report in reversed(mine)]
