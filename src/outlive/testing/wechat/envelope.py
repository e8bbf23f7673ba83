"""The vendor's side of signatures and encryption, written from the documents and apart from the channel's own."""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.modes import CBC


def sign(*parts: str) -> str:
    """The SHA-1 over the sorted parts."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in sorted(parts):
        digest.update(part.encode())
    return digest.hexdigest()


def encrypt(encoding_key: str, receiver: str, text: str) -> str:
    """A message as the vendor sends it."""
    content = text.encode()
    plain = secrets.token_bytes(16) + len(content).to_bytes(4, "big") + content + receiver.encode()
    fill = 32 - len(plain) % 32
    worker = _cipher(encoding_key).encryptor()
    return base64.b64encode(worker.update(plain + bytes([fill] * fill)) + worker.finalize()).decode()


def encrypt_file(encoding_key: str, content: bytes) -> bytes:
    """A file as WeCom keeps it: filled up to 32 bytes, without a frame."""
    fill = 32 - len(content) % 32
    worker = _cipher(encoding_key).encryptor()
    return worker.update(content + bytes([fill] * fill)) + worker.finalize()


def decrypt(encoding_key: str, receiver: str, sealed: str) -> str:
    """What was sealed for the vendor; `ValueError` when the receiver is another one."""
    worker = _cipher(encoding_key).decryptor()
    plain = worker.update(base64.b64decode(sealed)) + worker.finalize()
    plain = plain[16 : len(plain) - plain[-1]]
    end = 4 + int.from_bytes(plain[:4], "big")
    if plain[end:].decode() != receiver:
        raise ValueError(f"sealed for {plain[end:]!r}")
    return plain[4:end].decode()


def _cipher(encoding_key: str) -> Cipher[CBC]:
    key = base64.b64decode(encoding_key + "=")
    return Cipher(algorithms.AES(key), CBC(key[:16]))
