"""Administrators change the rules: add, compare, bind, end, move running cases; each act recorded, none of them touching what runs."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from libs.directory.permissions import Role, StaffPrincipal
from libs.errors import Forbidden
from services.router.handlers import bindings
from services.router.handlers.bindings import by
from tests.integration.router_town import desk
from tests.integration.test_router_api import COMMUNITY, DISTRICT, STREET, opened, problem, session
from tests.support.world import World

FILE = """extends: futian_2022
id: nanyuan
version: 1
title: {zh: 南园试点, en: Nanyuan pilot}
grades:
  II:
    ack_windows: {community: PT20M}
    ack_src: decision of the street
    steps: {on_site: {d: PT2H, src: decision of the street}}
"""
WRONG = FILE.replace("PT20M", "soon").replace("version: 1", "versoin: 1")
TODAY = "2026-11-23"
"""The day on which worlds begin, in Shenzhen."""


async def ask(world: World, method: str, path: str, **body: Any) -> httpx.Response:
    headers = {**world.bearer, "Accept-Language": "en"}
    return await world.http.request(method, f"/v1/policies{path}", headers=headers, json=body or None)


async def bound(world: World, **changes: Any) -> dict[str, Any]:
    """Nanyuan's own rules, added and bound to its street from today on."""
    assert (await ask(world, "POST", "", text=FILE)).status_code == 201
    plan = {"policy": "nanyuan@1", "division_code": STREET, "since": world.clock.now().date().isoformat(), **changes}
    made = await ask(world, "POST", "/bindings", **plan, instead_of="futian_2022@1", reason="decision of the street")
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def test_a_file_is_checked_with_line_and_reason_and_added_once_for_good(world: World) -> None:
    refused = await ask(world, "POST", "/check", text=WRONG, name="nanyuan.yaml")
    assert problem(refused) == (422, "/problems/policy_file", ["text"] * 3)
    details = [error["detail"] for error in refused.json()["errors"]]
    assert any(detail.startswith("nanyuan.yaml:7: grades.II.ack_windows.community: must be an ISO 8601 duration") for detail in details)
    assert any(detail.startswith("nanyuan.yaml:3: versoin: is not a key") for detail in details)
    assert (await ask(world, "POST", "/check", text=FILE)).json()["policy"]["grades"]["II"]["steps"]["on_site"]["d"] == "PT2H"
    assert "nanyuan" not in {one["id"] for one in (await world.get("/v1/policies"))["items"]}, "checking keeps nothing"

    for _again in range(2):
        added = await ask(world, "POST", "", text=FILE)
        assert (added.status_code, added.json()["id"], added.json()["bind"]) == (201, "nanyuan", [])
    changed = await ask(world, "POST", "", text=FILE.replace("PT20M", "PT25M"))
    assert problem(changed) == (409, "/problems/version_exists", ["text"])
    preset = await ask(world, "POST", "", text=FILE.replace("id: nanyuan", "id: national"))
    assert problem(preset) == (422, "/problems/policy_file", ["text"]), "what comes with the software is not for replacing"
    rows = await world.fetch("SELECT version, added_by_name, source FROM router.policies WHERE policy_id = 'nanyuan'")
    assert [(row["version"], row["source"]) for row in rows] == [(1, FILE)]
    assert len(await world.fetch("SELECT 1 FROM bus.outbox WHERE event_type = 'tocsin.policy.added.v1'")) == 1


