"""The report model: what is legal, what is not, and what people are told about it."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import ValidationError

from libs.errors import BadRequest, FieldError, Invalid
from libs.i18n import use_locale
from libs.terms import AgeBand, Answer, Danger
from libs.terms.labels import CODES
from services.intake.rules import facts, reading, terms, wording
from services.intake.rules.report import CHILDREN_MAX, EXAMPLES, NARRATIVE_MAX, Part, Report

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SMALLEST: dict[str, Any] = EXAMPLES["smallest"]
REMOVE = object()


def made(**changes: Any) -> dict[str, Any]:
    """The smallest report with changes; a key like `children.0.age` reaches inside, REMOVE takes away."""
    report = deepcopy(SMALLEST)
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = report
        for step in way:
            place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
        if value is REMOVE:
            del place[last]
        else:
            place[int(last) if last.isdecimal() else last] = value
    return report


def read(report: dict[str, Any]) -> Report:
    return Report.model_validate_json(orjson.dumps(report))


def wrong_fields(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Every wrong field with its code, as the API would answer."""
    try:
        parsed = read(report)
    except ValidationError as error:
        return [(one.field, one.code) for one in wording.refusal(error).errors]
    return [(one.field, one.code) for one in facts.problems(parsed, NOW)]


LEGAL: dict[str, dict[str, Any]] = {
    "the smallest": {},
    "no danger question answered": {"danger": {}},
    "no situation": {"situations": REMOVE},
    "an almost empty child": {"children": [{"current_location": {"division_code": "44"}}]},
    "unknown sex": {"children__0__sex": "unknown"},
    "nobody named": {"alleged_persons": [{}]},
    "an unknown person": {"alleged_persons": [{"known": "unknown", "relation": "unknown", "age_band": "unknown"}]},
    "unknown harm": {"harms": [{}]},
    "unknown caregiver": {"caregivers": [{"relation": "unknown"}]},
    "yes as true": {"reporter": {"category": "teacher", "callback_ok": True}},
    "disability in words": {"children__0__disability": "听力障碍"},
    "a script as text": {"narrative": "<script>alert(1)</script>"},
    "emoji and rare signs": {"narrative": "𠮷野家 👧🏽 \u202e"},
    "lines in the narrative": {"narrative": "one\r\ntwo\n\tthree"},
    "the longest narrative": {"narrative": "长" * NARRATIVE_MAX},
    "as many children as may be": {"children": SMALLEST["children"] * CHILDREN_MAX},
    "a new-born": {"children__0__birth_date": "2026-11-23"},
    "born today east of here": {"children__0__birth_date": "2026-11-23"},
    "just now by a fast clock": {"reported_at": "2026-11-23T12:04:59+08:00"},
    "happened, learned, reported at once": dict.fromkeys(("occurred_at", "learned_at", "reported_at"), "2026-11-23T03:00:00Z"),
    "police reference": {"police_report_ref": "110-1", "police_reported_at": "2026-11-23T03:00:00Z"},
    "anonymous": {"reporter": {"category": "anonymous", "confidentiality": "anonymous"}},
    "a grid's code": {"children__0__current_location__division_code": "440304001020001"},
    "null is unknown": {"source_ref": None, "reporter": None, "occurred_at": None},
}


