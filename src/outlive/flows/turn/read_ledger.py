"""The ledger of a session, from the object store, without its tree."""

from __future__ import annotations

from outlive.core.ledger import PATH, LedgerLine, line_at, lines_of
from outlive.core.manifests import Entry
from outlive.core.sessions import Head
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import pack_reader, read_chunks, stored_tree


async def read_file(engine: Engine, stores: TenantStores, head: Head, path: str) -> bytes | None:
    """One file of the committed version; None when the tree has no such file."""
    if not head.packs:
        return None
    reader = pack_reader(engine, stores, head.session_id)
    newest = head.packs[-1]
    stored = await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])
    entry: Entry | None = stored.manifest.entries.get(path)
    if entry is None:
        return None
    used = {chunk.pack for chunk in entry.chunks}
    packs = await reader.fetch([ref for ref in stored.manifest.packs if ref.name in used])
    return b"".join(read_chunks(packs, entry))


async def read_ledger(engine: Engine, stores: TenantStores, head: Head) -> bytes:
    """The whole ledger; empty before the first turn."""
    return await read_file(engine, stores, head, PATH) or b""


async def read_lines(engine: Engine, stores: TenantStores, head: Head) -> list[LedgerLine]:
    """Every committed turn, oldest first."""
    return list(lines_of(await read_ledger(engine, stores, head)))


async def read_line(engine: Engine, stores: TenantStores, head: Head, offset: int) -> LedgerLine:
    """The line that starts at `offset`."""
    return line_at(await read_ledger(engine, stores, head), offset)
