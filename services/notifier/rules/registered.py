"""What a deployment has registered with the providers of mainland China: which text is which template there, and what is missing.

Ids differ from account to account, so they stand in a file of the deployment (`TOCSIN_SMS_TEMPLATES`). Pure: the file is read elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.notifier.rules.texts import WORST, Registered, Registry, TemplateError, too_long
from services.notifier.rules.times import Language

Provider = Literal["aliyun", "tencent"]

PROVIDERS: tuple[Provider, ...] = ("aliyun", "tencent")
_ALIYUN_NAMES = {
    "grade_roman": "grade",
    "opaque_code": "number",
    "deadline_hhmm": "time",
    "minutes_left": "left",
    "count": "count",
    "pin": "code",
    "at_hhmm": "at",
    "codes": "numbers",
}

SHORTEST = "警钟"
"""A signature has two characters at least."""

Code = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) and not isinstance(value, bool) else value)]


def _without_empty(templates: object) -> object:
    """What has no code yet is not registered: so the file that was printed can be filled in line by line."""
    return {key: code for key, code in templates.items() if code not in {None, ""}} if isinstance(templates, dict) else templates


class _Aliyun(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    signature: str = Field(pattern=r"^[^【】\[\]{}\s]{2,12}$")
    templates: Annotated[dict[str, Annotated[str, Field(pattern=r"^SMS_[0-9]{4,20}$")]], BeforeValidator(_without_empty)]


class _Tencent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    signature: str = Field(pattern=r"^[^【】\[\]{}\s]{2,12}$")
    templates: Annotated[dict[str, Annotated[Code, Field(pattern=r"^[0-9]{1,20}$")]], BeforeValidator(_without_empty)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    texts_version: int
    aliyun: _Aliyun | None = None
    tencent: _Tencent | None = None


def aliyun_name(variable: str) -> str:
    """Our variable in templates of Aliyun's: letters only; `code` would make a template one for verification codes."""
    return _ALIYUN_NAMES.get(variable) or "".join(char for char in variable if char.isalpha())


@dataclass(frozen=True, slots=True)
class Registrations:
    """The file, read. `texts_version`: the version of the texts that were registered."""

    texts_version: int
    by_provider: Mapping[str, Registered]


@dataclass(frozen=True, slots=True)
class ToRegister:
    """A text as a provider wants it. `required`: without it some officers could not be told at all."""

    template_id: str
    language: Language
    text: str
    variables: tuple[tuple[str, str], ...]
    """(The provider's placeholder, the longest value that it can get.)"""
    required: bool


def read(document: Any, registry: Registry) -> Registrations:
    """Reads the file; raises `TemplateError` with place and reason for what could send a wrong text, or one that is too long."""
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise TemplateError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    found: dict[str, Registered] = {}
    for provider in PROVIDERS:
        given: _Aliyun | _Tencent | None = getattr(parsed, provider)
        if given is None:
            continue
        codes: dict[str, str] = {}
        for template_id, code in given.templates.items():
            if code in codes:
                raise TemplateError(f"{provider}.templates.{template_id}: {code} is also the template of {codes[code]}")
            codes[code] = template_id
        registered = Registered(given.signature, given.templates)
        for entry in registry.entries():
            if entry.template_id in registered.codes and too_long(registered.sign(entry.plain).format_map(WORST[entry.language])):
                raise TemplateError(f"{provider}.signature: with it {entry.template_id} is longer than one SMS; choose a shorter one")
        found[provider] = registered
    return Registrations(parsed.texts_version, found)


def problems(registrations: Registrations, registry: Registry, provider: Provider, *, takes_replies: bool) -> list[str]:
    """What somebody has to do before every text can go out through a provider; nothing when all is well. Codes only, for logs."""
    registered = registrations.by_provider.get(provider)
    if registered is None:
        return [f"{provider} is not in the file"]
    found = [
        f"{provider}.templates.{one.template_id} is missing"
        for one in to_register(registry, provider, takes_replies=takes_replies)
        if one.required and one.template_id not in registered.codes
    ]
    known = {entry.template_id for entry in registry.entries()}
    found += [f"{provider}.templates.{template_id} is no text of ours" for template_id in sorted(registered.codes.keys() - known)]
    if registrations.texts_version != registry.version:
        found.append(f"the file is for version {registrations.texts_version} of the texts, which are version {registry.version} now")
    return found


def to_register(registry: Registry, provider: Provider, *, takes_replies: bool) -> list[ToRegister]:
    """Every text in the provider's own syntax: `${name}` for Aliyun, `{1}` for Tencent. Without signature, which is registered apart.

    Texts in English may be left out: officers who read English then get the Chinese ones. Most of them cannot be registered at all, since
    the brackets of a signature make them UCS-2 and longer than one SMS. Those that ask for a reply are needed where replies are taken.
    """
    listed = []
    for entry in registry.entries():
        if too_long(f"【{SHORTEST}】{entry.plain}".format_map(WORST[entry.language])):
            continue
        names = {
            name: f"${{{aliyun_name(name)}}}" if provider == "aliyun" else f"{{{number}}}"
            for number, name in enumerate(entry.variables, start=1)
        }
        variables = tuple((names[name], WORST[entry.language][name]) for name in entry.variables)
        required = entry.language == "zh_CN" and (entry.way == "workbench" or takes_replies)
        listed.append(ToRegister(entry.template_id, entry.language, entry.plain.format_map(names), variables, required))
    return sorted(listed, key=lambda one: (not one.required, one.template_id))
