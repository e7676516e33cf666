"""Everything that a user reads exists in Chinese too, in the catalogue of the room that says it or in that of libs/web."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract, extract_from_file
from jinja2.ext import babel_extract

from libs.i18n import catalogues

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "libs" / "web"
_from_jinja: Any = babel_extract
KEYWORDS = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%")


def rooms() -> list[Path]:
    found = [path for base in ("libs", "services") for path in (ROOT / base).iterdir() if path.is_dir() and not path.name.startswith("_")]
    return sorted([*found, ROOT / "deploy"])


def names(room: Path) -> str:
    return str(room.relative_to(ROOT))


@functools.cache
def used(room: Path) -> dict[str, str]:
    """Each msgid that the room says, with one place where it does."""
    return {msgid: f"{path.relative_to(ROOT)}:{line}" for path, line, msgid in _extracted(room)}


def _extracted(room: Path) -> Iterator[tuple[Path, int, str]]:
    for path in sorted(room.rglob("*.py")):
        for line, message, _comments, _context in extract_from_file("python", str(path), KEYWORDS):
            yield path, line, message if isinstance(message, str) else message[0]
    for path in sorted(room.rglob("templates/**/*.html")):
        with path.open("rb") as file:
            for line, message, _comments, _context in extract(_from_jinja, file, KEYWORDS, options={"silent": "false"}):
                yield path, line, message if isinstance(message, str) else message[0]


@functools.cache
def translated(room: Path) -> dict[str, str]:
    return {msgid: text for path in sorted(room.rglob("locales/zh_CN.po")) for msgid, text in catalogues.texts(catalogues.read(path))}


@functools.cache
def listed(room: Path) -> set[str]:
    """Every msgid of the room's catalogue, translated or not."""
    messages = [message for path in sorted(room.rglob("locales/zh_CN.po")) for message in catalogues.read(path)]
    return {message.id if isinstance(message.id, str) else message.id[0] for message in messages if message.id}


@pytest.mark.parametrize("room", rooms(), ids=names)
def test_every_text_of_a_room_is_translated(room):
    known = translated(room) | translated(SHARED)
    missing = [f"{place}  {msgid!r}" for msgid, place in used(room).items() if msgid not in known]
    assert not missing, f"not in {names(room)}/locales/zh_CN.po:\n" + "\n".join(missing)


@pytest.mark.parametrize("room", rooms(), ids=names)
def test_placeholders_of_both_languages_agree(room):
    wrong = [msgid for msgid, text in translated(room).items() if set(PLACEHOLDER.findall(msgid)) != set(PLACEHOLDER.findall(text))]
    assert not wrong


@pytest.mark.parametrize("room", rooms(), ids=names)
def test_no_catalogue_holds_texts_that_nobody_says(room):
    speakers = rooms() if room == SHARED else [room]
    said = set().union(*(used(speaker) for speaker in speakers))
    assert not sorted(listed(room) - said)


def test_rooms_translate_the_same_text_in_the_same_way():
    seen: dict[str, tuple[str, str]] = {}
    for room in rooms():
        for msgid, text in translated(room).items():
            other, where = seen.setdefault(msgid, (text, names(room)))
            assert other == text, f"{msgid!r} is {other!r} in {where} and {text!r} in {names(room)}"


def test_texts_to_translate_are_constants():
    formatted = re.compile(r"\b(?:_|gettext|N_)\(\s*f[\"']")
    wrong = [str(path.relative_to(ROOT)) for room in rooms() for path in room.rglob("*.py") if formatted.search(path.read_text("utf-8"))]
    assert not wrong, "an f-string cannot be translated: give the values as parameters"
