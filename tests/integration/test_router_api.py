"""The router's HTTP interface in the whole system: what officers, operators and programs may do, and what refusals tell them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx

from tests.support import http
from tests.support.world import World

COMMUNITY, STREET, DISTRICT = "440304001020", "440304001", "440304"


async def opened(world: World, **changes: Any) -> dict[str, Any]:
    report = await world.report(**changes)
    await world.settle()
    return {**await world.case_of(report), "report_id": report["report_id"]}


@asynccontextmanager
async def session(world: World, username: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has logged in."""
    account = next(one for one in world.demo.accounts if one.username == username)
    headers = {"Accept-Language": "en", "Origin": world.base_url}
    async with http.client(world.base_url, timeout=30, headers=headers) as client:
        answer = await client.post("/login", data={"username": username, "password": account.password})
        assert answer.status_code == 303, answer.text
        yield client


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["type"], [error["field"] for error in body["errors"]]


async def test_a_case_shows_its_owner_deadlines_and_policy(world: World) -> None:
    case = await opened(world)
    assert (case["grade"], case["tier"], case["status"], case["division_code"]) == ("II", "community", "open", COMMUNITY)
    assert set(case["owner"]) >= {"post_id", "post_title", "division_code", "officer_id"}
    assert case["owner"]["post_title"]
    assert case["policy"] == {"id": "futian_2022", "version": 1}
    assert {(one["step"], one["tier"], one["state"]) for one in case["deadlines"]} == {
        ("acknowledge", "community", "armed"),
        *((step, None, "armed") for step in ("on_site", "first_written_up", "assessment", "case_conference", "close")),
    }
    assert case["report_ids"] == [case["report_id"]]
    assert (await world.get(f"/v1/cases/{case['case_id']}"))["code"] == case["code"]


async def test_the_life_of_a_case_through_the_interface(world: World) -> None:
    case = await opened(world, reporter={"category": "teacher", "phone": "+860010009999", "callback_ok": True})
    officer = case["owner"]["officer_id"]
    taken = await world.act(case, "acknowledge", officer)
    assert (taken.status_code, taken.json()["status"]) == (200, "acknowledged")
    assert (await world.act(case, "acknowledge", officer)).status_code == 200
    await world.advance(minutes=20)
    seen = await world.act(case, "steps", officer, step="on_site", child_sighted=True)
    assert seen.json()["child_sighted"] is True
    refused = await world.act(case, "close", officer, result="child_safe")
    assert problem(refused) == (409, "/problems/steps_missing", ["police_linked", "reporter_informed"])
    for step in refused.json()["errors"]:
        assert (await world.act(case, "steps", officer, step=step["field"])).status_code == 200
    closed = await world.act(case, "close", officer, result="child_safe")
    assert (closed.json()["status"], closed.json()["result"]) == ("closed", "child_safe")
    assert [one["kind"] for one in closed.json()["deadlines"] if one["state"] == "armed"] == ["visit"]
    again = await world.act(case, "decline", officer, reason="other")
    assert problem(again)[:2] == (409, "/problems/case_closed")


async def test_whoever_may_not_act_is_told_the_way_out(world: World) -> None:
    case = await opened(world, situations=["GC1_NEGLECT"])
    nobody = await world.http.post(f"/v1/cases/{case['case_id']}/acknowledge", headers=world.bearer)
    assert problem(nobody) == (422, "/problems/required", ["on_behalf_of"])
    stranger = await world.act(case, "acknowledge", uuid4())
    assert problem(stranger) == (403, "/problems/not_assigned", ["on_behalf_of"])
    assert (await world.http.post(f"/v1/cases/{case['case_id']}/acknowledge")).status_code == 401
    missing = await world.http.post(f"/v1/cases/{uuid4()}/acknowledge", json={"on_behalf_of": str(uuid4())}, headers=world.bearer)
    assert problem(missing)[:2] == (404, "/problems/no_such_case")
    officer = case["owner"]["officer_id"]
    await world.act(case, "acknowledge", officer)
    early = await world.act(case, "steps", officer, step="on_site", done_at="2020-01-01T00:00:00+08:00")
    assert problem(early) == (422, "/problems/before_report", ["done_at"])
    resultless = await world.act(case, "steps", officer, step="close")
    assert problem(resultless) == (422, "/problems/required", ["result"])


