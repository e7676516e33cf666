"""The table of bad requests: what is sent, and what has to come back. `test_bad_input.py` sends them."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.support.world import SMALLEST_REPORT

REPORTS = "/v1/reports"
CASE = "/v1/cases/{case_id}"
STATUS = "/v1/twilio/status/{attempt_id}"
INBOUND = "/v1/twilio/inbound"
NOBODY = "00000000-0000-0000-0000-000000000000"
MEGABYTE = 1 << 20
REMOVE = object()


@dataclass(frozen=True, slots=True)
class Bad:
    """One bad request. `path`, `json` and `form` may name things of the world in braces; `type` is the problem's last part."""

    name: str
    path: str
    status: int
    type: str
    field: str | None = None
    method: str = "POST"
    json: Any = None
    content: bytes | None = None
    form: dict[str, str] | None = None
    signed: Callable[[str, dict[str, str]], tuple[str, dict[str, str]]] | None = None
    """For Twilio's webhooks: from the right address and form to those that are signed."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    bearer: bool = True


def report(**changes: Any) -> dict[str, Any]:
    """The smallest report with changes; a name like `children__0__age` reaches inside, REMOVE takes away."""
    made = deepcopy(SMALLEST_REPORT)
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = made
        for step in way:
            place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return made


def as_it_is(url: str, form: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Signed truly."""
    return url, form


def table() -> list[Bad]:
    """All of them."""
    return [*_unreadable(), *_reports(), *_keys(), *_receipts(), *_cases(), *_policies(), *_webhooks(), *_lists(), *_doors()]


def _unreadable() -> Iterator[Bad]:
    def raw(name: str, content: bytes, status: int, type_: str, at: str | None = None, **headers: str) -> Bad:
        return Bad(name, REPORTS, status, type_, at, content=content, headers={"content-type": "application/json", **headers})

    good = json.dumps(SMALLEST_REPORT).encode()
    yield raw("no body", b"", 400, "malformed_json")
    yield raw("half a body", good[:-2], 400, "malformed_json")
    yield raw("a trailing comma", b'{"channel": "web",}', 400, "malformed_json")
    yield raw("single quotes", good.replace(b'"', b"'"), 400, "malformed_json")
    yield raw("not UTF-8", good.replace(b"school_api", b"\xff\xfe"), 400, "malformed_json")
    yield raw("UTF-16", json.dumps(SMALLEST_REPORT).encode("utf-16"), 400, "malformed_json")
    yield raw("a lone surrogate", b'{"narrative": "\\ud800"}', 400, "malformed_json")
    yield raw("a thousand brackets", b"[" * 1000, 400, "malformed_json")
    yield raw("a number", b"3", 422, "invalid", "")
    yield raw("null", b"null", 422, "invalid", "")
    yield raw("a list", b"[" + good + b"]", 422, "invalid", "")
    yield raw("one byte too much", b" " * (MEGABYTE + 1), 413, "too_large")
    yield raw("five megabytes", b'{"narrative": "' + b"x" * 5 * MEGABYTE + b'"}', 413, "too_large")
    yield raw("a form's content type", good, 415, "unsupported_content_type", **{"content-type": "application/x-www-form-urlencoded"})
    yield raw("text", good, 415, "unsupported_content_type", **{"content-type": "text/plain"})
    yield raw("no content type", good, 415, "unsupported_content_type", **{"content-type": ""})
    yield raw("JSON's cousin", good, 415, "unsupported_content_type", **{"content-type": "application/jsonp"})


