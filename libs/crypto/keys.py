"""Master keys by version, and everything that is derived from them."""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.crypto.errors import KeyRingInvalid, UnknownKeyVersion

KEY_SIZE_BYTES = 32
VERSION_MAX = 0xFFFF
BLIND_SIZE_BYTES = 16


class KeyRing:
    """The master keys, by version; the newest one is used for whatever is made now, the others only to read what is older.

    A rotation adds a version, rewraps every seal (`Sealer.rewrap`) and recomputes what was derived, and only then drops the old version.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise KeyRingInvalid("there is no master key")
        for version, key in keys.items():
            if not 1 <= version <= VERSION_MAX:
                raise KeyRingInvalid(f"key version {version} is not between 1 and {VERSION_MAX}")
            if len(key) != KEY_SIZE_BYTES:
                raise KeyRingInvalid(f"master key {version} has {len(key)} bytes instead of {KEY_SIZE_BYTES}")
        if len(set(keys.values())) != len(keys):
            raise KeyRingInvalid("two versions of the master key are the same key")
        self._keys = dict(sorted(keys.items(), reverse=True))
        self._derived: dict[tuple[str, int], bytes] = {}

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Reads `1:base64,2:base64` (32 bytes each, order does not matter); KeyRingInvalid says which entry is wrong."""
        keys: dict[int, bytes] = {}
        for position, entry in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            number, colon, encoded = entry.partition(":")
            if not colon or not number.strip().isdecimal():
                raise KeyRingInvalid(f"master key entry {position} is not of the form version:base64")
            version = int(number)
            if version in keys:
                raise KeyRingInvalid(f"master key version {version} is given twice")
            try:
                keys[version] = base64.b64decode(encoded.strip(), altchars=b"-_" if set(encoded) & {"-", "_"} else None, validate=True)
            except (binascii.Error, ValueError) as error:
                raise KeyRingInvalid(f"master key {version} is not base64") from error
        return cls(keys)

    @staticmethod
    def generate(version: int = 1) -> str:
        """The text of a new random master key, ready to be appended to the configured ones with a comma."""
        return f"{version}:{base64.b64encode(os.urandom(KEY_SIZE_BYTES)).decode()}"

    @property
    def newest(self) -> int:
        """The version that is used for whatever is made now."""
        return next(iter(self._keys))

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version at hand, newest first."""
        return tuple(self._keys)

    def derive(self, purpose: str, version: int | None = None) -> bytes:
        """A 32-byte key for `purpose` alone (HKDF-SHA256), from the newest master key or the given version of it."""
        version = self.newest if version is None else version
        derived = self._derived.get((purpose, version))
        if derived is None:
            if version not in self._keys:
                raise UnknownKeyVersion(version)
            hkdf = HKDF(algorithm=SHA256(), length=KEY_SIZE_BYTES, salt=b"tocsin", info=purpose.encode())
            derived = self._derived[purpose, version] = hkdf.derive(self._keys[version])
        return derived

    def derive_all(self, purpose: str) -> tuple[bytes, ...]:
        """The keys for `purpose` under every version, newest first; a stored MAC is checked with each: a rotation locks nobody out."""
        return tuple(self.derive(purpose, version) for version in self._keys)

    def __repr__(self) -> str:
        return f"<KeyRing versions={self.versions}>"


class BlindIndex:
    """Keyed fingerprints that make a sealed value findable by equality, and by nothing else.

    Never for values that can be guessed by trying them all (sex, age, grade). The caller brings equal values to one form first.
    """

    def __init__(self, keyring: KeyRing, purpose: str) -> None:
        self._keys = keyring.derive_all(f"blind-index|{purpose}")

    def of(self, value: str) -> bytes:
        """The fingerprint to store: 16 bytes of HMAC-SHA256 under the newest key."""
        return hmac.digest(self._keys[0], value.encode(), "sha256")[:BLIND_SIZE_BYTES]

    def candidates(self, value: str) -> list[bytes]:
        """Every fingerprint that may be stored for `value` while a key rotation is under way, newest first."""
        return [hmac.digest(key, value.encode(), "sha256")[:BLIND_SIZE_BYTES] for key in self._keys]
