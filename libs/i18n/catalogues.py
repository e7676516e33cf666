"""Reading the rooms' catalogues. They are small and read once; there is no compiled form that could be stale."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

Catalogue = Mapping[str, str]

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("libs/*/locales/zh_CN.po", "services/*/locales/zh_CN.po", "deploy/locales/zh_CN.po", "deploy/*/locales/zh_CN.po")
ENGLISH: Catalogue = {}
"""English needs none: the ids are English."""


@functools.cache
def load() -> Mapping[str, Catalogue]:
    """Every translation of every room, by locale and msgid."""
    return {"zh_CN": {msgid: text for path in paths() for msgid, text in texts(read(path))}}


def paths() -> list[Path]:
    """The catalogue file of every room that has one, in a fixed order."""
    return [path for pattern in PATTERNS for path in sorted(ROOT.glob(pattern))]


def read(path: Path) -> Catalog:
    """One room's catalogue; a file that is not a PO file is refused with its name and line."""
    with path.open("rb") as file:
        return read_po(file, locale="zh_CN", abort_invalid=True)


def texts(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    """Pairs of msgid and translation; Chinese has one plural form, filed under the singular. Untranslated and fuzzy ones are left out."""
    for message in catalogue:
        msgid = message.id[0] if isinstance(message.id, list | tuple) else message.id
        text = message.string[0] if isinstance(message.string, list | tuple) else message.string
        if msgid and text and not message.fuzzy:
            yield msgid, text