async def test_what_is_bound_holds_for_new_reports_in_every_replica_and_running_cases_stay(world: World) -> None:
    before = await opened(world)
    assert (await ask(world, "POST", "", text=FILE)).status_code == 201
    plan = {"policy": "nanyuan@1", "division_code": STREET, "since": TODAY}
    answer = await ask(world, "POST", "/forecast", **plan)
    assert answer.status_code == 200, answer.text
    foretold = answer.json()
    assert (foretold["instead_of"], foretold["example"][:9], foretold["comparison"]["reports"] > 100) == ("futian_2022@1", STREET, True)
    assert foretold["comparison"]["counts"]["due:on_site"] > 0
    await opened(world, children=[{"current_location": {"division_code": "440304002"}}])  # from elsewhere: no past report of this street
    past = foretold["past"]
    assert (past["reports"], past["changed"], past["since"], past["until"]) == (1, 1, before["received_at"], before["received_at"])
    assert past["counts"]["due:on_site"] == 1
    wide = (await ask(world, "POST", "/forecast", **{**plan, "division_code": DISTRICT})).json()["past"]
    assert (wide["reports"], wide["changed"]) == (2, 2)
    async with session(world, "admin") as browser:
        page = await browser.get(f"/policies/bind?policy=nanyuan@1&division={STREET}&since={TODAY}", headers={"Accept": "text/html"})
    assert "用该地最近的报告比较" in page.text
    assert "最多取最近100件" in page.text

    blind = await ask(world, "POST", "/bindings", **plan, instead_of="national@1", reason="decision of the street")
    assert problem(blind) == (409, "/problems/not_compared", ["instead_of"])
    made = await ask(world, "POST", "/bindings", **plan, instead_of="futian_2022@1", reason=" decision of\nthe street ")
    assert made.status_code == 201, made.text
    binding = made.json()
    assert (binding["reason"], binding["changed"]) == ("decision of the street", foretold["comparison"]["changed"])

    after = await opened(world)
    elsewhere = await opened(world, children=[{"current_location": {"division_code": "440304002"}}])
    ids = [one["policy"]["id"] for one in (before, after, elsewhere)]
    assert ids == ["futian_2022", "nanyuan", "futian_2022"]
    again = await world.get(f"/v1/cases/{before['case_id']}")
    assert (again["policy"], again["deadlines"]) == (before["policy"], before["deadlines"])

    other = desk()  # another replica, that has not looked yet
    async with world.db.connection() as connection:
        await other.routes(connection, [COMMUNITY])
        queries = other.book
        await other.routes(connection, [COMMUNITY])
    assert other.book.in_force(COMMUNITY, world.clock.now()).stamp == "nanyuan@1"
    assert other.book is queries, "read again only when something has changed"

    ended = await ask(world, "DELETE", f"/bindings/{binding['binding_id']}?reason=a+mistake")
    assert (ended.status_code, ended.json()["withdrawn_reason"]) == (200, "a mistake")
    assert problem(await ask(world, "DELETE", f"/bindings/{binding['binding_id']}?reason=again"))[:2] == (
        409,
        "/problems/already_withdrawn",
    )
    assert (await opened(world))["policy"]["id"] == "futian_2022"
    history = await world.get("/v1/policies/bindings", division_code=DISTRICT)
    assert [(one["binding_id"], one["made_by"] != "") for one in history["items"]] == [(binding["binding_id"], True)]
    types = await world.fetch("SELECT event_type, payload FROM audit.ledger WHERE event_type LIKE 'tocsin.policy.%' ORDER BY seq")
    assert [row["event_type"].split(".")[2] for row in types] == ["added", "bound", "unbound"]
    assert not any("decision" in str(row["payload"]) for row in types), "reasons are free text, so they stay out of events"


async def test_a_change_that_is_not_finished_is_taken_up_by_nobody(world: World) -> None:
    office, who = desk(), by(StaffPrincipal(uuid4(), "somebody", Role.ADMIN, None, "", "en"))
    async with world.db.connection() as connection:
        begun = connection.transaction()
        await begun.start()
        await bindings.add(office, connection, who, "nanyuan.yaml", FILE)
        await begun.rollback()
    async with world.db.transaction() as tx:
        assert (await office.refresh(tx)).named("nanyuan") is None
        await bindings.add(office, tx, who, "nanyuan.yaml", FILE)
    async with world.db.connection() as connection:
        assert (await office.refresh(connection)).named("nanyuan@1") is not None
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await world.fetch("UPDATE router.policies SET document = '{}'")


async def test_what_makes_no_sense_is_refused_with_the_way_out(world: World) -> None:
    plan = {"policy": "guandu_2022", "division_code": STREET, "since": TODAY}
    refusals = {
        "in_past since": {"since": "2026-11-22"},
        "too_far since": {"since": "2199-01-01"},
        "until_before_since until": {"until": TODAY},
        "unknown_policy policy": {"policy": "guandu_2022@9"},
        "unknown_division division_code": {"division_code": "990304"},
        "already_in_force policy": {"policy": "futian_2022"},
    }
    for wanted, change in refusals.items():
        status, kind, fields = problem(await ask(world, "POST", "/forecast", **{**plan, **change}))
        assert (f"{kind.rpartition('/')[2]} {fields[0]}", status in {409, 422}) == (wanted, True)
    silent = await ask(world, "POST", "/bindings", **plan, instead_of="futian_2022@1", reason="  ")
    assert problem(silent) == (422, "/problems/reason_missing", ["reason"])
    async with session(world, "supervisor") as client:
        answer = await client.post("/v1/policies/bindings", json={**plan, "instead_of": "futian_2022@1", "reason": "because"})
        assert answer.status_code == 403
    of_futian = by(StaffPrincipal(uuid4(), "somebody", Role.ADMIN, None, DISTRICT, "en"))
    of_futian.require(STREET)
    for place in ("", "4403", "440305"):
        with pytest.raises(Forbidden):
            of_futian.require(place)


