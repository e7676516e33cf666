"""Twilio over its official SDK and real HTTP: what each answer means, and what is looked up when there is none."""

import socket
from datetime import timedelta
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from twilio.request_validator import RequestValidator

from libs.service.serve import listen, serving
from services.notifier.gateways import Outgoing, Sought
from services.notifier.gateways.twilio import HttpClient, TwilioGateway, make_gateway, seen_in_callback
from services.notifier.gateways.twilio_webhooks import is_signed, read_form, twiml
from services.notifier.handlers.beside import AT_ONCE_MAX
from services.notifier.jobs import CHECKS_AT_ONCE_MAX
from services.notifier.rules.states import Accepted, Ambiguous, AttemptState, Missing, Refusal, Rejected, Unanswered
from services.notifier.settings import NotifierSettings
from tests.support.sandbox import NOON, NUMBER, SID, TOKEN, sandbox_desk

OFFICER = "+860010000001"


def gateway_to(base_url: str, *, token: str = TOKEN, timeout_s: float = 5) -> TwilioGateway:
    return make_gateway(
        account_sid=SID,
        auth_token=token,
        from_number=NUMBER,
        api_base_url=base_url,
        callback_base_url=f"{base_url}/hook/status",
        takes_replies=True,
        http=HttpClient(request_timeout_s=timeout_s, connect_timeout_s=1, connections_max=8),
    )


@pytest.fixture
async def desk():
    async with sandbox_desk() as made:
        yield made


@pytest.fixture
async def gateway(desk):
    made = gateway_to(desk.base_url)
    yield made
    await made.close()


def message(to: str = OFFICER, body: str = "编号C7H2MQ") -> Outgoing:
    return Outgoing(uuid4(), to, body, 300)


def sought(to: str = OFFICER, body: str = "x", since=NOON, taken=frozenset(), provider_id: str | None = None) -> Sought:
    return Sought(uuid4(), to, body, since, provider_id, frozenset(taken))


async def test_a_message_goes_out_with_its_attempts_callback_and_validity():
    seen: list[dict[str, list[str]]] = []

    async def twilio(request: Request) -> Response:
        seen.append(parse_qs((await request.body()).decode()))
        return Response('{"sid": "SM1", "status": "queued"}', 201)

    app = FastAPI()
    app.add_route("/base/2010-04-01/Accounts/{sid}/Messages.json", twilio, methods=["POST"])
    listener = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/base"
    gateway, outgoing = gateway_to(base_url), message()
    async with serving(app, listener):
        assert await gateway.send(outgoing) == Accepted("SM1")
        await gateway.close()
    assert seen == [
        {
            "To": [OFFICER],
            "From": [NUMBER],
            "Body": [outgoing.body],
            "StatusCallback": [f"{base_url}/hook/status/{outgoing.attempt_id}"],
            "ValidityPeriod": ["300"],
        }
    ]


async def test_accepted(desk, gateway):
    outgoing = message()
    answer = await gateway.send(outgoing)
    assert isinstance(answer, Accepted)
    assert answer.state is AttemptState.SUBMITTED
    (shown,) = (await desk.http.get("/messages")).json()["items"]
    assert (shown["sid"], shown["to"], shown["body"]) == (answer.provider_id, OFFICER, outgoing.body)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"http_status": 429, "error_code": 20429}, Rejected(Refusal.BUSY, 20429, 1.0)),
        ({"http_status": 400, "error_code": 30001}, Rejected(Refusal.BUSY, 30001)),
        ({"http_status": 400, "error_code": 21610}, Rejected(Refusal.CONTACT, 21610)),
        ({"http_status": 400, "error_code": 21614}, Rejected(Refusal.CONTACT, 21614)),
        ({"http_status": 403, "error_code": 21408}, Rejected(Refusal.ELSEWHERE, 21408)),
        ({"http_status": 400, "error_code": 21602}, Rejected(Refusal.CONTACT, 21602)),
        ({"http_status": 401}, Rejected(Refusal.GATEWAY, 20003)),
        ({"http_status": 403, "error_code": 20005}, Rejected(Refusal.GATEWAY, 20005)),
        ({"http_status": 400, "error_code": 21606}, Rejected(Refusal.GATEWAY, 21606)),
        ({"http_status": 404}, Rejected(Refusal.GATEWAY, 20404)),
        ({"http_status": 500}, Ambiguous("status 500")),
        ({"http_status": 502}, Ambiguous("status 502")),
        ({"http_status": 503}, Ambiguous("status 503")),
        ({"accept_then_reset": True}, Ambiguous("ClientPayloadError")),
    ],
)
async def test_what_each_answer_means(desk, gateway, fault, expected):
    await desk.faults(fault)
    assert await gateway.send(message()) == expected


async def test_a_wrong_token_is_the_gateways_fault_not_the_contacts(desk):
    stranger = gateway_to(desk.base_url, token="wrong")
    assert await stranger.send(message()) == Rejected(Refusal.GATEWAY, 20003)
    await stranger.close()


@pytest.mark.parametrize("sends", [1, 64, 200])
def test_no_call_waits_for_a_connection_of_ours(sends):
    """aiohttp counts that as connecting: the gateway would seem not to be there."""
    settings = NotifierSettings(sends_at_once_max=sends, connections_max=64)
    assert settings.pool >= max(sends + CHECKS_AT_ONCE_MAX + 3 * AT_ONCE_MAX, 64)


