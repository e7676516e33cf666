"""The secrets of the embedded mode: made at its first start, kept under `var/`, readable by their owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from libs.crypto import KeyRing

FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the embedded mode must remember so that what it sealed stays readable and its sandbox account stays the same."""

    master_keys: str
    twilio_account_sid: str
    twilio_auth_token: str
    demo_password: str

    def __repr__(self) -> str:
        return "<Secrets>"


def load_or_make(var_dir: Path) -> Secrets:
    """Reads the secrets under `var_dir`, making them when there are none."""
    path = var_dir / FILE
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(
        master_keys=KeyRing.generate(),
        twilio_account_sid="AC" + secrets.token_hex(16),
        twilio_auth_token=secrets.token_hex(16),
        demo_password=secrets.token_urlsafe(9),
    )
    write_private(path, json.dumps(asdict(made), indent=2))
    return made


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
