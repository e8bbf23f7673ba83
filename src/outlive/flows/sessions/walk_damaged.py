"""What can be read of a session some of whose packs are damaged: its versions, and the lines of its ledger."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from outlive.core.ledger import PATH
from outlive.core.manifests import APPEND, Chunk, Entry, with_chunk
from outlive.core.packs import PackName, parse_pack_name
from outlive.core.sessions import Head
from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.sessions.walk_history import (
    Version,
    check_newest,
    kept_numbers,
    list_packs,
    no_such_version,
    read_version,
)
from outlive.flows.sessions.write_tree import PackParts, part_of
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import PackReader, pack_reader
from outlive.protocols import ObjectInfo

COMMITTED = ("commit", "rewind", "fork", "import")
"""Labels of packs that carry a version, or would have."""
BLANK = b"\n"
LEDGER_MODE = 0o600


async def walk_readable(
    engine: Engine, stores: TenantStores, head: Head, packs: Mapping[PackName, ObjectInfo], damage: list[str]
) -> AsyncGenerator[Version, None]:
    """The kept versions that can be read, newest first; what is wrong with the others is added to `damage`.

    Behind a version that cannot be read the walk goes on as far as the packs' names and labels tell which came before.
    """
    reader = pack_reader(engine, stores, head.session_id)
    name = head.packs[-1].name if head.packs else None
    for number in kept_numbers(engine, head):
        version = await _try(reader, head, packs, name or await _committed_at(reader, packs, number), damage)
        if version is not None:
            yield version
        name = version.previous if version else None


async def _try(
    reader: PackReader, head: Head, packs: Mapping[PackName, ObjectInfo], name: PackName | None, damage: list[str]
) -> Version | None:
    if name is None or (name not in packs and name != head.packs[-1].name):
        return None  # retention may have removed it
    try:
        version = await read_version(reader, name)
        check_newest(version, head, packs)
    except Corrupt as error:
        damage.append(error.message)
        return None
    return version if version.is_whole(packs) else None


async def _committed_at(reader: PackReader, packs: Mapping[PackName, ObjectInfo], number: int) -> PackName | None:
    """The pack that carries a version; None when that cannot be told."""
    last_of_fence = {name.split("-")[1]: name for name in sorted(packs) if parse_pack_name(name)[0] == number}
    found: list[PackName] = []
    for name in last_of_fence.values():
        with suppress(Corrupt):
            found += [name] if (await read_version(reader, name)).kind in COMMITTED else []
    return found[0] if len(found) == 1 else None


async def find_readable(engine: Engine, stores: TenantStores, head: Head, number: int) -> tuple[Version, Version]:
    """The newest version whose manifest can be read, and version `number`; `Invalid` when that one cannot be."""
    packs = await list_packs(engine, stores, head.session_id)
    newest, oldest = None, 0
    async with aclosing(walk_readable(engine, stores, head, packs, [])) as versions:
        async for version in versions:
            newest, oldest = newest or version, version.number
            if version.number == number:
                return newest, version
    raise no_such_version(number, oldest, head)


async def salvage_ledger(
    engine: Engine, stores: TenantStores, head: Head, newest: Version, into: PackParts
) -> Entry | None:
    """The ledger as long as the head says, every byte that cannot be read a blank line; put into the new pack.

    Lines keep their places, so the head still finds those that are left. None before the first turn.
    """
    reader = pack_reader(engine, stores, head.session_id)
    entry = newest.tree.entries.get(PATH)
    chunks: tuple[Chunk, ...] = ()
    for chunk in entry.chunks if entry else ():
        chunks = with_chunk(chunks, into.add(await _read_or_blank(reader, newest, chunk)))
    missing = head.ledger_size - sum(chunk.length for chunk in chunks)
    chunks = with_chunk(chunks, into.add(BLANK * missing))
    return Entry(APPEND, head.ledger_size, entry.mode if entry else LEDGER_MODE, chunks=chunks) if chunks else None


async def _read_or_blank(reader: PackReader, version: Version, chunk: Chunk) -> bytes:
    try:
        packs = await reader.fetch([ref for ref in version.tree.packs if ref.name == chunk.pack])
        return bytes(part_of(packs[chunk.pack], chunk))
    except Corrupt:
        return BLANK * chunk.length
