"""Messages that are passed on sealed: whoever listens at the server reads nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from outlive.core.tenant_keys import owner_of
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.sealing import key_id_of, seal, unseal
from outlive.errors import Corrupt
from outlive.protocols import Broadcast


class EncryptedBroadcast:
    """Implements `protocols.Broadcast` over any other; what does not open was not told by us, and is not heard."""

    def __init__(self, broadcast: Broadcast, ring: KeyRing) -> None:
        """Topics start with the tenant, as storage keys do."""
        self._broadcast, self._ring = broadcast, ring

    async def publish(self, topic: str, body: bytes) -> None:
        await self._broadcast.publish(topic, seal(await self._ring.for_writing(owner_of(topic)), body, topic))

    async def listen(self, topic: str) -> AsyncGenerator[bytes, None]:
        """See `protocols.Broadcast`."""
        async with aclosing(self._broadcast.listen(topic)) as heard:
            async for sealed in heard:
                if not sealed:
                    yield sealed
                elif key_id := key_id_of(sealed):
                    with suppress(Corrupt):
                        secret = await self._ring.for_reading(owner_of(topic), key_id, f"message on {topic}")
                        yield unseal(secret, sealed, topic)

    async def close(self) -> None:
        await self._broadcast.close()
