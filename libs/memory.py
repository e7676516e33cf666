"""The garbage collector, set for a server: what was made at start stays, and what requests make is mostly freed without it."""

import gc

START_MAX = 100_000
"""Net new objects before it looks at any while a process starts: nearly all of them are modules and models, which stay."""
YOUNG_MAX = 20_000
"""Net new objects before the youngest are looked through: a batch of a hundred reports stays below it."""


def begin() -> None:
    """Called before anything is loaded: what is loaded is not looked through again and again, which would be a third of the start."""
    gc.set_threshold(START_MAX, 10, 10)


def settle() -> None:
    """Called once, when everything is assembled: the objects of the modules (half a million) are never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 10, 10)