@pytest.mark.parametrize("changes", LEGAL.values(), ids=LEGAL)
def test_unknown_is_always_legal(changes: dict[str, Any]):
    assert wrong_fields(made(**changes)) == []


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no channel": ({"channel": REMOVE}, "channel", "required"),
    "no narrative": ({"narrative": REMOVE}, "narrative", "required"),
    "no danger": ({"danger": REMOVE}, "danger", "required"),
    "no children": ({"children": REMOVE}, "children", "required"),
    "no child": ({"children": []}, "children", "too_few"),
    "too many children": ({"children": SMALLEST["children"] * (CHILDREN_MAX + 1)}, "children", "too_many"),
    "a child without place": ({"children": [{}]}, "children[0].current_location", "required"),
    "a place without code": ({"children__0__current_location": {}}, "children[0].current_location.division_code", "required"),
    "a grade": ({"grade": "I"}, "grade", "unknown_field"),
    "a tier": ({"tier": "street"}, "tier", "unknown_field"),
    "a triage": ({"triage": {}}, "triage", "unknown_field"),
    "a misspelt field": ({"narative": "x"}, "narative", "unknown_field"),
    "a misspelt field of a child": ({"children__0__nam": "x"}, "children[0].nam", "unknown_field"),
    "a misspelt danger": ({"danger__danger": "yes"}, "danger.danger", "unknown_field"),
    "an unknown channel": ({"channel": "fax"}, "channel", "unknown_code"),
    "an unknown situation": ({"situations": ["MR10"]}, "situations[0]", "unknown_code"),
    "an unknown category": ({"categories": ["rich"]}, "categories[0]", "unknown_code"),
    "an unknown answer": ({"danger__weapon": "maybe"}, "danger.weapon", "unknown_code"),
    "a danger as true": ({"danger__weapon": True}, "danger.weapon", "unknown_code"),
    "a number for an answer": ({"reporter": {"category": "teacher", "callback_ok": 1}}, "reporter.callback_ok", "unknown_code"),
    "a narrative of blanks": ({"narrative": " \n\t　"}, "narrative", "not_readable"),
    "an empty narrative": ({"narrative": ""}, "narrative", "too_short"),
    "a narrative with NUL": ({"narrative": "a\0b"}, "narrative", "not_readable"),
    "a narrative with an escape": ({"narrative": "a\x1bb"}, "narrative", "not_readable"),
    "a narrative too long": ({"narrative": "x" * (NARRATIVE_MAX + 1)}, "narrative", "too_long"),
    "a number for a narrative": ({"narrative": 3}, "narrative", "wrong_type"),
    "a name of two lines": ({"children__0__name": "a\nb"}, "children[0].name", "not_readable"),
    "an empty name": ({"children__0__name": ""}, "children[0].name", "too_short"),
    "an object for a list": ({"children": {}}, "children", "wrong_type"),
    "a list for an object": ({"danger": []}, "danger", "wrong_type"),
    "text for a list": ({"situations": "MR4_ABUSE_INJURY"}, "situations", "wrong_type"),
    "text for a boolean": ({"is_update": "yes"}, "is_update", "wrong_type"),
    "text for an age": ({"children__0__age": "7"}, "children[0].age", "wrong_type"),
    "half a year": ({"children__0__age": 7.5}, "children[0].age", "wrong_type"),
    "a negative age": ({"children__0__age": -1}, "children[0].age", "too_small"),
    "no child's age": ({"children__0__age": 40}, "children[0].age", "too_large"),
    "letters in a code": (
        {"children__0__current_location__division_code": "44030400102X"},
        "children[0].current_location.division_code",
        "not_a_division_code",
    ),
    "a code of odd length": (
        {"children__0__current_location__division_code": "44030"},
        "children[0].current_location.division_code",
        "not_a_division_code",
    ),
    "a code as number": (
        {"children__0__current_location__division_code": 440304},
        "children[0].current_location.division_code",
        "wrong_type",
    ),
    "a time without offset": ({"occurred_at": "2026-03-01T08:30:00"}, "occurred_at", "not_a_time"),
    "a time as number": ({"occurred_at": 1770000000}, "occurred_at", "not_a_time"),
    "the 30th of February": ({"occurred_at": "2026-02-30T08:30:00Z"}, "occurred_at", "not_a_time"),
    "half past 25": ({"occurred_at": "2026-02-20T25:30:00Z"}, "occurred_at", "not_a_time"),
    "a birth date that is none": ({"children__0__birth_date": "2015-13-01"}, "children[0].birth_date", "not_a_date"),
    "a birth in the future": ({"children__0__birth_date": "2026-11-25"}, "children[0].birth_date", "in_the_future"),
    "a birth long ago": ({"children__0__birth_date": "1931-01-01"}, "children[0].birth_date", "too_long_ago"),
    "it happened tomorrow": ({"occurred_at": "2026-11-24T00:00:00+08:00"}, "occurred_at", "in_the_future"),
    "it was reported in ten minutes": ({"reported_at": "2026-11-23T04:10:00Z"}, "reported_at", "in_the_future"),
    "it happened in year 1": ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at", "too_long_ago"),
    "the police were told in 9999": ({"police_reported_at": "9999-12-31T23:59:59-12:00"}, "police_reported_at", "in_the_future"),
    "learned before it happened": (
        {"occurred_at": "2026-11-22T00:00:00Z", "learned_at": "2026-11-21T00:00:00Z"},
        "learned_at",
        "out_of_order",
    ),
    "reported before it happened": (
        {"occurred_at": "2026-11-22T00:00:00Z", "reported_at": "2026-11-21T00:00:00Z"},
        "reported_at",
        "out_of_order",
    ),
    "anonymous with a name": (
        {"reporter": {"category": "other", "confidentiality": "anonymous", "name": "x"}},
        "reporter.name",
        "not_anonymous",
    ),
    "a reporter without category": ({"reporter": {"name": "x"}}, "reporter.category", "required"),
    "a phone of letters": ({"reporter": {"category": "other", "phone": "call me"}}, "reporter.phone", "not_a_phone"),
    "a related report that is no id": ({"related_report_ids": ["7"]}, "related_report_ids[0]", "not_an_id"),
    "an attachment without fingerprint": ({"attachments": [{"media_type": "image/png"}]}, "attachments[0].sha256", "required"),
    "a fingerprint that is none": ({"attachments": [{"media_type": "image/png", "sha256": "abc"}]}, "attachments[0].sha256", "wrong_form"),
}


