"""One sealed value: exact, bound to its place, and named when it is damaged."""

from __future__ import annotations

import pytest

from outlive.clock import SystemClock
from outlive.core.keys import parse_tenant
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.objects import EncryptedObjects
from outlive.encryption.queue import EncryptedQueue
from outlive.encryption.sealing import DataKey, key_id_of
from outlive.encryption.table import MAX_BODY, EncryptedTable
from outlive.errors import Corrupt, TooLarge, Unavailable
from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.server import MemoryServer
from outlive.memory.table import MemoryTable
from outlive.protocols import Absent, At, Free, Keep, Message
from outlive.testing.clock import ManualClock
from tests.encryption.places import Vault


@pytest.fixture
def server() -> MemoryServer:
    """What lies underneath."""
    return MemoryServer()


@pytest.fixture
def objects(server: MemoryServer, tmp_path) -> EncryptedObjects:
    """Sealed objects."""
    return EncryptedObjects(MemoryObjects(server, clock=SystemClock()), Vault(tmp_path).ring())


@pytest.fixture
def table(server: MemoryServer, tmp_path) -> EncryptedTable:
    """A sealed table."""
    return EncryptedTable(MemoryTable(server), Vault(tmp_path).ring())


async def test_nothing_lies_in_the_open(objects: EncryptedObjects, server: MemoryServer) -> None:
    """No part of what was put is in the store, and the same bytes put twice lie there as different ones."""
    await objects.put("acme/a", b"the secret" * 9)
    await objects.put("acme/b", b"the secret" * 9)
    stored = [data for data, _ in server.blobs.values()]
    assert not any(b"secret" in data for data in stored)
    assert stored[0][24:] != stored[1][24:]


@pytest.mark.promise("P8")
@pytest.mark.parametrize("at", [0, 5, 13, 30, -1])
async def test_any_changed_byte_is_named(objects: EncryptedObjects, server: MemoryServer, at: int) -> None:
    """A flipped bit in magic, key name, nonce, text or tag is `Corrupt`, naming the object."""
    await objects.put("acme/pack", b"x" * 40)
    data = bytearray(server.blobs["acme/pack"][0])
    data[at] ^= 1
    server.blobs["acme/pack"] = (bytes(data), 0.0)
    with pytest.raises(Corrupt, match="acme/pack"):
        await objects.get("acme/pack")


@pytest.mark.promise("P8")
async def test_a_value_opens_only_where_it_was_put(objects: EncryptedObjects, server: MemoryServer) -> None:
    """A sealed object copied under another key, of the same tenant or of another, is `Corrupt`."""
    await objects.put("acme/a", b"a")
    await objects.put("other/b", b"b")
    for key in ("acme/z", "other/z"):
        server.blobs[key] = server.blobs["acme/a"]
        with pytest.raises(Corrupt, match=key):
            await objects.get(key)


async def test_what_was_never_sealed_is_refused_unless_asked_for(server: MemoryServer, tmp_path) -> None:
    """A plain object is `Corrupt` by default, and read where older data is to be."""
    plain, ring = MemoryObjects(server, clock=SystemClock()), Vault(tmp_path).ring()
    await plain.put("acme/old", b"plain")
    with pytest.raises(Corrupt, match="not encrypted"):
        await EncryptedObjects(plain, ring).get("acme/old")
    assert await EncryptedObjects(plain, ring, reads_plain=True).get("acme/old") == b"plain"


@pytest.mark.promise("P8")
async def test_a_body_of_another_record_is_refused(table: EncryptedTable, server: MemoryServer) -> None:
    """A record with the body of its neighbour is `Corrupt` on read, acquire and scan, though its version fits."""
    row = await table.write("acme/a", b"a", expected=Absent(), lease=Free(), expires_at=None)
    await table.write("acme/b", b"b", expected=Absent(), lease=Free(), expires_at=None)
    plain = MemoryTable(server)
    moved = server.rows["acme/b"].body
    await plain.write("acme/a", moved, expected=At(row.version, row.fence), lease=Keep(), expires_at=None)
    for call in (table.read("acme/a"), table.acquire("acme/a", "w", now=0, until=1), table.scan("acme/")):
        with pytest.raises(Corrupt, match="acme/a"):
            await call


