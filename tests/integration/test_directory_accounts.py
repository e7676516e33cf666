"""Logging in, being slowed down, sessions that end; API keys that change over without a gap."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from libs.crypto import KeyRing
from libs.directory.identity import Identity
from libs.errors import Conflict, Invalid, NotFound
from libs.web.identity import SESSION_COOKIE
from services.directory.handlers import accounts, clients
from tests.integration.directory_desk import MASTER_KEYS, PASSWORD, TESTER, Desk, directory_desk

BROWSER = {"Accept": "text/html", "Accept-Language": "en"}
OFFICERS = "/v1/officers?limit=1"


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with directory_desk(database_url, tmp_path) as made:
        yield made


async def asking(desk: Desk, bearer: str) -> httpx.Response:
    return await desk.http.get(OFFICERS, headers={"Authorization": f"Bearer {bearer}"})


async def test_a_session_lasts_one_shift(desk: Desk) -> None:
    answer = await desk.log_in("supervisor")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/board"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await desk.http.get(OFFICERS)).status_code == 200
    desk.clock.advance(hours=11, minutes=59)
    assert (await desk.http.get(OFFICERS)).status_code == 200
    assert await desk.value("SELECT last_seen FROM directory.sessions") == desk.clock.now()
    desk.clock.advance(minutes=1)
    assert (await desk.http.get(OFFICERS)).status_code == 401
    await desk.job("directory-clean")
    assert await desk.value("SELECT count(*) FROM directory.sessions") == 0


async def test_the_token_itself_is_stored_nowhere(desk: Desk) -> None:
    await desk.log_in("supervisor")
    token = desk.http.cookies[SESSION_COOKIE]
    assert token not in await desk.value("SELECT string_agg(s::text, '') FROM directory.sessions s")
    assert desk.demo.api_key.partition(".")[2] not in await desk.value("SELECT string_agg(k::text, '') FROM directory.api_keys k")
    assert PASSWORD not in await desk.value("SELECT string_agg(a::text, '') FROM directory.accounts a")


async def test_logging_out_ends_the_session_on_the_server(desk: Desk) -> None:
    await desk.log_in("supervisor")
    token = desk.http.cookies[SESSION_COOKIE]
    answer = await desk.http.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    answer = await desk.http.get(OFFICERS, headers={"Cookie": f"{SESSION_COOKIE}={token}"})
    assert answer.status_code == 401
    assert (await desk.http.post("/logout")).status_code == 303


async def test_wrong_name_wrong_password_and_closed_account_look_the_same(desk: Desk) -> None:
    async with desk.root.connection() as c:
        await c.execute("UPDATE directory.accounts SET active = false WHERE username = 'auditor'")
    answers = [
        await desk.log_in("supervisor", "wrong password"),
        await desk.log_in("nobody-at-all", "wrong password"),
        await desk.log_in("auditor"),
        await desk.log_in("", ""),
        await desk.log_in("supervisor' OR 1=1 --", "x"),
        await desk.log_in("\x00", "\x00"),
        await desk.log_in("supervisor", "x" * 999),
    ]
    told = {(answer.status_code, answer.json()["type"], answer.json()["detail"]) for answer in answers}
    assert told == {(401, "/problems/login_failed", answers[0].json()["detail"])}


@pytest.mark.parametrize("username", ["supervisor", "nobody-at-all"])
async def test_guessing_is_slowed_alike_for_names_known_and_unknown(desk: Desk, username: str) -> None:
    statuses = [(await desk.log_in(username, "wrong password")).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    desk.clock.advance(seconds=30)
    assert (await desk.log_in(username, "wrong password")).status_code == 401
    desk.clock.advance(seconds=30)
    assert (await desk.log_in(username, "wrong password")).status_code == 429
    desk.clock.advance(seconds=30)
    assert (await desk.log_in(username, "wrong password")).status_code == 401


async def test_nobody_is_shut_out_for_good(desk: Desk) -> None:
    for _ in range(40):
        await desk.log_in("supervisor", "wrong password")
        desk.clock.advance(minutes=5)
    paused = await desk.log_in("supervisor")
    desk.clock.advance(minutes=15)
    assert (await desk.log_in("supervisor")).status_code == 303
    assert paused.status_code in {303, 429}
    # Having got in, the count starts anew.
    assert [(await desk.log_in("supervisor", "wrong password")).status_code for _ in range(4)] == [401] * 4
    assert (await desk.log_in("supervisor")).status_code == 303


async def test_a_paused_login_says_when_to_come_back(desk: Desk) -> None:
    for _ in range(5):
        await desk.log_in("supervisor", "wrong password")
    page = await desk.http.post("/login", data={"username": "supervisor", "password": PASSWORD}, headers=BROWSER)
    assert page.status_code == 429
    assert "30 seconds" in page.text
    assert PASSWORD not in page.text


async def test_wrong_passwords_of_long_ago_are_forgotten(desk: Desk) -> None:
    for _ in range(4):
        await desk.log_in("supervisor", "wrong password")
    desk.clock.advance(days=1, seconds=1)
    assert [(await desk.log_in("supervisor", "wrong password")).status_code for _ in range(4)] == [401] * 4
    desk.clock.advance(days=1, seconds=1)
    await desk.job("directory-clean")
    assert await desk.value("SELECT count(*) FROM directory.login_failures") == 0


async def test_after_the_login_one_is_where_one_wanted_to_be_and_nowhere_else(desk: Desk) -> None:
    for target, place in (("/board?x=1", "/board?x=1"), ("//evil.example", "/directory"), ("https://evil.example/", "/directory")):
        answer = await desk.http.post("/login", data={"username": "admin", "password": PASSWORD, "next": target})
        assert answer.headers["location"] == place
    answer = await desk.http.get("/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/directory")


async def test_a_new_password_ends_the_sessions_of_the_old_one(desk: Desk) -> None:
    await desk.log_in("supervisor")
    async with accounts.Passwords() as passwords, desk.db.transaction() as tx:
        await accounts.set_password(
            tx, passwords, username="supervisor", password="a new long password", now=desk.clock.now(), actor=TESTER
        )
    assert (await desk.http.get(OFFICERS)).status_code == 401
    assert (await desk.log_in("supervisor")).status_code == 401
    assert (await desk.log_in("supervisor", "a new long password")).status_code == 303


async def test_a_forged_login_from_another_site_is_not_carried_out(desk: Desk) -> None:
    answer = await desk.http.post("/login", data={"username": "admin", "password": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_a_key_is_good_until_it_expires_or_is_revoked(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        made = await clients.create_client(
            tx,
            desk.keyring,
            client_id="hospital-1",
            name="Hospital",
            scopes=["admin"],
            channel="hospital_api",
            expires_at=desk.clock.now() + timedelta(days=1),
            now=desk.clock.now(),
            actor=TESTER,
        )
    assert (await asking(desk, made.bearer)).status_code == 200
    desk.clock.advance(hours=23, minutes=59, seconds=58)
    assert (await asking(desk, made.bearer)).status_code == 200
    desk.clock.advance(seconds=2)
    assert (await asking(desk, made.bearer)).status_code == 401


async def test_a_client_changes_over_to_a_new_key_without_a_gap(desk: Desk) -> None:
    now = desk.clock.now()
    async with desk.db.transaction() as tx:
        first = await clients.create_client(tx, desk.keyring, client_id="school-1", name="School", scopes=["admin"], now=now, actor=TESTER)
        second = await clients.rotate_key(tx, desk.keyring, client_id="school-1", now=now + timedelta(seconds=1), actor=TESTER)
    assert [(await asking(desk, key.bearer)).status_code for key in (first, second)] == [200, 200]
    async with desk.db.transaction() as tx:
        third = await clients.rotate_key(tx, desk.keyring, client_id="school-1", now=now + timedelta(seconds=2), actor=TESTER)
    assert third.revoked == (first.key_id,)
    desk.clock.advance(seconds=6)  # what other processes remember
    assert [(await asking(desk, key.bearer)).status_code for key in (first, second, third)] == [401, 200, 200]
    async with desk.db.transaction() as tx:
        assert await clients.revoke(tx, client_or_key=second.key_id, now=desk.clock.now(), actor=TESTER) == [second.key_id]
    desk.clock.advance(seconds=6)
    assert [(await asking(desk, key.bearer)).status_code for key in (second, third)] == [401, 200]
    async with desk.db.transaction() as tx:
        assert await clients.revoke(tx, client_or_key="school-1", now=desk.clock.now(), actor=TESTER) == [third.key_id]
        with pytest.raises(NotFound):
            await clients.revoke(tx, client_or_key="unknown", now=desk.clock.now(), actor=TESTER)
    desk.clock.advance(seconds=6)
    assert (await asking(desk, third.bearer)).status_code == 401


async def test_a_key_of_another_master_key_still_works_after_the_master_key_was_rotated(desk: Desk) -> None:
    rotated = Identity(desk.db, KeyRing.parse(MASTER_KEYS + "," + KeyRing.generate(2)))
    assert (await rotated.authenticate_key(desk.demo.api_key, desk.clock.now())).client_id == "demo"


async def test_wrong_keys_are_all_refused_alike(desk: Desk) -> None:
    wrong = ["", ".", "demo", "demo.", ".secret", "demo.wrong", "nobody.secret", "demo." + "x" * 300, "dem\x00o.x", "中文.密钥", "a.b.c"]
    for bearer in wrong:
        answer = await desk.http.get(OFFICERS, headers=[(b"Authorization", b"Bearer " + bearer.encode())])
        assert answer.status_code == 401, bearer
        assert answer.json()["type"] in {"/problems/bad_api_key", "/problems/api_key_required"}
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_what_cannot_be_a_client(desk: Desk) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"channel": "pigeon"}, "channel"),
        ({"client_id": "Has Space"}, "client_id"),
        ({"name": ""}, "name"),
    ]
    for changes, field in wrong:
        given = {"client_id": "school-1", "name": "School", "scopes": ["report"], **changes}
        with pytest.raises(Invalid) as caught:
            async with desk.db.transaction() as tx:
                await clients.create_client(tx, desk.keyring, now=desk.clock.now(), actor=TESTER, **given)  # type: ignore[arg-type]
        assert caught.value.errors[0].field == field


async def test_a_client_exists_once(desk: Desk) -> None:
    with pytest.raises(Conflict):
        async with desk.db.transaction() as tx:
            await clients.create_client(
                tx, desk.keyring, client_id="demo", name="Demo", scopes=["read"], now=desk.clock.now(), actor=TESTER
            )
