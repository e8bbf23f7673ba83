"""WeChat's encryption of messages: AES-256-CBC over 16 random bytes, the length, the message and whom it is for.

https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/Before_Develop/Technical_Plan.html
"""

from __future__ import annotations

import binascii
import hmac
import os
import struct
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from outlive.errors import Invalid, Refused

BLOCK = 32
"""Bytes that the padding fills up to; it is not the cipher's own block."""
SALT = 16


class Sealer:
    """Opens and seals messages of one account or bot."""

    def __init__(self, aes_key: str, receiver: str) -> None:
        """`aes_key` is the EncodingAESKey, `receiver` the account's app id; a bot of WeCom has an empty one."""
        try:
            key = b64decode(aes_key + "=", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(aes_key) != 43 or len(key) != 32:
            raise Invalid("the EncodingAESKey is not one.", fix="Copy it from the console: 43 letters and digits.")
        self._cipher, self._receiver = Cipher(algorithms.AES(key), modes.CBC(key[:16])), receiver.encode()

    def open(self, sealed: str) -> bytes:
        """The message; `Refused` when it was not sealed for us."""
        try:
            data = b64decode(sealed, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refused("the message cannot be decrypted.", fix="Check the EncodingAESKey.") from error
        plain = self.open_file(data)
        if len(plain) < SALT + 4:
            raise Refused("the message cannot be decrypted.", fix="Check the EncodingAESKey.")
        (length,) = struct.unpack("!I", plain[SALT : SALT + 4])
        message, receiver = plain[SALT + 4 : SALT + 4 + length], plain[SALT + 4 + length :]
        if len(message) != length or not hmac.compare_digest(receiver, self._receiver):
            raise Refused("the message is for another receiver.", fix="Check the app id.")
        return message

    def open_file(self, data: bytes) -> bytes:
        """The bytes of a file, which is encrypted without a frame; `Refused` when it was not for us."""
        try:
            decryptor = self._cipher.decryptor()
            plain = decryptor.update(data) + decryptor.finalize()
        except ValueError as error:
            raise Refused("the bytes cannot be decrypted.", fix="Check the EncodingAESKey.") from error
        pad = plain[-1] if plain else 0
        if not 1 <= pad <= min(BLOCK, len(plain)):
            raise Refused("the bytes cannot be decrypted.", fix="Check the EncodingAESKey.")
        return plain[:-pad]

    def seal(self, message: bytes) -> str:
        """The message as it is sent."""
        plain = os.urandom(SALT) + struct.pack("!I", len(message)) + message + self._receiver
        pad = BLOCK - len(plain) % BLOCK
        encryptor = self._cipher.encryptor()
        return b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()