def _reports() -> Iterator[Bad]:
    def wrong(name: str, at: str, **changes: Any) -> Bad:
        return Bad(name, REPORTS, 422, "invalid", at, json=report(**changes))

    place = "children[0].current_location.division_code"
    yield wrong("no channel", "channel", channel=REMOVE)
    yield wrong("an unknown channel", "channel", channel="fax")
    yield wrong("a channel as number", "channel", channel=3)
    yield wrong("no narrative", "narrative", narrative=REMOVE)
    yield wrong("an empty narrative", "narrative", narrative="")
    yield wrong("a narrative of blanks", "narrative", narrative="  \n ")
    yield wrong("a narrative with NUL", "narrative", narrative="a\0b")
    yield wrong("a narrative too long", "narrative", narrative="x" * 20_001)
    yield wrong("a narrative as list", "narrative", narrative=["x"])
    yield wrong("an unknown situation", "situations[0]", situations=["MR10"])
    yield wrong("a situation twice too often", "situations", situations=["MR4_ABUSE_INJURY"] * 17)
    yield wrong("an unknown category", "categories[0]", categories=["rich"])
    yield wrong("no danger", "danger", danger=REMOVE)
    yield wrong("a danger as true", "danger.danger_now", danger={"danger_now": True})
    yield wrong("an unknown danger", "danger.dangerous", danger={"dangerous": "yes"})
    yield wrong("no children", "children", children=REMOVE)
    yield wrong("not one child", "children", children=[])
    yield wrong("51 children", "children", children=SMALLEST_REPORT["children"] * 51)
    yield wrong("a child as text", "children[0]", children=["a girl"])
    yield wrong("a child without a place", "children[0].current_location", children=[{}])
    yield wrong("an age as text", "children[0].age", children__0__age="seven")
    yield wrong("an age of 200", "children[0].age", children__0__age=200)
    yield wrong("a birth in the future", "children[0].birth_date", children__0__birth_date="2030-01-01")
    yield wrong("a birth in 1900", "children[0].birth_date", children__0__birth_date="1900-01-01")
    yield wrong("the 30th of February", "children[0].birth_date", children__0__birth_date="2020-02-30")
    yield wrong("letters for a code", place, children__0__current_location={"division_code": "futian"})
    yield wrong("a code of five digits", place, children__0__current_location={"division_code": "44030"})
    yield wrong("SQL for a code", place, children__0__current_location={"division_code": "1' OR '1'='1"})
    yield Bad(
        "a code that is not registered",
        REPORTS,
        422,
        "unknown_division",
        place,
        json=report(children__0__current_location={"division_code": "990304001020"}),
    )
    yield Bad(
        "a home that is not registered",
        REPORTS,
        422,
        "unknown_division",
        "children[0].home_location.division_code",
        json=report(children__0__home_location={"division_code": "990304001020"}),
    )
    yield wrong("a time without offset", "occurred_at", occurred_at="2026-11-01T08:00:00")
    yield wrong("a date for a time", "occurred_at", occurred_at="2026-11-01")
    yield wrong("a number for a time", "occurred_at", occurred_at=1)
    yield wrong("it happens tomorrow", "occurred_at", occurred_at="2026-11-25T08:00:00+08:00")
    yield wrong("it happened in year 1", "occurred_at", occurred_at="0001-01-01T00:00:00+14:00")
    yield wrong("learned before it happened", "learned_at", occurred_at="2026-11-20T08:00:00Z", learned_at="2026-11-19T08:00:00Z")
    yield wrong("reported before it was learned", "reported_at", learned_at="2026-11-20T08:00:00Z", reported_at="2026-11-19T08:00:00Z")
    yield wrong("the sender grades", "grade", grade="I")
    yield wrong("the sender routes", "owner", owner={"post_id": NOBODY})
    yield wrong("the sender triages", "triage", triage={"decision": "info_only"})
    yield wrong("a misspelt field", "narative", narative="x")
    yield wrong("a reporter without category", "reporter.category", reporter={})
    yield wrong("an anonymous name", "reporter.name", reporter={"category": "other", "confidentiality": "anonymous", "name": "x"})
    yield wrong("a script for a phone", "reporter.phone", reporter={"category": "other", "phone": "<script>1</script>"})
    yield wrong("a related report that is no id", "related_report_ids[0]", related_report_ids=["1"])
    yield wrong("an attachment by name only", "attachments[0].sha256", attachments=[{"media_type": "image/png"}])
    yield wrong(
        "an attachment of negative size",
        "attachments[0].size_bytes",
        attachments=[{"media_type": "a/b", "sha256": "0" * 64, "size_bytes": -1}],
    )
    yield Bad(
        "a related report that does not exist",
        REPORTS,
        422,
        "unknown_report",
        "related_report_ids[0]",
        json=report(related_report_ids=[NOBODY]),
    )