async def test_an_officer_acts_by_session_for_themselves_and_sees_their_own_place_only(world: World) -> None:
    case = await opened(world)
    elsewhere = await opened(world, children=[{"current_location": {"division_code": "440304002016"}}])
    async with session(world, "officer-nanyuan-community") as browser:
        listed = (await browser.get("/v1/cases")).json()["items"]
        assert [one["case_id"] for one in listed] == [case["case_id"]]
        hidden = await browser.get(f"/v1/cases/{elsewhere['case_id']}", headers={"Accept": "application/json"})
        assert hidden.status_code == 404
        other = await browser.post(f"/v1/cases/{case['case_id']}/acknowledge", json={"on_behalf_of": str(uuid4())})
        assert problem(other) == (403, "/problems/not_on_behalf", ["on_behalf_of"])
        lowered = await browser.post(f"/v1/cases/{case['case_id']}/regrade", json={"grade": "III", "reason": "misjudged"})
        assert lowered.status_code == 403
        raised = await browser.post(f"/v1/cases/{case['case_id']}/regrade", json={"grade": "I", "reason": "found_on_site"})
        assert (raised.status_code, raised.json()["grade"]) == (200, "I")
        taken = await browser.post(f"/v1/cases/{case['case_id']}/acknowledge")
        assert taken.json()["owner"]["officer_id"] == case["owner"]["officer_id"]
    await world.settle()
    timeline = await world.events(case)
    assert [one["officer_id"] for one in timeline if one["event_type"] == "tocsin.case.acknowledged.v1"] == [case["owner"]["officer_id"]]


async def test_a_case_without_a_place_is_placed_by_the_operator(world: World) -> None:
    case = await opened(world, children=[{"current_location": {"division_code": "4403"}}])
    assert (case["status"], [one["step"] for one in case["deadlines"] if one["step"] == "dispatch"]) == ("needs_placing", ["dispatch"])
    async with session(world, "operator") as browser:
        wide = await browser.post(f"/v1/cases/{case['case_id']}/place", json={"division_code": "44"})
        assert problem(wide) == (422, "/problems/too_wide", ["division_code"])
        unknown = await browser.post(f"/v1/cases/{case['case_id']}/place", json={"division_code": "999999"})
        assert problem(unknown) == (422, "/problems/unknown_division", ["division_code"])
        placed = await browser.post(f"/v1/cases/{case['case_id']}/place", json={"division_code": COMMUNITY})
    assert (placed.status_code, placed.json()["status"], placed.json()["tier"]) == (200, "open", "community")
    assert placed.json()["received_at"] == case["received_at"]


async def test_a_street_officer_takes_over(world: World) -> None:
    case = await opened(world)
    await world.act(case, "acknowledge", case["owner"]["officer_id"])
    street = next(one for one in case["assignments"] if one["tier"] == "street")
    late = await world.act(case, "acknowledge", street["officer_id"])
    assert problem(late)[:2] == (409, "/problems/already_acknowledged")
    taken = await world.act(case, "take-over", street["officer_id"])
    assert taken.json()["owner"]["officer_id"] == street["officer_id"]


WRONG_FILTERS = {
    "report_id=nonsense": "report_id",
    "status=lost": "status",
    "grade=V": "grade",
    "division=futian": "division",
    "limit=100000": "limit",
    "cursor=nonsense": "cursor",
    "overdue=perhaps": "overdue",
}


async def test_wrong_filters_name_their_field(world: World) -> None:
    for query, field in WRONG_FILTERS.items():
        answer = await world.http.get(f"/v1/cases?{query}", headers=world.bearer)
        assert (answer.status_code, problem(answer)[2]) == (422, [field]), query


async def test_lists_have_pages_and_filters(world: World) -> None:
    cases = [await opened(world, situations=[situation]) for situation in ("MR1_GENITAL_INJURY", "MR4_ABUSE_INJURY", "GC1_NEGLECT")]
    first = await world.get("/v1/cases", limit=2)
    second = await world.get("/v1/cases", limit=2, cursor=first["next"])
    assert [one["case_id"] for one in first["items"] + second["items"]] == [one["case_id"] for one in reversed(cases)]
    assert second["next"] is None
    assert [one["grade"] for one in (await world.get("/v1/cases", grade="I"))["items"]] == ["I"]
    assert (await world.get("/v1/cases", division="51"))["items"] == []
    await world.advance(minutes=11)
    assert [one["grade"] for one in (await world.get("/v1/cases", overdue="true"))["items"]] == ["I"]
    assert (await world.get("/v1/cases", report_id=str(uuid4())))["items"] == []


