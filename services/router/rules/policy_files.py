"""Reading policy files: an error names the file, the line and the reason."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.router.rules.book import PolicyBook
from services.router.rules.calendar import Notice, WorkCalendar
from services.router.rules.policy import Policy
from services.router.rules.policy_sense import clashes, senseless

FOLDER = Path(__file__).parents[1] / "policies"
CALENDAR = FOLDER / "calendar" / "cn.yaml"
_SATURDAY = 5
POLICY_FILE_BYTES_MAX = 1_000_000
EXTENDS_MAX = 5


class PolicyFileError(ValueError):
    """A policy file cannot be used. The message has one line per reason: `file:line: reason`."""


def load(path: Path, *, in_use: bool = False, others: Iterable[Policy] = ()) -> Policy:
    """Reads one policy file, and what it `extends` from the same folder or the built-in ones; `PolicyFileError` tells what is wrong.

    `in_use`: what only cannot be meant is let pass, so that a service starts with the rules that it has had. `others`: policies beside
    which it is going to stand.
    """
    document, root = _merged(path, EXTENDS_MAX)
    return _validated(path.name, document, root, in_use=in_use, others=others)


def _validated(name: str, document: Any, root: yaml.Node | None, *, in_use: bool = False, others: Iterable[Policy] = ()) -> Policy:
    try:
        policy = Policy.model_validate(document)
    except ValidationError as error:
        reasons = [f"{name}:{_line(root, _loc(one))}: {_where(one['loc'])}{_plain(one)}" for one in error.errors()]
        raise PolicyFileError("\n".join(reasons)) from None
    wrong = () if in_use else (*senseless(policy), *clashes(policy, others))
    if reasons := [f"{name}:{_line(root, _path(one))}: {one}" for one in wrong]:
        raise PolicyFileError("\n".join(reasons))
    return policy


def parse(name: str, data: bytes, base: Callable[[str], Policy | None]) -> Policy:
    """A policy from the bytes of a file called `name`; what it `extends` is looked up in `base` by its id. Raises as `load` does.

    Where it is in force is not for such a file to say: it is bound by an act of its own, which is recorded.
    """
    document, root = _mapping(name, _parsed(name, data))
    if "bind" in document:
        reason = "bind: leave it out; where and since when it is in force is said when it is bound"
        raise PolicyFileError(f"{name}:{_line(root, ('bind',))}: {reason}")
    base_id = document.pop("extends", None)
    if base_id is not None:
        found = base(base_id) if isinstance(base_id, str) else None
        if found is None:
            raise PolicyFileError(f"{name}:{_line(root, ('extends',))}: extends: there is no policy of that id here")
        document = _extended(found.model_dump(mode="json", exclude={"id", "version", "bind"}), document)
    return _validated(name, document, root)


def load_book(folders: Iterable[Path] = ()) -> PolicyBook:
    """The built-in policies and those of further `folders`; `PolicyFileError` when a file is wrong or two have one id and version."""
    policies: dict[str, Policy] = {}
    for name, policy in (*_built_in(), *(one for folder in folders for one in _in_folder(folder))):
        if policy.stamp in policies:
            raise PolicyFileError(f"{name}:1: {policy.stamp} is already defined by another file; raise its version")
        policies[policy.stamp] = policy
    book = PolicyBook(tuple(policies.values()))
    if not any(binding.division == "" for policy in book.policies for binding in policy.bind):
        raise PolicyFileError("policies: none is bound to division '', so some places would have none")
    return book


@functools.cache
def _built_in() -> tuple[tuple[str, Policy], ...]:
    """Those that came with this version: they are read once."""
    return tuple(_in_folder(FOLDER))


def _in_folder(folder: Path) -> Iterator[tuple[str, Policy]]:
    for path in sorted(folder.glob("*.yaml")):
        yield path.name, load(path, in_use=True)


class Year(BaseModel):
    """The State Council's notice of a year: days off beside Saturdays and Sundays, and weekend days that are worked to make up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    src: Annotated[str, Field(min_length=2, max_length=200)]
    holidays: Annotated[tuple[date, ...], Field(max_length=120)]
    worked: Annotated[tuple[date, ...], Field(max_length=60)] = ()

    @staticmethod
    def of(year: int, values: Mapping[str, Any]) -> "Year":
        """Checked; `ValueError` with the first thing that is wrong."""
        try:
            return _Notices.model_validate({"notices": {year: values}}).notices[year]
        except ValidationError as error:
            raise ValueError(_plain(error.errors()[0])) from None


class _Notices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notices: dict[int, Year] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for year, notice in self.notices.items():
            if not notice.holidays:
                raise ValueError(f"notices.{year}.holidays: a year without a day off is none")
            if strange := [day for day in (*notice.holidays, *notice.worked) if day.year != year]:
                raise ValueError(f"notices.{year}: {strange[0]} lies in another year")
            if both := set(notice.holidays) & set(notice.worked):
                raise ValueError(f"notices.{year}: {min(both)} is both off and worked")
            if weekdays := [day for day in notice.worked if day.weekday() < _SATURDAY]:
                raise ValueError(f"notices.{year}.worked: {weekdays[0]} is no Saturday or Sunday, so it is worked anyway")
        return self


def load_notices(path: Path) -> dict[int, Year]:
    """The notices in a file; none where there is no file."""
    if not path.exists():
        return {}
    document, root = _read(path)
    try:
        return _Notices.model_validate(document).notices
    except ValidationError as error:
        reasons = [f"{path.name}:{_line(root, _loc(one))}: {_where(one['loc'])}{_plain(one)}" for one in error.errors()]
        raise PolicyFileError("\n".join(reasons)) from None


