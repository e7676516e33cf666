"""Every error is a problem document that names what is wrong and tells nothing else."""

import pytest

from libs.web import problems
from tests.unit.web.app import COOKIE, HTML, KEY


@pytest.mark.parametrize(
    ("kind", "status", "code", "fields"),
    [
        ("gone", 404, "no_such_case", []),
        ("busy", 409, "closed", []),
        ("field", 422, "bad_place", ["division_code"]),
        ("many", 429, "many", []),
        ("slow", 503, "unavailable", []),
        ("bug", 500, "internal_error", []),
    ],
)
async def test_every_error_is_a_problem_document(http, kind, status, code, fields):
    answer = await http.get(f"/errors/{kind}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [error["field"] for error in problem["errors"]] == fields
    assert ("retry-after" in answer.headers) == (status in {429, 503})
    assert "13812345678" not in answer.text


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"children": [{"sex": "male"}, {"sex": "robot"}]}, "children[1].sex", "unknown_code"),
        ({"children": [{}]}, "children[0].sex", "required"),
        ({"children": [{"sex": "male", "agee": 3}]}, "children[0].agee", "unknown_field"),
        ({"children": [{"sex": "male", "age": "x"}]}, "children[0].age", "int_parsing"),
        ({"children": [{"sex": "male", "age": 40}]}, "children[0].age", "invalid"),
        ({"children": []}, "children", "too_short"),
        ({}, "children", "required"),
        ([], "body", "model_attributes_type"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_a_wrong_field_is_named_by_its_path(http, body, field, code, language):
    answer = await http.post("/v1/reports", json=body, headers=KEY | {"accept-language": language})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert error["detail"]
    if language == "zh-CN" and code != "invalid":
        assert any("一" <= letter <= "鿿" for letter in error["detail"])


async def test_a_missing_header_and_a_wrong_parameter_are_fields_too(http):
    answer = await http.post("/v1/reports", json={"children": [{"sex": "male"}]}, headers={"authorization": "Bearer good.key"})
    assert answer.json()["errors"][0]["field"] == "idempotency-key"
    answer = await http.get("/v1/cases?limit=9999", headers=COOKIE)
    assert answer.json()["errors"][0]["field"] == "limit"


async def test_what_the_client_sent_is_not_quoted_back(http):
    answer = await http.post("/v1/reports", json={"children": [{"sex": "Xiao Ming", "age": "Xiao Hong"}]}, headers=KEY)
    assert len(answer.json()["errors"]) == 2
    assert "Xiao" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe{", b"[" * 100_000, b'{"a": NaN', b"nul"])
async def test_broken_json_is_a_400(http, body):
    answer = await http.post("/v1/reports", content=body, headers=KEY | {"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_unknown_routes_and_methods_are_problems(http):
    missing, wrong = await http.get("/nowhere"), await http.put("/board")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not_found")
    assert (wrong.status_code, wrong.json()["type"], wrong.headers["allow"]) == (405, "/problems/method_not_allowed", "GET")


async def test_browsers_get_a_page_and_programs_a_document(http):
    page = await http.get("/errors/gone", headers=HTML | {"accept-language": "zh-CN"})
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="zh-CN"' in page.text
    assert "未找到" in page.text
    for accept in ("*/*", "application/json", "text/html;q=0.5, application/json", ""):
        assert (await http.get("/errors/gone", headers={"accept": accept})).json()["status"] == 404


async def test_a_title_is_in_the_language_of_the_request(http):
    answer = await http.get("/errors/gone", headers={"accept-language": "zh-CN"})
    assert answer.json()["title"] == "未找到"


async def test_the_openapi_document_tells_of_problems(http):
    document = (await http.get("/openapi.json")).json()
    report = document["paths"]["/v1/reports"]["post"]
    for status in ("422", "default"):
        assert report["responses"][status]["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert report["security"] == [{"api_key": []}]
    assert document["components"]["securitySchemes"]["session"]["in"] == "cookie"
    assert {"Problem", "FieldProblem"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_routes_can_name_the_problems_they_answer_with():
    assert set(problems.responses(404, 409)) == {404, 409}
