"""A report laid out for those who read it: sections of named lines, codes said in words. What is unknown is left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from libs.i18n import N_, format_time
from libs.i18n import gettext as _
from libs.terms.labels import code_label, situation_text
from services.intake.rules.report import Part, Report, Reporter


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines, each a name and a text."""

    title: str
    lines: tuple[tuple[str, str], ...]


def sections(content: Mapping[str, Any], reporter: Mapping[str, Any] | None) -> list[Section]:
    """Everything that was reported, in the order in which somebody who has to act wants to read it; texts are not yet escaped."""
    found = [
        Section(_("What is reported"), tuple(_of(content, _WHAT))),
        Section(_("Danger"), tuple(_of(content.get("danger", {}), {name: name for name in content.get("danger", {})}, kind="danger"))),
    ]
    for title, part, names in _PARTS:
        said = content.get(part)
        several = said if isinstance(said, list) else [said] if said else []
        for number, one in enumerate(several, start=1):
            heading = f"{_(title)} {number}" if len(several) > 1 else _(title)
            found.append(Section(heading, tuple(_of(one, names))))
    found.append(Section(_("Times and references"), tuple(_of(content, _TIMES))))
    if reporter is not None:
        found.append(Section(_("Reporter"), tuple(_of(reporter, _REPORTER))))
    return [section for section in found if section.lines]


def division_codes(content: Any) -> set[str]:
    """The code of every place in a report."""
    if isinstance(content, Mapping):
        own = {content["division_code"]} if content.get("division_code") else set()
        return own.union(*(division_codes(inner) for inner in content.values()))
    return set().union(*(division_codes(inner) for inner in content)) if isinstance(content, list) else set()


def with_names(content: Any, names: Mapping[str, str]) -> Any:
    """The same with each place's name before its code: nobody drives to a number."""
    if isinstance(content, Mapping):
        said = {name: with_names(inner, names) for name, inner in content.items()}
        code = str(said.get("division_code"))
        return said | {"division_code": f"{names[code]} {code}"} if code in names else said
    return [with_names(inner, names) for inner in content] if isinstance(content, list) else content


def _of(values: Mapping[str, Any], names: Mapping[str, str], kind: str = "") -> Iterator[tuple[str, str]]:
    for field, name in names.items():
        value = values.get(field)
        text = _text(field, value)
        if text:
            yield (code_label(kind, field) if kind else _(name)), text


def _text(field: str, value: Any) -> str:
    if value is None or value == "unknown" or value is False:
        return ""
    if value is True:
        return code_label("answer", "yes")
    if isinstance(value, Mapping) and field == "posts":
        role = code_label("role", value["role"]) if value.get("role") else ""
        where = value.get("post_id") or value.get("division_code")
        return f"{where} {role}".rstrip() + f" ({code_label('conflict_reason', value['reason'])})"
    if isinstance(value, Mapping):
        return " ".join(str(part) for part in value.values())
    if isinstance(value, list):
        return "；".join(text for one in value if (text := _text(field, one)))
    if field == "situations":
        return situation_text(value)
    if field.endswith("_at"):
        return format_time(datetime.fromisoformat(value))
    if field == "birth_date":
        return date.fromisoformat(value).isoformat()
    return code_label(_KINDS.get(field, "answer"), str(value)) if field not in _FREE else str(value)


_KINDS = {
    "categories": "category",
    "category": "reporter",
    "unit": "unit",
    "age_band": "person_age",
    "sex": "sex",
    "living_situation": "living_situation",
    "type": "harm",
    "frequency": "frequency",
    "setting": "setting",
    "relation": "relation",
    "confidentiality": "confidentiality",
    "channel": "channel",
}
_FREE = frozenset(
    {"narrative", "name", "alias", "age", "address", "school", "school_grade", "note", "injuries", "duration", "organisation"}
)

_WHAT = {"narrative": N_("Narrative"), "situations": N_("Situations"), "categories": N_("Categories")}
_CHILD = {
    "name": N_("Name"),
    "alias": N_("Called"),
    "sex": N_("Sex"),
    "birth_date": N_("Born"),
    "age": N_("Age"),
    "age_estimated": N_("Age is estimated"),
    "current_location": N_("Is now at"),
    "home_location": N_("Lives at"),
    "living_situation": N_("Lives with"),
    "school": N_("School"),
    "school_grade": N_("Class"),
    "phone": N_("Phone"),
    "id_number": N_("Identity document"),
    "disability": N_("Disability"),
    "knows_of_report": N_("Knows of the report"),
    "prior_reports": N_("Reported before"),
}
_HARM = {
    "type": N_("Kind"),
    "frequency": N_("How often"),
    "duration": N_("For how long"),
    "setting": N_("Where"),
    "injuries": N_("Injuries"),
}
_CAREGIVER = {
    "relation": N_("Relation"),
    "name": N_("Name"),
    "protective": N_("Protects the child"),
    "aware": N_("Knows of it"),
    "substance_use": N_("Alcohol or drugs"),
    "mental_health": N_("Mental illness"),
    "violence": N_("Violent"),
}
_ALLEGED = {
    "known": N_("Known"),
    "relation": N_("Relation"),
    "name": N_("Name"),
    "age_band": N_("Age"),
    "organisation": N_("Works at"),
    "posts": N_("Must not deal with it"),
}
_SAFETY = {"dogs": N_("Dogs"), "weapons": N_("Weapons"), "hostile_persons": N_("Hostile persons"), "note": N_("Note")}
_ATTACHMENT = {
    "name": N_("Name"),
    "media_type": N_("Type"),
    "size_bytes": N_("Bytes"),
    "reference": N_("Where it is kept"),
    "sha256": N_("Fingerprint"),
}
_TIMES = {
    "occurred_at": N_("Happened"),
    "learned_at": N_("Learned of"),
    "reported_at": N_("Reported"),
    "internal_report_at": N_("Reported to the own unit"),
    "police_reported_at": N_("Reported to the police"),
    "police_report_ref": N_("Police reference"),
    "source_ref": N_("Sender’s reference"),
    "channel": N_("Channel"),
    "is_update": N_("Adds to an earlier report"),
    "related_report_ids": N_("Earlier reports"),
    "language": N_("Language"),
}
_REPORTER = {
    "category": N_("Reporter is"),
    "unit": N_("Kind of unit"),
    "mandated": N_("Must report by law"),
    "organisation": N_("Works at"),
    "name": N_("Name"),
    "phone": N_("Phone"),
    "relationship": N_("Relation to the child"),
    "confidentiality": N_("Confidentiality"),
    "callback_ok": N_("May be called"),
    "safe_contact_time": N_("Safe time to call"),
}
_PARTS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (N_("For those who go there"), "responder_safety", _SAFETY),
    (N_("Child"), "children", _CHILD),
    (N_("Harm"), "harms", _HARM),
    (N_("Caregiver"), "caregivers", _CAREGIVER),
    (N_("Alleged person"), "alleged_persons", _ALLEGED),
    (N_("Attachment"), "attachments", _ATTACHMENT),
)
COVERED: dict[type[Part], set[str]] = {
    Report: {*_WHAT, *_TIMES, "danger", "reporter", *(part for _title, part, _names in _PARTS)},
    Reporter: set(_REPORTER),
}
"""What is shown of each part: a test holds it against the model, so that no field is accepted and then hidden."""
