"""docs/coverage.md names tests that exist, and every row has its answer."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text("utf-8")
SHORT = {
    "presets": "tests/unit/router/test_presets.py",
    "recipients": "tests/unit/router/test_recipients.py",
    "policies": "tests/unit/router/test_policies.py",
    "aftercare": "tests/unit/router/test_aftercare.py",
    "stories": "tests/e2e/test_stories.py",
}
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| [ZXGFM]\d\d ", line)]


def test_every_row_says_whether_it_is_built_and_what_shows_it() -> None:
    assert ROWS
    assert len({row[0] for row in ROWS}) == len(ROWS)
    for number, _asked, built, where, shown in ROWS:
        assert built in {"yes", "partly", "no"}, number
        assert built == "no" or (where and shown), number


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for _number, _asked, _built, _where, shown in ROWS:
        for name in re.findall(r"`([^`]+)`", shown):
            path, _, function = name.partition("::")
            file = ROOT / SHORT.get(path, path)
            if not file.is_file() or (function and f"def {function}(" not in file.read_text("utf-8")):
                missing.append(name)
    assert not missing
