"""Sealing one value: its own data key encrypts it, the master key encrypts the data key.

Bytes of a seal, format 1:
    1   format (1)
    2   master key version, big endian
    12  nonce of the wrapping
    48  the data key, AES-256-GCM under the wrapping key, with the aad and the key version as associated data
    12  nonce of the value
    n   the value and its 16-byte tag, AES-256-GCM under the data key, with the aad as associated data

The key version is bound to the wrapping only, so that a rotation rewrites 63 bytes and never sees the value.
Random 96-bit nonces allow 2^32 seals per master key (NIST SP 800-38D section 8.3): centuries of a country's reports; rotate long before.
"""

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.crypto.errors import MalformedSeal, SealBroken, UnknownKeyVersion
from libs.crypto.keys import KEY_SIZE_BYTES, KeyRing

FORMAT = 1
NONCE_SIZE = 12
TAG_SIZE = 16
WRAPPED_START = 3 + NONCE_SIZE
VALUE_START = WRAPPED_START + KEY_SIZE_BYTES + TAG_SIZE
SIZE_MIN = VALUE_START + NONCE_SIZE + TAG_SIZE


class Sealer:
    """Seals and opens values; `aad` says where a value lives, `table|column|row`, and a seal opens nowhere else."""

    def __init__(self, keyring: KeyRing) -> None:
        self._newest = keyring.newest
        self._wrappers = {version: AESGCM(keyring.derive("seal", version)) for version in keyring.versions}

    def seal(self, plaintext: bytes, aad: str) -> bytes:
        """The sealed bytes: 91 longer than the plaintext, different at each call."""
        bound = aad.encode()
        # One trip to the kernel for the data key and both nonces.
        fresh = os.urandom(KEY_SIZE_BYTES + 2 * NONCE_SIZE)
        data_key, nonce = fresh[:KEY_SIZE_BYTES], fresh[KEY_SIZE_BYTES + NONCE_SIZE :]
        head = self._wrap(data_key, fresh[KEY_SIZE_BYTES : KEY_SIZE_BYTES + NONCE_SIZE], bound)
        return head + nonce + AESGCM(data_key).encrypt(nonce, plaintext, bound)

    def open(self, sealed: bytes, aad: str) -> bytes:
        """The plaintext; MalformedSeal, UnknownKeyVersion or SealBroken when it cannot be had."""
        bound = aad.encode()
        data_key = self._unwrap(_Head.read(sealed), bound)
        try:
            return AESGCM(data_key).decrypt(sealed[VALUE_START : VALUE_START + NONCE_SIZE], sealed[VALUE_START + NONCE_SIZE :], bound)
        except InvalidTag as error:
            raise SealBroken(f"the value at {aad!r} does not open") from error

    def rewrap(self, sealed: bytes, aad: str) -> bytes:
        """The same seal under the newest master key; unchanged when it is so already. The value itself is not decrypted."""
        head = _Head.read(sealed)
        if head.version == self._newest:
            return sealed
        bound = aad.encode()
        return self._wrap(self._unwrap(head, bound), os.urandom(NONCE_SIZE), bound) + sealed[VALUE_START:]

    @staticmethod
    def version_of(sealed: bytes) -> int:
        """The master key version of a seal: rotation looks for those below the newest."""
        return _Head.read(sealed).version

    def _wrap(self, data_key: bytes, nonce: bytes, bound: bytes) -> bytes:
        version = self._newest.to_bytes(2)
        return b"\x01" + version + nonce + self._wrappers[self._newest].encrypt(nonce, data_key, bound + b"|" + version)

    def _unwrap(self, head: "_Head", bound: bytes) -> bytes:
        wrapper = self._wrappers.get(head.version)
        if wrapper is None:
            raise UnknownKeyVersion(head.version)
        try:
            return wrapper.decrypt(head.nonce, head.wrapped, bound + b"|" + head.version.to_bytes(2))
        except InvalidTag as error:
            raise SealBroken(f"the data key at {bound.decode()!r} does not open") from error


@dataclass(frozen=True, slots=True)
class _Head:
    version: int
    nonce: bytes
    wrapped: bytes

    @staticmethod
    def read(sealed: bytes) -> "_Head":
        if len(sealed) < SIZE_MIN or sealed[0] != FORMAT:
            raise MalformedSeal("these bytes are not a seal of format 1")
        return _Head(int.from_bytes(sealed[1:3]), sealed[3:WRAPPED_START], sealed[WRAPPED_START:VALUE_START])
