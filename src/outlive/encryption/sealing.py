"""One sealed value: AES-256-GCM under a data key, bound to the place where it lies."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outlive.core.tenant_keys import ID_BYTES
from outlive.errors import Corrupt

MAGIC = b"OLE1"
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = len(MAGIC) + ID_BYTES + NONCE_BYTES
OVERHEAD = HEADER_BYTES + TAG_BYTES
"""Bytes that a sealed value is longer than the plain one."""
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the open; it never leaves the process."""

    id: str
    secret: bytes


def seal(key: DataKey, data: bytes, place: str) -> bytes:
    """The value as stored at `place`: magic, the key's name, a random nonce, ciphertext and tag."""
    header = MAGIC + bytes.fromhex(key.id)
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + AESGCM(key.secret).encrypt(nonce, data, _bound(header, place))


def key_id_of(sealed: bytes) -> str | None:
    """The name of the key it takes; None for what was never sealed."""
    if len(sealed) < OVERHEAD or not sealed.startswith(MAGIC):
        return None
    return sealed[len(MAGIC) : len(MAGIC) + ID_BYTES].hex()


def unseal(key: DataKey, sealed: bytes, place: str) -> bytes:
    """The plain value; `Corrupt` names the place when a byte was changed, the key is another, or it lay elsewhere."""
    header, nonce = sealed[: len(MAGIC) + ID_BYTES], sealed[len(MAGIC) + ID_BYTES : HEADER_BYTES]
    try:
        return AESGCM(key.secret).decrypt(nonce, sealed[HEADER_BYTES:], _bound(header, place))
    except InvalidTag as error:
        raise Corrupt(
            f"{place} does not open with key {key.id}: its bytes were changed, or it was moved here.",
            fix="Restore it from a backup.",
        ) from error


def _bound(header: bytes, place: str) -> bytes:
    return header + place.encode("utf-8", "surrogatepass")  # a broken key is for the store to refuse
