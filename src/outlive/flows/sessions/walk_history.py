"""The versions of a session that can still be restored, newest first, read from the packs that carry them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from outlive.core.keys import SessionId, pack_prefix
from outlive.core.manifests import Manifest
from outlive.core.packs import Pack, PackName, PackRef, parse_pack_name
from outlive.core.sessions import Head
from outlive.errors import Corrupt, Invalid
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head
from outlive.flows.turn.read_packs import PackReader, pack_reader, read_chunks, stored_tree
from outlive.protocols import ObjectInfo

T = TypeVar("T")

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Version:
    """A committed version as the pack that carries it says."""

    number: int
    ref: PackRef
    kind: str
    """`commit` (a turn), `rewind`, `fork` or `import`."""
    tree: Manifest
    previous: PackName | None
    """The pack that carries the version before; None for the first."""
    agent_session_id: str | None
    index: Mapping[str, Any]

    def is_whole(self, packs: Mapping[PackName, ObjectInfo]) -> bool:
        """Whether all its packs are in the listing."""
        return all(ref.name in packs for ref in self.tree.packs)


async def list_packs(engine: Engine, stores: TenantStores, session_id: SessionId) -> dict[PackName, ObjectInfo]:
    """Every pack of the session that is there, committed or not."""
    found = await list_all(stores.objects, pack_prefix(session_id), engine.clock)
    return {PackName(info.key.rsplit("/", 1)[-1]): info for info in found}


async def walk_history(
    engine: Engine, stores: TenantStores, head: Head, packs: Mapping[PackName, ObjectInfo]
) -> AsyncGenerator[Version, None]:
    """The kept versions, newest first; `packs` is a listing made after the head was read.

    Ends after `policy.keep_versions`, or before the first version of which a pack has been removed. `Corrupt` names a
    pack that cannot be read, or that the newest version lacks: nothing may remove that one.
    """
    reader = pack_reader(engine, stores, head.session_id)
    name = head.packs[-1].name if head.packs else None
    for number in kept_numbers(engine, head):
        if name is None or (name not in packs and number < head.version):
            return
        version = await read_version(reader, name)
        check_newest(version, head, packs)
        if not version.is_whole(packs):
            return
        yield version
        name = version.previous


def kept_numbers(engine: Engine, head: Head) -> range:
    """The versions that are to be kept, newest first."""
    return range(head.version, max(head.version - engine.policy.keep_versions, 0), -1)


async def read_version(reader: PackReader, name: PackName) -> Version:
    """A version by the pack that carries it, without the bytes of its files."""
    pack, ref = await reader.named(name)
    tree = await stored_tree(reader, ref, pack)
    for each, read in reader.packs.items():  # another version's manifest may build on an index; the data is not needed
        reader.packs[each] = Pack(read.index, memoryview(b""))
    number, _, _ = parse_pack_name(name)
    index = pack.index
    return Version(number, ref, index["kind"], tree.manifest, index["previous"], index["agent_session_id"], index)


def check_newest(version: Version, head: Head, packs: Mapping[PackName, ObjectInfo]) -> None:
    """`Corrupt` names a pack that the newest version lacks."""
    lost = next((ref.name for ref in version.tree.packs if ref.name not in packs), None)
    if lost is not None and version.number == head.version:
        raise Corrupt(f"pack {lost} of session {head.session_id} is missing.", fix="Restore the object from a backup.")


async def find_versions(engine: Engine, stores: TenantStores, head: Head, *numbers: int) -> list[Version]:
    """These versions, in the order asked for; `Invalid` names the range that can be chosen from."""
    found: dict[int, Version] = {}
    oldest = 0
    packs = await list_packs(engine, stores, head.session_id)
    async with aclosing(walk_history(engine, stores, head, packs)) as versions:
        async for version in versions:
            oldest = version.number
            found |= {oldest: version} if oldest in numbers else {}
            if found.keys() == set(numbers):
                return [found[number] for number in numbers]
    missing = next(number for number in numbers if number not in found)
    raise no_such_version(missing, oldest, head)


async def read_entry(engine: Engine, stores: TenantStores, session_id: SessionId, tree: Manifest, path: str) -> bytes:
    """The content of one path of a tree; empty when it has no such path."""
    entry = tree.entries.get(path)
    if entry is None:
        return b""
    used = {chunk.pack for chunk in entry.chunks}
    reader = pack_reader(engine, stores, session_id)
    packs = await reader.fetch([ref for ref in tree.packs if ref.name in used])
    return b"".join(read_chunks(packs, entry))


def no_such_version(number: int, oldest: int, head: Head) -> Invalid:
    """What to say of a version that cannot be had; `oldest` of those that can, 0 when there is none."""
    if not oldest:
        return Invalid(f"session {head.session_id} has no version yet.", fix="Send it a message first.")
    return Invalid(
        f"session {head.session_id} has no version {number}.", fix=f"Choose one from {oldest} to {head.version}."
    )


async def at_latest(
    engine: Engine, stores: TenantStores, session_id: SessionId, read: Callable[[Head], Awaitable[T]]
) -> T:
    """`read` with the session's head, again when the session moved on and what was being read went with it.

    A reader holds no lease: commits and sweeps go on beside it. `NotFound` when there is no such session.
    """
    for _ in range(ATTEMPTS - 1):
        head = await find_head(engine, stores, session_id)
        try:
            return await read(head)
        except Corrupt:
            if (await find_head(engine, stores, session_id)).version == head.version:
                raise
    return await read(await find_head(engine, stores, session_id))