async def test_no_connection_means_not_sent():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        gateway = gateway_to(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert await gateway.send(message()) == Rejected(Refusal.BUSY, 0)
        await gateway.close()


async def test_no_answer_in_time_is_ambiguous():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        gateway = gateway_to(base_url, timeout_s=0.2)
        assert await gateway.send(message()) == Ambiguous("TimeoutError")
        assert await gateway.find(sought(OFFICER, "x", NOON, set())) == Unanswered()
        assert await gateway.fetch(sought(provider_id="SM1")) == Unanswered()
        await gateway.close()


async def test_an_ambiguous_message_is_found_in_the_providers_list(desk, gateway):
    await desk.faults({"accept_then_reset": True})
    outgoing = message()
    assert isinstance(await gateway.send(outgoing), Ambiguous)
    found = await gateway.find(sought(OFFICER, outgoing.body, NOON, set()))
    assert isinstance(found, Accepted)
    await desk.sandbox.settle()
    assert await gateway.find(sought(OFFICER, outgoing.body, NOON, set())) == Accepted(found.provider_id, AttemptState.DELIVERED)


async def test_only_the_very_message_is_found(desk, gateway):
    outgoing = message()
    answer = await gateway.send(outgoing)
    assert isinstance(answer, Accepted)
    assert await gateway.find(sought(OFFICER, "编号X", NOON, set())) == Missing()
    assert await gateway.find(sought("+860010000002", outgoing.body, NOON, set())) == Missing()
    assert await gateway.find(sought(OFFICER, outgoing.body, NOON + timedelta(seconds=10), set())) == Missing()
    assert await gateway.find(sought(OFFICER, outgoing.body, NOON, {answer.provider_id})) == Missing()


async def test_a_message_is_found_behind_the_many_that_came_after_it(desk, gateway):
    outgoing = message()
    answer = await gateway.send(outgoing)
    for number in range(120):
        await desk.send(OFFICER, Body=f"编号X{number}")
    assert await gateway.find(sought(OFFICER, outgoing.body, NOON, set())) == answer
    assert await gateway.find(sought(OFFICER, "编号Y", NOON, set())) == Missing()


async def test_how_a_message_is(desk, gateway):
    await desk.faults({"final_status": "undelivered", "final_error_code": 30005})
    answer = await gateway.send(message())
    assert isinstance(answer, Accepted)
    await desk.sandbox.settle()
    assert await gateway.fetch(sought(provider_id=answer.provider_id)) == Accepted(answer.provider_id, AttemptState.UNDELIVERED, 30005)
    assert await gateway.fetch(sought(provider_id="SM" + "0" * 32)) == Missing()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", AttemptState.SUBMITTED),
        ("sending", AttemptState.SUBMITTED),
        ("accepted", AttemptState.SUBMITTED),
        ("sent", AttemptState.SENT),
        ("delivered", AttemptState.DELIVERED),
        ("read", AttemptState.DELIVERED),
        ("undelivered", AttemptState.UNDELIVERED),
        ("failed", AttemptState.FAILED),
        ("canceled", AttemptState.FAILED),
    ],
)
def test_statuses_of_callbacks(status, state):
    assert seen_in_callback("SM1", status, None) == Accepted("SM1", state)


def test_queue_overflow_passes_and_unknown_statuses_say_nothing():
    overflow = seen_in_callback("SM1", "failed", 30001)
    assert overflow is not None
    assert overflow.busy
    assert seen_in_callback("SM1", "thinking", None) is None


URL = "https://tocsin.example/gate/v1/twilio/status/42"


def signed(url: str, fields: list[tuple[str, str]], token: str = TOKEN) -> str:
    form = read_form("&".join(f"{key}={value}" for key, value in fields).encode())
    assert form is not None
    return str(RequestValidator(token).compute_signature(url, form))


def test_signatures_are_those_of_the_official_sdk():
    fields = [("MessageSid", "SM1"), ("MessageStatus", "sent"), ("Empty", ""), ("Twice", "b"), ("Twice", "a")]
    body = b"MessageSid=SM1&MessageStatus=sent&Empty=&Twice=b&Twice=a"
    form = read_form(body)
    assert form is not None
    signature = signed(URL, fields)
    assert is_signed([TOKEN], URL, form, signature)
    assert is_signed(["new", TOKEN], URL, form, signature)
    assert is_signed([TOKEN], URL.replace("example/", "example:443/"), form, signature)
    for tokens, url, sent, given in (
        (["other"], URL, form, signature),
        ([], URL, form, signature),
        ([TOKEN], URL + "?x=1", form, signature),
        ([TOKEN], URL.replace("https", "http"), form, signature),
        ([TOKEN], URL, read_form(body.replace(b"sent", b"delivered")), signature),
        ([TOKEN], URL, read_form(body.replace(b"&Empty=", b"")), signature),
        ([TOKEN], URL, form, ""),
        ([TOKEN], URL, form, "签名"),
        ([TOKEN], URL, form, signature[:-2] + "A="),
    ):
        assert sent is not None
        assert not is_signed(tokens, url, sent, given)


def test_a_query_string_is_part_of_what_is_signed():
    url = URL + "?attempt=1&x=a%20b"
    form = read_form(b"MessageSid=SM1")
    assert form is not None
    assert is_signed([TOKEN], url, form, signed(url, [("MessageSid", "SM1")]))


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"&".join(b"a=1" for _ in range(101))])
def test_what_is_no_form(body):
    assert read_form(body) is None


def test_twiml_is_escaped():
    assert twiml("") == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
    assert "<Message>a &lt;b&gt; &amp; c</Message>" in twiml("a <b> & c")
