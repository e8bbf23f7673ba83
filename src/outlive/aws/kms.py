"""Keys wrapped by AWS KMS: the wrapping key never leaves the service, and each use is in its own log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from outlive.aws.client import code_of, open_client, parse_place, translated
from outlive.errors import Corrupt, Invalid

NOT_OURS = {"InvalidCiphertextException", "IncorrectKeyException"}


class KmsWrap:
    """Implements `protocols.KeyWrap` with Encrypt and Decrypt, bound by an encryption context."""

    def __init__(self, client: Any, key_id: str, stack: AsyncExitStack) -> None:  # noqa: ANN401 - see `open_client`
        """Use `KmsWrap.open`."""
        self._client, self._key_id, self._stack = client, key_id, stack
        self.name = f"kms:{key_id}"

    @classmethod
    async def open(cls, url: str) -> KmsWrap:
        """`kms://KEY-ID?region=…` or `kms://alias/NAME?region=…`; nothing is asked of the service yet."""
        parts = urlsplit(url)
        key_id = (parts.netloc + parts.path).strip("/")
        if not key_id:
            raise Invalid(f"key URL {url!r} names no key.", fix="Use kms://KEY-ID or kms://alias/NAME.")
        place = parse_place(f"kms://key?{parts.query}", "kms")
        stack = AsyncExitStack()
        return cls(await open_client("kms", place, stack), key_id, stack)

    def opens(self, name: str) -> bool:
        """Any key of KMS: the wrapped bytes themselves say which."""
        return name.startswith("kms:")

    async def wrap(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        async with translated(f"KMS key {self._key_id}"):
            done = await self._client.encrypt(KeyId=self._key_id, Plaintext=secret, EncryptionContext=dict(context))
        return bytes(done["CiphertextBlob"])

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        async with translated(f"KMS key {name.removeprefix('kms:')}"):
            try:
                done = await self._client.decrypt(CiphertextBlob=wrapped, EncryptionContext=dict(context))
            except ClientError as error:
                if code_of(error) not in NOT_OURS:
                    raise
                fix = "Restore the record from a backup of the keys."
                raise Corrupt(f"the data key of {dict(context)} does not open with {name}.", fix=fix) from error
        return bytes(done["Plaintext"])

    async def close(self) -> None:
        await self._stack.aclose()
