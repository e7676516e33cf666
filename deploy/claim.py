"""One embedded system per `var/`: what runs there says so with file locks, which end with the process however it ends."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from libs.i18n import gettext as _
from libs.settings import SettingsError

FOLDER = "running"


@contextmanager
def claimed(var_dir: Path, services: Sequence[str]) -> Iterator[None]:
    """Holds these services' places under `var_dir`; SettingsError when another process holds one of them."""
    folder = var_dir / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("TOCSIN_VAR_DIR: " + _("%(folder)s cannot be written (%(why)s)", folder=var_dir, why=error.strerror)) from error
    with ExitStack() as stack:
        for name in services:
            file = stack.enter_context((folder / name).open("a+"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise SettingsError(
                    "TOCSIN_VAR_DIR: "
                    + _(
                        "Tocsin (%(service)s) already runs on %(folder)s, as process %(pid)s; stop it first, or choose another folder",
                        service=name,
                        folder=var_dir,
                        pid=file.read().strip() or "?",
                    )
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        yield
