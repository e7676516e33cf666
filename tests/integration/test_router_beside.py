"""Departments, transfers and conflicts of interest in the whole system: through the interface, on the pages, into the ledger."""

from typing import Any

from tests.integration.test_router_api import opened, problem, session
from tests.support.world import World

NEXT_DOOR = "440304001023"


async def officer_of(world: World, role: str, division: str) -> str:
    rows = await world.fetch(
        """
        SELECT h.officer_id FROM directory.holdings h JOIN directory.posts p USING (post_id)
        WHERE p.role = $1 AND p.division_code = $2 AND h.rank = 'primary' AND h.state = 'current'
        """,
        role,
        division,
    )
    return str(rows[0]["officer_id"])


def lane(case: dict[str, Any], department: str) -> dict[str, Any]:
    return next(one for one in case["lanes"] if one["department"] == department)


async def test_a_department_answers_on_its_own_lane_and_the_owner_stays(world: World) -> None:
    case = await opened(world)
    assert (lane(case, "police")["state"], lane(case, "police")["mode"]) == ("told", "act")
    assert (lane(case, "civil")["state"], lane(case, "civil")["post_id"]) == ("unreached", None)
    police = await officer_of(world, "police_branch", "440304")
    await world.advance(minutes=6)
    foreign = await world.act(case, "lanes/police/accept", case["owner"]["officer_id"])
    assert problem(foreign)[:2] == (403, "/problems/not_of_department")
    answer = await world.act(case, "lanes/police/accept", police)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert lane(after, "police")["state"] == "accepted"
    assert after["owner"]["officer_id"] == case["owner"]["officer_id"]
    assert after["status"] == "open"
    assert "police_linked" in after["steps_done"]
    assert {one["clock"] for one in lane(after, "police")["clocks"]} == {"accept", "police_receipt", "police_criminal_review"}
    receipt = await world.act(case, "lanes/police/clock", police, clock="police_receipt", what="done")
    assert next(one for one in lane(receipt.json(), "police")["clocks"] if one["clock"] == "police_receipt")["done_at"]
    wrong = await world.act(case, "lanes/police/clock", police, clock="tea_break", what="done")
    assert problem(wrong) == (422, "/problems/unknown_clock", ["clock"])
    await world.act(case, "acknowledge", case["owner"]["officer_id"])
    referred = await world.act(case, "lanes/court", case["owner"]["officer_id"])
    assert lane(referred.json(), "court")["state"] == "unreached"
    await world.advance(minutes=60 * 24 * 3)
    kinds = [one["event_type"].removeprefix("tocsin.").removesuffix(".v1") for one in await world.events(case)]
    assert kinds.count("lane.clock_passed") == 1
    assert {"lane.told", "lane.unreached", "lane.accepted", "lane.clock_recorded"} <= set(kinds)
    done = await world.act(case, "lanes/police/done", police, result="filed")
    assert (lane(done.json(), "police")["state"], lane(done.json(), "police")["result"]) == ("done", "filed")
    # The page shows them, and what an officer of the case may record.
    async with session(world, "operator") as browser:
        page = await browser.get(f"/cases/{case['case_id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "协同部门" in page.text
    assert "刑事立案审查" in page.text  # the clock of the police, by the name that the policy gives it
    assert "人身安全保护令" not in page.text  # the court has no post here, and the operator answers for nobody


async def test_a_case_is_handed_over_and_its_clocks_run_on(world: World) -> None:
    case = await opened(world)
    owner = case["owner"]["officer_id"]
    await world.act(case, "acknowledge", owner)
    there = await officer_of(world, "community_officer", NEXT_DOOR)
    too_far = await world.act(case, "transfer", owner, division_code="44", reason="other")
    assert problem(too_far) == (422, "/problems/too_wide", ["division_code"])
    asked = await world.act(case, "transfer", owner, division_code=NEXT_DOOR, reason="child_is_there")
    assert asked.status_code == 200, asked.text
    assert (asked.json()["owner"]["officer_id"], asked.json()["handover"]["pending"]["officer_id"]) == (owner, there)
    await world.settle()
    phone = await world.fetch(
        "SELECT purpose FROM notifier.notifications WHERE case_id = $1::uuid AND officer_id = $2::uuid", case["case_id"], there
    )
    assert [one["purpose"] for one in phone] == ["transfer"]
    await world.advance(minutes=5)
    stranger = await world.act(case, "transfer/accept", owner)
    assert problem(stranger)[:2] == (403, "/problems/not_asked")
    taken = (await world.act(case, "transfer/accept", there)).json()
    assert (taken["division_code"], taken["owner"]["officer_id"], taken["status"]) == (NEXT_DOOR, there, "acknowledged")
    assert taken["received_at"] == case["received_at"]
    due = {one["step"]: one["due_at"] for one in case["deadlines"] if one["step"] != "acknowledge"}
    assert {one["step"]: one["due_at"] for one in taken["deadlines"] if one["step"] in due} == due
    # Back again, and nobody answers: it goes up, and whoever supervises hears of the to and fro.
    await world.act(case, "transfer", there, division_code=case["division_code"], reason="other")
    await world.advance(minutes=31)
    after = await world.case_of(case)
    assert (after["tier"], after["handover"]) == ("street", {"transfers": 2, "refusals": 0, "returns": 1, "pending": None})
    kinds = [one["event_type"].removeprefix("tocsin.").removesuffix(".v1") for one in await world.events(case)]
    assert kinds.count("case.shuttled") == 2
    figures = (await world.get("/v1/response-times"))["total"]
    assert (figures["handed_over"], figures["moves"]) == (1, 3)


async def test_a_conflict_of_interest_is_passed_over_from_the_report_on_and_by_hand(world: World) -> None:
    unit = {"reason": "suspect_unit", "division_code": "440304001020", "role": "community_officer"}
    case = await opened(world, alleged_persons=[{"known": "yes", "relation": "teacher", "posts": [unit]}])
    assert case["tier"] == "street"
    assert case["conflicts"] == [{"reason": "suspect_unit", "post_id": None, "division_code": "440304001020", "role": "community_officer"}]
    barred = await officer_of(world, "community_officer", "440304001020")
    told = await world.fetch("SELECT officer_id FROM notifier.notifications WHERE case_id = $1::uuid", case["case_id"])
    assert barred not in {str(one["officer_id"]) for one in told}
    await world.settle()
    async with session(world, "officer-nanyuan-community") as suspect:  # who is named must not read who has reported what
        for path in (
            f"/v1/cases/{case['case_id']}",
            f"/v1/cases/{case['case_id']}/timeline",
            f"/v1/reports/{case['report_id']}/content?purpose=case_work",
        ):
            assert (await suspect.get(path)).status_code == 404, path
        for path in ("/v1/cases", "/v1/reports", f"/v1/cases?report_id={case['report_id']}"):
            assert (await suspect.get(path)).json()["items"] == [], path
        assert case["code"] not in (await suspect.get("/board", headers={"Accept": "text/html"})).text
    async with session(world, "officer-street") as colleague:
        assert (await colleague.get(f"/v1/reports/{case['report_id']}/content?purpose=case_work")).status_code == 200
        assert [one["report_id"] for one in (await colleague.get("/v1/reports")).json()["items"]] == [case["report_id"]]
    street = case["owner"]
    answer = await world.act(case, "conflicts", street["officer_id"], reason="suspect_manager", post_id=street["post_id"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["tier"] == "district"
    gone = await world.act(case, "acknowledge", street["officer_id"])
    assert gone.status_code == 404
    kinds = [one["event_type"] for one in await world.events(case)]
    assert kinds.count("tocsin.case.post_skipped.v1") >= 1
    nobody = await world.act(case, "conflicts", answer.json()["owner"]["officer_id"], reason="other")
    assert problem(nobody) == (422, "/problems/required", ["post_id"])


OWN = """extends: futian_2022
id: placing
version: 1
title: {zh: 安置试点, en: Placement pilot}
placement:
  branches:
    elsewhere: {name: {zh: 联系流出地政府安置, en: Ask the place of origin}, origin: true, src: SEED_X X12}
  options:
    grandparents: {zh: 祖父母照料, en: Grandparents}
"""


async def test_a_child_is_placed_by_where_its_household_is_registered(world: World) -> None:
    english = {**world.bearer, "Accept-Language": "en"}
    added = await world.http.post("/v1/policies", headers=english, json={"text": OWN})
    assert added.status_code == 201, added.text
    plan = {"policy": "placing@1", "division_code": "440304", "since": "2026-11-23", "instead_of": "futian_2022@1", "reason": "a pilot"}
    assert (await world.http.post("/v1/policies/bindings", headers=english, json=plan)).status_code == 201
    case = await opened(world)
    owner = case["owner"]["officer_id"]
    await world.act(case, "acknowledge", owner)
    assert case["placement"] is None
    early = await world.act(case, "placement/made", owner, option="grandparents")
    assert problem(early)[:2] == (409, "/problems/no_placement")
    here = await world.act(case, "placement", owner, reason="no_care", household="none", division_code=NEXT_DOOR)
    assert problem(here) == (422, "/problems/not_elsewhere", ["division_code"])
    nowhere = await world.act(case, "placement", owner, reason="no_care", household="elsewhere", division_code="990101")
    assert problem(nowhere)[0] == 422
    asked = (await world.act(case, "placement", owner, reason="guardian_is_danger", household="elsewhere", division_code=NEXT_DOOR)).json()
    there = await officer_of(world, "community_officer", NEXT_DOOR)
    assert (asked["handover"]["pending"]["officer_id"], asked["handover"]["pending"]["reason"]) == (there, "household_there")
    assert asked["placement"]["household"] == "elsewhere"
    assert (await world.act(case, "transfer/refuse", there)).status_code == 200
    after = await world.case_of(case)
    assert (lane(after, "civil")["state"], lane(after, "civil")["mode"]) == ("unreached", "act")  # nobody of civil affairs in Futian's demo
    wrong = await world.act(case, "placement/made", owner, option="moon")
    assert problem(wrong) == (422, "/problems/unknown_option", ["option"])
    made = (await world.act(case, "placement/made", owner, option="grandparents")).json()["placement"]
    assert (made["option"], made["made_at"] is not None) == ("grandparents", True)
    await world.settle()
    kinds = [one["event_type"].removeprefix("tocsin.").removesuffix(".v1") for one in await world.events(case)]
    assert [kind for kind in kinds if kind.startswith("placement.")] == ["placement.requested", "placement.made"]
    async with session(world, "operator") as browser:
        page = (await browser.get(f"/cases/{case['case_id']}", headers={"Accept": "text/html"})).text
    assert "联系流出地政府安置" in page
    assert "祖父母照料" in page
