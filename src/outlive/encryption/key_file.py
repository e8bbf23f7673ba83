"""Keys wrapped by a file on this machine: one key a line, the first one wraps, the others still open."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outlive.encryption.sealing import KEY_BYTES, NONCE_BYTES
from outlive.errors import Corrupt, Invalid

MAKE = "Make one with `(umask 077; openssl rand -base64 32 > FILE)`."


class KeyFile:
    """Implements `protocols.KeyWrap`; the file is read once, and has to be its owner's alone."""

    def __init__(self, path: Path) -> None:
        """`Invalid` names what is wrong with the file, and the fix."""
        self._keys = {_name(key): key for key in _read(path)}
        self.name = next(iter(self._keys))
        self._path = path

    def opens(self, name: str) -> bool:
        return name in self._keys

    async def wrap(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._keys[self.name]).encrypt(nonce, secret, _bound(context))

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._keys[name]).decrypt(nonce, sealed, _bound(context))
        except InvalidTag as error:
            fix = "Restore the record from a backup of the keys."
            raise Corrupt(f"the data key of {context} does not open with {name}.", fix=fix) from error

    async def close(self) -> None:
        """Nothing is open."""


def _read(path: Path) -> list[bytes]:
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"key file {path} cannot be read: {error}.", fix=MAKE) from error
    if mode & 0o077:
        raise Invalid(f"key file {path} can be read by others.", fix=f"Run `chmod 600 {path}`.")
    try:
        keys = [b64decode(line, validate=True) for line in text.split()]
    except (NoBase64, ValueError) as error:
        raise Invalid(f"key file {path} has a line that is not base64.", fix=MAKE) from error
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise Invalid(f"key file {path} has to hold keys of {KEY_BYTES} bytes, one a line.", fix=MAKE)
    return keys


def _name(key: bytes) -> str:
    return "file:" + sha256(b"outlive key file" + key).hexdigest()[:16]


def _bound(context: Mapping[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()