@pytest.mark.parametrize(("changes", "field", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str, code: str):
    assert wrong_fields(made(**changes)) == [(field, code)]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"a":1,}', b"\xff", b'{"a":"\xff"}', b'"\\ud800"', b"[" * 500, b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_a_bad_request(body: bytes):
    with pytest.raises(ValidationError) as caught:
        Report.model_validate_json(body)
    assert isinstance(wording.refusal(caught.value), BadRequest)


@pytest.mark.parametrize("body", [b"3", b"[]", b'"x"', b"null", b"true"])
def test_json_that_is_no_object_is_invalid(body: bytes):
    with pytest.raises(ValidationError) as caught:
        Report.model_validate_json(body)
    refusal = wording.refusal(caught.value)
    assert isinstance(refusal, Invalid)
    assert refusal.errors[0].code == "wrong_type"


def test_errors_are_bounded_and_never_quote_what_was_sent():
    body = orjson.dumps({**SMALLEST, **{f"canary-{n}-{'x' * 300}": "canary-value" for n in range(500)}})
    with pytest.raises(ValidationError) as caught:
        Report.model_validate_json(body)
    refusal = wording.refusal(caught.value)
    assert len(refusal.errors) == wording.ERRORS_MAX
    assert all(len(error.field) <= wording.NAME_MAX for error in refusal.errors)
    assert "canary-value" not in str(refusal.errors) + str(refusal)


def test_errors_speak_the_readers_language():
    def said(error: FieldError) -> str:
        return error.detail

    with pytest.raises(ValidationError) as caught:
        read(made(grade="I"))
    with use_locale("en"):
        assert said(wording.refusal(caught.value).errors[0]) == "This is worked out by the service. Leave it out."
    with use_locale("zh_CN"):
        assert said(wording.refusal(caught.value).errors[0]) == "此项由系统判定，请勿填写。"


def test_ages_as_far_as_events_may_tell_them():
    def bands(*children: dict[str, Any]) -> tuple[AgeBand, ...]:
        report = read(made(children=[{**child, "current_location": {"division_code": "44"}} for child in children]))
        return tuple(facts.age_band(child, NOW.date()) for child in report.children)

    assert bands({}, {"age": 0}, {"age": 7}, {"age": 8}, {"age": 13}, {"age": 14}, {"age": 17}, {"age": 19}) == (
        AgeBand.UNKNOWN,
        AgeBand.UNDER_8,
        AgeBand.UNDER_8,
        AgeBand.FROM_8_TO_13,
        AgeBand.FROM_8_TO_13,
        AgeBand.FROM_14_TO_17,
        AgeBand.FROM_14_TO_17,
        AgeBand.FROM_14_TO_17,
    )
    # The birthday itself counts: eight today, fourteen only tomorrow, and a birth date is a better answer than an age.
    assert bands({"birth_date": "2018-11-23"}, {"birth_date": "2018-11-24"}, {"birth_date": "2012-11-24", "age": 16}) == (
        AgeBand.FROM_8_TO_13,
        AgeBand.UNDER_8,
        AgeBand.FROM_8_TO_13,
    )


