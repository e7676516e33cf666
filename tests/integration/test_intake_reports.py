"""Sending reports: one answer, one row, one event; nothing personal outside the seals."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from libs.crypto import Sealer
from libs.db import Tx
from libs.terms import AgeBand, Answer, Danger
from services.intake import store
from services.intake.handlers.accept import content_aad, reporter_aad
from tests.integration.intake_desk import DISTRICT, NOW, PLACE, SMALLEST, Desk, make_desk

CANARIES = {
    "narrative": "CANARY-narrative 金丝雀叙述",
    "reporter": {
        "category": "teacher",
        "organisation": "CANARY-organisation",
        "name": "CANARY-reporter",
        "phone": "+860019876543",
        "relationship": "CANARY-relationship",
        "safe_contact_time": "CANARY-time",
    },
    "children": [
        {
            "name": "CANARY-child",
            "alias": "CANARY-alias",
            "age": 6,
            "id_number": "11010519491231002X",
            "phone": "+860018765432",
            "school": "CANARY-school",
            "school_grade": "CANARY-class",
            "disability": "CANARY-disability",
            "current_location": {"division_code": PLACE, "address": "CANARY-address"},
            "home_location": {"division_code": DISTRICT, "address": "CANARY-home"},
        }
    ],
    "harms": [{"type": "physical", "setting": "home", "injuries": "CANARY-injuries", "duration": "CANARY-duration"}],
    "caregivers": [{"relation": "mother", "name": "CANARY-caregiver"}],
    "alleged_persons": [{"known": "yes", "relation": "relative", "name": "CANARY-alleged", "organisation": "CANARY-employer"}],
    "responder_safety": {"dogs": "yes", "note": "CANARY-note"},
    "attachments": [{"sha256": "ab" * 32, "media_type": "image/jpeg", "name": "CANARY-file.jpg", "reference": "CANARY-reference"}],
    "source_ref": "CANARY-source",
    "police_report_ref": "CANARY-police",
}
SECRETS_IN_THEM = ("CANARY", "金丝雀", "60019876543", "60018765432", "11010519491231002X")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with make_desk(database_url, tmp_path) as made:
        yield made


async def test_the_smallest_report_is_accepted(desk: Desk):
    answer = await desk.send()
    assert answer.status_code == 202
    told = answer.json()
    assert set(told) == {"report_id", "receipt", "received_at", "status_url", "receipt_url"}
    assert told["status_url"] == f"http://tocsin.test/v1/reports/{told['receipt']}"
    assert told["received_at"] == NOW.isoformat()
    (event,) = await desk.fetch("SELECT * FROM bus.outbox")
    envelope = orjson.loads(event["envelope"])
    assert (envelope["type"], envelope["subject"]) == ("tocsin.report.received.v1", told["report_id"])
    assert envelope["data"]["division_code"] == PLACE
    assert envelope["data"]["danger"] == dict.fromkeys(Danger, "unknown")
    assert envelope["data"]["age_bands"] == ["unknown"]


async def test_what_follows_from_a_report_is_in_its_event(desk: Desk):
    await desk.accepted(**CANARIES, occurred_at="2026-11-22T08:00:00+08:00", categories=["hiv_affected", "poverty"])
    (event,) = await desk.fetch("SELECT envelope FROM bus.outbox")
    data = orjson.loads(event["envelope"])["data"]
    assert data["age_bands"] == [AgeBand.UNDER_8]
    assert data["danger"]["under_8"] == Answer.YES
    assert data["reporter_category"] == "teacher"
    assert data["mandated"] == "yes"
    assert data["reporter_reachable"] is True
    assert data["any_disability"] == "yes"
    assert data["harms"] == ["physical"]
    assert data["settings"] == ["home"]
    assert data["categories"] == ["serious_illness", "poverty"]
    assert data["police_reported"] is True
    assert data["occurred_at"] == "2026-11-22T00:00:00Z"


async def test_nothing_personal_stands_in_the_clear(desk: Desk):
    told = await desk.accepted(**CANARIES)
    tables = await desk.fetch("SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('intake', 'bus')")
    rows = [row for table in tables for row in await desk.fetch(f"SELECT * FROM {table['name']}")]
    dump = " ".join(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for row in rows for value in row.values())
    assert told["report_id"] in dump
    for secret in SECRETS_IN_THEM:
        assert secret not in dump
    assert told["receipt"] not in dump
    assert told["receipt"].replace("-", "") not in dump


async def test_content_and_reporter_are_sealed_apart_and_bound_to_their_row(desk: Desk):
    told = await desk.accepted(**CANARIES)
    report_id = UUID(told["report_id"])
    (report,) = await desk.fetch("SELECT content_sealed FROM intake.reports")
    (reporter,) = await desk.fetch("SELECT identity_sealed FROM intake.reporters")
    sealer = Sealer(desk.keyring)
    content = orjson.loads(sealer.open(report["content_sealed"], content_aad(report_id)))
    assert content == {name: value for name, value in {**SMALLEST, **CANARIES}.items() if name != "reporter"}
    assert orjson.loads(sealer.open(reporter["identity_sealed"], reporter_aad(report_id))) == CANARIES["reporter"]


async def test_the_same_report_sent_twice_is_one_report_with_one_answer(desk: Desk):
    first = await desk.send(key="k-1")
    desk.clock.advance(minutes=3)
    second = await desk.send(key="k-1")
    assert (second.status_code, second.content) == (202, first.content)
    assert len(await desk.fetch("SELECT 1 FROM intake.reports")) == 1
    assert len(await desk.fetch("SELECT 1 FROM bus.outbox")) == 1


async def test_fifty_at_once_with_one_key_are_one_report(desk: Desk):
    answers = await asyncio.gather(*(desk.send(key="k-1") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(await desk.fetch("SELECT 1 FROM intake.reports")) == 1
    assert len(await desk.fetch("SELECT 1 FROM bus.outbox")) == 1


async def test_many_at_once_are_written_in_few_commits_and_each_gets_its_own_answer(desk: Desk):
    answers = await asyncio.gather(*(desk.send(key=f"k-{n}", source_ref=f"ref-{n}") for n in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["receipt"] for answer in answers}) == 200
    (commits,) = await desk.fetch("SELECT count(DISTINCT xid) AS n FROM bus.outbox")
    assert commits["n"] < 100


async def test_another_body_under_the_same_key_is_refused(desk: Desk):
    await desk.send(key="k-1")
    answer = await desk.send(key="k-1", narrative="something else")
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/idempotency_key_reused"
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_another_client_may_use_the_same_key(desk: Desk):
    await desk.send(key="k-1")
    headers = {**await desk.key("report", client_id="hospital"), "Idempotency-Key": "k-1"}
    answer = await desk.http.post("/v1/reports", json={**SMALLEST, "narrative": "another"}, headers=headers)
    assert answer.status_code == 202
    assert len(await desk.fetch("SELECT 1 FROM intake.reports")) == 2


async def test_a_client_that_is_bound_to_a_channel_reports_under_it_only(desk: Desk):
    headers = {**await desk.key("report", client_id="hospital", channel="hospital_api"), "Idempotency-Key": "k-1"}
    refused = await desk.http.post("/v1/reports", json=SMALLEST, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "channel")
    taken = await desk.http.post("/v1/reports", json={**SMALLEST, "channel": "hospital_api"}, headers=headers)
    assert taken.status_code == 202


async def test_one_poisoned_report_fails_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """A row that the database refuses must not take down the others of its batch."""
    insert = store.insert_reports

    async def refuse(tx: Tx, reports: list[store.NewReport]) -> list[store.StoredReport]:
        if any(report.channel == "bulk" for report in reports):
            raise asyncpg.DataError("poison")
        return await insert(tx, reports)

    monkeypatch.setattr(store, "insert_reports", refuse)
    answers = await asyncio.gather(*(desk.send(channel="bulk" if n == 7 else "school_api") for n in range(40)))
    assert [answer.status_code for answer in answers] == [500 if n == 7 else 202 for n in range(40)]
    assert len(await desk.fetch("SELECT 1 FROM intake.reports")) == 39


async def test_a_commit_whose_answer_got_lost_is_not_written_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    insert = store.insert_reports
    calls = 0

    async def lose(tx: Tx, reports: list[store.NewReport]) -> list[store.StoredReport]:
        nonlocal calls
        calls += 1
        if calls == 1:
            async with desk.db.transaction() as elsewhere:
                await insert(elsewhere, reports)
            raise asyncpg.ConnectionDoesNotExistError("lost")
        return await insert(tx, reports)

    monkeypatch.setattr(store, "insert_reports", lose)
    answer = await desk.send(key="k-1")
    assert answer.status_code == 202
    assert calls == 2
    (row,) = await desk.fetch("SELECT report_id FROM intake.reports")
    assert str(row["report_id"]) == answer.json()["report_id"]


async def test_a_database_that_is_away_is_a_503_that_may_be_repeated(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    async def away(_tx: Tx, _reports: list[store.NewReport]) -> list[store.StoredReport]:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(store, "insert_reports", away)
        answer = await desk.send(key="k-1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert (await desk.send(key="k-1")).status_code == 202


async def test_a_new_place_is_known_soon_after_it_was_registered(desk: Desk):
    new = {"current_location": {"division_code": "440304002004"}}
    assert (await desk.send(children=[new])).status_code == 422
    async with desk.db.connection() as c:
        await c.execute(
            "INSERT INTO directory.divisions VALUES ('440304002004', '新社区', 'community', '440304002', 'Asia/Shanghai', 'x', 'x')"
        )
        await c.execute("UPDATE directory.version SET version = version + 1")
    desk.clock.advance(seconds=2)
    assert (await desk.send(children=[new])).status_code == 202


async def test_earlier_reports_may_be_named_if_they_exist(desk: Desk):
    first = await desk.accepted()
    assert (await desk.send(related_report_ids=[first["report_id"]], is_update=True)).status_code == 202
    missing = await desk.send(related_report_ids=[first["report_id"], str(uuid4())])
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "related_report_ids[1]")


async def test_a_revoked_key_stops_within_seconds(desk: Desk):
    await desk.accepted()
    async with desk.db.connection() as c:
        await c.execute("UPDATE directory.api_keys SET revoked_at = $1", NOW)
    desk.clock.advance(seconds=5)
    assert (await desk.send()).status_code == 401


async def test_the_document_describes_the_route_truly(desk: Desk):
    document = (await desk.http.get("/openapi.json")).json()
    operation = document["paths"]["/v1/reports"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["channel", "narrative", "children", "danger"]
    assert schema["additionalProperties"] is False
    assert "$ref" not in orjson.dumps(schema).decode()
    assert {"202", "400", "401", "403", "409", "413", "415", "422", "503"} <= set(operation["responses"])
    assert operation["security"] == [{"api_key": []}]
    assert "api_key" in document["components"]["securitySchemes"]
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        answer = await desk.send(example["value"])
        assert answer.status_code == 202, answer.text