def save_notices(path: Path, notices: Mapping[int, Year]) -> None:
    """Writes the notices, all at once: whoever reads meanwhile reads the old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = {"notices": {year: notice.model_dump(mode="json") for year, notice in sorted(notices.items())}}
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), encoding="utf-8")
    fresh.replace(path)


def load_calendar(path: Path | None = None) -> WorkCalendar:
    """The working calendar with the notices that came with this version and those that an administrator has added, which win."""
    added = load_notices(path) if path is not None else {}
    years = load_notices(CALENDAR) | added
    return WorkCalendar({year: Notice(frozenset(notice.holidays), frozenset(notice.worked)) for year, notice in years.items()})


class _Loader(yaml.CSafeLoader):
    """Safe YAML in which a key given twice is an error: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)  # dates are read, and complained about, by the model


def _read(path: Path) -> tuple[Any, yaml.Node | None]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PolicyFileError(f"{path.name}:1: cannot be read: {error.strerror}") from None
    return _parsed(path.name, data)


def _parsed(name: str, data: bytes) -> tuple[Any, yaml.Node | None]:
    if len(data) > POLICY_FILE_BYTES_MAX:
        raise PolicyFileError(f"{name}:1: larger than {POLICY_FILE_BYTES_MAX} bytes")
    try:
        loader = _Loader(data.decode())
        root = loader.get_single_node()
        return None if root is None else loader.construct_document(root), root
    except UnicodeDecodeError:
        raise PolicyFileError(f"{name}:1: is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyFileError(f"{name}:{mark.line + 1 if mark else 1}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise PolicyFileError(f"{name}:1: {error}") from None
    except (TypeError, ValueError, RecursionError):  # a list as a key, a number of a thousand digits, ten thousand brackets
        raise PolicyFileError(f"{name}:1: is not a policy: names, texts, numbers and lists only") from None


def _mapping(name: str, read: tuple[Any, yaml.Node | None]) -> tuple[dict[Any, Any], yaml.Node | None]:
    document, root = read
    if not isinstance(document, dict):
        raise PolicyFileError(f"{name}:1: must hold `key: value` pairs")
    return document, root


def _merged(path: Path, extends_left: int) -> tuple[Any, yaml.Node | None]:
    document, root = _mapping(path.name, _read(path))
    base_id = document.pop("extends", None)
    if base_id is None:
        return document, root
    line = _line(root, ("extends",))
    if not isinstance(base_id, str) or not base_id.isidentifier():
        raise PolicyFileError(f"{path.name}:{line}: extends: must be the name of another policy file")
    if extends_left == 0:
        raise PolicyFileError(f"{path.name}:{line}: extends: more than {EXTENDS_MAX} files deep, or in a circle")
    base_path = next((found for found in (path.parent / f"{base_id}.yaml", FOLDER / f"{base_id}.yaml") if found.exists()), None)
    if base_path is None:
        raise PolicyFileError(f"{path.name}:{line}: extends: there is no {base_id}.yaml beside it nor among the built-in policies")
    base, _ = _merged(base_path, extends_left - 1)
    base.pop("bind", None)  # where the base is in force says nothing about this one
    return _extended(base, document), root


def _extended(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = _overlay(base, own)
    if "grades" in merged:
        merged["grades"] = _grades(base.get("grades"), own.get("grades"))
    return merged


def _grades(base: Any, own: Any) -> Any:
    """A file in which a grade says its `severity` brings its own set of grades: those of the base are not among them.

    What such a grade leaves out is as in the base's grade of that severity (or of its own name).
    """
    if not isinstance(own, Mapping) or not isinstance(base, Mapping):
        return base if own is None else own
    if not any(isinstance(one, Mapping) and "severity" in one for one in own.values()):
        return _overlay(base, own)
    return {name: _overlay(_alike(base, name, one), one) if isinstance(one, Mapping) else one for name, one in own.items()}


def _alike(base: Mapping[str, Any], name: Any, own: Mapping[str, Any]) -> Mapping[str, Any]:
    severity = own.get("severity") or name
    same = next((one for key, one in base.items() if isinstance(one, Mapping) and (one.get("severity") or key) == severity), {})
    found = base.get(name, same)
    return found if isinstance(found, Mapping) else {}


def _overlay(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Own values win; mappings are merged key by key, lists replaced whole."""
    merged = dict(base)
    for key, value in own.items():
        under = merged.get(key)
        merged[key] = _overlay(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return merged


def _line(node: yaml.Node | None, loc: Iterable[int | str]) -> int:
    """The line of the nearest node on the way to `loc`: a missing key is reported where its parent stands."""
    line = node.start_mark.line if node else 0
    for part in loc:
        found: tuple[yaml.Node, yaml.Node] | None = None
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if str(pair[0].value) == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return line + 1


def _loc(error: Mapping[str, Any]) -> Iterable[int | str]:
    """Where the mistake is: what the whole policy complains of begins with the path of it."""
    loc: tuple[int | str, ...] = error["loc"]
    return loc or _path(_plain(error))


def _path(reason: str) -> list[int | str]:
    return [int(part) if part.isdecimal() and part.isascii() else part for part in reason.partition(":")[0].split(".")]


def _where(loc: Iterable[int | str]) -> str:
    path = ".".join(str(part) for part in loc if part != "[key]")
    return f"{path}: " if path else ""


def _plain(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is not a key that a policy knows"
    return str(error["msg"]).removeprefix("Value error, ")