@pytest.mark.parametrize(
    ("ages", "said", "told"),
    [
        ([6], "unknown", Answer.YES),
        ([6], "no", Answer.YES),
        ([9, 6], "unknown", Answer.YES),
        ([9], "unknown", Answer.NO),
        ([9, None], "unknown", Answer.UNKNOWN),
        ([9, None], "yes", Answer.YES),
        ([None], "unknown", Answer.UNKNOWN),
    ],
)
def test_under_eight_follows_from_the_ages_where_they_are_known(ages: list[int | None], said: str, told: Answer):
    children = [{"current_location": {"division_code": "44"}, **({"age": age} if age is not None else {})} for age in ages]
    report = read(made(children=children, danger={"under_8": said}))
    assert facts.danger_answers(report.danger, report.children, NOW.date())[Danger.UNDER_8] is told


@pytest.mark.parametrize(
    ("reporter", "mandated", "reachable"),
    [
        (None, Answer.UNKNOWN, False),
        ({"category": "teacher"}, Answer.YES, False),
        ({"category": "neighbour"}, Answer.UNKNOWN, False),
        ({"category": "other", "unit": "lodging"}, Answer.YES, False),
        ({"category": "teacher", "mandated": "no"}, Answer.NO, False),
        ({"category": "neighbour", "phone": "+860010000001"}, Answer.UNKNOWN, True),
        ({"category": "neighbour", "phone": "+860010000001", "callback_ok": "no"}, Answer.UNKNOWN, False),
    ],
)
def test_who_must_report_and_who_can_be_told(reporter: dict[str, Any] | None, mandated: Answer, reachable: bool):
    report = read(made(reporter=reporter))
    assert facts.mandated(report.reporter) is mandated
    assert facts.reachable(report.reporter) is reachable


def test_the_event_is_what_the_catalogue_says():
    """It is built without validation, for speed: so it is validated here."""
    report = read({**EXAMPLES["fuller"], "categories": ["poverty", "poverty"], "occurred_at": "2026-03-01T08:30:00+08:00"})
    event = facts.received_event(report, UUID(int=7), NOW)
    again = type(event).model_validate_json(event.model_dump_json())
    assert again == event
    assert again.categories == ("poverty",)


def test_everything_that_is_accepted_can_be_read_by_those_who_act_on_it():
    for part, shown in reading.COVERED.items():
        assert set(part.model_fields) == shown, part.__name__
    for parts in reading._PARTS:
        annotation = str(Report.model_fields[parts[1]].annotation)
        (model,) = [part for part in Part.__subclasses__() if f".{part.__name__}" in annotation]
        assert set(model.model_fields) == set(parts[2]), model.__name__


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_a_report_is_laid_out_in_both_languages(locale: str):
    with use_locale(locale):
        fuller: dict[str, Any] = EXAMPLES["fuller"]
        sections = reading.sections({name: value for name, value in fuller.items() if name != "reporter"}, fuller["reporter"])
    texts = [text for section in sections for _name, text in section.lines]
    assert "（虚构示例）急诊接诊，伤情与所述经过不符。" in texts
    assert "440304001020 示例路 1 号" in texts
    assert {"en": "Doctor", "zh_CN": "医生"}[locale] in texts


def test_every_code_that_is_shown_has_words_in_both_languages():
    kinds = {
        "category": terms.Category,
        "unit": terms.ReporterUnit,
        "reporter": terms.ReporterCategory,
        "confidentiality": terms.Confidentiality,
        "sex": terms.Sex,
        "living_situation": terms.LivingSituation,
        "harm": terms.HarmType,
        "frequency": terms.Frequency,
        "setting": terms.Setting,
        "person_age": terms.PersonAgeBand,
    }
    for kind, codes in kinds.items():
        assert {code.value for code in codes} - {"unknown"} <= set(CODES[kind]), kind
    assert {*terms.CaregiverRelation, *terms.AllegedRelation} <= set(CODES["relation"])


def test_posts_with_a_conflict_of_interest_are_told_by_their_codes_only():
    posts = [
        {"reason": "suspect_unit", "division_code": "440304001020", "role": "community_officer"},
        {"reason": "suspect_manager", "post_id": str(UUID(int=9))},
    ]
    report = read(made(alleged_persons=[{"known": "yes", "name": "虚构", "organisation": "虚构单位", "posts": posts}]))
    event = facts.received_event(report, UUID(int=7), NOW)
    assert [one.model_dump(exclude_none=True, mode="json") for one in event.conflicts] == posts
    assert "虚构" not in event.model_dump_json()
    assert wrong_fields(made(alleged_persons=[{"posts": [{"reason": "other"}]}]))
