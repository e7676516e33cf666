"""The reachability pre-flight: what is missing on a post is found before there is an alarm."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.integration.directory_desk import COMMUNITY, STREET, Desk, deputy, directory_desk, primary
from tests.integration.test_directory_duty import send

ANNA = primary(COMMUNITY, "community_officer")
BEN = deputy(COMMUNITY, "community_officer")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def found(desk: Desk, **params: Any) -> Any:
    answer = await desk.http.get("/v1/reachability", params=params, headers=desk.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def on_post(desk: Desk) -> list[str]:
    items = (await found(desk, division_code=COMMUNITY))["items"]
    return items[0]["findings"] if items else []


async def numbers_of(desk: Desk, officer: Any, change: str) -> None:
    async with desk.root.connection() as connection:
        await connection.execute(f"UPDATE directory.contacts SET {change} WHERE officer_id = $1", officer)


async def test_what_is_missing_on_a_post_is_found_and_counted(desk: Desk) -> None:
    assert await on_post(desk) == []
    assert set((await found(desk))["counts"].values()) == {0}
    path = f"/v1/posts/{(await desk.route(COMMUNITY)).posts[0].post_id}"
    await numbers_of(desk, BEN, "verified_at = NULL")
    assert await on_post(desk) == ["unverified"]
    await numbers_of(desk, BEN, "enabled = false")
    assert await on_post(desk) == ["person_no_channel", "no_deputy"]
    await send(desk, "PUT", f"{path}/roster", 204, shifts=[{"name": "all", "officers": [str(BEN)], "days": ["MO", "TU", "WE", "TH", "FR"]}])
    assert await on_post(desk) == ["duty_unreachable", "unstaffed", "person_no_channel", "no_deputy"]
    await numbers_of(desk, ANNA, "enabled = false")
    assert await on_post(desk) == ["no_channel", "unstaffed"]
    for officer in (ANNA, BEN):
        await send(desk, "DELETE", f"{path}/holders/{officer}", 204)
    assert await on_post(desk) == ["no_holder"]
    everything = await found(desk)
    assert (everything["counts"]["no_holder"], everything["counts"]["no_deputy"]) == (1, 0)
    assert everything["items"][0]["title"]
    assert (await found(desk, finding="no_deputy"))["items"] == []
    assert (await found(desk, division_code=STREET, finding="no_holder"))["items"][0]["division_code"] == COMMUNITY
    await desk.job("directory-figures")
    assert REGISTRY.get_sample_value("tocsin_directory_posts_findings", {"finding": "no_holder"}) == 1


async def test_the_report_comes_in_pages(desk: Desk) -> None:
    async with desk.root.connection() as connection:
        await connection.execute("UPDATE directory.contacts SET verified_at = NULL")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = await found(desk, limit=50, **({"cursor": cursor} if cursor else {}))
        seen += [item["post_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == page["counts"]["unverified"] > 100
    wrong = await desk.http.get("/v1/reachability", params={"cursor": "x"}, headers=desk.bearer)
    assert wrong.status_code == 422


async def test_the_page_leads_from_a_finding_to_the_post(desk: Desk) -> None:
    await numbers_of(desk, BEN, "verified_at = NULL")
    await desk.log_in("supervisor")
    page = await desk.http.get("/directory/reachability?lang=en", headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text
    assert "a holder has no verified number" in page.text
    assert f"/directory/posts/{(await desk.route(COMMUNITY)).posts[0].post_id}" in page.text
    chinese = await desk.http.get("/directory/reachability?lang=zh_CN", headers={"Accept": "text/html"})
    assert "有在岗人员的号码未经核实" in chinese.text
    assert (await desk.http.get("/directory/reachability?code=11", headers={"Accept": "text/html"})).status_code == 403
