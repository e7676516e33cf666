"""Bad input, as a table: each bad request is answered with the right status, problem type and field, and changes nothing."""

from typing import Any
from uuid import uuid4

import httpx
from twilio.request_validator import RequestValidator

from libs.directory.identity import PEPPER_PURPOSE, key_hash, new_token
from tests.integration.bad_requests import Bad, report, table
from tests.support.world import SECRETS, World

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"; DROP TABLE intake.reports; --{{7*7}}${jndi:x}"


async def things(world: World) -> dict[str, str]:
    """What the table's braces stand for."""
    sent = await world.report(key="used-key")
    await world.settle()
    case = await world.case_of(sent)
    (attempt,) = await world.fetch("SELECT attempt_id, provider_id FROM notifier.attempts ORDER BY attempt_id LIMIT 1")
    (message,) = [one for one in await world.phones() if one["sid"] == attempt["provider_id"]]
    secret = new_token()
    async with world.db.connection() as c:
        await c.execute(
            "INSERT INTO directory.api_clients (client_id, name, scopes, channel, created_at) VALUES ('weak', 'weak', '{audit}', NULL, $1)",
            world.clock.now(),
        )
        await c.execute(
            "INSERT INTO directory.api_keys (key_id, client_id, key_hash, created_at) VALUES ('weak', 'weak', $1, $2)",
            key_hash(world.keyring.derive(PEPPER_PURPOSE), secret),
            world.clock.now(),
        )
    return {
        "report_id": sent["report_id"],
        "case_id": case["case_id"],
        "officer_id": str(case["owner"]["officer_id"]),
        "attempt_id": str(attempt["attempt_id"]),
        "sid": attempt["provider_id"],
        "phone": message["to"],
        "key_id": world.demo.api_key.partition(".")[0],
        "weak_key": f"weak.{secret}",
        "used_key": "used-key",
    }


def filled(value: Any, known: dict[str, str]) -> Any:
    """`value` with every `{name}` of a known thing replaced."""
    if isinstance(value, str):
        for name, thing in known.items():
            value = value.replace("{" + name + "}", thing)
        return value
    if isinstance(value, dict):
        return {name: filled(one, known) for name, one in value.items()}
    return [filled(one, known) for one in value] if isinstance(value, list) else value


async def send(world: World, bad: Bad, known: dict[str, str]) -> httpx.Response:
    path, form = filled(bad.path, known), filled(bad.form, known)
    headers = {"accept": "application/json", "accept-language": "en", "idempotency-key": str(uuid4())}
    headers |= {"authorization": world.bearer["Authorization"]} if bad.bearer else {}
    headers |= filled(bad.headers, known)
    if headers["idempotency-key"] == "{none}":
        del headers["idempotency-key"]
    if headers.get("content-type") == "":
        del headers["content-type"]
    if bad.signed is not None:
        url, signed_form = bad.signed(world.base_url + path, form)
        headers["x-twilio-signature"] = RequestValidator(SECRETS.twilio_auth_token).compute_signature(url, signed_form)
    body: dict[str, Any] = {"content": bad.content} if bad.content is not None else {"data": form} if form is not None else {}
    if bad.json is not None:
        body = {"json": filled(bad.json, known)}
    return await world.http.request(bad.method, path, headers=headers, **body)


def mistakes(bad: Bad, answer: httpx.Response) -> list[str]:
    """What is not as the table says."""
    try:
        told = answer.json()
    except ValueError:
        return [f"{bad.name}: {answer.status_code} without JSON: {answer.text[:200]}"]
    said = (answer.status_code, told.get("type"), answer.headers["content-type"])
    expected = (bad.status, f"/problems/{bad.type}", "application/problem+json")
    found = [f"{bad.name}: {said} instead of {expected}: {answer.text[:300]}"] if said != expected else []
    fields = [error["field"] for error in told.get("errors", ())]
    if bad.field is not None and fields != [bad.field]:
        found.append(f"{bad.name}: fields {fields} instead of {[bad.field]}")
    if not told.get("title") or not told.get("detail") or told.get("status") != answer.status_code:
        found.append(f"{bad.name}: an incomplete problem: {answer.text[:300]}")
    return found


async def test_every_bad_request_is_answered_as_the_table_says_and_changes_nothing(world: World):
    known = await things(world)
    rows = table()
    assert len(rows) >= 60
    assert len({bad.name for bad in rows}) == len(rows)
    before = await counts(world)
    found = [mistake for bad in rows for mistake in mistakes(bad, await send(world, bad, known))]
    assert not found, "\n".join(found)
    await world.settle()
    assert await counts(world) == before


async def counts(world: World) -> list[dict[str, Any]]:
    return await world.fetch(
        """
        SELECT (SELECT count(*) FROM intake.reports) AS reports, (SELECT count(*) FROM intake.reporters) AS reporters,
               (SELECT count(*) FROM bus.outbox) AS events, (SELECT count(*) FROM router.cases) AS cases,
               (SELECT count(*) FROM notifier.attempts) AS attempts
        """
    )


async def test_what_looks_like_an_attack_is_taken_as_what_somebody_wrote(world: World):
    """A narrative may contain anything that can be read: it is stored as text and shown as text."""
    child = {"name": EVIL, "school": EVIL, "current_location": {"division_code": "440304001020", "address": EVIL}}
    answer = await world.http.post(
        "/v1/reports",
        json=report(narrative=EVIL, source_ref=EVIL, children=[child], reporter={"category": "other", "name": EVIL}),
        headers={**world.bearer, "Idempotency-Key": EVIL.replace(" ", "_")[:100]},
    )
    assert answer.status_code == 202, answer.text
    await world.settle()
    opened = await world.get(f"/v1/reports/{answer.json()['report_id']}/content")
    assert opened["content"]["narrative"] == EVIL
    operator = next(account for account in world.demo.accounts if account.role == "supervisor")
    await world.http.post("/login", data={"username": operator.username, "password": operator.password})
    page = await world.http.get(f"/reports/{answer.json()['report_id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "onerror=alert" in page.text
    assert "<img src=x" not in page.text
    assert "49" not in page.text.partition("DROP TABLE")[2][:40]


async def test_a_replayed_callback_changes_nothing_and_a_replayed_reply_acknowledges_once(world: World):
    known = await things(world)
    sign = RequestValidator(SECRETS.twilio_auth_token).compute_signature
    delivered = {"MessageSid": known["sid"], "MessageStatus": "delivered"}
    yes = {"MessageSid": "SM" + "e" * 32, "From": known["phone"], "Body": "1", "To": "+860019999999"}
    for path, form in ((f"/v1/twilio/status/{known['attempt_id']}", delivered), ("/v1/twilio/inbound", yes)):
        headers = {"x-twilio-signature": sign(world.base_url + path, form)}
        for _ in range(3):
            answer = await world.http.post(path, data=form, headers=headers)
            assert answer.status_code in {200, 204}, answer.text
    await world.settle()
    case = (await world.get("/v1/cases", report_id=known["report_id"]))["items"][0]
    assert case["acknowledged_at"]
    told = [line["event_type"] for line in await world.events(case)]
    assert len([line for line in told if line.startswith("tocsin.case.acknowledged")]) == 1
