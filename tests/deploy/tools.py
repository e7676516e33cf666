"""The tools that check the files under deploy/: found where `make deploy-tools` puts them, or a skip that says how to get them."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / "var/tools"
RUN_S = 120
DEFINITIONS = "_definitions.json"


def tool(name: str) -> str:
    """The path of a program. Without it the test is skipped, or fails where TOCSIN_REQUIRE_DEPLOY_TOOLS=1."""
    found = shutil.which(name, path=os.pathsep.join((str(TOOLS / "bin"), os.environ.get("PATH", ""), "/usr/sbin")))
    return found or missing(name)


def schemas() -> list[Path]:
    """The folders with the schemas of Kubernetes, oldest version first."""
    found = sorted((TOOLS / "schemas").glob("v*"))
    return found or missing("schemas of Kubernetes")


def schemas_of(kinds: Iterable[str], of_version: Path, folder: Path) -> str:
    """Where kubeconform finds the schemas of these kinds: a copy with what they speak of, for it reads all the rest anew for every kind."""
    files = [file for kind in set(kinds) for file in of_version.glob(f"{kind.lower()}-*.json")]
    everything = json.loads((of_version / DEFINITIONS).read_text("utf-8"))["$defs"]
    named: dict[str, Any] = {}
    texts = [file.read_text("utf-8") for file in files]
    while texts:
        found = {name for text in texts for name in re.findall(r'"\$ref": "[^"]*#/\$defs/([^"]+)"', text)} - named.keys()
        named |= {name: everything[name] for name in found}
        texts = [json.dumps(everything[name]) for name in found]
    copy = folder / of_version.name
    copy.mkdir()
    (copy / DEFINITIONS).write_text(json.dumps({"$defs": named}), encoding="utf-8")
    for file in files:
        shutil.copyfile(file, copy / file.name)
    return f"{copy}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"


def missing(what: str) -> NoReturn:
    """Says what is missing, and ends the test."""
    message = f"!! no {what}: run `make deploy-tools` (it needs Go; as root it installs Debian's nginx too)"
    if os.environ.get("TOCSIN_REQUIRE_DEPLOY_TOOLS") == "1":
        pytest.fail(message)
    pytest.skip(message)


def run(*command: str, cwd: Path = ROOT, stdin: str | None = None, environment: dict[str, str] | None = None) -> str:
    """What a program prints; its complaints are the failure."""
    done = attempt(*command, cwd=cwd, stdin=stdin, environment=environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(
    *command: str, cwd: Path = ROOT, stdin: str | None = None, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a program, whatever comes of it; `environment` replaces ours, except for PATH and HOME."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = None if environment is None else {**kept, **environment}
    return subprocess.run(command, cwd=cwd, input=stdin, env=given, capture_output=True, text=True, timeout=RUN_S, check=False)
