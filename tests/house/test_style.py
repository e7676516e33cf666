"""Review remarks that repeat, as tests (style habit 10)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("libs", "services", "deploy")
LINES_MAX = 400
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_CLOCK = ("libs/clock/",)


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file() and "node_modules" not in path.parts:
                yield path


def found(pattern: str, paths: Iterator[Path], *, except_in: tuple[str, ...] = (), flags: int = 0) -> list[str]:
    """`file:line` of each match, outside of the folders that may."""
    expression = re.compile(pattern, flags)
    places = []
    for path in paths:
        name = str(path.relative_to(ROOT))
        if name.startswith(except_in):
            continue
        text = path.read_text("utf-8")
        if path.suffix == ".py":
            text = _COMMENT.sub("", text)
        places += [f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0].strip()}" for match in expression.finditer(text)]
    return places


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The texts in a file's code, with their lines; docstrings, which only talk about it, are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_time_is_read_from_the_clock_only():
    assert not found(r"\bdatetime\.(now|today)\(|\butcnow\(|\bdate\.today\(|\btime\.(time|monotonic)\(", sources(*CODE), except_in=_CLOCK)


def test_the_database_is_not_asked_for_the_time():
    # In code and migrations alike: `now()` would not follow the clock of a test or a demonstration.
    asks = re.compile(r"(?<![\w.])(?:now|(?:clock|statement|transaction)_timestamp)\(\)|\bcurrent_timestamp\b", re.IGNORECASE)
    places = [f"{path.relative_to(ROOT)}:{line}" for path in sources(*CODE) for line, text in strings(path) if asks.search(text)]
    assert not [place for place in places if not place.startswith(_CLOCK)]
    assert not found(r"\bfunc\.(?:now|current_timestamp)\(", sources(*CODE))


def test_nothing_sleeps_but_the_clock():
    # The bus's listener paces its own connection, which no test clock moves.
    assert not found(r"\btime\.sleep\(", sources(*CODE, "tests"))
    assert not found(r"\basyncio\.sleep\((?!0\))", sources(*CODE), except_in=("libs/clock/", "libs/service/", "libs/events/bell.py"))


def test_no_file_is_longer_than_a_reader_likes():
    paths = sources(*CODE, "tests", "benchmarks")
    long = {str(path.relative_to(ROOT)): lines for path in paths if (lines := path.read_text("utf-8").count("\n")) > LINES_MAX}
    assert not long


def test_pages_have_no_script_or_style_in_their_markup():
    pages = r"<script(?![^>]*\bsrc=)|<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:"
    assert not found(pages, sources(*CODE, suffixes=(".html", ".svg")), flags=re.IGNORECASE)


def test_pages_and_assets_need_no_other_host():
    pattern = r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+\.[a-z]{2,}[^\s\"')]*"
    files = sources(*CODE, suffixes=(".html", ".css", ".js", ".svg"))
    assert not found(pattern, files, flags=re.IGNORECASE)


def test_messages_of_errors_are_translated_where_users_read_them():
    """A TocsinError's detail is for people: `gettext`, not a bare text."""
    kinds = "BadRequest|Unauthorised|Forbidden|NotFound|Conflict|TooLarge|Unsupported|Invalid|TooMany|Unavailable"
    assert not found(rf"\braise (?:{kinds})\(\s*\"[a-z_]+\",\s*f?[\"']", sources("libs", "services"))
