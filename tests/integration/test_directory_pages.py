"""The directory's pages, as an administrator and a supervisor use them, in both languages."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from libs.directory.verification import code_of
from tests.integration.directory_desk import COMMUNITY, DISTRICT, STREET, Desk, deputy, directory_desk, primary

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
OFFICER = primary(COMMUNITY, "community_officer")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def page(desk: Desk, path: str, lang: str = "en", status: int = 200) -> str:
    answer = await desk.http.get(path, params={"lang": lang} if "?" not in path else None, headers={**BROWSER, "Accept-Language": lang})
    assert answer.status_code == status, answer.text
    return answer.text


async def test_the_login_page_speaks_both_languages(desk: Desk) -> None:
    english = await page(desk, "/login")
    chinese = await page(desk, "/login", "zh_CN")
    assert "Password" in english
    assert "密码" in chinese
    for text in (english, chinese):
        assert 'autocomplete="current-password"' in text
        assert text.count("autofocus=") == 1


async def test_who_is_not_logged_in_is_led_to_the_login_and_back(desk: Desk) -> None:
    answer = await desk.http.get(f"/directory?code={COMMUNITY}", headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/directory")
    login = await desk.http.get(answer.headers["location"], headers=BROWSER)
    assert f"/directory?code={COMMUNITY}" in login.text


async def test_a_supervisor_walks_down_the_tree_and_changes_nothing(desk: Desk) -> None:
    await desk.log_in("supervisor")
    top = await page(desk, "/directory")
    assert "福田区" in top
    assert f"/directory?code={STREET}" in top
    community = await page(desk, f"/directory?code={COMMUNITY}")
    assert "示例·南园社区甲" in community
    assert "示例·南园社区乙" in community
    assert "+86*********" in community
    assert '<form method="post" action="/directory' not in community
    assert "广东省" not in community  # beyond what a district's supervisor looks after
    await page(desk, "/directory?code=44", status=403)
    await page(desk, "/directory?code=440304001999", status=404)


async def test_a_place_is_found_by_what_one_types(desk: Desk) -> None:
    await desk.log_in("supervisor")
    assert f"/directory?code={COMMUNITY}" in await page(desk, "/directory?q=nysq")
    assert "Try fewer letters" in await page(desk, "/directory?q=zzzz&lang=en")
    assert "<script>" not in await page(desk, "/directory?q=<script>alert(1)</script>")


async def test_an_administrator_adds_a_person_and_puts_them_on_a_post(desk: Desk) -> None:
    await desk.log_in("admin")
    form = {"code": COMMUNITY, "name": "示例·新人", "phone": "+8600100009999", "language": "zh_CN"}
    answer = await desk.http.post("/directory/officers", data=form, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/directory?code={COMMUNITY}")
    assert "示例·新人" in await page(desk, f"/directory?code={COMMUNITY}")
    officer = await desk.value("SELECT officer_id FROM directory.officers WHERE name = '示例·新人'")
    post = (await desk.route(COMMUNITY)).posts[0].post_id
    put = await desk.http.post(
        f"/directory/posts/{post}/holder", data={"code": COMMUNITY, "officer_id": str(officer), "rank": "primary"}, headers=BROWSER
    )
    assert put.status_code == 303
    assert (await desk.route(COMMUNITY)).posts[0].holders[0].officer_id == officer
    end = await desk.http.post(f"/directory/posts/{post}/holder/end", data={"code": COMMUNITY, "officer_id": str(officer)}, headers=BROWSER)
    assert end.status_code == 303
    off = await desk.http.post(f"/directory/officers/{officer}", data={"code": COMMUNITY, "active": "false"}, headers=BROWSER)
    assert off.status_code == 303
    text = await page(desk, f"/directory?code={COMMUNITY}&lang=en")
    assert "not in service" in text
    made = await desk.http.post("/directory/posts", data={"code": COMMUNITY, "role": "grid_worker"}, headers=BROWSER)
    assert made.status_code == 303
    assert [post.role for post in (await desk.route(COMMUNITY)).posts][:2] == ["community_officer", "grid_worker"]


async def test_a_wrong_form_is_shown_again_with_what_is_wrong(desk: Desk) -> None:
    await desk.log_in("admin")
    form = {"code": COMMUNITY, "name": "示例·新人", "phone": "12"}
    answer = await desk.http.post("/directory/officers", data=form, headers={**BROWSER, "Accept-Language": "en"})
    assert answer.status_code == 422
    assert "no phone number" in answer.text or "不是电话号码" in answer.text
    assert await desk.value("SELECT count(*) FROM directory.officers WHERE name = '示例·新人'") == 0
    wrong = await desk.http.post("/directory/officers", data={"code": "x"}, headers=BROWSER)
    assert wrong.status_code == 422


async def test_a_supervisor_cannot_send_an_administrators_form(desk: Desk) -> None:
    await desk.log_in("supervisor")
    answer = await desk.http.post(f"/directory/officers/{OFFICER}", data={"code": COMMUNITY, "active": "false"}, headers=BROWSER)
    assert answer.status_code == 403
    forged = await desk.http.post(
        f"/directory/officers/{OFFICER}", data={"code": COMMUNITY, "active": "false"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert forged.status_code == 403


async def test_a_place_that_reaches_nobody_says_so(desk: Desk) -> None:
    async with desk.root.connection() as c:
        await c.execute("UPDATE directory.contacts SET enabled = false")
        await c.execute("UPDATE directory.version SET version = version + 1")
    await desk.log_in("admin")
    assert "would reach nobody" in await page(desk, f"/directory?code={COMMUNITY}&lang=en")
    assert "nobody reachable" in await page(desk, f"/directory?code={DISTRICT}&lang=en")


async def test_an_empty_directory_says_how_to_fill_it(desk: Desk) -> None:
    async with desk.root.connection() as c:
        await c.execute("TRUNCATE directory.divisions CASCADE")
    await desk.log_in("admin")
    assert "tocsin directory import" in await page(desk, "/directory")


async def test_an_administrator_adds_a_place_and_renames_it_and_of_two_who_do_one_is_told(desk: Desk) -> None:
    await desk.log_in("admin")
    grid = f"{COMMUNITY}001"
    for new_code, status in ((grid, 303), (grid, 409), (f"{STREET}999001", 422), (f"{COMMUNITY}1", 422)):
        form = {"code": COMMUNITY, "new_code": new_code, "name": "第一网格"}
        answer = await desk.http.post("/directory/divisions", data=form, headers=BROWSER)
        assert answer.status_code == status, answer.text
    text = await page(desk, f"/directory?code={grid}")
    seen = text.partition('name="seen" value="')[2].partition('"')[0]
    for name, status in (("一号网格", 303), ("二号网格", 409)):
        answer = await desk.http.post("/directory/divisions/name", data={"code": grid, "name": name, "seen": seen}, headers=BROWSER)
        assert answer.status_code == status, answer.text
    async with desk.db.connection() as tx:
        assert [(found.code, found.parent_code) for found in await desk.directory.search(tx, "yhwg")] == [(grid, COMMUNITY)]
    assert await desk.value("SELECT array_agg(what ORDER BY version) FROM directory.changes WHERE subject_id = $1", grid) == [
        "division.added",
        "division.renamed",
    ]


async def test_officers_prove_their_own_numbers_and_nobody_elses(desk: Desk) -> None:
    async with desk.root.connection() as c:
        await c.execute("UPDATE directory.contacts SET verified_at = NULL")
    mine, others = [
        await desk.value("SELECT contact_id FROM directory.contacts WHERE officer_id = $1", officer)
        for officer in (OFFICER, deputy(COMMUNITY, "community_officer"))
    ]
    await desk.log_in("officer-nanyuan-community")
    before = await page(desk, "/account")
    assert "+86*********" in before
    assert "not verified" in before
    assert 'href="/account" aria-current="page"' in before
    assert str(others) not in before

    assert await pressed(desk, mine, "code") == (303, f"/account?sent={mine}")
    assert "on its way" in await page(desk, f"/account?sent={mine}&lang=en")
    pin = code_of(desk.keyring, (await latest(desk)).bytes)
    wrong = "000000" if pin != "000000" else "111111"
    for _ in range(5):
        assert (await pressed(desk, mine, "verify", pin=wrong))[0] == 422
    assert (await pressed(desk, mine, "verify", pin=pin))[0] == 409, "too many tries"
    assert [(await pressed(desk, mine, "code"))[0] for _ in range(3)] == [303, 303, 429]
    pin = code_of(desk.keyring, (await latest(desk)).bytes)

    # Not their own: by the page, by the interface, from elsewhere, without a number.
    assert (await pressed(desk, others, "code"))[0] == 404
    assert (await pressed(desk, others, "verify", pin=pin))[0] == 404
    api = f"/v1/officers/{deputy(COMMUNITY, 'community_officer')}/contacts/{others}"
    assert (await desk.http.post(f"{api}/codes")).status_code == 403
    assert (await desk.http.post(f"{api}/verify", json={"pin": pin})).status_code == 403
    forged = await desk.http.post(f"/account/contacts/{mine}/verify", data={"pin": pin}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    assert await verified(desk) == []

    assert await pressed(desk, mine, "verify", pin=f" {pin}") == (303, "/account")
    assert await verified(desk) == [mine]
    assert (await desk.http.post(f"/v1/officers/{OFFICER}/contacts/{mine}/verify", json={"pin": pin})).status_code == 409, "it is used up"
    after = await page(desk, "/account")
    assert 'action="/account' not in after
    assert "verified" in after
    assert await desk.value("SELECT actor FROM directory.changes WHERE what = 'contact.verified'") == "officer-nanyuan-community"

    assert await desk.job("directory-clean") == 0
    desk.clock.advance(days=30, seconds=1)
    assert await desk.job("directory-clean") == 3
    assert await verified(desk) == [mine], "that the number is verified stays"

    await desk.log_in("officer-nanyuan-community")
    async with desk.root.connection() as c:
        await c.execute("UPDATE directory.contacts SET enabled = false, stopped_at = $1, verified_at = NULL", desk.clock.now())
    assert "sent STOP" in await page(desk, "/account")
    assert (await pressed(desk, mine, "code"))[0] == 404

    await desk.log_in("admin")
    assert "it has no numbers" in await page(desk, "/account")
    assert (await pressed(desk, mine, "code"))[0] == 403


async def pressed(desk: Desk, contact: UUID, what: str, **form: str) -> tuple[int, str]:
    """A button of one's own page: the status, and where it leads."""
    answer = await desk.http.post(f"/account/contacts/{contact}/{what}", data=form, headers=BROWSER)
    return answer.status_code, answer.headers.get("location", "")


async def latest(desk: Desk) -> UUID:
    found: UUID = await desk.value(
        "SELECT verification_id FROM directory.verifications ORDER BY requested_at DESC, verification_id DESC LIMIT 1"
    )
    return found


async def verified(desk: Desk) -> list[UUID]:
    found: list[UUID] = await desk.value(
        "SELECT coalesce(array_agg(contact_id), '{}') FROM directory.contacts WHERE verified_at IS NOT NULL"
    )
    return found or []