def _keys() -> Iterator[Bad]:
    def as_(name: str, status: int, type_: str, at: str | None = None, **headers: str) -> Bad:
        return Bad(name, REPORTS, status, type_, at, json=report(), headers=headers, bearer=False)

    yield as_("no key", 401, "api_key_required")
    yield as_("an empty key", 401, "api_key_required", authorization="")
    yield as_("another scheme", 401, "api_key_required", authorization="Basic dXNlcjpwYXNz")
    yield as_("a key that is none", 401, "bad_api_key", authorization="Bearer nonsense")
    yield as_("an unknown key", 401, "bad_api_key", authorization="Bearer tk000000000000.secret")
    yield as_("a right id, a wrong secret", 401, "bad_api_key", authorization="Bearer {key_id}.wrong")
    yield as_("a key with NUL", 401, "bad_api_key", authorization="Bearer {key_id}.%00")
    yield as_("a very long key", 401, "bad_api_key", authorization="Bearer " + "x." + "y" * 5000)
    yield as_("a key without the scope", 403, "scope_missing", authorization="Bearer {weak_key}")
    yield Bad(
        "no idempotency key",
        REPORTS,
        400,
        "idempotency_key_required",
        "Idempotency-Key",
        json=report(),
        headers={"idempotency-key": "{none}"},
    )
    yield Bad(
        "an empty idempotency key", REPORTS, 400, "bad_idempotency_key", "Idempotency-Key", json=report(), headers={"idempotency-key": ""}
    )
    yield Bad(
        "blanks in the idempotency key",
        REPORTS,
        400,
        "bad_idempotency_key",
        "Idempotency-Key",
        json=report(),
        headers={"idempotency-key": "a b"},
    )
    yield Bad(
        "an idempotency key of 256",
        REPORTS,
        400,
        "bad_idempotency_key",
        "Idempotency-Key",
        json=report(),
        headers={"idempotency-key": "k" * 256},
    )
    yield Bad(
        "another report under a used key",
        REPORTS,
        422,
        "idempotency_key_reused",
        "Idempotency-Key",
        json=report(narrative="another"),
        headers={"idempotency-key": "{used_key}"},
    )


def _receipts() -> Iterator[Bad]:
    for typed in ("2222-2222-2222-2222", "x", "%F0%9F%98%80", "2" * 3000, "%00"):
        yield Bad(f"receipt {typed[:20]}", f"{REPORTS}/{typed}", 404, "no_such_receipt", method="GET", bearer=False)
    yield Bad("a receipt that climbs", f"{REPORTS}/..%2F..%2Fetc", 404, "not_found", method="GET", bearer=False)
    yield Bad("content of nothing", f"{REPORTS}/{NOBODY}/content", 404, "no_such_report", method="GET")
    yield Bad("content of no id", f"{REPORTS}/seven/content", 422, "invalid", "report_id", method="GET")
    yield Bad("content for no purpose", f"{REPORTS}/{{report_id}}/content?purpose=curious", 422, "invalid", "purpose", method="GET")
    yield Bad("content without a key", f"{REPORTS}/{{report_id}}/content", 401, "login_required", method="GET", bearer=False)


def _cases() -> Iterator[Bad]:
    def act(name: str, action: str, status: int, type_: str, at: str | None = None, path: str = CASE, **body: Any) -> Bad:
        return Bad(name, f"{path}/{action}", status, type_, at, json={"on_behalf_of": "{officer_id}", **body})

    yield act("acknowledge nothing", "acknowledge", 404, "no_such_case", path=f"/v1/cases/{NOBODY}")
    yield act("acknowledge no id", "acknowledge", 422, "invalid", "case_id", path="/v1/cases/seven")
    yield act("acknowledge for nobody", "acknowledge", 403, "not_assigned", on_behalf_of=NOBODY)
    yield act("acknowledge for no id", "acknowledge", 422, "invalid", "on_behalf_of", on_behalf_of="me")
    yield act("acknowledge with a surplus", "acknowledge", 422, "invalid", "grade", grade="I")
    yield act("decline without reason", "decline", 422, "invalid", "reason")
    yield act("decline for no reason", "decline", 422, "invalid", "reason", reason="tired")
    yield act("an unknown step", "steps", 422, "invalid", "step", step="dance")
    yield act("no step", "steps", 422, "invalid", "step")
    yield act("a step without offset", "steps", 422, "invalid", "done_at", step="on_site", done_at="2026-11-23T12:00:00")
    yield act("a close without result", "steps", 422, "required", "result", step="close")
    yield act("an unknown result", "close", 422, "invalid", "result", result="fine")
    yield act("regrade to V", "regrade", 422, "unknown_grade", "grade", grade="V", reason="new_facts")
    yield act("place on the moon", "place", 422, "unknown_division", "division_code", division_code="990304001020")
    yield act("an unknown act", "forget", 404, "not_found")
    yield Bad("act without a key", f"{CASE}/acknowledge", 401, "login_required", json={}, bearer=False)
    yield Bad("act without the scope", f"{CASE}/acknowledge", 403, "scope_missing", json={}, headers={"authorization": "Bearer {weak_key}"})
    yield Bad("act by broken JSON", f"{CASE}/decline", 400, "malformed_json", content=b"{", headers={"content-type": "application/json"})
    yield Bad("act by a list", f"{CASE}/decline", 422, "invalid", "body", json=[])


def _policies() -> Iterator[Bad]:
    yield Bad("preview of nowhere", "/v1/policies/preview", 422, "invalid", "division_code", json={})
    yield Bad(
        "preview of an unknown place", "/v1/policies/preview", 422, "unknown_division", "division_code", json={"division_code": "990304"}
    )
    yield Bad(
        "preview of an unknown danger",
        "/v1/policies/preview",
        422,
        "invalid",
        "danger.x",
        json={"division_code": "440304", "danger": {"x": "yes"}},
    )


