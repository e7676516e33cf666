"""The garbage collector, set for a server: what was made at start stays, and what requests make is mostly freed without it."""

import gc

YOUNG_MAX = 20_000
"""Net new objects before the youngest are looked through: a batch of a hundred reports stays below it."""


def settle() -> None:
    """Called once, when everything is assembled: the objects of the modules (half a million) are never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 10, 10)
