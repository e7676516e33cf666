"""Waiting for what no clock of ours moves: other processes and files."""

import threading
import time
from collections.abc import Callable


def wait_until(met: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Asks `met` until it says yes (True) or `timeout_s` are over (False). Blocks its thread: never for use in an event loop."""
    until_s = time.monotonic() + timeout_s
    pause = threading.Event()
    while not met():
        if time.monotonic() >= until_s:
            return False
        pause.wait(every_s)
    return True