async def test_the_largest_body_leaves_room_for_the_seal(table: EncryptedTable) -> None:
    """A body of the stated limit is stored, and one byte more is `TooLarge`, with nothing written."""
    await table.write("acme/a", b"x" * MAX_BODY, expected=Absent(), lease=Free(), expires_at=None)
    with pytest.raises(TooLarge, match="encrypted"):
        await table.write("acme/b", b"x" * (MAX_BODY + 1), expected=Absent(), lease=Free(), expires_at=None)
    assert [len(row.body) for row in await table.scan("acme/")] == [MAX_BODY]


async def test_a_large_body_is_packed_before_it_is_sealed(table: EncryptedTable, server: MemoryServer) -> None:
    """What lies there is a tenth of a body that repeats itself, and comes back whole."""
    await table.write("acme/a", b"word " * 900, expected=Absent(), lease=Free(), expires_at=None)
    assert len(server.rows["acme/a"].body) < 450
    assert [row.body for row in await table.scan("acme/")] == [b"word " * 900]


class Closed(KeyRing):
    """A ring whose table is down."""

    async def for_reading(self, owner: str, key_id: str, place: str) -> DataKey:
        raise Unavailable("the keys are not there.")


async def test_a_message_lies_sealed_in_the_queue(server: MemoryServer, tmp_path) -> None:
    """Neither waiting nor dead does a message's text lie in the queue, and both are shown with it."""
    plain = MemoryQueue(server, clock=SystemClock())
    queue = EncryptedQueue(plain, Vault(tmp_path).ring())
    await queue.send(Message("acme:console:ada:default", "m1", b"the secret"))
    (waiting,) = await plain.waiting("acme:console:ada:default")
    assert key_id_of(waiting.body)
    assert b"secret" not in waiting.body
    assert [m.body for m in await queue.waiting("acme:console:ada:default")] == [b"the secret"]
    while delivery := await queue.receive(visibility=1, wait=0):
        assert delivery.message.body == b"the secret"
        await queue.give_back(delivery, delay=0, reason="no")
    assert [letter.message.body for letter in await queue.dead_letters()] == [b"the secret"]
    assert b"secret" not in (await plain.dead_letters())[0].message.body


async def test_a_message_whose_key_cannot_be_asked_for_comes_again(server: MemoryServer, tmp_path) -> None:
    """While the keys are down nothing is received, and no receive is counted against the message."""
    clock, vault = ManualClock(), Vault(tmp_path)
    queue = EncryptedQueue(MemoryQueue(server, clock=clock), vault.ring())
    await queue.send(Message("acme:console:ada:default", "m1", b"hello"))
    without = EncryptedQueue(MemoryQueue(server, clock=clock), Closed(MemoryTable(), [], clock))
    for _ in range(5):
        with pytest.raises(Unavailable):
            await without.receive(visibility=1, wait=0)
        clock.advance(6)
    delivery = await queue.receive(visibility=1, wait=0)
    assert delivery is not None
    assert (delivery.message.body, delivery.receives) == (b"hello", 1)


async def test_a_message_whose_key_was_destroyed_can_be_purged(server: MemoryServer, tmp_path) -> None:
    """It stays sealed for whoever receives or lists it, and stops no other tenant's messages."""
    ring = Vault(tmp_path).ring()
    queue = EncryptedQueue(MemoryQueue(server, clock=SystemClock()), ring)
    await queue.send(Message("acme:console:ada:default", "m1", b"hello"))
    await queue.send(Message("other:console:ada:default", "m1", b"hi"))
    await ring.destroy(parse_tenant("acme"))
    found = [await queue.receive(visibility=9, wait=0), await queue.receive(visibility=9, wait=0)]
    bodies = {delivery.message.group[:5]: delivery.message.body for delivery in found if delivery}
    assert bodies["other"] == b"hi"
    assert key_id_of(bodies["acme:"])
