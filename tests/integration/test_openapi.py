"""What /openapi.json says is what is answered: for every operation, whatever is sent, right or wrong, no 5xx, no status, content type or
body that the document does not tell of.

Property-based and repeatable: the same requests each time. Half of them carry ids that exist, so that they get past the first 404.
"""

import asyncio
import os
from typing import Any, TypeAlias

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.world import World

Operation: TypeAlias = Any
Case: TypeAlias = Any
"""Generic over four and one types that say nothing here."""

EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "8"))
READING_EXAMPLES = EXAMPLES // 2
"""Requests per operation, right and wrong ones by turns; `make openapi` sends many more."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXCLUDED = {
    "GET /v1/cases/stream": "server-sent events never end; tests/unit/web/test_sse.py reads such a stream",
    "GET /metrics": "text of Prometheus, which has no schema",
}
REQUEST_S = 20


async def test_with_an_api_key_everything_is_answered_as_documented(world: World) -> None:
    known = await things(world)
    document = await documented(world)
    failures = await asyncio.to_thread(explore, document, world.base_url, known, EXAMPLES, headers=world.bearer)
    assert not failures, "\n\n".join(failures)


async def test_as_a_stranger_and_as_staff_everything_that_is_read_is_answered_as_documented(world: World) -> None:
    known = await things(world)
    document = await documented(world)
    reading = {path: {"get": item["get"]} for path, item in document["paths"].items() if "get" in item}
    (account,) = [one for one in world.demo.accounts if one.role == "officer" and "nanyuan" in one.username]
    login = await world.http.post("/login", data={"username": account.username, "password": account.password})
    assert login.status_code == 303, login.text
    cookies = dict(world.http.cookies)
    for who in ({}, cookies):
        failures = await asyncio.to_thread(explore, {**document, "paths": reading}, world.base_url, known, READING_EXAMPLES, cookies=who)
        assert not failures, "\n\n".join(failures)


async def things(world: World) -> dict[str, str]:
    """Ids of things that exist, by the names of path parameters and fields."""
    sent = await world.report()
    await world.settle()
    case = await world.case_of(sent)
    (attempt,) = await world.fetch(
        "SELECT attempt_id::text, contact_id::text FROM notifier.attempts ORDER BY started_at, attempt_id LIMIT 1"
    )
    return {
        "report_id": sent["report_id"],
        "receipt": sent["receipt"],
        "case_id": case["case_id"],
        "officer_id": str(case["owner"]["officer_id"]),
        "on_behalf_of": str(case["owner"]["officer_id"]),
        "post_id": str(case["owner"]["post_id"]),
        "code": str(case["owner"]["division_code"]),
        "division_code": str(case["owner"]["division_code"]),
        **attempt,
    }


async def documented(world: World) -> dict[str, Any]:
    """The document without its catch-all answers: each status must be told of where it can happen."""
    document = (await world.http.get("/openapi.json")).json()
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)
    return document


def explore(document: dict[str, Any], base_url: str, known: dict[str, str], examples: int, **credentials: Any) -> list[str]:
    """Probes every operation; answers what is wrong, one text per operation."""
    schema = schemathesis.openapi.from_dict(document)
    with requests.Session() as session:
        session.headers.update({"Accept": "application/json", **credentials.get("headers", {})})
        session.cookies.update(credentials.get("cookies", {}))
        return [wrong for operation in operations(schema) if (wrong := probe(operation, base_url, known, examples, session))]


def operations(schema: BaseSchema) -> list[Operation]:
    """Every operation that is not excluded; one that the document describes wrongly fails here."""
    found = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr] # what is wrong has no ok()
    return [operation for operation in found if operation.label not in EXCLUDED]


def probe(operation: Operation, base_url: str, known: dict[str, str], examples: int, session: requests.Session) -> str | None:
    """Sends so many requests; answers the first answer that is not as documented."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data(), right=st.booleans(), real=st.booleans())
    def send(data: st.DataObject, right: bool, real: bool) -> None:
        case = data.draw(operation.as_strategy(GenerationMode.POSITIVE if right else GenerationMode.NEGATIVE))
        if real:
            use(known, case)
        headers = {name: value for name, value in session.headers.items() if name in {"Authorization", "Accept"}}
        response = case.call(base_url=base_url, session=session, headers=headers, timeout=REQUEST_S)
        case.validate_response(response, checks=CHECKS)

    try:
        send()
    except FailureGroup as failures:
        return f"{operation.label}: {failures}"
    return None


def use(known: dict[str, str], case: Case) -> None:
    """Puts ids of things that exist where the operation asks for them."""
    for name in case.path_parameters or {}:
        if name in known:
            case.path_parameters[name] = known[name]
    for fields in (case.query, case.body):
        if isinstance(fields, dict):
            fields.update({name: known[name] for name in fields if name in known})
    if case.path.startswith("/v1/cases/{case_id}/") and isinstance(case.body, dict):
        case.body["on_behalf_of"] = known["on_behalf_of"]  # or nearly nothing would get past "on behalf of whom?"
