"""The directory over HTTP: public places, people for those who may see them, and what an administrator changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.directory_desk import COMMUNITY, DISTRICT, STREET, Desk, deputy, directory_desk, primary

OFFICER = primary(COMMUNITY, "community_officer")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def get(desk: Desk, path: str, **params: Any) -> Any:
    answer = await desk.http.get(path, params=params, headers=desk.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_places_are_public(desk: Desk) -> None:
    found = (await desk.http.get("/v1/divisions", params={"q": "nanyuanshequ"})).json()
    assert found["next"] is None
    assert found["items"][0] == {
        "code": COMMUNITY,
        "name": "南园社区居委会",
        "level": "community",
        "parent_code": STREET,
        "zone": "Asia/Shanghai",
        "full_name": "广东省 深圳市 福田区 南园街道 南园社区居委会",
    }
    assert (await desk.http.get(f"/v1/divisions/{COMMUNITY}")).json() == found["items"][0]
    assert (await desk.http.get("/v1/divisions/440304001999")).status_code == 404
    assert [item["code"] for item in (await desk.http.get("/v1/divisions")).json()["items"]] == ["44"]


async def test_the_places_under_a_place_come_in_pages(desk: Desk) -> None:
    codes: list[str] = []
    cursor = None
    for _ in range(5):
        page = (
            await desk.http.get("/v1/divisions", params={"parent": DISTRICT, "limit": 4, **({"cursor": cursor} if cursor else {})})
        ).json()
        codes += [item["code"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(codes) == 11
    assert codes == sorted(set(codes))


async def test_what_is_asked_wrongly(desk: Desk) -> None:
    asked = {
        "/v1/divisions?limit=0": 422,
        "/v1/divisions?limit=1000": 422,
        "/v1/divisions?cursor=zzz": 422,
        "/v1/divisions?parent=abc": 422,
        "/v1/divisions?q=" + "x" * 101: 422,
        "/v1/divisions?q=%00": 200,
        "/v1/divisions/abc": 422,
        "/v1/divisions/4": 422,
        "/v1/posts?division_code=440304001999": 404,
        "/v1/posts": 422,
        f"/v1/posts/{UUID(int=0)}": 404,
        "/v1/posts/nonsense": 422,
        f"/v1/officers/{UUID(int=0)}": 404,
        "/v1/officers?cursor=WzFd": 422,
        "/directory?code=%00": 401,
    }
    answers = {path: (await desk.http.get(path, headers=desk.bearer)).status_code for path in asked}
    assert answers == asked


async def test_posts_of_a_place_and_of_what_it_lies_in(desk: Desk) -> None:
    items = (await get(desk, "/v1/posts", division_code=COMMUNITY))["items"]
    assert [item["role"] for item in items][:3] == ["community_officer", "street_officer", "district_center"]
    first = items[0]
    assert first["holders"][0] == {"officer_id": str(OFFICER), "rank": "primary", "reachable": True, "on_duty": True}
    assert first["reachable"]
    assert await get(desk, f"/v1/posts/{first['post_id']}") == first


async def test_officers_are_shown_with_masked_numbers(desk: Desk) -> None:
    officer = await get(desk, f"/v1/officers/{OFFICER}")
    assert officer["name"] == "示例·南园社区甲"
    (contact,) = officer["contacts"]
    assert contact["phone"].startswith("+86***")
    assert contact["phone"].count("*") == 9
    page = await get(desk, "/v1/officers", division_code=STREET, limit=3)
    assert len(page["items"]) == 3
    assert page["next"]
    seen = [item["officer_id"] for item in page["items"]]
    following = await get(desk, "/v1/officers", division_code=STREET, limit=200, cursor=page["next"])
    seen += [item["officer_id"] for item in following["items"]]
    assert len(seen) == len(set(seen))
    assert str(OFFICER) in seen
    assert following["next"] is None


async def test_who_may_look_at_officers(desk: Desk) -> None:
    may = {"operator": 200, "supervisor": 200, "admin": 200, "auditor": 403, "officer-street": 403, "officer-nanyuan-community": 403}
    for username, status in may.items():
        await desk.log_in(username)
        for path in ("/v1/officers", f"/v1/officers/{OFFICER}", f"/v1/posts?division_code={COMMUNITY}", "/directory"):
            assert (await desk.http.get(path)).status_code == status, (username, path)


async def test_nobody_sees_people_without_saying_who_they_are(desk: Desk) -> None:
    for path in ("/v1/officers", f"/v1/officers/{OFFICER}", f"/v1/posts?division_code={COMMUNITY}"):
        assert (await desk.http.get(path)).status_code == 401


@pytest.mark.parametrize("username", ["supervisor", "officer-district"])
async def test_only_an_administrator_changes_the_directory(desk: Desk, username: str) -> None:
    await desk.log_in(username)
    post = (await desk.route(COMMUNITY)).posts[0].post_id
    same = {"Sec-Fetch-Site": "same-origin"}
    answers = [
        await desk.http.post("/v1/officers", json={"name": "示例·新", "division_code": COMMUNITY}, headers=same),
        await desk.http.patch(f"/v1/officers/{OFFICER}", json={"active": False}, headers=same),
        await desk.http.post(f"/v1/officers/{OFFICER}/contacts", json={"phone": "+8600100009999"}, headers=same),
        await desk.http.put(f"/v1/posts/{post}/holders/{OFFICER}", json={}, headers=same),
        await desk.http.delete(f"/v1/posts/{post}/holders/{OFFICER}", headers=same),
        await desk.http.post("/v1/posts", json={"division_code": COMMUNITY, "role": "community_officer"}, headers=same),
        await desk.http.patch(f"/v1/officers/{uuid4()}", json={"active": False}, headers=same),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)


async def test_an_administrators_rights_end_at_the_division(desk: Desk) -> None:
    async with desk.root.connection() as c:
        await c.execute("UPDATE directory.accounts SET division_code = $1 WHERE username = 'admin'", STREET)
    await desk.log_in("admin")
    assert (await desk.http.get(f"/v1/officers/{OFFICER}")).status_code == 200
    assert (await desk.http.get(f"/v1/officers/{primary(DISTRICT, 'procurator')}")).status_code == 403
    assert (await desk.http.get("/v1/officers", params={"division_code": DISTRICT})).status_code == 403
    assert (await desk.http.patch(f"/v1/officers/{primary(DISTRICT, 'procurator')}", json={"active": False})).status_code == 403
    assert len((await desk.http.get("/v1/officers", params={"limit": 200})).json()["items"]) < 40


async def test_an_administrator_puts_a_new_officer_on_a_post(desk: Desk) -> None:
    made = await desk.http.post(
        "/v1/officers", json={"name": " 示例·新 ", "division_code": COMMUNITY, "language": "en"}, headers=desk.bearer
    )
    assert made.status_code == 201, made.text
    officer = made.json()["id"]
    route = await desk.route(COMMUNITY)
    path = f"/v1/posts/{route.posts[0].post_id}/holders/{officer}"
    assert (await desk.http.put(path, json={"rank": "primary"}, headers=desk.bearer)).status_code == 204
    after = await desk.route(COMMUNITY)
    assert [(str(holder.officer_id), holder.rank, holder.reachable) for holder in after.posts[0].holders] == [
        (officer, "primary", False),
        (str(deputy(COMMUNITY, "community_officer")), "deputy", True),
    ]
    added = await desk.http.post(f"/v1/officers/{officer}/contacts", json={"phone": "+86 00 10000 9999"}, headers=desk.bearer)
    assert added.status_code == 201, added.text
    assert (await desk.route(COMMUNITY)).posts[0].holders[0].reachable
    again = await desk.http.post(f"/v1/officers/{officer}/contacts", json={"phone": "+8600100009999"}, headers=desk.bearer)
    assert again.json() == added.json()
    contact = (await get(desk, f"/v1/officers/{officer}"))["contacts"][0]["contact_id"]
    off = await desk.http.patch(f"/v1/officers/{officer}/contacts/{contact}", json={"enabled": False}, headers=desk.bearer)
    assert off.status_code == 204
    assert not (await desk.route(COMMUNITY)).posts[0].holders[0].reachable
    assert (await desk.http.delete(path, headers=desk.bearer)).status_code == 204
    assert (await desk.http.delete(path, headers=desk.bearer)).status_code == 404


async def test_a_post_is_added_by_any_name_of_its_role(desk: Desk) -> None:
    for name in ("community_officer", "儿童主任", "未保专干"):
        added = await desk.http.post("/v1/posts", json={"division_code": COMMUNITY, "role": name}, headers=desk.bearer)
        assert added.status_code == 201, added.text
    posts = [post for post in (await desk.route(COMMUNITY)).posts if post.division_code == COMMUNITY]
    assert {(post.role, post.title_zh) for post in posts} == {("community_officer", "儿童主任")}
    wrong = await desk.http.post("/v1/posts", json={"division_code": COMMUNITY, "role": "市长"}, headers=desk.bearer)
    assert wrong.status_code == 422


async def test_each_change_is_recorded_and_told(desk: Desk) -> None:
    await desk.log_in("admin")
    before = await desk.value("SELECT version FROM directory.version")
    await desk.http.patch(f"/v1/officers/{OFFICER}", json={"active": False}, headers={"Sec-Fetch-Site": "same-origin"})
    async with desk.root.connection() as c:
        change = await c.fetchrow("SELECT * FROM directory.changes ORDER BY change_id DESC LIMIT 1")
        envelope = await c.fetchval("SELECT envelope FROM bus.outbox ORDER BY id DESC LIMIT 1")
    assert change is not None
    assert (change["version"], change["at"], change["actor"], change["what"], change["subject_id"]) == (
        before + 1,
        desk.clock.now(),
        "admin",
        "officer.disabled",
        str(OFFICER),
    )
    assert '"tocsin.directory.changed.v1"' in envelope
    assert f'"version":{before + 1}' in envelope
    # Saying the same again is no change.
    await desk.http.patch(f"/v1/officers/{OFFICER}", json={"active": False}, headers={"Sec-Fetch-Site": "same-origin"})
    assert await desk.value("SELECT version FROM directory.version") == before + 1


WRONG_CHANGES: list[tuple[str, str, dict[str, object], int, str | None]] = [
    ("POST", "/v1/officers", {"name": "", "division_code": COMMUNITY}, 422, "name"),
    ("POST", "/v1/officers", {"name": "x" * 61, "division_code": COMMUNITY}, 422, "name"),
    ("POST", "/v1/officers", {"name": "甲", "division_code": "440304001999"}, 422, "division_code"),
    ("POST", "/v1/officers", {"name": "甲", "division_code": "44x"}, 422, "division_code"),
    ("POST", "/v1/officers", {"name": "甲", "division_code": COMMUNITY, "language": "fr"}, 422, "language"),
    ("POST", "/v1/officers", {"name": "甲", "division_code": COMMUNITY, "rank": 1}, 422, "rank"),
    ("POST", "/v1/officers", {"name": "甲\x00", "division_code": COMMUNITY}, 422, "name"),
    ("POST", f"/v1/officers/{OFFICER}/contacts", {"phone": "110"}, 422, "phone"),
    ("POST", f"/v1/officers/{OFFICER}/contacts", {"phone": "+8600100009999", "channel": "fax"}, 422, "channel"),
    ("POST", f"/v1/officers/{UUID(int=1)}/contacts", {"phone": "+8600100009999"}, 404, None),
    ("PATCH", f"/v1/officers/{OFFICER}", {"active": "perhaps"}, 422, "active"),
    ("PATCH", f"/v1/officers/{UUID(int=1)}", {"active": True}, 404, None),
    ("PATCH", f"/v1/officers/{OFFICER}/contacts/{UUID(int=1)}", {"enabled": True}, 404, None),
    ("POST", "/v1/posts", {"division_code": COMMUNITY, "role": "king"}, 422, "role"),
    ("POST", "/v1/posts", {"division_code": "99", "role": "procurator"}, 422, "division_code"),
    ("PUT", f"/v1/posts/{UUID(int=1)}/holders/{OFFICER}", {}, 404, None),
    ("PUT", "HOLDER", {"rank": "third"}, 422, "rank"),
    ("PUT", "HOLDER", {"valid_from": "2026-11-23T04:00:00"}, 422, "valid_from"),
    ("PUT", "HOLDER", {"valid_to": "2020-01-01T00:00:00Z"}, 422, "valid_to"),
    ("PUT", "HOLDER", {"valid_to": "9999-12-31T23:59:59-14:00"}, 422, "valid_to"),
    ("PUT", "HOLDER", {"valid_from": "9999-12-31T23:59:59-14:00"}, 422, "valid_from"),
    ("PUT", "NOBODY", {}, 404, None),
    ("POST", "/v1/posts", {"division_code": COMMUNITY, "role": "grid_worker", "title_zh": "员\x00"}, 422, "title_zh"),
]


async def test_changes_that_cannot_be(desk: Desk) -> None:
    post = (await desk.route(COMMUNITY)).posts[0].post_id
    paths = {"HOLDER": f"/v1/posts/{post}/holders/{OFFICER}", "NOBODY": f"/v1/posts/{post}/holders/{UUID(int=1)}"}
    before = await desk.value("SELECT version FROM directory.version")
    for method, path, body, status, field in WRONG_CHANGES:
        answer = await desk.http.request(method, paths.get(path, path), json=body, headers={**desk.bearer, "Accept-Language": "en"})
        told = [error["field"] for error in answer.json()["errors"]]
        assert (answer.status_code, told) == (status, [field] if field else []), (method, path, body, answer.text)
    assert await desk.value("SELECT version FROM directory.version") == before
