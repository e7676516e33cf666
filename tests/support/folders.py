"""Where the data of throwaway servers goes: into memory where there is room, since making and removing their thousands of files is most of
what a test's database costs on a disk.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM_BYTES_MIN = 4 << 30
"""Two runs of the whole suite at the same time take less than a quarter of it."""


@contextmanager
def quick_folder(prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end, for data that need not survive a power cut."""
    folder = make_folder(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(prefix: str) -> Path:
    """The same for somebody else to remove."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if _room() else None))


def _room() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    return shutil.disk_usage(MEMORY).free >= ROOM_BYTES_MIN