def _webhooks() -> Iterator[Bad]:
    delivered = {"MessageSid": "{sid}", "MessageStatus": "delivered"}
    yes = {"MessageSid": "SM" + "f" * 32, "From": "{phone}", "Body": "1"}

    def hook(name: str, path: str, form: dict[str, str], status: int, type_: str, **more: Any) -> Bad:
        return Bad(name, path, status, type_, form=form, bearer=False, **more)

    yield hook("a callback that nobody signed", STATUS, delivered, 403, "bad_signature")
    yield hook("a callback with a made-up signature", STATUS, delivered, 403, "bad_signature", headers={"x-twilio-signature": "AAAA"})
    yield hook(
        "a callback changed after signing",
        STATUS,
        delivered,
        403,
        "bad_signature",
        signed=lambda url, form: (url, {**form, "MessageStatus": "failed"}),
    )
    yield hook(
        "a callback signed for another attempt", STATUS, delivered, 403, "bad_signature", signed=lambda url, form: (url[:-1] + "x", form)
    )
    yield hook(
        "a callback signed for another host",
        STATUS,
        delivered,
        403,
        "bad_signature",
        signed=lambda url, form: (url.replace("127.0.0.1", "evil.test"), form),
    )
    yield hook(
        "a callback with a field added",
        STATUS,
        {**delivered, "x": "1"},
        403,
        "bad_signature",
        signed=lambda url, form: (url, {n: v for n, v in form.items() if n != "x"}),
    )
    yield hook("a callback for no attempt", f"/v1/twilio/status/{NOBODY}", delivered, 404, "unknown_attempt", signed=as_it_is)
    yield hook("a callback for no id", "/v1/twilio/status/seven", delivered, 404, "unknown_attempt", signed=as_it_is)
    yield hook("a callback without a status", STATUS, {"MessageSid": "{sid}"}, 422, "missing", field="MessageStatus", signed=as_it_is)
    yield hook("a reply that nobody signed", INBOUND, yes, 403, "bad_signature")
    yield hook(
        "a reply in another's name", INBOUND, yes, 403, "bad_signature", signed=lambda url, form: (url, {**form, "From": "+8600100000999"})
    )
    yield hook("a reply without sender", INBOUND, {"MessageSid": "SM1", "Body": "1"}, 422, "missing", field="From", signed=as_it_is)
    yield Bad("a callback as JSON", STATUS, 415, "unsupported_content_type", json=delivered, bearer=False)


def _lists() -> Iterator[Bad]:
    def list_(name: str, path: str, status: int, type_: str, at: str | None = None, **more: Any) -> Bad:
        return Bad(name, path, status, type_, at, method="GET", **more)

    yield list_("a cursor of nonsense", f"{REPORTS}?cursor=nonsense", 422, "bad_cursor", "cursor")
    yield list_("another list's cursor", "/v1/cases?cursor=WyJhIiwiYiJd", 422, "bad_cursor", "cursor")
    yield list_("a page of nothing", f"{REPORTS}?limit=0", 422, "invalid", "limit")
    yield list_("a page of everything", "/v1/cases?limit=100000", 422, "invalid", "limit")
    yield list_("cases of no report", "/v1/cases?report_id=1", 422, "invalid", "report_id")
    yield list_("cases of no grade", "/v1/cases?grade=V", 422, "invalid", "grade")
    yield list_("no case", f"/v1/cases/{NOBODY}", 404, "no_such_case")
    yield list_("no case's timeline", f"/v1/cases/{NOBODY}/timeline", 404, "unknown_case")
    yield list_("notifications of no case", "/v1/notifications?case_id=x", 422, "invalid", "case_id")
    yield list_("no division", "/v1/divisions/990304", 404, "division_not_found")
    yield list_("a division of letters", "/v1/divisions/abc", 422, "invalid", "code")
    yield list_("a list without a key", REPORTS, 401, "login_required", bearer=False)
    yield list_("a list without the scope", REPORTS, 403, "scope_missing", headers={"authorization": "Bearer {weak_key}"})


def _doors() -> Iterator[Bad]:
    yield Bad("nothing there", "/v1/nothing", 404, "not_found", method="GET")
    yield Bad("the wrong method", REPORTS, 405, "method_not_allowed", method="DELETE")
    yield Bad(
        "another website's form",
        "/public",
        403,
        "cross_site",
        form={"narrative": "x"},
        headers={"sec-fetch-site": "cross-site"},
        bearer=False,
    )
    yield Bad("the operator's form without a login", "/report", 401, "login_required", json=report(), bearer=False)
