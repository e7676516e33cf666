"""The image as its Dockerfile describes it, and its files laid out in a folder: what is forgotten there, is missing here."""

import json
import os
import py_compile
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from compileall import compile_dir
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.tools import DEPLOY, ROOT, run

_INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$", re.DOTALL)
_PAIR = re.compile(r"([A-Z_]+)=(\"[^\"]*\"|\S+)")


@dataclass(frozen=True, slots=True)
class Image:
    """The last stage of a Dockerfile."""

    instructions: tuple[tuple[str, str], ...]

    def only(self, instruction: str) -> str:
        (value,) = self.all(instruction)
        return value

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]

    @property
    def environment(self) -> dict[str, str]:
        return {name: value.strip('"') for line in self.all("ENV") for name, value in _PAIR.findall(line)}

    @property
    def entrypoint(self) -> list[str]:
        return json.loads(self.only("ENTRYPOINT"))

    @property
    def healthcheck(self) -> list[str]:
        return json.loads(self.only("HEALTHCHECK").partition("CMD ")[2])

    @property
    def copied(self) -> list[tuple[str, str]]:
        """Source in the build context and target in the image, without what comes from other stages."""
        pairs = [value.split() for value in self.all("COPY") if not value.startswith("--from=")]
        return [(source, target) for source, target in pairs]


def read(path: Path = DEPLOY / "Dockerfile") -> Image:
    """The last stage of a Dockerfile."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found = [(match[1], " ".join(match[2].split())) for line in joined.splitlines() if (match := _INSTRUCTION.match(line))]
    starts = [number for number, (name, _value) in enumerate(found) if name == "FROM"]
    return Image(tuple(found[starts[-1] :]))


class Ignore:
    """A .dockerignore: the last pattern that fits a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        self._rules = [(not line.startswith("!"), _matcher(line.removeprefix("!"))) for line in lines if line and not line.startswith("#")]

    def leaves_out(self, path: str) -> bool:
        parts = path.split("/")
        names = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        out = False
        for leaves_out, fits in self._rules:
            if any(fits.fullmatch(name) for name in names):
                out = leaves_out
        return out


def _matcher(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern.strip("/"))
    return re.compile(escaped.replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*"))


def context() -> list[str]:
    """What a build may copy, as paths from the root of the project."""
    ignore = Ignore((ROOT / ".dockerignore").read_text("utf-8"))
    found = []
    for folder, folders, files in os.walk(ROOT):
        at = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if name not in {".git", ".venv", "var", "__pycache__"} and not name.endswith("_cache")]
        found += [path for name in files if not ignore.leaves_out(path := (at / name).as_posix())]
    return sorted(found)


def lay_out(folder: Path) -> Path:
    """The image's working folder, its files where the Dockerfile copies them; answers where it is."""
    image = read()
    place = folder / image.only("WORKDIR").strip("/")
    files = context()
    for source, target in image.copied:
        inside = [path for path in files if path == source or path.startswith(source.rstrip("/") + "/")]
        assert inside, f"COPY {source}: nothing there"
        for path in inside:
            to = place / target / Path(path).relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, to)
    assert "compileall" in " ".join(image.all("RUN"))
    assert compile_dir(place, quiet=1, workers=1), "not everything compiles"
    return place


WITHOUT_WHEEL = "alibabacloud-tea"
"""The only package that is built; its source has a hash as well, and so has what builds it."""


def packages(folder: Path) -> Path:
    """A virtual environment with what the image has, and nothing of what tests have; answers its Python."""
    uv = (sys.executable, "-m", "uv", "--quiet")
    run(*uv, "venv", "--python", sys.executable, str(folder))
    python = folder / "bin/python"
    options = ("--python", str(python), "--require-hashes", "--only-binary", ":all:")
    run(*uv, "pip", "install", *options, "-r", str(ROOT / "requirements/build.txt"))
    one = ("--no-binary", WITHOUT_WHEEL, "--no-build-isolation")
    run(*uv, "pip", "sync", *options, *one, str(ROOT / "requirements/runtime.txt"))
    _compile(Path(sysconfig.get_path("purelib")), next(folder.glob("lib/python3*/site-packages")))
    return python


def _compile(ours: Path, theirs: Path) -> None:
    """Compiles what our own Python has compiled of the same packages so far: the image's has all of it, which takes it seven seconds."""
    for compiled in ours.rglob(f"__pycache__/*.{sys.implementation.cache_tag}.pyc"):
        beside = compiled.parents[1].relative_to(ours)
        name = f"{compiled.name.partition('.')[0]}.py"
        source, target = theirs / beside / name, theirs / compiled.relative_to(ours)
        if not source.exists():
            continue
        target.parent.mkdir(exist_ok=True)
        if _same(ours / beside / name, source):
            shutil.copyfile(compiled, target)
        else:
            py_compile.compile(str(source), str(target))


def _same(one: Path, other: Path) -> bool:
    """By what a compiled file knows of its source."""
    first, second = one.stat(), other.stat()
    return (int(first.st_mtime), first.st_size) == (int(second.st_mtime), second.st_size)


def interpreter(command: Iterable[str], python: Path) -> list[str]:
    """A command of the image, with another Python."""
    first, *rest = command
    assert first == "python", command
    return [str(python), *rest]
