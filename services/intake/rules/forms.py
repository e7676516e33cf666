"""The public page's form as a report, and a report's errors as the form's: the page asks little and in plain words."""

from collections.abc import Iterable, Mapping
from typing import Any

from libs.errors import FieldError
from libs.terms import Answer

TEXT_FIELDS = (
    "narrative",
    "place",
    "division_code",
    "address",
    "child_name",
    "age",
    "sex",
    "danger_now",
    "police_called",
    "category",
    "name",
    "phone",
    "safe_contact_time",
    "key",
)
"""Everything that the form may send; what else comes is not looked at."""

_FIELD_OF = {
    "narrative": "narrative",
    "children[0].name": "child_name",
    "children[0].age": "age",
    "children[0].sex": "sex",
    "children[0].current_location.address": "address",
    "children[0].current_location.division_code": "place",
    "danger.danger_now": "danger_now",
    "reporter.category": "category",
    "reporter.name": "name",
    "reporter.phone": "phone",
    "reporter.safe_contact_time": "safe_contact_time",
}


def public_report(form: Mapping[str, str], division_code: str, language: str) -> dict[str, Any]:
    """The report that a filled-in form means, in the API's own words. Empty fields are unknown; nothing is checked here."""
    said = {name: value.strip() for name, value in form.items()}
    child: dict[str, Any] = {"current_location": _given({"division_code": division_code, "address": _address(said)})}
    child |= _given({"name": said.get("child_name"), "sex": said.get("sex")})
    if said.get("age"):
        # What is no number goes on as it is, so that the model says so at the field.
        child |= {"age": int(said["age"]) if said["age"].isdecimal() and len(said["age"]) < 4 else said["age"], "age_estimated": True}
    report: dict[str, Any] = {
        "channel": "web",
        "language": language.replace("_", "-"),
        "narrative": said.get("narrative", ""),
        "children": [child],
        "danger": {"danger_now": said.get("danger_now") or Answer.UNKNOWN.value},
        "reporter": _reporter(said),
    }
    if said.get("police_called"):
        report["police_report_ref"] = "110"
    return report


def form_errors(errors: Iterable[FieldError]) -> dict[str, str]:
    """What is wrong, by the form's fields; "" is for what has no field of its own."""
    by_field: dict[str, str] = {}
    for error in errors:
        by_field.setdefault(_FIELD_OF.get(error.field, ""), error.detail)
    return by_field


def _reporter(said: Mapping[str, str]) -> dict[str, Any]:
    """Whoever leaves neither name nor phone is anonymous; whoever does is confidential."""
    identity = _given({name: said.get(name) for name in ("name", "phone", "safe_contact_time")})
    category = said.get("category")
    if "name" in identity or "phone" in identity:
        return {"category": category or "other", "confidentiality": "confidential", "callback_ok": Answer.YES.value, **identity}
    return {"category": category or "anonymous", "confidentiality": "anonymous"}


def _address(said: Mapping[str, str]) -> str:
    """The place as typed is kept beside the code that was found for it: whoever goes there reads both."""
    return " ".join(part for part in (said.get("place"), said.get("address")) if part)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
