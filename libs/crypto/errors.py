"""What can go wrong with keys and seals."""


class SealError(Exception):
    """Base of all; none may be retried: the same bytes and keys fail again."""


class KeyRingInvalid(SealError, ValueError):
    """The text of the master keys cannot be read; the message says which entry and why, and never shows a key."""


class UnknownKeyVersion(SealError):
    """Sealed under a master key that this process was not given (an old key was taken away before its seals were rewrapped)."""

    def __init__(self, version: int) -> None:
        super().__init__(f"no master key of version {version}")
        self.version = version


class MalformedSeal(SealError):
    """Not something that `Sealer.seal` made."""


class SealBroken(SealError):
    """The bytes were changed, belong to another table, column or row, or were sealed under another key."""
