"""The operations guide says what is: every setting with its default, every command, the same in both languages."""

import re
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from typer.main import get_command

from deploy import commands
from libs.events.kafka.settings import KafkaSettings
from libs.settings import CommonSettings
from libs.trace.settings import TraceSettings
from services.audit.settings import AuditSettings
from services.directory.settings import DirectorySettings
from services.intake.settings import IntakeSettings
from services.notifier.settings import (
    AliyunSettings,
    FallbackSettings,
    LinkSettings,
    NotifierSettings,
    SmsSettings,
    StormSettings,
    TencentSettings,
    VoiceSettings,
    WebhookSettings,
)
from services.router.settings import RouterSettings
from tests.support import guide

LANGUAGES = ("", "zh-CN")
SETTINGS: tuple[type[BaseSettings], ...] = (
    CommonSettings, KafkaSettings, IntakeSettings, RouterSettings, NotifierSettings, FallbackSettings, StormSettings, AuditSettings,
    DirectorySettings, TraceSettings, SmsSettings, AliyunSettings, TencentSettings, WebhookSettings, VoiceSettings, LinkSettings,
)  # fmt: skip
REQUIRED = {"": "required", "zh-CN": "必填"}
_ROW = re.compile(r"^\| `(TOCSIN_\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_is_listed_with_its_default(language: str) -> None:
    listed = {name: (meaning, default) for name, meaning, default in _ROW.findall(guide.text(language))}
    assert {name: default for name, (_meaning, default) in listed.items()} == declared(language)
    assert not [name for name, (meaning, _default) in listed.items() if len(meaning) < 2]


@pytest.mark.parametrize(("language", "word"), [("", "secret"), ("zh-CN", "保密")])
def test_secrets_are_called_secret(language: str, word: str) -> None:
    said = {name for name, meaning, _default in _ROW.findall(guide.text(language)) if word in meaning}
    assert said == {name for name, (kind, _default) in _fields() if kind is SecretStr}


def test_both_languages_have_the_same_sections_blocks_and_tables() -> None:
    english, chinese = (shape(guide.text(language)) for language in LANGUAGES)
    assert english == chinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_that_is_named_exists(language: str) -> None:
    commands._add_parts()  # what `main` does first
    for words in re.findall(r"`tocsin ([a-z][a-z -]*)", guide.text(language)):
        command = get_command(commands.app)
        for word in words.split():
            if word.startswith("-") or not hasattr(command, "commands"):
                break
            assert word in command.commands, f"tocsin {words}"
            command = command.commands[word]


def declared(language: str) -> dict[str, str]:
    return {name: shown(default, language) for name, (_kind, default) in _fields()}


def shown(default: object, language: str) -> str:
    if default is PydanticUndefined:
        return REQUIRED[language]
    plain = default.get_secret_value() if isinstance(default, SecretStr) else default
    if plain in {None, ""}:
        return "–"
    return f"`{str(plain).lower() if isinstance(plain, bool) else plain}`"


def shape(text: str) -> list[str]:
    """What begins each line of a heading, a table, a block or a comment."""
    return [re.sub(r"[^#|`<].*", "", line) for line in text.splitlines() if line.startswith(("#", "|", "```", "<!--"))]


def _fields() -> Iterator[tuple[str, tuple[object, object]]]:
    for settings in SETTINGS:
        for field, info in settings.model_fields.items():
            yield f"{settings.model_config.get('env_prefix', '')}{field}".upper(), (info.annotation, info.default)
