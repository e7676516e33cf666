"""compose.yaml as compose reads it: merged, interpolated, with what the image brings."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.deploy import image
from tests.deploy.tools import DEPLOY

PATH = DEPLOY / "compose.yaml"
REQUIRED = {
    "TOCSIN_PUBLIC_BASE_URL": "https://tocsin.example.org",
    "TOCSIN_MASTER_KEYS": "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "TOCSIN_DATABASE_PASSWORD": "letters0and1digits",
    "TOCSIN_TLS_CERTIFICATE": "/etc/tocsin/certificate.pem",
    "TOCSIN_TLS_KEY": "/etc/tocsin/key.pem",
}
"""Everything that compose.yaml asks for."""
SECRETS = {
    **REQUIRED,
    "TOCSIN_TWILIO_ACCOUNT_SID": "AC" + "7" * 32,
    "TOCSIN_TWILIO_AUTH_TOKEN": "a-token-of-the-tests",
    "TOCSIN_TWILIO_FROM_NUMBER": "+860019999998",
}
"""With one account that sends SMS, which is as much as the services need."""

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\}|([A-Za-z_]\w*))")


class NotSet(Exception):
    """A variable that must be set is not."""


@dataclass(frozen=True, slots=True)
class Container:
    """What a container runs, and how it is asked whether it lives: a command, or paths over HTTP."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    healthcheck: tuple[str, ...] | None = None
    probes: tuple[str, ...] = ()
    replicas: int = 1
    grace_s: float = 10


def interpolated(value: Any, variables: dict[str, str]) -> Any:
    """`value` with its `${…}` filled in; raises NotSet for what is required and missing."""
    if isinstance(value, dict):
        return {key: interpolated(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, variables) for one in value]
    return _VARIABLE.sub(lambda match: _filled(match, variables), value) if isinstance(value, str) else value


def _filled(match: re.Match[str], variables: dict[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    name, how, text = match[1] or match[4], match[2], match[3]
    if variables.get(name):
        return text if how == ":+" else variables[name]
    if how == ":?":
        raise NotSet(f"{name}: {text}")
    return text if how == ":-" else ""


@cache
def written() -> dict[str, Any]:
    """The file as it is written, anchors merged."""
    return yaml.safe_load(PATH.read_text("utf-8"))


def services(variables: dict[str, str]) -> dict[str, Any]:
    """The services, filled in."""
    return interpolated(written()["services"], variables)


def containers(variables: dict[str, str]) -> dict[str, Container]:
    """The containers of our image, by name, as compose starts them."""
    described = image.read()
    return {
        name: Container(
            name,
            (*described.entrypoint, *service["command"]),
            {**described.environment, **service["environment"]},
            healthcheck=None if service.get("healthcheck", {}).get("disable") else tuple(described.healthcheck),
            replicas=service.get("deploy", {}).get("replicas", 1),
            grace_s=float(service.get("stop_grace_period", "10s").removesuffix("s")),
        )
        for name, service in services(variables).items()
        if service["image"].startswith("tocsin:")
    }
