"""The operations guide as tests read it: what stands there is what is run."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def text(language: str = "") -> str:
    """The guide, in English or in `language`."""
    return (ROOT / "docs" / f"operations{f'.{language}' if language else ''}.md").read_text("utf-8")


def block(name: str, language: str = "") -> str:
    """The commands of the block that the comment `<!-- tested: NAME -->` announces."""
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```sh\n(.*?)^```$", text(language), re.DOTALL | re.MULTILINE)
    assert found, f"the guide has no block {name!r}"
    return found[1]


def commands(name: str, language: str = "") -> list[str]:
    """The commands of a block without what is said about them."""
    return [line for line in block(name, language).splitlines() if line.strip() and not line.startswith("#")]


def script(name: str) -> tuple[str, list[tuple[dict[str, str], list[str]]]]:
    """A block in two parts: commands for a shell, and the services it starts, each with its variables and arguments of `tocsin`."""
    lines = commands(name)
    starts = [shlex.split(line) for line in lines if " run " in f"{line} "]
    return (
        "\n".join(line for line in lines if " run " not in f"{line} "),
        [(dict(word.split("=", 1) for word in words[: words.index("tocsin")]), words[words.index("tocsin") + 1 :]) for words in starts],
    )