async def test_running_cases_are_moved_by_an_act_of_their_own_and_no_clock_restarts(world: World) -> None:
    cases = [await opened(world) for _ in range(3)]
    elsewhere = await opened(world, children=[{"current_location": {"division_code": "440304002"}}])
    await world.advance(minutes=5)
    await bound(world)
    wanted = {"division_code": STREET, "before": "futian_2022@1", "after": "nanyuan@1"}
    preview = (await ask(world, "POST", "/moves/preview", **wanted)).json()
    assert (preview["cases"], preview["looked_at"], len(preview["items"])) == (3, 3, 3)
    changed = {one["step"]: one for one in preview["items"][0]["deadlines"]}
    assert set(changed) == {"acknowledge", "on_site"}
    assert (await world.get(f"/v1/cases/{cases[0]['case_id']}"))["policy"]["id"] == "futian_2022", "only foretold"

    ordered = await ask(world, "POST", "/moves", **wanted, reason="the pilot begins")
    assert (ordered.status_code, ordered.json()["total"], ordered.json()["state"]) == (202, 3, "running")
    assert problem(await ask(world, "POST", "/moves", **wanted, reason="once more"))[:2] == (409, "/problems/move_is_running")
    await world.settle()
    done = await world.get(f"/v1/policies/moves/{ordered.json()['move_id']}")
    assert (done["state"], done["moved"], done["failed"], done["reason"]) == ("done", 3, 0, "the pilot begins")
    for one in cases:
        case = await world.get(f"/v1/cases/{one['case_id']}")
        assert case["policy"] == {"id": "nanyuan", "version": 1}
        was = {(row["step"], row["tier"]): row["due_at"] for row in one["deadlines"]}
        now = {(row["step"], row["tier"]): row["due_at"] for row in case["deadlines"]}
        assert {key for key in was if was[key] != now[key]} == {("acknowledge", "community"), ("on_site", None)}
        assert [event["event_type"] for event in await world.events(case)].count("tocsin.case.policy_changed.v1") == 1
    assert (await world.get(f"/v1/cases/{elsewhere['case_id']}"))["policy"]["id"] == "futian_2022"

    # 20 minutes after the report, not after the move, silence climbs; the sweeper follows the new rules
    await world.advance(minutes=14, seconds=59)
    assert (await world.get(f"/v1/cases/{cases[0]['case_id']}"))["tier"] == "community"
    await world.advance(seconds=1)
    assert (await world.get(f"/v1/cases/{cases[0]['case_id']}"))["tier"] == "street"
    assert (await ask(world, "POST", "/moves/preview", **wanted)).json()["cases"] == 0


async def test_an_administrator_does_all_of_it_on_pages(world: World) -> None:
    await opened(world)
    async with session(world, "admin") as client:
        await client.get("/policies", params={"lang": "en"})
        wrong = await client.post("/policies/check", data={"text": WRONG, "act": "add"}, headers={"Accept": "text/html"})
        assert (wrong.status_code, "policy.yaml:3: versoin: is not a key that a policy knows" in wrong.text) == (422, True)
        garbled = await client.post("/policies/check", data={"act": "add"}, files={"file": ("gbk.yaml", FILE.encode("gbk"))})
        assert (garbled.status_code, "The file is not UTF-8" in garbled.text) == (422, True)
        file = {"file": ("nanyuan.yaml", FILE.encode())}
        assert "This file is right." in (await client.post("/policies/check", data={"act": "check"}, files=file)).text
        added = await client.post("/policies/check", data={"act": "add"}, files=file)
        assert (added.status_code, added.headers["location"]) == (303, "/policies/bind?policy=nanyuan@1")
        assert "ack_src: decision of the street" in (await client.get("/policies/nanyuan@1")).text, "the file can be read again"
        plan = {"policy": "nanyuan@1", "division": STREET, "since": TODAY}
        compared = await client.get("/policies/bind", params=plan)
        assert 'name="instead_of" value="futian_2022@1"' in compared.text
        assert "reports would be treated differently" in compared.text
        missing = await client.post("/policies/bindings", data={**plan, "reason": "because"}, headers={"Accept": "text/html"})
        assert (missing.status_code, "Compare with it first" in missing.text) == (409, True)
        bound_ = await client.post("/policies/bindings", data={**plan, "instead_of": "futian_2022@1", "reason": "the <pilot> begins"})
        assert (bound_.status_code, bound_.headers["location"]) == (303, "/policies/bindings")
        history = (await client.get("/policies/bindings")).text
        assert "admin" in history
        assert "the &lt;pilot&gt; begins" in history
        move = {"division": STREET, "before": "futian_2022@1", "after": "nanyuan@1"}
        assert "1 open case would be moved" in (await client.get("/policies/moves", params=move)).text
        assert (await client.post("/policies/moves", data={**move, "reason": "the pilot begins"})).status_code == 303
        await world.settle()
        assert "1 of 1" in (await client.get("/policies/moves")).text
        (row,) = await world.fetch("SELECT binding_id FROM router.bindings")
        assert (await client.post(f"/policies/bindings/{row['binding_id']}/end", data={"reason": "over"})).status_code == 303
        assert "over" in (await client.get("/policies/bindings")).text
    async with session(world, "supervisor") as client:
        assert (await client.get("/policies/bindings")).status_code == 200
        assert (await client.get("/policies/bind")).status_code == 403
