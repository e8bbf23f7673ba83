"""Data keys: made once, kept for minutes, wrapped anew, closed and destroyed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from outlive.aws.kms import KmsWrap
from outlive.encryption.key_file import KeyFile
from outlive.encryption.key_ring import KeyRing
from outlive.encryption.objects import EncryptedObjects
from outlive.errors import Corrupt, Invalid, Refused, Unavailable
from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from tests.encryption.places import Vault, key_file
from tests.servers import local_aws


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Keys that outlive the rings."""
    return Vault(tmp_path)


@pytest.fixture
def store(vault: Vault) -> MemoryServer:
    """What is sealed with them."""
    return MemoryServer()


def on(store: MemoryServer, vault: Vault, ring: KeyRing) -> EncryptedObjects:
    """A worker's view of it."""
    return EncryptedObjects(MemoryObjects(store, clock=vault.clock), ring)


async def test_of_many_first_writers_one_makes_the_key(vault: Vault) -> None:
    """Sixteen workers that write for a new tenant at once use one key, and one is recorded."""
    rings = [vault.ring() for _ in range(16)]
    keys = await asyncio.gather(*(ring.for_writing("acme") for ring in rings))
    assert len({(key.id, key.secret) for key in keys}) == 1
    assert len((await rings[0].show("acme")).keys) == 1


async def test_a_key_is_read_once_in_its_time(vault: Vault) -> None:
    """While the key table is down known keys serve for their seconds, and then the failure is told."""
    ring = vault.ring(seconds=60)
    await ring.for_writing("acme")
    vault.server.failure = ConnectionResetError("down")
    vault.clock.advance(59)
    await ring.for_writing("acme")
    vault.clock.advance(2)
    with pytest.raises(Unavailable):
        await ring.for_writing("acme")


async def test_tenants_have_keys_of_their_own(vault: Vault) -> None:
    """Two tenants' keys differ, in name and in secret."""
    ring = vault.ring()
    ours, theirs = await ring.for_writing("acme"), await ring.for_writing("other")
    assert ours.id != theirs.id
    assert ours.secret != theirs.secret


async def test_a_wrap_rotates_without_touching_the_data(vault: Vault, store: MemoryServer) -> None:
    """After a new first line and a rotation the old line may go, and what was stored before still opens."""
    await on(store, vault, vault.ring()).put("acme/a", b"old")
    key_file(vault.file)
    await vault.ring().rotate("acme")
    vault.file.write_text(vault.file.read_text().splitlines()[0])
    assert await on(store, vault, vault.ring()).get("acme/a") == b"old"


async def test_a_new_data_key_seals_what_comes(vault: Vault, store: MemoryServer) -> None:
    """After a rotation of the data key both the old and the new value open, sealed with different keys."""
    ring = vault.ring()
    await on(store, vault, ring).put("acme/a", b"old")
    await ring.rotate("acme", data_key=True)
    await on(store, vault, ring).put("acme/b", b"new")
    assert store.blobs["acme/a"][0][:12] != store.blobs["acme/b"][0][:12]
    assert [await on(store, vault, vault.ring()).get(f"acme/{name}") for name in "ab"] == [b"old", b"new"]


async def test_a_lost_wrapping_key_is_named(vault: Vault, tmp_path: Path) -> None:
    """With another key file the data key does not open, and the error names the file's key that is missing."""
    name = KeyFile(vault.file).name
    await vault.ring().for_writing("acme")
    with pytest.raises(Invalid, match=name):
        await vault.ring(KeyFile(key_file(tmp_path / "other.key"))).for_writing("acme")


async def test_a_key_moved_to_another_tenant_does_not_open(vault: Vault) -> None:
    """A key record copied to another tenant's place is `Corrupt`: the wrap is bound to its owner."""
    await vault.ring().for_writing("acme")
    vault.server.rows["keys/other"] = vault.server.rows["keys/acme"]
    with pytest.raises(Corrupt, match="other"):
        await vault.ring().for_writing("other")


@pytest.mark.promise("P8")
async def test_a_destroyed_key_is_named_and_nothing_is_written(vault: Vault, store: MemoryServer) -> None:
    """After a destroy every read is `Corrupt` and says so, and every write is refused until the tenant is reopened."""
    ring = vault.ring()
    objects = on(store, vault, ring)
    await objects.put("acme/a", b"1")
    await ring.destroy("acme")
    with pytest.raises(Corrupt, match="was destroyed"):
        await objects.get("acme/a")
    with pytest.raises(Refused, match="acme"):
        await objects.put("acme/b", b"2")
    await ring.reopen("acme")
    await objects.put("acme/b", b"2")
    assert await on(store, vault, vault.ring()).get("acme/b") == b"2"


async def test_others_stop_writing_before_a_close_returns(vault: Vault) -> None:
    """Once a tenant is closed no other worker writes for it, not even one that had the key in memory."""
    ours, theirs = vault.ring(), vault.ring()
    await theirs.for_writing("acme")
    await ours.close_tenant("acme")
    with pytest.raises(Unavailable, match="being erased"):
        await theirs.for_writing("acme")
    await ours.for_writing("acme")
    await ours.reopen("acme")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("", 0o600, "32 bytes"), ("c2hvcnQ=", 0o600, "32 bytes"), ("!!", 0o600, "base64"), ("", 0o644, "by others")],
)
def test_a_key_file_that_is_none_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    """An empty, short, garbled or widely readable key file is `Invalid`, and the error says why."""
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(Invalid, match=said):
        KeyFile(path)


async def kms(monkeypatch: pytest.MonkeyPatch) -> KmsWrap:
    """A key of a local AWS's KMS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    query = f"region=eu-central-1&endpoint={local_aws()}"
    wrap = await KmsWrap.open(f"kms://none?{query}")
    made = await wrap._client.create_key()
    await wrap.close()
    return await KmsWrap.open(f"kms://{made['KeyMetadata']['KeyId']}?{query}")


async def test_kms_wraps_and_takes_over_from_a_file(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data key wrapped by the file is wrapped anew by KMS, and opens then without the file."""
    before = await vault.ring().for_writing("acme")
    wrap = await kms(monkeypatch)
    record = await vault.ring(wrap, KeyFile(vault.file)).rotate("acme")
    after = await vault.ring(wrap).for_writing("acme")
    await wrap.close()
    assert record.keys[0].wrap == wrap.name
    assert (after.id, after.secret) == (before.id, before.secret)


async def test_kms_refuses_what_it_did_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that KMS did not wrap are an error of the key, never a key."""
    wrap = await kms(monkeypatch)
    with pytest.raises((Corrupt, Unavailable)):
        await wrap.unwrap(wrap.name, b"not wrapped by it", {})
    await wrap.close()
