"""Signatures of webhooks, made by the official SDK's validator and by a signer of our own, over addresses as deployments have them."""

from collections.abc import Sequence
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request
from starlette.responses import Response
from twilio.request_validator import RequestValidator

from deploy.sandbox.post import signature
from libs.web import problems
from services.notifier.api.forms import signed_form

NOW, OLD = "token-of-today", "token-of-yesterday"
PATH = "/v1/twilio/voice/7"
FORM = {"CallSid": "CA1", "AnsweredBy": "human", "From": "+86 1", "Digits": ""}
BASES = (
    "https://jz.example.cn",
    "https://jz.example.cn/tocsin/north",  # a proxy that takes the prefix away
    "https://jz.example.cn:8443",
    "https://[2001:db8::7]",
    "https://[2001:db8::7]:8443/tocsin",
    "http://127.0.0.1:8000",
)


def app(base: str, tokens: tuple[str, ...] = (NOW, OLD)) -> FastAPI:
    """A webhook as the notifier has them, which knows its public address from its settings only."""
    made = FastAPI()
    problems.install(made)

    @made.post(PATH)
    async def hook(request: Request) -> Response:
        form = await signed_form(request, f"{base}{PATH}", tokens)
        return Response("|".join(f"{name}={value}" for name, value in form.multi_items()))

    return made


async def post(base: str, signed: str, body: str, query: str = "", **headers: str) -> httpx.Response:
    """Posts to the process behind the proxy: its own host and path are not those that were signed."""
    transport = httpx.ASGITransport(app=app(base))
    async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.7:8000") as http:
        given = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded", **headers}
        return await http.post(f"{PATH}{query}", content=body, headers=given)


def by_the_sdk(token: str, url: str, fields: Sequence[tuple[str, str]]) -> str:
    return str(RequestValidator(token).compute_signature(url, ImmutableMultiDict(fields)))


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("query", ["", "?try=2", "?a=%E7%AD%BE&try=1&a=2"])
async def test_the_public_address_is_what_is_signed_whatever_stands_before_the_process(base: str, query: str) -> None:
    url, fields = f"{base}{PATH}{query}", list(FORM.items())
    sdk, own = by_the_sdk(NOW, url, fields), signature(NOW, url, FORM)
    assert sdk == own, "two signers agree"
    assert (await post(base, own, urlencode(fields), query)).status_code == 200
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"}
    assert (await post(base, own, urlencode(fields), query, **spoofed)).status_code == 200, "headers say nothing about the address"
    inside = signature(NOW, f"http://10.0.0.7:8000{PATH}{query}", FORM)
    elsewhere = signature(NOW, f"https://evil.example{PATH}{query}", FORM)
    for forged in (inside, elsewhere, signature("guess", url, FORM), own[:-2] + "==", ""):
        answer = await post(base, forged, urlencode(fields), query)
        assert answer.status_code == 403, forged
    for other in ("?try=3", "?try=2&x=1", "" if query else "?"):
        if other not in {query, "?"}:
            assert (await post(base, own, urlencode(fields), other)).status_code == 403, "the query is a part of what was signed"


@pytest.mark.parametrize("token", [NOW, OLD])
async def test_both_tokens_are_believed_while_they_are_changed_and_no_third(token: str) -> None:
    url = f"{BASES[0]}{PATH}"
    assert (await post(BASES[0], signature(token, url, FORM), urlencode(FORM))).status_code == 200
    assert (await post(BASES[0], signature(token + "x", url, FORM), urlencode(FORM))).status_code == 403


async def test_the_port_may_be_left_out_by_the_provider_as_its_validator_allows() -> None:
    base = "https://jz.example.cn:443"
    signed = signature(NOW, f"https://jz.example.cn{PATH}", FORM)
    assert RequestValidator(NOW).validate(f"{base}{PATH}", FORM, signed)
    assert (await post(base, signed, urlencode(FORM))).status_code == 200


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ([("Digits", "1"), ("Digits", "2"), ("CallSid", "CA1")], [("CallSid", "CA1"), ("Digits", "2"), ("Digits", "1")]),
        ([("b", ""), ("a", "签收"), ("b", "x=y&z")], [("a", "签收"), ("b", "x=y&z"), ("b", "")]),
    ],
)
async def test_repeated_parameters_are_signed_each_and_their_order_does_not_matter(fields, same) -> None:
    """Twilio sorts names and, of one name, values, each once: so does the check, on what was really posted."""
    url = f"{BASES[0]}{PATH}"
    signed = by_the_sdk(NOW, url, fields)
    assert signed == by_the_sdk(NOW, url, same)
    answer = await post(BASES[0], signed, urlencode(fields))
    assert (answer.status_code, answer.text) == (200, "|".join(f"{name}={value}" for name, value in fields))
    assert (await post(BASES[0], signed, urlencode(fields[1:]))).status_code == 403, "one left out"
    assert (await post(BASES[0], signed, urlencode([*fields, ("Digits", "9")]))).status_code == 403, "one put in"