async def test_preview_and_simulation_say_what_the_machine_then_does(world: World) -> None:
    question = {
        "division_code": COMMUNITY,
        "situations": ["MR4_ABUSE_INJURY"],
        "danger": {"danger_now": "unknown"},
        "age_bands": ["unknown"],
    }
    answer = await world.http.post("/v1/policies/preview", json=question, headers={**world.bearer, "Accept-Language": "en"})
    preview = answer.json()
    simulation = (await world.http.post("/v1/policies/simulate", json=question, headers=world.bearer)).json()
    case = await opened(world)
    assert answer.status_code == 200
    assert (preview["grade"], preview["mandatory"], preview["policy"]) == ("II", True, case["policy"])
    assert [one["tier"] for one in preview["told"]] == ["community", "street"]
    assert preview["accountable"]["post_id"] == case["owner"]["post_id"]
    assert {one["step"]: one["due_at"] for one in preview["deadlines"]} == {one["step"]: one["due_at"] for one in case["deadlines"]}
    await world.advance(minutes=301)
    events = await world.fetch(
        """
        SELECT purpose, tier, extract(epoch FROM requested_at - $2::text::timestamptz)::float8 / 60 AS minute FROM notifier.notifications
        WHERE case_id = $1::uuid ORDER BY requested_at
        """,
        case["case_id"],
        case["received_at"],
    )
    actions = {
        "assign": "notify",
        "inform": "notify",
        "refer": "notify",
        "lapsed": "notify",
        "remind": "remind",
        "escalate": "escalate",
        "supervise": "supervise",
    }
    happened = sorted((round(one["minute"]), actions[one["purpose"]], one["tier"]) for one in events)
    foretold = sorted(
        (round(one["minute"]), one["action"], one["tier"]) for one in simulation["timeline"] if one["channel"] and one["minute"] <= 301
    )
    assert happened == foretold


WRONG_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({"division_code": "999999"}, "division_code"),
    ({"division_code": "abc"}, "division_code"),
    ({"situations": ["MR44"]}, "situations[0]"),
    ({"danger": {"lightning": "yes"}}, "danger.lightning"),
    ({"policy": "unheard_of"}, "policy"),
    ({"at": "2026-03-04T10:00:00"}, "at"),
    ({"name": "somebody"}, "name"),
]


async def test_wrong_questions_name_their_field(world: World) -> None:
    for change, field in WRONG_QUESTIONS:
        answer = await world.http.post("/v1/policies/preview", json={"division_code": COMMUNITY, **change}, headers=world.bearer)
        assert answer.status_code == 422, change
        assert problem(answer)[2][0].startswith(field), change


async def test_policies_are_shown_with_their_schema(world: World) -> None:
    known = await world.get("/v1/policies")
    assert {one["id"] for one in known["items"]} >= {"national", "futian_2022"}
    assert (await world.get("/v1/policies/schema"))["title"] == "Policy"


async def test_the_stream_tells_of_changes(world: World) -> None:
    case = await opened(world)
    async with world.http.stream("GET", "/v1/cases/stream", headers=world.bearer) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        seen = []
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                seen.append(line)
                break
    assert case["case_id"] in seen[0]


async def test_answers_change_what_is_foretold_and_policies_are_compared_with_the_people_there(world: World) -> None:
    question = {"division_code": COMMUNITY, "situations": ["MR4_ABUSE_INJURY"]}
    taken = {**question, "answers": [{"minute": 10, "act": "acknowledge"}, {"minute": 20, "act": "on_site"}]}
    timeline = (await world.http.post("/v1/policies/simulate", json=taken, headers=world.bearer)).json()["timeline"]
    assert [(one["minute"], one["answer"]) for one in timeline if one["action"] == "answer"] == [(10, "acknowledge"), (20, "on_site")]
    assert not [one for one in timeline if one["action"] == "escalate" and one["minute"] < 600]
    nobody = {**question, "answers": [{"minute": 1, "act": "acknowledge", "tier": "city"}]}
    refused = await world.http.post("/v1/policies/simulate", json=nobody, headers=world.bearer)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "answers")

    pair = {"before": "national", "after": "futian_2022", "division_code": COMMUNITY}
    same = (await world.http.post("/v1/policies/compare", json=pair, headers=world.bearer)).json()
    assert (same["reports"], same["changed"]) == (192, 0)  # Futian's rungs are the nation's, with the people that Futian has
    unknown = await world.http.post("/v1/policies/compare", json={**pair, "after": "nowhere"}, headers=world.bearer)
    assert unknown.status_code == 422
